"""Only Japanese subscribers' numbers are dialled, whatever a list says."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.telephony.allowed import why_not

ALLOWED = [
    "+81366590001",  # 03 Tokyo
    "+81612345678",  # 06 Osaka
    "+81112345678",  # 011 Sapporo
    "+81123456789",  # 0123
    "+81550123456",  # 0550: the third digit may be 0
    "+81980123456",  # 0980
    "+81499212345",  # 0499
    "+819012345678",
    "+818012345678",
    "+817012345678",
    "+816012345678",
    "+815012345678",
]
FORBIDDEN = [
    "+81110",
    "+81119",
    "+81118",
    "+81171",
    "+81104",
    "+81188",
    "+81990123456",
    "+81570123456",
    "+81180123456",
    "+81170123456",
    "+81120123456",
    "+818001234567",  # 0800 free-phone
    "+81910123456",
    "+81200123456",
    "+812012345678",  # 020 M2M
    "+81301234567",
    "+810366590001",  # the national 0 left in
    "+8136659000",  # a digit short
    "+813665900011",
    "+81901234567",  # mobile, a digit short
    "+14155550100",
    "+442079460000",
    "+8613800138000",
    "+882161234567",  # satellite
    "+8820123456",
    "03-6659-0001",
    "110",
    "184+81366590001",
    "+81366590001,,9",
    "+81366590001\n",
    "+8136659000１",
    " +81366590001",
    "sip:+81366590001@example",
    "",
]


@pytest.mark.parametrize("number", ALLOWED)
def test_a_subscriber_may_be_dialled(number: str) -> None:
    assert why_not(number) is None


@pytest.mark.parametrize("number", FORBIDDEN)
def test_nothing_else_may_be_dialled_and_the_reason_is_said_without_the_number(number: str) -> None:
    reason = why_not(number)
    assert reason
    assert not number or number not in reason


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.from_regex(r"\+[0-9]{3,15}", fullmatch=True))
def test_what_is_allowed_is_a_possible_number_of_japan_to_an_independent_library(number: str) -> None:
    if why_not(number) is None:
        parsed = phonenumbers.parse(number)
        assert parsed.country_code == 81
        assert phonenumbers.is_possible_number(parsed)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.from_regex(r"\+81[1-9][0-9]{8,9}", fullmatch=True))
def test_premium_and_shared_cost_numbers_of_an_independent_library_are_refused(number: str) -> None:
    kind = phonenumbers.number_type(phonenumbers.parse(number))
    costly = {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.PAGER,
    }
    if kind in costly:
        assert why_not(number)
