"""Telephone numbers as people in Japan write and dial them."""

from __future__ import annotations

import phonenumbers


def grouped(e164: str) -> str:
    """+81366590001 → 03-6659-0001: in the groups of its area code (two to five digits)."""
    number = phonenumbers.parse(e164, "JP")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
