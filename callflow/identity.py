"""Blind identification: what a voice said, compared on the server with what the ward knows.

The operator sees only 一致 or 不一致; which item failed is never told, and the values tried are never recorded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from callflow.script.fields import parse_date


@dataclass(frozen=True, slots=True)
class Known:
    """What the ward knows of the debtor."""

    birth_date: date | None
    address: str


def matches(known: Known, tried: Mapping[str, Any]) -> bool:
    """Full name, and the birth date or the address (domain.md: verification).

    `tried`: `name` (the operator heard the full name), and `birth_date` (typed, era optional) or `address`
    (town and numbers). Someone without a birth date on file can still be matched by address, and the reverse.
    """
    if not tried.get("name"):
        return False
    return _birth_date_matches(known, str(tried.get("birth_date", ""))) or _address_matches(
        known, str(tried.get("address", ""))
    )


def _birth_date_matches(known: Known, typed: str) -> bool:
    typed = unicodedata.normalize("NFKC", typed).strip()
    if not typed or known.birth_date is None:
        return False
    day = parse_date(typed)
    if day is not None and day.year > 99:
        return day == known.birth_date
    digits = [int(part) for part in re.findall(r"\d+", typed)]
    if len(digits) != 3:
        return False
    years = {known.birth_date.year - base for base in (0, 2018, 1988, 1925)}  # the era may be left out
    return digits[0] in years and digits[1:] == [known.birth_date.month, known.birth_date.day]


def _address_matches(known: Known, typed: str) -> bool:
    wanted, heard = _address_key(known.address), _address_key(typed)
    return bool(heard and wanted) and heard == wanted


def _address_key(address: str) -> tuple[str, tuple[str, ...]] | None:
    """The town and the numbers of an address, however they are joined."""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", address))
    found = re.match(r"(?P<town>\D+)(?P<rest>\d.*)", plain)
    return (found["town"], tuple(re.findall(r"\d+", found["rest"]))) if found else None
