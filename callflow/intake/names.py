"""Names are kept as they are written; only their reading is brought to one form."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=4096)
def kana(raw: str) -> str:
    """NFKC, on the kana column and nowhere else: it would turn 﨑 or ㈱ of a name into something else."""
    return unicodedata.normalize("NFKC", raw).strip()
