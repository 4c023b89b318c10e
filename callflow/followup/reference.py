"""整理番号 of a living report: the number by which a form that comes back finds its report. Pure.

`S-000012-5`: the report's own number and a check digit (Luhn), so that a figure that was misread is noticed. It says
nothing of the resident.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from callflow.errors import InputError, Where

_FORM: Final = re.compile(r"S-?(\d{6,12})-?(\d)")


def reference(report_id: int) -> str:
    """The number as it stands on letter and form."""
    return f"S-{report_id:06}-{_check_digit(report_id)}"


def report_of(text: str) -> int:
    """The report that a 整理番号, or its plain number, means. Raises InputError where the check digit is wrong."""
    plain = re.sub(r"[‐‑–—−ー]", "-", unicodedata.normalize("NFKC", text)).strip().upper()
    if plain.isascii() and plain.isdigit() and len(plain) < 15:
        return int(plain)
    found = _FORM.fullmatch(plain)
    if found is None or int(found[2]) != _check_digit(int(found[1])):
        raise InputError(
            f"整理番号 {text[:20]} は読み取れません",
            where=Where(field="整理番号"),
            mend="用紙の右上の番号を、もう一度確かめてください（例 S-000012-5）",
        )
    return int(found[1])


def searched(text: str) -> str:
    """What somebody looks for: a 整理番号 as its report's number, anything else as it stands. Raises as `report_of`."""
    is_reference = unicodedata.normalize("NFKC", text).strip().upper().startswith("S-")
    return str(report_of(text)) if is_reference else text


def _check_digit(number: int) -> int:
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(str(number))))
    return -sum(value - 9 * (value > 9) for value in doubled) % 10
