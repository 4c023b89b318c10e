"""Telephone numbers of a list: E.164 where they can be dialled, quarantined with a reason where not."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−ー－ｰ", "-"))
_NUMBER = re.compile(r"\+?[0-9][0-9()\-. ]*[0-9]|\([0-9][0-9()\-. ]*[0-9]", re.ASCII)
_TELLING = 6  # figures of a Japanese number after which its kind is known; a test holds it
_SUBSCRIBERS = {
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    phonenumbers.PhoneNumberType.VOIP,
}
_NOT_DIGITS = re.compile(r"[^0-9+]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Phone:
    """`e164` is None when the number cannot be dialled; `reason` then says why. `note` is what stood beside it."""

    raw: str
    e164: str | None
    note: str
    reason: str


@lru_cache(maxsize=8192)
def parse_phone(raw: str, default_area_code: str = "03") -> Phone:
    """A number of a list as E.164.

    `default_area_code` is put before a number of seven or eight figures that begins with none ("4160-5311").
    """
    text = unicodedata.normalize("NFKC", raw).translate(_DASHES).strip()
    found = _NUMBER.search(text)
    if not found:
        return Phone(raw, None, "", "電話番号がありません")
    if _NUMBER.search(text, found.end()):
        return Phone(raw, None, "", "番号が二つ以上あります")
    note = (text[: found.start()] + text[found.end() :]).strip(" ()[]、,:：")
    digits = _NOT_DIGITS.sub("", found.group())
    if digits[0] not in "0+":
        if not 5 <= len(digits) <= 8 or len(default_area_code + digits) != 10:
            return Phone(raw, None, note, "桁数が合いません")
        digits = default_area_code + digits
    return _checked(raw, digits, note)


def _checked(raw: str, digits: str, note: str) -> Phone:
    national = "0" + digits.removeprefix("+81").removeprefix("0") if digits.startswith("+81") else digits
    if national.startswith("+"):
        return Phone(raw, None, note, "日本国外の番号です")
    reason = _why_not(national[:_TELLING], len(national))
    return Phone(raw, None, note, reason) if reason else Phone(raw, f"+81{national[1:]}", note, "")


@lru_cache(maxsize=65_536)
def _why_not(beginning: str, length: int) -> str:
    """Why no number that begins so can be dialled; empty when it can. The numbering plan is decided by then."""
    try:
        number = phonenumbers.parse(beginning.ljust(length, "0"), "JP")
    except phonenumbers.NumberParseException:
        return "電話番号として読めません"
    if number.country_code != 81:  # 010 and a country's code
        return "日本国外の番号です"
    if not phonenumbers.is_possible_number(number):
        return "桁数が合いません"
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return "日本の番号計画にない番号です"
    return "" if kind in _SUBSCRIBERS else "加入者の番号ではありません（0120、0570、0990 など）"
