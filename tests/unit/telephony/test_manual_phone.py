"""The desk phone: what is shown, and what an operator can tell."""

from __future__ import annotations

import pytest

from callflow.clock import SimulatedClock
from callflow.errors import InputError
from callflow.line import LEADS_TO
from callflow.telephony.manual import TOLD_BY_KEY, ManualPhone, ToDial

NUMBER = "+81366590001"


@pytest.fixture
def phone(clock: SimulatedClock) -> ManualPhone:
    return ManualPhone(clock)


def kinds(phone: ManualPhone) -> list[str]:
    return [each.event.kind for each in phone.poll()]


def test_the_number_is_shown_until_the_call_is_over(phone: ManualPhone, clock: SimulatedClock) -> None:
    phone.place("a1", NUMBER, 30, 3600)
    assert phone.to_dial("a1") == ToDial("a1", NUMBER, 30, 3600, clock.now())
    phone.tell("a1", "answered")
    assert phone.to_dial("a1") is not None
    phone.tell("a1", "ended")
    assert phone.to_dial("a1") is None


@pytest.mark.parametrize("kind", [kind for kind in TOLD_BY_KEY.values() if kind != "ended"])
def test_everything_on_the_screen_can_be_told(phone: ManualPhone, kind: str) -> None:
    assert kind in LEADS_TO
    phone.place("a1", NUMBER, 30, 3600)
    phone.tell("a1", kind)
    assert kinds(phone) == ["placed", kind]


def test_the_end_of_a_call_that_was_not_answered_is_no_answer(phone: ManualPhone) -> None:
    phone.place("a1", NUMBER, 30, 3600)
    phone.tell("a1", "ended")
    assert kinds(phone) == ["placed", "no_answer"]


def test_a_slip_of_the_tongue_is_refused(phone: ManualPhone) -> None:
    with pytest.raises(InputError, match="回線の結果"):
        phone.tell("a1", "verified")


def test_after_a_restart_the_operator_can_still_tell(clock: SimulatedClock) -> None:
    ManualPhone(clock).place("a1", NUMBER, 30, 3600)
    restarted = ManualPhone(clock)
    assert restarted.fetch("a1") == ()
    restarted.tell("a1", "busy")
    assert kinds(restarted) == ["busy"]
    assert restarted.fetch("a1")[0].last.kind == "busy"
