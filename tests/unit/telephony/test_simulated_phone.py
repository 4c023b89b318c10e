"""The simulated telephone: time by the clock alone, limits kept, every fault of a provider on demand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callflow.clock import SimulatedClock
from callflow.telephony.port import (
    PhoneBusyError,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
)
from callflow.telephony.simulated import Fault, Happening, SimulatedPhone

NUMBER = "+81366590001"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def a_talk(_attempt: str, _number: str, _at: object) -> list[Happening]:
    return [Happening(seconds(2), "ringing"), Happening(seconds(8), "answered")]


@pytest.fixture
def phone(clock: SimulatedClock) -> SimulatedPhone:
    return SimulatedPhone(clock, a_talk)


def kinds(phone: SimulatedPhone) -> list[str]:
    return [each.event.kind for each in phone.poll()]


def test_what_comes_next_is_known_and_nothing_happens_before(phone: SimulatedPhone, clock: SimulatedClock) -> None:
    assert phone.next_at() is None
    phone.place("a1", NUMBER, 30, 60)
    assert phone.next_at() == clock.now() + seconds(2)
    clock.advance(seconds(1.9))
    assert kinds(phone) == ["placed"]
    clock.advance(seconds(0.1))
    assert kinds(phone) == ["ringing"]


def test_it_stops_ringing_at_the_limit(clock: SimulatedClock) -> None:
    phone = SimulatedPhone(clock, lambda *_: [Happening(seconds(40), "answered")])
    phone.place("a1", NUMBER, 30, 60)
    clock.advance(seconds(30))
    assert kinds(phone) == ["placed", "no_answer"]
    clock.advance(seconds(30))
    assert kinds(phone) == []
    assert phone.next_at() is None


def test_a_talk_is_cut_at_its_limit(phone: SimulatedPhone, clock: SimulatedClock) -> None:
    phone.place("a1", NUMBER, 30, 60)
    clock.advance(seconds(67))
    assert kinds(phone) == ["placed", "ringing", "answered"]
    clock.advance(seconds(1))
    assert kinds(phone) == ["ended"]


def test_a_call_that_was_hung_up_has_nothing_to_come(phone: SimulatedPhone, clock: SimulatedClock) -> None:
    ref = phone.place("a1", NUMBER, 30, 60).provider_ref
    phone.hang_up(ref)
    assert phone.next_at() is None
    clock.advance(seconds(60))
    assert kinds(phone) == ["placed", "no_answer"]


def test_a_resident_hangs_up_only_what_they_answered(phone: SimulatedPhone, clock: SimulatedClock) -> None:
    phone.place("a1", NUMBER, 30, 60)
    phone.resident_hangs_up("a1")
    clock.advance(seconds(10))
    phone.resident_hangs_up("a1")
    assert kinds(phone) == ["placed", "ringing", "answered", "ended"]


@pytest.mark.parametrize(
    ("fault", "error", "dialled"),
    [
        (Fault.REFUSED, PlacementRefusedError, 0),
        (Fault.INVALID_NUMBER, PlacementRefusedError, 0),
        (Fault.TOO_MANY, PhoneBusyError, 0),
        (Fault.ERROR_BEFORE, PlacementUnknownError, 0),
        (Fault.TIMEOUT_BEFORE, PlacementUnknownError, 0),
        (Fault.ERROR_AFTER, PlacementUnknownError, 1),
        (Fault.TIMEOUT_AFTER, PlacementUnknownError, 1),
        (Fault.RESET, PlacementUnknownError, 1),
        (Fault.TWICE, PlacementUnknownError, 2),
    ],
)
def test_faults_of_placing(phone: SimulatedPhone, fault: Fault, error: type[Exception], dialled: int) -> None:
    phone.fail_next("place", fault)
    with pytest.raises(error):
        phone.place("a1", NUMBER, 30, 60)
    assert len(phone.fetch("a1")) == dialled
    phone.place("a2", NUMBER, 30, 60)
    assert len(phone.fetch("a2")) == 1


def test_no_such_number_is_told_apart_from_a_refusal(phone: SimulatedPhone) -> None:
    found = []
    for attempt, fault in (("a1", Fault.REFUSED), ("a2", Fault.INVALID_NUMBER)):
        phone.fail_next("place", fault)
        with pytest.raises(PlacementRefusedError) as refused:
            phone.place(attempt, NUMBER, 30, 60)
        found.append(refused.value.disposition)
    assert found == ["TF", "DN"]


@pytest.mark.parametrize("fault", [Fault.TOO_MANY, Fault.ERROR_BEFORE, Fault.TIMEOUT_AFTER, Fault.RESET])
def test_faults_of_asking(phone: SimulatedPhone, clock: SimulatedClock, fault: Fault) -> None:
    phone.place("a1", NUMBER, 30, 60)
    for operation in ("fetch", "list", "poll"):
        phone.fail_next(operation, fault)
    with pytest.raises(PhoneUnavailableError):
        phone.fetch("a1")
    with pytest.raises(PhoneUnavailableError):
        phone.list_since(clock.now())
    with pytest.raises(PhoneUnavailableError):
        phone.poll()
    assert len(phone.fetch("a1")) == len(phone.list_since(clock.now())) == 1


@pytest.mark.parametrize(("fault", "ended"), [(Fault.TIMEOUT_BEFORE, False), (Fault.TIMEOUT_AFTER, True)])
def test_faults_of_hanging_up(phone: SimulatedPhone, fault: Fault, ended: bool) -> None:
    ref = phone.place("a1", NUMBER, 30, 60).provider_ref
    phone.fail_next("hang_up", fault)
    with pytest.raises(PhoneUnavailableError):
        phone.hang_up(ref)
    assert (phone.fetch("a1")[0].last.kind == "no_answer") is ended


@pytest.mark.parametrize(
    ("fault", "first", "then"),
    [
        (Fault.DUPLICATED, ["placed", "placed", "ringing", "ringing"], []),
        (Fault.REORDERED, ["ringing", "placed"], []),
        (Fault.LATE, [], ["placed", "ringing"]),
        (Fault.LOST, [], []),
    ],
)
def test_faults_of_events(
    phone: SimulatedPhone, clock: SimulatedClock, fault: Fault, first: list[str], then: list[str]
) -> None:
    phone.place("a1", NUMBER, 30, 60)
    clock.advance(seconds(3))
    phone.fail_next("poll", fault)
    assert kinds(phone) == first
    assert kinds(phone) == then
    assert phone.fetch("a1")[0].last.kind == "ringing"


def test_a_telephone_can_forget_what_it_was_asked(phone: SimulatedPhone) -> None:
    phone.place("a1", NUMBER, 30, 60)
    phone.fail_next("fetch", Fault.LOST)
    assert phone.fetch("a1") == ()
    assert len(phone.fetch("a1")) == 1
