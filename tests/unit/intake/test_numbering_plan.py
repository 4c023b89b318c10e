"""What can be dialled, held against the library that knows the numbering plan, figure by figure."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from callflow.intake.phones import parse_phone

SUBSCRIBERS = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.VOIP,
}
BEGINNINGS = (
    "",
    "0",
    "03",
    "06",
    "04",
    "042",
    "0422",
    "011",
    "050",
    "070",
    "080",
    "090",
    "0120",
    "0570",
    "0990",
    "010",
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(BEGINNINGS), st.text("0123456789", min_size=5, max_size=9))
def test_a_number_is_dialled_only_if_the_library_knows_it_as_a_subscribers(beginning: str, rest: str) -> None:
    digits = "0" + (beginning + rest).removeprefix("0")
    assert parse_phone(digits).e164 == _by_the_library(digits)


@pytest.mark.parametrize(
    "raw", ["0990-504-123", "0570-064-316", "0120-123-456", "020-1234-5678", "010 1 212 555 0100", "110", "119"]
)
def test_numbers_that_cost_or_belong_to_no_household_are_never_dialled(raw: str) -> None:
    phone = parse_phone(raw)
    assert phone.e164 is None
    assert phone.reason


def _by_the_library(digits: str) -> str | None:
    try:
        number = phonenumbers.parse(digits, "JP")
    except phonenumbers.NumberParseException:
        return None
    if number.country_code != 81 or phonenumbers.number_type(number) not in SUBSCRIBERS:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
