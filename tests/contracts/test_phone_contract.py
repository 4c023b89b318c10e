"""What every telephone must do, run over each of them; see the docstring of `Phone`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from callflow.clock import SimulatedClock
from callflow.line import LineEventKind, Moved, move
from callflow.telephony.manual import ManualPhone
from callflow.telephony.port import HUNG_UP, Phone, PhoneEvent, PlacementRefusedError, TooLateError
from callflow.telephony.relay.exchange import Exchange
from callflow.telephony.relay.journal import Journal
from callflow.telephony.relay.phone import RelayPhone
from callflow.telephony.relay.relay import Limits, Relay
from callflow.telephony.relay.settings import Line
from callflow.telephony.relay.wire import SEAL, Keys
from callflow.telephony.simulated import Happening, SimulatedPhone
from callflow.telephony.twilio.phone import TwilioPhone
from callflow.telephony.twilio.webhooks import TwilioReceiver
from tests.peers.asterisk_peer import AsteriskPeer, HeardPhone
from tests.peers.twilio_peer import Callback, TwilioPeer

NUMBER = "+81366590001"
ATTEMPT = "a1"
RING, LIMIT = 30, 3600


@dataclass
class Bench:
    """A telephone on a table, and a hand that plays the other side: after so many seconds, this happens."""

    phone: Phone
    clock: SimulatedClock
    other_side: Callable[[LineEventKind, int], None]
    desks: bool = False  # whether each call needs a receiver of its own

    def place(self, attempt: str = ATTEMPT) -> str:
        return self.phone.place(attempt, NUMBER, RING, LIMIT, desk=self.desk(attempt)).provider_ref

    def desk(self, attempt: str) -> str:
        return f"desk{attempt}" if self.desks else ""

    def heard(self, attempt: str = ATTEMPT) -> list[LineEventKind]:
        return [each.event.kind for each in self.phone.poll() if each.attempt_ref == attempt]

    def outcome(self, attempt: str = ATTEMPT) -> tuple[str, str | None]:
        """State and code of the line after everything that was heard."""
        state, code = "placing", None
        for kind in self.heard(attempt):
            moved = move(state, kind)
            if isinstance(moved, Moved):
                state, code = moved.state, moved.code or code
        return state, code


def manual(clock: SimulatedClock) -> Bench:
    phone = ManualPhone(clock)

    def other_side(kind: LineEventKind, seconds: int) -> None:
        clock.advance(timedelta(seconds=seconds))
        phone.tell(ATTEMPT, kind)

    return Bench(phone, clock, other_side)


def simulated(clock: SimulatedClock) -> Bench:
    coming: list[Happening] = []
    phone = SimulatedPhone(clock, lambda _attempt, _number, _at: coming)

    def other_side(kind: LineEventKind, seconds: int) -> None:
        clock.advance(timedelta(seconds=seconds))
        if kind == "ended":
            phone.resident_hangs_up(ATTEMPT)

    coming += [Happening(timedelta(seconds=5), "answered")]
    return Bench(phone, clock, other_side)


@pytest.fixture
def peer(clock: SimulatedClock) -> Iterator[TwilioPeer]:
    made = TwilioPeer(clock)
    yield made
    made.close()
    assert made.violations == []


def twilio(peer: TwilioPeer, clock: SimulatedClock) -> Bench:
    phone, receiver = TwilioPhone(peer.account(), clock), TwilioReceiver(peer.account(), clock)

    def tell(callback: Callback) -> None:
        told = receiver.read(callback.path, callback.headers, callback.body)
        assert told.status == 204
        assert isinstance(told.event, PhoneEvent)
        phone.arrived(told.event)

    def other_side(kind: LineEventKind, seconds: int) -> None:
        clock.advance(timedelta(seconds=seconds))
        peer.happens(ATTEMPT, {"answered": "in-progress", "ended": "completed"}[kind])

    for attempt in (ATTEMPT, "a0", "a2"):
        peer.take_receiver(f"desk{attempt}")
    peer.tell = tell
    return Bench(phone, clock, other_side, desks=True)


@pytest.fixture
def pbx(clock: SimulatedClock) -> Iterator[HeardPhone]:
    made = AsteriskPeer(clock)
    for attempt in (ATTEMPT, "a0", "a2"):
        made.take_receiver(f"desk{attempt}")
    phone = HeardPhone(made)
    phone.start()
    assert phone.wait(5)
    yield phone
    phone.close()
    made.close()
    assert made.violations == []


def asterisk(phone: HeardPhone, clock: SimulatedClock) -> Bench:
    def other_side(kind: LineEventKind, seconds: int) -> None:
        clock.advance(timedelta(seconds=seconds))
        act = {"answered": phone.peer.answers, "ended": phone.peer.ends}[kind]
        act(f"callflow-call-{ATTEMPT}")

    return Bench(phone, clock, other_side, desks=True)


def relay(peer: TwilioPeer, clock: SimulatedClock, file: Path) -> Bench:
    """The closed side's telephone; beyond the relay is Twilio."""
    far = twilio(peer, clock)
    keys = Keys((b"k" * 40,))
    exchange = Exchange(Relay(far.phone, Journal(file, clock), clock, Limits(60, 60), "1.0"), keys, clock)

    def carry(request: httpx.Request) -> httpx.Response:
        answered = exchange.read(request.headers[SEAL], request.content)
        return httpx.Response(answered.status, content=answered.body, headers={SEAL: answered.seal})

    http = httpx.Client(transport=httpx.MockTransport(carry))
    near = RelayPhone(Line("https://relay.example.lg.jp", keys), clock, http)
    return Bench(near, clock, far.other_side, desks=True)


@pytest.fixture(params=["manual", "simulated", "twilio", "asterisk", "relay"])
def bench(request: pytest.FixtureRequest, clock: SimulatedClock, tmp_path: Path) -> Bench:
    if request.param == "relay":
        return relay(request.getfixturevalue("peer"), clock, tmp_path / "relay.jsonl")
    if request.param == "twilio":
        return twilio(request.getfixturevalue("peer"), clock)
    if request.param == "asterisk":
        return asterisk(request.getfixturevalue("pbx"), clock)
    return manual(clock) if request.param == "manual" else simulated(clock)


def test_a_call_that_is_answered_and_ends(bench: Bench) -> None:
    bench.place()
    bench.other_side("answered", 5)
    assert bench.heard() == ["placed", "answered"]
    bench.other_side("ended", 60)
    assert bench.heard() == ["ended"]


def test_instants_are_aware_and_tell_when_it_happened(bench: Bench) -> None:
    began = bench.clock.now()
    bench.place()
    bench.other_side("answered", 5)
    bench.clock.advance(timedelta(seconds=5))
    instants = [each.event.at for each in bench.phone.poll()]
    assert instants == [began, began + timedelta(seconds=5)]


def test_an_event_is_polled_once(bench: Bench) -> None:
    bench.place()
    assert bench.heard() == ["placed"]
    assert bench.heard() == []


def test_what_was_polled_is_still_known_to_fetch(bench: Bench) -> None:
    ref = bench.place()
    bench.other_side("answered", 5)
    bench.phone.poll()
    (known,) = bench.phone.fetch(ATTEMPT)
    assert (known.attempt_ref, known.provider_ref, known.last.kind) == (ATTEMPT, ref, "answered")
    assert bench.phone.fetch(ATTEMPT) == (known,)


def test_an_attempt_that_was_never_placed_is_unknown(bench: Bench) -> None:
    assert bench.phone.fetch("other") == ()


def test_an_attempt_is_never_dialled_twice(bench: Bench) -> None:
    bench.place()
    with pytest.raises(ValueError, match="placed before"):
        bench.place()
    assert len(bench.phone.fetch(ATTEMPT)) == 1


def test_calls_are_listed_from_an_instant_on(bench: Bench) -> None:
    bench.place("a0")
    bench.clock.advance(timedelta(seconds=10))
    since = bench.clock.now()
    bench.place("a2")
    assert [known.attempt_ref for known in bench.phone.list_since(since)] == ["a2"]
    assert [known.attempt_ref for known in bench.phone.list_since(since - timedelta(seconds=10))] == ["a0", "a2"]


def test_hanging_up_while_it_rings_is_no_answer(bench: Bench) -> None:
    ref = bench.place()
    bench.phone.hang_up(ref)
    events = [each.event for each in bench.phone.poll()]
    assert [event.kind for event in events] == ["placed", "no_answer"]
    assert events[-1].cause == HUNG_UP


def test_hanging_up_a_talk_ends_it_once_however_often(bench: Bench) -> None:
    ref = bench.place()
    bench.other_side("answered", 5)
    for _ in range(3):
        bench.phone.hang_up(ref)
    assert bench.heard() == ["placed", "answered", "ended"]


def test_hanging_up_what_is_over_or_unknown_changes_nothing(bench: Bench) -> None:
    ref = bench.place()
    bench.other_side("answered", 5)
    bench.other_side("ended", 5)
    bench.phone.poll()
    bench.phone.hang_up(ref)
    bench.phone.hang_up("nobody's")
    assert bench.heard() == []


def test_nothing_follows_the_end(bench: Bench) -> None:
    bench.place()
    bench.other_side("answered", 5)
    bench.other_side("ended", 5)
    bench.other_side("ended", 5)
    assert bench.heard() == ["placed", "answered", "ended"]


def test_the_line_comes_to_its_end_from_what_a_phone_says(bench: Bench) -> None:
    bench.place()
    bench.other_side("answered", 5)
    bench.other_side("ended", 5)
    assert bench.outcome() == ("ended", "AB")


@pytest.mark.parametrize(
    "number", ["110", "+81110", "+81990123456", "+81570012345", "+14155550100", "+8112", "0366590001", ""]
)
def test_a_number_outside_the_list_is_never_dialled(bench: Bench, number: str) -> None:
    with pytest.raises(PlacementRefusedError) as refused:
        bench.phone.place(ATTEMPT, number, RING, LIMIT, desk=bench.desk(ATTEMPT))
    assert refused.value.disposition == "DN"
    assert number not in str(refused.value) or not number
    assert bench.phone.fetch(ATTEMPT) == ()
    assert bench.heard() == []


def test_from_its_deadline_on_nothing_is_dialled(bench: Bench) -> None:
    with pytest.raises(TooLateError):
        bench.phone.place(ATTEMPT, NUMBER, RING, LIMIT, desk=bench.desk(ATTEMPT), deadline=bench.clock.now())
    assert (bench.phone.fetch(ATTEMPT), bench.heard()) == ((), [])
    soon = bench.clock.now() + timedelta(seconds=1)
    bench.phone.place("a2", NUMBER, RING, LIMIT, desk=bench.desk("a2"), deadline=soon)


def test_calls_do_not_disturb_each_other(bench: Bench) -> None:
    bench.place()
    bench.place("a2")
    bench.phone.hang_up(bench.phone.fetch("a2")[0].provider_ref)
    assert bench.phone.fetch(ATTEMPT)[0].last.kind == "placed"
    assert bench.phone.fetch("a2")[0].last.kind == "no_answer"
