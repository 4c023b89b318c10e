"""Amounts in yen as lists write them."""

from __future__ import annotations

import re

from callflow.intake.faults import FieldError

_FULL_WIDTH = str.maketrans("０１２３４５６７８９，－", "0123456789,-")
_YEN = re.compile(r"[0-9]+|[0-9]{1,3}(,[0-9]{3})+", re.ASCII)
_LARGEST = 2_147_483_647  # what an integer column of the database holds
_MEND = "数字だけ、または 12,300 の形で書いてください"


def parse_yen(raw: str) -> int:
    """Whole yen, not negative; thousands separators and full-width digits are read. Raises FieldError."""
    if len(raw) < 10 and raw.isascii() and raw.isdigit():
        return int(raw)
    text = raw if raw.isascii() else raw.translate(_FULL_WIDTH)
    text = text.strip().removeprefix("¥").removeprefix("\\").removesuffix("円")
    if text.startswith(("-", "△", "▲")):
        raise FieldError("負の金額です", "還付や過誤納は滞納一覧から除いてください")
    if not _YEN.fullmatch(text):
        raise FieldError("金額として読めません", _MEND)
    yen = int(text.replace(",", "")) if len(text) < 20 else _LARGEST + 1
    if yen > _LARGEST:
        raise FieldError("金額が大きすぎます", _MEND)
    return yen
