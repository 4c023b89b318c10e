"""What an operator types for a day or a moment, in the few keys that come to hand, as the engine reads it. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta

_MONTH_DAY = re.compile(r"(\d{1,2})[/\-.月](\d{1,2})日?")
_DAY = re.compile(r"(\d{1,2})日")
_TIME = re.compile(r"(\d{1,2})(?::(\d{2})|時(?:(\d{1,2})分?)?)?")


def day(text: str, today: date) -> str:
    """`12/4`, `12月4日`, `4日` as the next such day from `today` on; everything else as it was typed."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if found := _MONTH_DAY.fullmatch(plain):
        return _next(today, int(found[1]), int(found[2])) or plain
    if found := _DAY.fullmatch(plain):
        for ahead in range(62):
            candidate = today + timedelta(days=ahead)
            if candidate.day == int(found[1]):
                return candidate.isoformat()
    return plain


def moment(text: str, today: date) -> str:
    """`12/4 14:00`, `12/4 14`, `12月4日 14時30分` as `2026-12-04 14:30`; everything else as it was typed."""
    plain = unicodedata.normalize("NFKC", text).strip()
    first, _, rest = plain.partition(" ")
    found = _TIME.fullmatch(rest.strip())
    if found is None:
        return plain
    return f"{day(first, today)} {int(found[1]):02}:{int(found[2] or found[3] or 0):02}"


def _next(today: date, month: int, number: int) -> str:
    for year in (today.year, today.year + 1):
        try:
            candidate = date(year, month, number)
        except ValueError:
            continue
        if candidate >= today:
            return candidate.isoformat()
    return ""
