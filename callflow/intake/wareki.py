"""Dates as municipal systems write them: 和暦 in three forms, ISO, slashes; and the two forms of "none".

The borders of the eras are those of the cabinet orders: a date outside its era is refused, never shifted.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from callflow.intake.faults import FieldError

_ERAS = (  # letter, name, digit in 7-figure codes, first day, last day
    ("M", "明治", "1", date(1868, 10, 23), date(1912, 7, 29)),
    ("T", "大正", "2", date(1912, 7, 30), date(1926, 12, 24)),
    ("S", "昭和", "3", date(1926, 12, 25), date(1989, 1, 7)),
    ("H", "平成", "4", date(1989, 1, 8), date(2019, 4, 30)),
    ("R", "令和", "5", date(2019, 5, 1), date(2999, 12, 31)),
)
_BY_SIGN = {sign: era for era in _ERAS for sign in era[:3]}
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．／－年月日ＭＴＳＨＲ", "0123456789./-年月日MTSHR")
_NULLS = frozenset({"", "0000-00-00", "9999-99-99", "00000000", "99999999", "0000/00/00", "9999/99/99", "0000000"})
_DOTTED = re.compile(r"([MTSHR])(\d{1,2})[./-](\d{1,2})[./-](\d{1,2})", re.IGNORECASE | re.ASCII)
_WORDS = re.compile(r"(明治|大正|昭和|平成|令和)(\d{1,2}|元)年(\d{1,2})月(\d{1,2})日", re.ASCII)
_SEVEN = re.compile(r"([1-5])(\d{2})(\d{2})(\d{2})", re.ASCII)
_WESTERN = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})", re.ASCII)
_MEND = "R7.4.1、令和7年4月1日、5070401、2025-04-01 のどれかで書いてください"


@lru_cache(maxsize=16_384)
def parse_date(raw: str) -> date | None:
    """The day that `raw` means; None for the forms of "none". Raises FieldError for anything else."""
    text = raw.strip().translate(_FULL_WIDTH)
    if text in _NULLS:
        return None
    for form in (_DOTTED, _WORDS, _SEVEN):
        if found := form.fullmatch(text):
            sign, year, month, day = found.groups()
            return _in_era(sign.upper(), 1 if year == "元" else int(year), int(month), int(day))
    if found := _WESTERN.fullmatch(text):
        year, separator, month, day = found.groups()
        if separator or len(text) == 8:
            return _real(int(year), int(month), int(day))
    raise FieldError("日付として読めません", _MEND)


def _in_era(sign: str, year: int, month: int, day: int) -> date:
    _, name, _, first, last = _BY_SIGN[sign]
    found = _real(first.year + year - 1, month, day)
    if year < 1 or not first <= found <= last:
        raise FieldError(f"{name}にその日はありません", _MEND)
    return found


def _real(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise FieldError("暦にない日付です", _MEND) from None
