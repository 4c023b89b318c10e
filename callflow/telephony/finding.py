"""What a check of a telephone finds, before the first call is placed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One question and its answer. `mend`: what to do where `good` is false."""

    name: str
    good: bool
    ja: str
    mend: str = ""
