"""What Asterisk's faults, cut connections and restarts make of each operation; and that it takes every request."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callflow.clock import SimulatedClock
from callflow.errors import RefusedError
from callflow.line import is_final
from callflow.telephony.asterisk.client import TakenError
from callflow.telephony.asterisk.phone import AsteriskPhone
from callflow.telephony.port import (
    AttendedPhone,
    DeskAbsentError,
    DeskEvent,
    ListeningPhone,
    Phone,
    PhoneBusyError,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
    Trace,
)
from tests.peers import ari
from tests.peers.asterisk_peer import AsteriskPeer, Fault, HeardPhone, Operation

NUMBER, ATTEMPT, DESK = "+81366590001", "a1", "7"
CALL, RECEIVER, BOSS = f"callflow-call-{ATTEMPT}", f"callflow-desk-{DESK}", f"callflow-boss-{DESK}"
OVER = f"callflow-over-{DESK}"


@pytest.fixture
def peer(clock: SimulatedClock) -> Iterator[AsteriskPeer]:
    made = AsteriskPeer(clock)
    made.take_receiver(DESK)
    yield made
    made.close()
    assert made.violations == []


@pytest.fixture
def phone(peer: AsteriskPeer) -> Iterator[HeardPhone]:
    made = HeardPhone(peer)
    made.start()
    assert made.wait(5)
    yield made
    made.close()


def place(phone: Phone, attempt: str = ATTEMPT, **more: Any) -> str:
    return phone.place(attempt, NUMBER, 30, 3600, desk=DESK, **more).provider_ref


def kinds(phone: HeardPhone) -> list[str]:
    return [each.event.kind for each in phone.poll()]


def impatient(peer: AsteriskPeer, fault: Fault) -> HeardPhone:
    """A telephone that does not wait long for an answer that will not come."""
    peer.patience_s = 0.4 if fault.startswith("timeout") else 10.0
    made = HeardPhone(peer)
    made.start()
    assert made.wait(5)
    return made


PLACED: list[tuple[Fault, type[Exception] | None, int]] = [
    ("4xx", PlacementRefusedError, 0),
    ("401", PlacementRefusedError, 0),
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
    peer: AsteriskPeer, fault: Fault, raised: type[Exception] | None, dialled: int
) -> None:
    phone = impatient(peer, fault)
    peer.faults["place"].append(fault)
    if raised is None:
        place(phone)
    else:
        with pytest.raises(raised) as error:
            place(phone)
        assert NUMBER[3:] not in str(error.value)
    trace = Trace(e164=NUMBER, since=peer.clock.now())
    for one in (phone, AsteriskPhone(peer.pbx(), peer.clock)):  # and by a process that knows the database alone
        assert [each.last.kind for each in one.fetch(ATTEMPT, trace)] == ["placed"] * dialled
    if raised is PlacementUnknownError:
        with pytest.raises(ValueError, match="placed before"):
            place(phone)
    if raised is PlacementUnknownError and dialled:
        phone._attempts.forget(ATTEMPT)  # a process that forgot, and would: Asterisk refuses the id
        with pytest.raises(TakenError):
            place(phone)
        assert [each.last.kind for each in phone.fetch(ATTEMPT)] == ["placed"]
    assert len(peer.dialled) == dialled
    phone.close()


@pytest.mark.parametrize("operation", ["hang_up", "fetch", "list"])
@pytest.mark.parametrize(
    "fault", ["4xx", "401", "429", "5xx", "timeout_before", "5xx_after", "timeout_after", "reset", "slow"]
)
def test_what_may_be_repeated_is_unavailable_and_then_works(
    peer: AsteriskPeer, operation: Operation, fault: Fault
) -> None:
    phone = impatient(peer, fault)
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
    phone.settle()
    assert len(phone.fetch(ATTEMPT)) == len(phone.list_since(peer.clock.now())) == len(peer.dialled) == 1
    assert (phone.fetch(ATTEMPT)[0].last.kind == "no_answer") is (operation == "hang_up")
    phone.close()


def test_nothing_is_dialled_while_nothing_would_be_heard(peer: AsteriskPeer, clock: SimulatedClock) -> None:
    deaf = AsteriskPhone(peer.pbx(), clock)
    for act in (
        lambda: place(deaf),
        lambda: deaf.call_desk("8", "PJSIP/101"),
        lambda: deaf.bring_in(DESK, "PJSIP/101"),
    ):
        with pytest.raises(PhoneBusyError):
            act()
    stranger = AsteriskPhone(replace(peer.pbx(), password="another"), clock)
    stranger.start()
    assert not stranger.wait(0.1)
    with pytest.raises(PhoneBusyError):
        place(stranger)
    stranger.close()
    nowhere = AsteriskPhone(replace(peer.pbx(), url="http://127.0.0.1:9"), clock)
    for ask in (lambda: nowhere.hang_up(CALL), lambda: nowhere.list_since(clock.now()), lambda: nowhere.fetch(ATTEMPT)):
        with pytest.raises(PhoneUnavailableError):
            ask()
    assert not peer.dialled


def test_nobody_is_called_while_no_receiver_is_off_the_hook(peer: AsteriskPeer, phone: HeardPhone) -> None:
    peer.put_down(DESK)
    for desk in (DESK, "", "nobody/s"):
        with pytest.raises(DeskAbsentError):
            phone.place(ATTEMPT, NUMBER, 30, 3600, desk=desk)
    phone.settle()
    peer.take_receiver("8")
    peer.faults["bridge"].append("5xx")  # who is there cannot be told: nothing is dialled
    with pytest.raises(PhoneBusyError):
        phone.place(ATTEMPT, NUMBER, 30, 3600, desk="8")
    assert not peer.dialled


def test_a_receiver_is_called_waits_and_takes_everybody_along(peer: AsteriskPeer, phone: HeardPhone) -> None:
    phone.call_desk("8", "PJSIP/101")
    phone.call_desk("8", "PJSIP/101")
    phone.settle()
    assert phone.poll_desks()[-1] == DeskEvent("8", "there")
    assert len(peer.dialled) == 1
    assert peer.dialled[0].asked["variables"]["TIMEOUT(absolute)"] == "14460"
    phone.place(ATTEMPT, NUMBER, 30, 3600, desk="8")
    peer.answers(CALL)
    phone.settle()
    assert peer.bridges["callflow-room-8"]["channels"] == ["callflow-desk-8", CALL]
    phone.hang_up_desk("8")
    phone.hang_up_desk("8")
    assert kinds(phone) == ["placed", "answered", "ended"]
    assert phone.poll_desks() == [DeskEvent("8", "gone")]
    assert list(peer.channels) == [RECEIVER]
    assert "callflow-room-8" not in peer.bridges
    for address in ("PJSIP/0990123456@trunk", "Local/110@outgoing", "+81366590101"):
        with pytest.raises(PlacementRefusedError):
            phone.call_desk("8", address)


def test_who_answers_where_no_receiver_is_any_more_is_hung_up(peer: AsteriskPeer, phone: HeardPhone) -> None:
    place(phone)
    peer.put_down(DESK)
    peer.answers(CALL)
    assert kinds(phone) == ["placed", "answered", "ended"]
    assert not peer.channels


def test_a_call_carries_its_limits_and_nothing_of_the_case(peer: AsteriskPeer, phone: HeardPhone) -> None:
    phone.place(ATTEMPT, NUMBER, 30, 99_999, desk=DESK, may_record=True)
    assert peer.dialled[0].asked == {
        "endpoint": "PJSIP/0366590001@trunk", "app": phone.app, "appArgs": DESK, "channelId": CALL,
        "callerId": "0366590000", "timeout": 30,
        "variables": {"TIMEOUT(absolute)": "14430", "OPERATOR_DESK": DESK},
    }  # fmt: skip
    assert not any(NUMBER[3:] in each.split()[1] for each in peer.requests), "no number is in a URL"


def test_nobody_of_an_earlier_talk_hears_the_next(peer: AsteriskPeer, phone: HeardPhone) -> None:
    first = place(phone)
    peer.answers(first)
    phone.settle()
    phone.hold(DESK, first, on=True)
    phone.bring_in(DESK, "PJSIP/102")
    phone.settle()
    place(phone, "a2")
    assert set(peer.channels) == {RECEIVER, "callflow-call-a2"}


def test_a_talk_is_held_and_handed_to_a_supervisor(peer: AsteriskPeer, phone: HeardPhone) -> None:
    ref = place(phone)
    peer.answers(ref)
    phone.settle()
    phone.hold(DESK, ref, on=True)
    assert (peer.bridges[f"callflow-hold-{DESK}"]["channels"], peer.bridges[f"callflow-hold-{DESK}"]["moh"]) == (
        [ref],
        True,
    )
    (answered,) = (each for each in peer.told if each["type"] == "StasisStart" and each["channel"]["id"] == ref)
    phone.hear(answered)  # late and repeated, it brings nobody back
    assert peer.bridges[f"callflow-hold-{DESK}"]["channels"] == [ref]
    phone.hold(DESK, ref, on=False)
    assert peer.bridges[f"callflow-room-{DESK}"]["channels"] == [RECEIVER, ref]
    with pytest.raises(RefusedError):
        phone.hand_over(DESK)
    phone.bring_in(DESK, "PJSIP/102")
    phone.settle()
    with pytest.raises(RefusedError, match="もう鳴っている"):
        phone.bring_in(DESK, "PJSIP/102")
    phone.hand_over(DESK)
    assert set(peer.bridges[OVER]["channels"]) == {ref, BOSS}
    phone.hang_up_desk(DESK)  # the operator may leave it
    phone.settle()
    assert set(peer.channels) == {ref, BOSS}
    peer.ends(ref)
    assert kinds(phone) == ["placed", "answered", "ended"]
    assert not peer.channels, "who is left alone is hung up"
    assert OVER not in peer.bridges
    assert isinstance(phone, AttendedPhone)
    assert isinstance(phone, ListeningPhone)


ENDS = [  # cause and last status, and the SIP answer where Asterisk tells it
    (17, "BUSY", None, "busy"),
    (19, "NOANSWER", None, "no_answer"),
    (34, "CONGESTION", None, "failed"),
    (0, "CHANUNAVAIL", None, "failed"),
    (1, "CHANUNAVAIL", None, "invalid_number"),
    (28, "CONGESTION", None, "invalid_number"),
    (20, "CHANUNAVAIL", None, "unreachable"),
    (27, "CONGESTION", None, "unreachable"),
    (21, "CHANUNAVAIL", 603, "no_answer"),
    (21, "CHANUNAVAIL", 403, "failed"),
    (16, "CANCEL", None, "no_answer"),
]


def test_an_end_without_an_answer_is_told_from_status_and_cause(peer: AsteriskPeer, phone: HeardPhone) -> None:
    for number, (cause, status, sip, kind) in enumerate(ENDS):
        place(phone, f"e{number}")
        peer.ends(f"callflow-call-e{number}", cause, status, sip)
        assert kinds(phone) == ["placed", kind], (cause, status, sip)
    peer.no_dial = True
    place(phone)
    peer.ends(CALL, 0)
    (_, last) = phone.poll()
    assert (last.event.kind, last.event.cause) == ("failed", "no_extension")


@pytest.mark.parametrize(("ending", "expected"), [("talk", "ended"), ("busy", "busy")])
def test_events_in_any_order_late_and_repeated_amount_to_the_same(
    peer: AsteriskPeer, phone: HeardPhone, ending: str, expected: str
) -> None:
    place(phone)
    peer.rings(ATTEMPT)
    if ending == "talk":
        peer.answers(CALL)
    phone.settle()
    peer.ends(CALL, 16 if ending == "talk" else 17, "" if ending == "talk" else "BUSY")
    phone.settle()
    told = [
        each for each in peer.told if each["type"] in ("Dial", "ChannelStateChange", "ChannelDestroyed", "StasisStart")
    ]
    hearer = AsteriskPhone(peer.pbx(), peer.clock)
    orders = list(itertools.permutations(told))
    for number, order in enumerate([told[::-1], *orders[:: len(orders) // 12]]):
        text = json.dumps([*order, *order]).replace(CALL, f"callflow-call-o{number}")
        for message in json.loads(text):
            hearer.hear(message)
        events = [each.event.kind for each in hearer.poll()]
        assert (events[-1], sum(map(is_final, events)), len(events)) == (expected, 1, len(set(events)))
    assert set(peer.channels) == {RECEIVER}


def test_what_is_no_event_of_ours_changes_nothing(peer: AsteriskPeer, phone: HeardPhone) -> None:
    place(phone)
    other = {**peer.shown(peer.call(ATTEMPT)), "id": "another-call-a1"}
    peer.tell("ChannelStateChange", channel=other)
    peer.tell("ChannelDestroyed", channel={**other, "id": "1763946000.7"}, cause=16, cause_txt="")
    for ear in peer.ears.values():
        for text in ("", "[]", "{}", '{"type": "Dial"}', '{"type": "ChannelDestroyed", "channel": {"id": 1}}'):
            ear.say(text)
    peer.rings(ATTEMPT)
    assert kinds(phone) == ["placed", "ringing"], "and what comes after is heard"


def test_a_cut_connection_is_opened_again_and_what_was_missed_is_looked_after(
    peer: AsteriskPeer, phone: HeardPhone, clock: SimulatedClock
) -> None:
    for attempt in ("talks", "answered", "vanished", "put"):
        peer.take_receiver(f"d{attempt}")
        phone.place(attempt, NUMBER, 30, 3600, desk=f"d{attempt}")
    peer.answers("callflow-call-talks")
    phone.poll()
    peer.deaf = True  # none of this is heard
    peer.answers("callflow-call-answered")
    peer.ends("callflow-call-talks")
    peer.ends("callflow-call-vanished", 17, "BUSY")
    peer.put_down("dput")
    peer.answers("callflow-call-put")
    peer.deaf = False
    phone.recovers_after(peer.cut)
    found = {each.attempt_ref: each.event.kind for each in phone.poll()}
    assert found == {"talks": "ended", "answered": "answered", "vanished": "unknown", "put": "ended"}
    assert peer.bridges["callflow-room-danswered"]["channels"] == ["callflow-desk-danswered", "callflow-call-answered"]
    assert DeskEvent("dput", "gone") in phone.poll_desks()
    assert phone.fetch("vanished")[0].last.kind == "unknown"


def test_a_restart_of_ours_finds_what_is_in_the_air(
    peer: AsteriskPeer, phone: HeardPhone, clock: SimulatedClock
) -> None:
    ref = place(phone)
    peer.take_receiver("8")
    phone.place("a2", NUMBER, 30, 3600, desk="8")
    peer.answers(ref)
    phone.settle()
    phone.close()
    later = HeardPhone(peer)
    later.start()
    assert later.wait(5)
    assert {each.attempt_ref: each.event.kind for each in later.poll()} == {ATTEMPT: "answered", "a2": "placed"}
    assert set(later.poll_desks()) == {DeskEvent(DESK, "there"), DeskEvent("8", "there")}
    peer.ends(ref)
    assert kinds(later) == ["ended"]
    later.hang_up("callflow-call-a2")
    assert kinds(later) == ["no_answer"]
    later.close()
    assert len(peer.dialled) == 2


def test_a_restart_of_asterisk_ends_everything_and_guesses_nothing(peer: AsteriskPeer, phone: HeardPhone) -> None:
    ref = place(phone)
    phone.recovers_after(peer.restart)
    assert kinds(phone) == ["placed", "unknown"]
    assert phone.poll_desks()[-1] == DeskEvent(DESK, "gone")
    asker = AsteriskPhone(peer.pbx(), peer.clock)  # knows only what the database says
    assert asker.fetch("a9", Trace(provider_ref="callflow-call-a9", answered=True))[0].last.kind == "ended"
    assert asker.fetch("a8", Trace(provider_ref="callflow-call-a8"))[0].last.kind == "unknown"
    assert asker.fetch("a7", Trace(e164=NUMBER)) == ()
    assert ref == CALL


def test_the_facts_are_asterisks_own() -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "peers" / "ari"
    if not folder.is_dir():
        pytest.skip("Asterisk's own description is not here")
    whole = [json.loads(each.read_text(encoding="utf-8")) for each in sorted(folder.glob("*.json"))]
    models = {name: model for each in whole for name, model in each["models"].items()}
    for name, fields in ari.MODELS.items():
        theirs = models[name]["properties"].items()
        assert fields == {key: value["type"] + "!" * bool(value.get("required")) for key, value in theirs}
    operations = {
        f"{each['httpMethod']} {api['path']}": each
        for one in whole
        for api in one["apis"]
        for each in api["operations"]
    }
    for name, ours in ari.OPERATIONS.items():
        params = [each for each in operations[name].get("parameters", []) if each["paramType"] != "path"]
        assert ours["answer"] == operations[name]["responseClass"]
        assert ours["params"] == {
            each["name"]: each["dataType"] + "*" * bool(each.get("allowMultiple")) + "!" * bool(each.get("required"))
            for each in params
        }
