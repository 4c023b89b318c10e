"""The relay: an order is dialled once or not at all, whatever the line does, and one file tells all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from starlette.testclient import TestClient

from callflow.cli.main import run
from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.console.site import Site
from callflow.errors import ConfigError, RefusedError
from callflow.telephony.port import (
    AttendedPhone,
    DeskEvent,
    KnownCall,
    ListeningPhone,
    Phone,
    PhoneBusyError,
    PhoneUnavailableError,
    Placed,
    PlacementUnknownError,
    WatchedPhone,
)
from callflow.telephony.relay.app import create_app
from callflow.telephony.relay.audit import audit, told
from callflow.telephony.relay.exchange import Exchange
from callflow.telephony.relay.journal import FORMS, BrokenError, Journal, read
from callflow.telephony.relay.phone import RelayPhone
from callflow.telephony.relay.relay import Limits, Relay
from callflow.telephony.relay.settings import Line, host_of, read_keys
from callflow.telephony.relay.wire import SEAL, Keys, seal
from callflow.telephony.simulated import Fault, Happening, SimulatedPhone
from callflow.telephony.twilio.phone import TwilioPhone
from callflow.telephony.twilio.webhooks import TwilioReceiver
from callflow.telephony.webhook import Hook
from tests.peers.twilio_peer import HOOKS_AT, RECEIVER, SID, TwilioPeer, signed

NUMBER, ATTEMPT = "+81366590001", "a1"
ROOT = Path(__file__).parents[2]
KEYS = Keys((b"k" * 40,))
LIMITS = Limits(60, 1_000)


class Wire:
    """The line between both sides, with its faults: what is sent can be lost, held, and delivered again."""

    def __init__(self, path: Path, clock: SimulatedClock, phone: Phone | None = None, limits: Limits = LIMITS) -> None:
        self.path, self.clock, self.limits = path, clock, limits
        self.far = phone or SimulatedPhone(clock, lambda *_: [Happening(timedelta(seconds=5), "answered")])
        self.fault = ""
        self.sent: list[tuple[str, bytes]] = []
        self.start()
        self.near = self.another()

    def another(self) -> RelayPhone:
        """The telephone of one more process on the closed side."""
        http = httpx.Client(transport=httpx.MockTransport(self._carry))
        return RelayPhone(Line("https://relay.example.lg.jp", KEYS), self.clock, http)

    def start(self) -> None:
        """The relay begins, or begins again after a crash, over its file."""
        if hasattr(self, "journal"):
            self.journal.close()
        self.journal = Journal(self.path, self.clock)
        self.exchange = Exchange(Relay(self.far, self.journal, self.clock, self.limits, "1.0"), KEYS, self.clock)

    def deliver(self, index: int) -> dict[str, object]:
        answered = self.exchange.read(*self.sent[index])
        return {"status": answered.status, **(json.loads(answered.body)["answer"] if answered.body else {})}

    def dialled(self) -> int:
        return len(self.far.list_since(self.clock.now() - timedelta(days=1)))

    def lines(self) -> list[str]:
        return [line.what for line in read(self.path)]

    def _carry(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.headers[SEAL], request.content))
        fault, self.fault = (self.fault, "") if b'"hello"' not in request.content else ("", self.fault)
        if fault == "no line":
            raise httpx.ConnectError("refused")
        if fault == "lost on the way":
            raise httpx.ReadTimeout("")
        answered = self.exchange.read(*self.sent[-1])
        if fault == "answer lost":
            raise httpx.ReadTimeout("")
        if fault == "not from the relay":
            return httpx.Response(403)
        return httpx.Response(answered.status, content=answered.body, headers={SEAL: answered.seal})


@pytest.fixture
def wire(tmp_path: Path, clock: SimulatedClock) -> Wire:
    return Wire(tmp_path / "relay.jsonl", clock)


def place(phone: Phone, attempt: str = ATTEMPT, desk: str = "") -> Placed:
    return phone.place(attempt, NUMBER, 30, 3600, desk=desk)


@pytest.mark.parametrize(
    ("fault", "raised", "dialled"),
    [
        ("no line", PhoneBusyError, 0),
        ("lost on the way", PlacementUnknownError, 0),
        ("answer lost", PlacementUnknownError, 1),
        ("not from the relay", PlacementUnknownError, 1),
    ],
)
def test_an_order_is_dialled_once_at_most_and_never_after_it_was_asked_about(
    wire: Wire, fault: str, raised: type[Exception], dialled: int
) -> None:
    wire.near.hello()
    wire.fault = fault
    with pytest.raises(raised) as error:
        place(wire.near)
    assert NUMBER[3:] not in str(error.value)
    assert wire.near.trouble
    order = len(wire.sent) - 1
    if raised is PlacementUnknownError:
        with pytest.raises(ValueError, match="placed before"):
            place(wire.near)
    assert len(wire.near.fetch(ATTEMPT)) == dialled
    assert not wire.near.trouble
    assert wire.deliver(order)["result"] == ("repeated" if not dialled else "old")  # held on the way until now
    assert wire.dialled() == dialled


def test_without_the_line_nothing_is_ordered(wire: Wire) -> None:
    wire.near._http = httpx.Client(transport=httpx.MockTransport(_refuses))
    with pytest.raises(PhoneBusyError) as busy:
        place(wire.near)
    assert busy.value.pause >= timedelta(seconds=10)
    for ask in (wire.near.poll, lambda: wire.near.fetch(ATTEMPT), lambda: wire.near.hang_up("sim-1")):
        wire.clock.advance(timedelta(seconds=1))
        with pytest.raises(PhoneUnavailableError):
            ask()
    assert wire.lines() == ["start"]


def _refuses(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def test_a_late_order_a_replay_and_another_order_of_messages_change_nothing(wire: Wire) -> None:
    wire.near.hello()
    wire.fault = "lost on the way"
    with pytest.raises(PlacementUnknownError):
        place(wire.near, "late")
    late = len(wire.sent) - 1
    place(wire.near)
    for index in range(len(wire.sent)):
        if index != late:
            assert wire.deliver(index)["result"] == "old"
    wire.clock.advance(timedelta(seconds=21))
    assert wire.deliver(late)["result"] == "busy"
    assert (wire.lines().count("expired"), wire.dialled()) == (1, 1)
    wire.clock.advance(timedelta(seconds=10))
    assert [wire.deliver(index)["result"] for index in range(len(wire.sent))] == ["skew"] * len(wire.sent)
    assert wire.dialled() == 1


def test_only_what_is_sealed_by_the_key_is_heard(wire: Wire) -> None:
    place(wire.near)
    given, body = wire.sent[-1]
    old = Keys((b"o" * 40,))
    for seal_, text in (
        ("", body), ("é", body), ("0" * 64, body), (given, body.replace(b"a1", b"a2")),
        (seal("from the relay", body, KEYS), body), (seal("to the relay", body, old), body),
    ):  # fmt: skip
        assert wire.exchange.read(seal_, text).status == 403
    for text in (b"", b"{}", body[:-9], body.replace(b'"attempt"', b'"name":"x","attempt"')):
        assert wire.exchange.read(seal("to the relay", text, KEYS), text).status == 400
    fresh = body.replace(b'"seq":2', b'"seq":9').replace(b'"a1"', b'"a2"')
    wire.exchange.keys = Keys((*KEYS.secrets, *old.secrets))  # while a key is exchanged both are good
    assert wire.exchange.read(seal("to the relay", fresh, old), fresh).status == 200
    assert wire.dialled() == 2


class Crash(BaseException):
    pass


def test_after_a_crash_an_order_without_a_fate_is_asked_about_and_never_dialled_again(wire: Wire) -> None:
    for placed_first, attempt in ((False, "a1"), (True, "a2")):
        far = wire.far
        act: Callable[..., Placed] = far.place

        def crash(*given: object, first: bool = placed_first, act: Callable[..., Placed] = act, **more: object) -> None:
            if first:
                act(*given, **more)
            raise Crash

        far.place = crash  # type: ignore[method-assign]
        with pytest.raises(Crash):
            place(wire.near, attempt)
        del far.place  # type: ignore[attr-defined]
        order = len(wire.sent) - 1
        wire.clock.advance(timedelta(seconds=1))
        with wire.path.open("ab") as file:
            file.write(b'{"n":"99","at"')  # the crash came in the middle of a line
        wire.start()
        assert wire.deliver(order)["result"] == "skew"  # from before the relay's own start
        with pytest.raises(ValueError, match="placed before"):
            place(wire.another(), attempt)
        found = wire.near.fetch(attempt)
        assert [each.attempt_ref for each in found] == ([attempt] if placed_first else [])
    assert wire.dialled() == 1
    assert wire.lines().count("mended") == 2
    assert audit(read(wire.path)).faults == []


def test_caps_hold_whoever_has_the_key(tmp_path: Path, clock: SimulatedClock) -> None:
    wire = Wire(tmp_path / "relay.jsonl", clock, limits=Limits(2, 3))
    place(wire.near, "a1")
    place(wire.near, "a2")
    with pytest.raises(PhoneBusyError):
        place(wire.near, "a3")
    clock.advance(timedelta(minutes=2))
    place(wire.near, "a4")
    clock.advance(timedelta(minutes=2))
    with pytest.raises(PhoneBusyError):
        place(wire.near, "a5")
    assert wire.dialled() == 3


def test_of_a_call_the_relay_is_told_the_attempt_the_number_and_the_deadline_alone(wire: Wire) -> None:
    place(wire.near, desk="desk7")
    asked = [json.loads(body)["ask"] for _, body in wire.sent]
    seat, order = asked[-2:]
    assert order.keys() == {"ask", "attempt", "number", "deadline"}
    assert [NUMBER in json.dumps(each) for each in asked] == [False] * (len(asked) - 1) + [True]
    assert seat == {"ask": "seat", "attempt": ATTEMPT, "desk": "desk7"}
    (line,) = [each for each in read(wire.path) if each.what == "order"]
    assert line.fields.keys() == {"attempt", "number", "deadline"}
    assert [each.what for each in read(wire.path) if NUMBER in str(each.fields)] == ["order"]


def test_a_relay_that_rings_otherwise_than_the_policy_says_is_not_used(tmp_path: Path, clock: SimulatedClock) -> None:
    for limits in (replace(LIMITS, ring_s=45), replace(LIMITS, ring_s=20), replace(LIMITS, call_s=7200)):
        wire = Wire(tmp_path / f"{limits.ring_s}-{limits.call_s}.jsonl", clock, limits=limits)
        with pytest.raises(PhoneBusyError, match="規則は"):
            place(wire.near)
        assert (wire.lines(), wire.dialled()) == (["start"], 0)


def test_the_far_telephones_refusals_come_through(wire: Wire) -> None:
    far = wire.far
    assert isinstance(far, SimulatedPhone)
    far.fail_next("place", Fault.TOO_MANY)
    with pytest.raises(PhoneBusyError):
        place(wire.near)
    far.fail_next("place", Fault.TIMEOUT_AFTER)
    with pytest.raises(PlacementUnknownError):
        place(wire.near, "a2")
    far.fail_next("fetch", Fault.ERROR_BEFORE)
    with pytest.raises(PhoneUnavailableError):
        wire.near.fetch("a2")
    (known,) = wire.near.fetch("a2")
    assert isinstance(known, KnownCall)
    assert wire.near.fetch(ATTEMPT) == ()  # refused: nothing was dialled, and nothing ever will be


# the file


def some_life(wire: Wire) -> None:
    place(wire.near)
    wire.clock.advance(timedelta(seconds=5))
    wire.near.poll()
    wire.near.hang_up("sim-1")
    wire.near.fetch("never")


def test_the_file_is_read_by_a_person_and_has_no_place_for_anything_else(wire: Wire) -> None:
    some_life(wire)
    lines = list(read(wire.path))
    assert [line.what for line in lines] == [
        "start", "order", "placed", "happened", "happened", "hang_up", "happened", "void"
    ]  # fmt: skip
    assert all(str(line.number) in told(line) for line in lines)
    assert {name for line in lines for name in line.fields} <= {name for form in FORMS.values() for name in form}
    with pytest.raises(ValueError):
        wire.journal.write("void", attempt="a1", name="見本")
    with pytest.raises(ValueError):
        wire.journal.write("void", attempt="国保 1234")
    with pytest.raises(ConfigError):
        Journal(wire.path, wire.clock)


def test_whatever_is_changed_in_the_file_is_found(wire: Wire) -> None:
    some_life(wire)
    whole = wire.path.read_bytes().splitlines(keepends=True)
    for index, line in enumerate(whole):
        changed = line.replace(b"0", b"1", 1) if b"0" in line else line
        for spoilt in (
            [*whole[:index], changed, *whole[index + 1 :]],
            [*whole[:index], *whole[index + 1 :]],
            [*whole[: index + 1], line, *whole[index + 1 :]],
            [*whole[:index], b"{}\n", *whole[index + 1 :]],
        ):
            if spoilt == whole or spoilt == whole[:-1]:
                continue
            wire.path.write_bytes(b"".join(spoilt))
            with pytest.raises(BrokenError) as broken:
                list(read(wire.path))
            assert broken.value.line in (index + 1, index + 2)
    wire.path.write_bytes(b"".join(whole)[:-3])
    with pytest.raises(BrokenError):
        list(read(wire.path))


def test_the_audit_names_what_must_never_be(tmp_path: Path, clock: SimulatedClock) -> None:
    journal = Journal(tmp_path / "relay.jsonl", clock)
    order = {"number": NUMBER}
    good, late = "2026-11-24T02:00:00.000000Z", "2026-11-24T01:00:00.000000Z"
    happened = {"ref": "", "kind": "answered", "told": good, "cause": ""}
    journal.write("start", version="1.0", ring_s="30", limit_s="3600")
    journal.write("order", attempt="a1", deadline=good, **order)
    journal.write("order", attempt="a1", deadline=good, **order)
    journal.write("order", attempt="a2", deadline=late, **order)
    journal.write("placed", attempt="a3", ref="x")
    journal.write("void", attempt="a4")
    journal.write("happened", attempt="a4", **happened)
    assert [fault.line for fault in audit(read(tmp_path / "relay.jsonl")).faults] == [3, 4, 5, 7]


def test_the_commands_tell_and_refuse(wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_life(wire)
    head = f"{wire.journal.head[0]}:{wire.journal.head[1]}"
    assert run(["relay", "audit", str(wire.path), "--head", head, "--attempt", ATTEMPT]) == 0
    assert "発信の指図 a1" in capsys.readouterr().out
    whole = wire.path.read_bytes().splitlines(keepends=True)
    wire.path.write_bytes(b"".join(whole[:-1]))
    assert run(["relay", "audit", str(wire.path)]) == 0  # a cut tail shows only against what was noted down
    assert run(["relay", "audit", str(wire.path), "--head", head]) == 1
    wire.path.write_bytes(b"".join(whole[1:]))
    assert run(["relay", "audit", str(wire.path)]) == 1
    assert "1" in capsys.readouterr().err
    assert run(["relay", "audit", str(tmp_path / "none")]) == 1
    assert run(["relay", "key"]) == 0
    key = capsys.readouterr().out
    assert read_keys("K", None, "", {"K": key}).secrets == (key.strip().encode(),)
    for given in ({}, {"K": "short"}):
        with pytest.raises(ConfigError, match="key_variable"):
            read_keys("K", None, "", given)


def test_the_relays_own_file_is_checked_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "relay.yaml"
    file.write_text("port: 8091\ntwilio:\n  caller_id: '+81366590000'\n", encoding="utf-8")
    found = host_of(file)
    assert (found.port, found.journal) == (8091, tmp_path / "var/relay.jsonl")
    file.write_text("port: 8091\njornal: x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"relay.yaml:2.*journal"):
        host_of(file)


# with Twilio beyond it, over its web application


@pytest.fixture
def peer(clock: SimulatedClock) -> Iterator[TwilioPeer]:
    made = TwilioPeer(clock)
    yield made
    made.close()
    assert made.violations == []


def test_calls_receivers_and_callbacks_pass_through_its_web_application(
    peer: TwilioPeer, tmp_path: Path, clock: SimulatedClock
) -> None:
    far, receiver = TwilioPhone(peer.account(), clock), TwilioReceiver(peer.account(), clock)
    exchange = Exchange(
        Relay(far, Journal(tmp_path / "r.jsonl", clock), clock, LIMITS, "1.0", {"seat7": RECEIVER}), KEYS, clock
    )
    web = TestClient(create_app(exchange, Hook(receiver, far)))
    near = RelayPhone(replace(Line("http://testserver", KEYS), poll_every=timedelta(0)), clock, web)
    assert isinstance(near, AttendedPhone)
    assert isinstance(near, ListeningPhone)

    near.call_desk("desk7", "seat7")
    fields = {"AccountSid": SID, "CallSid": "CA" + "9" * 32, "CallStatus": "in-progress"}
    there = signed(f"{HOOKS_AT}/hooks/twilio/desk/desk7", fields)
    strange = signed(f"{HOOKS_AT}/hooks/twilio/desk/other", fields)
    for callback in (there, strange):
        assert web.post(callback.path, content=callback.body, headers=dict(callback.headers)).status_code == 204
    near.poll()
    assert near.poll_desks() == [DeskEvent("desk7", "there")]

    ref = place(near, desk="desk7").provider_ref
    peer.happens(ATTEMPT, "in-progress")
    callback = peer.outbox[-1]
    assert web.post(callback.path, content=callback.body).status_code == 403
    assert web.post(callback.path, content=callback.body, headers=dict(callback.headers)).status_code == 204
    assert [each.event.kind for each in near.poll()] == ["placed", "answered"]
    near.hold("desk7", ref, on=True)
    near.hold("desk7", ref, on=False)
    near.bring_in("desk7", "seat7")
    near.hand_over("desk7")
    near.hang_up(ref)
    near.hang_up_desk("desk7")
    assert web.post("/exchange", content=b"x" * 70_000).status_code == 403
    assert web.get("/exchange").status_code == 405
    assert web.get("/").status_code == 404
    assert audit(read(tmp_path / "r.jsonl")).faults == []


def test_a_deadline_that_passes_while_the_far_telephone_prepares_dials_nobody(
    peer: TwilioPeer, tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.take_receiver("desk7")
    wire = Wire(tmp_path / "relay.jsonl", clock, TwilioPhone(peer.account(), clock))
    answer = peer.answer

    def slow(method: str, target: str, body: str) -> tuple[int, object]:
        if "/Conferences.json" in target:
            clock.advance(timedelta(seconds=21))
        return answer(method, target, body)

    monkeypatch.setattr(peer, "answer", slow)
    with pytest.raises(PhoneBusyError, match="期限"):
        place(wire.near, desk="desk7")
    assert wire.lines() == ["start", "seat", "order", "expired"]
    assert [call for call in peer.calls.values() if call.to == NUMBER] == []
    assert wire.near.fetch(ATTEMPT) == ()
    assert audit(read(wire.path)).faults == []


def test_an_operator_whom_the_relay_does_not_know_is_not_rung(peer: TwilioPeer, tmp_path: Path) -> None:
    wire = Wire(tmp_path / "relay.jsonl", SimulatedClock(peer.clock.now()), TwilioPhone(peer.account(), peer.clock))
    with pytest.raises(RefusedError, match="seat9"):
        wire.near.call_desk("desk7", "seat9")
    assert wire.lines() == ["start"]


def test_a_lost_line_stands_above_every_page(wire: Wire) -> None:
    assert isinstance(wire.near, WatchedPhone)
    site = cast(
        Site,
        SimpleNamespace(
            watched=wire.near,
            clock=wire.clock,
            config=load(ROOT / "config.yaml", {}),
            plain_lan=False,
            practice=None,
            demo=False,
        ),
    )
    assert Site.notices(site, wire.clock.now(), str) == ()
    wire.near._http = httpx.Client(transport=httpx.MockTransport(_refuses))
    with pytest.raises(PhoneUnavailableError):
        wire.near.hello()
    (notice,) = Site.notices(site, wire.clock.now(), str)
    assert (notice.kind, "途切れた" in notice.text) == ("danger", True)
