"""What Twilio's faults, before and after the act, make of each operation; and that every request is one it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from callflow.clock import SimulatedClock
from callflow.errors import RefusedError
from callflow.telephony.port import (
    AttendedPhone,
    DeskAbsentError,
    Phone,
    PhoneBusyError,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
    Trace,
)
from callflow.telephony.twilio.phone import TwilioPhone
from tests.peers.twilio_peer import RECEIVER, Fault, Operation, TwilioPeer

NUMBER, ATTEMPT, DESK = "+81366590001", "a1", "7"


@pytest.fixture
def peer(clock: SimulatedClock) -> Iterator[TwilioPeer]:
    made = TwilioPeer(clock)
    made.take_receiver(DESK)
    yield made
    made.close()
    assert made.violations == []


@pytest.fixture
def phone(peer: TwilioPeer, clock: SimulatedClock) -> TwilioPhone:
    return TwilioPhone(peer.account(), clock)


def under(peer: TwilioPeer, fault: Fault) -> TwilioPhone:
    """A telephone that does not wait long for an answer that will not come."""
    peer.patience_s = 0.4 if fault.startswith("timeout") else 10.0
    return TwilioPhone(peer.account(), peer.clock)


def place(phone: Phone, attempt: str = ATTEMPT, **more: Any) -> str:
    return phone.place(attempt, NUMBER, 30, 3600, desk=DESK, **more).provider_ref


PLACED: list[tuple[Fault, type[Exception] | None, int]] = [
    ("4xx", PlacementRefusedError, 0),
    ("bad_number", PlacementRefusedError, 0),
    ("429", PhoneBusyError, 0),
    ("5xx", PlacementUnknownError, 0),
    ("timeout_before", PlacementUnknownError, 0),
    ("5xx_after", PlacementUnknownError, 1),
    ("timeout_after", PlacementUnknownError, 1),
    ("reset", PlacementUnknownError, 1),
    ("slow", None, 1),
]


@pytest.mark.parametrize(("fault", "raised", "dialled"), PLACED)
def test_placing_under_a_fault_dials_once_at_most_and_says_what_is_known(
    peer: TwilioPeer, fault: Fault, raised: type[Exception] | None, dialled: int
) -> None:
    phone = under(peer, fault)
    peer.faults["place"].append(fault)
    if raised is None:
        place(phone)
    else:
        with pytest.raises(raised) as error:
            place(phone)
        assert NUMBER[3:] not in str(error.value)
        if isinstance(error.value, PhoneBusyError):
            assert error.value.pause == timedelta(seconds=7)
        if isinstance(error.value, PlacementRefusedError):
            assert error.value.disposition == ("DN" if fault == "bad_number" else "TF")
    assert sum(call.to == NUMBER for call in peer.calls.values()) == dialled
    trace = Trace(e164=NUMBER, since=peer.clock.now())
    for one in (phone, TwilioPhone(peer.account(), peer.clock)):  # and by a process that knows the database alone
        assert len(one.fetch(ATTEMPT, trace)) == dialled
    if raised is PlacementUnknownError:
        with pytest.raises(ValueError, match="placed before"):
            place(phone)


@pytest.mark.parametrize("operation", ["hang_up", "fetch", "list"])
@pytest.mark.parametrize(
    "fault", ["4xx", "429", "5xx", "timeout_before", "5xx_after", "timeout_after", "reset", "slow"]
)
def test_what_may_be_repeated_is_unavailable_and_then_works(
    peer: TwilioPeer, operation: Operation, fault: Fault
) -> None:
    phone = under(peer, fault)
    ref = place(phone)

    def ask() -> object:
        match operation:
            case "hang_up":
                phone.hang_up(ref)
                return None
            case "fetch":
                return phone.fetch(ATTEMPT)
        return phone.list_since(peer.clock.now())

    peer.faults[operation].append(fault)
    if fault == "slow" or (operation, fault) == ("hang_up", "4xx"):  # refused: there is nothing to hang up
        ask()
    else:
        with pytest.raises(PhoneUnavailableError):
            ask()
    ask()
    assert len(phone.fetch(ATTEMPT)) == len(phone.list_since(peer.clock.now())) == 1
    assert (phone.fetch(ATTEMPT)[0].last.kind == "no_answer") is (operation == "hang_up")


def test_nothing_is_dialled_where_nobody_listens(peer: TwilioPeer, clock: SimulatedClock) -> None:
    phone = TwilioPhone(replace(peer.account(), api_url="http://127.0.0.1:9"), clock)
    with pytest.raises(PhoneBusyError):
        place(phone)
    for ask in (lambda: phone.hang_up("CA" + "1" * 32), lambda: phone.list_since(clock.now())):
        with pytest.raises(PhoneUnavailableError):
            ask()
    assert phone.fetch(ATTEMPT) == ()


def test_two_calls_to_one_number_are_both_found(peer: TwilioPeer, phone: TwilioPhone) -> None:
    peer.take_receiver("8")
    place(phone)
    phone.place("a2", NUMBER, 30, 3600, desk="8")
    assert len(phone.fetch("lost", Trace(e164=NUMBER, since=peer.clock.now()))) == 2
    later = peer.clock.now() + timedelta(minutes=5)
    assert phone.fetch("lost", Trace(e164=NUMBER, since=later)) == ()


def test_nobody_of_an_earlier_talk_hears_the_next(peer: TwilioPeer, phone: TwilioPhone) -> None:
    first = place(phone)
    phone.bring_in(DESK, RECEIVER)
    second = place(phone, "a2")
    room = next(each for each in peer.conferences.values() if second in each.people)
    assert first not in room.people
    assert [person["label"] for person in room.people.values()] == [None, "a2"]
    peer.faults["conference"].extend(["slow", "slow", "5xx"])  # who is there is told; who is there cannot be sent away
    with pytest.raises(PhoneBusyError):
        place(phone, "a3")
    assert all(call.label != "a3" for call in peer.calls.values())


def test_nobody_is_called_while_no_receiver_is_off_the_hook(peer: TwilioPeer, phone: TwilioPhone) -> None:
    peer.put_down(DESK)
    with pytest.raises(DeskAbsentError):
        place(phone)
    with pytest.raises(DeskAbsentError):
        phone.place("a2", NUMBER, 30, 3600)
    assert all(call.to != NUMBER for call in peer.calls.values())


def test_a_receiver_is_called_waits_and_is_put_down(peer: TwilioPeer, phone: TwilioPhone) -> None:
    peer.put_down(DESK)
    phone.call_desk(DESK, RECEIVER)
    call = list(peer.calls.values())[-1]
    assert {name: value[0] for name, value in call.asked.items()}["TimeLimit"] == "14400"
    assert set(call.asked) == {
        "To", "From", "Twiml", "Timeout", "TimeLimit", "StatusCallback", "StatusCallbackEvent", "StatusCallbackMethod"
    }  # fmt: skip
    place(phone)
    phone.hang_up_desk(DESK)
    phone.hang_up_desk(DESK)
    assert {call.status for call in peer.calls.values() if call.to != RECEIVER} == {"canceled"}
    with pytest.raises(PlacementRefusedError):
        phone.call_desk(DESK, "+14155550100")


def test_a_call_carries_its_limits_and_nothing_of_the_case(peer: TwilioPeer, clock: SimulatedClock) -> None:
    phone = TwilioPhone(peer.account(record=True), clock)
    phone.place(ATTEMPT, NUMBER, 30, 99_999, desk=DESK)
    asked = {name: value[0] for name, value in peer.resident(ATTEMPT).asked.items()}
    assert (asked["Timeout"], asked["TimeLimit"], asked["MachineDetection"]) == ("30", "14400", "Enable")
    assert (asked["StartConferenceOnEnter"], asked["Record"], asked["Label"]) == ("false", "false", ATTEMPT)
    assert set(asked) == {
        "To", "From", "Label", "Timeout", "TimeLimit", "EarlyMedia", "Beep", "StartConferenceOnEnter",
        "EndConferenceOnExit", "MaxParticipants", "Record", "StatusCallback", "StatusCallbackEvent",
        "StatusCallbackMethod", "MachineDetection", "AmdStatusCallback", "AmdStatusCallbackMethod",
    }  # fmt: skip
    place(phone, "a2", may_record=True)
    assert peer.resident("a2").asked["Record"] == ["true"]
    place(TwilioPhone(peer.account(machine_detection=False), clock), "a3", may_record=True)
    assert peer.resident("a3").asked["Record"] == ["false"]
    assert "MachineDetection" not in peer.resident("a3").asked


def test_a_talk_is_held_and_handed_to_a_supervisor(peer: TwilioPeer, phone: TwilioPhone) -> None:
    ref = place(phone)
    room = next(each for each in peer.conferences.values() if ref in each.people)
    phone.hold(DESK, ref, on=True)
    assert room.people[ref]["hold"] is True
    phone.hold(DESK, ref, on=False)
    assert room.people[ref]["hold"] is False
    with pytest.raises(RefusedError):
        phone.hand_over(DESK)
    phone.bring_in(DESK, RECEIVER)
    phone.hand_over(DESK)
    ends = {person["label"]: person.get("end_conference_on_exit") for person in room.people.values()}
    assert ends == {None: False, ATTEMPT: None, "supervisor": True}
    assert isinstance(phone, AttendedPhone)
