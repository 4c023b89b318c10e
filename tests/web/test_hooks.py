"""The provider's callbacks at our web server: only what is signed, whole and ours changes anything; none breaks it."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from sqlalchemy import func, select, update
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from callflow import attendance
from callflow.console.app import create_app
from callflow.console.site import Site
from callflow.switchboard import Switchboard
from callflow.telephony.twilio.phone import TwilioPhone
from callflow.telephony.twilio.webhooks import FORM_OF, TwilioReceiver
from callflow.telephony.webhook import Hook
from models.tables import call_events, calls, campaigns, phone_numbers, receivers
from scheduler import queue
from scheduler.dealing import Deal
from tests.conftest import MUNICIPALITY
from tests.peers.twilio_peer import HOOKS_AT, SID, Callback, TwilioPeer, signed
from tests.world import World, add_case

CAMPAIGN = 1


@pytest.fixture
def peer(world: World) -> Iterator[TwilioPeer]:
    made = TwilioPeer(world.clock)
    yield made
    made.close()
    assert made.violations == []


@pytest.fixture
def room(site: Site, world: World, peer: TwilioPeer) -> Site:
    """A console over Twilio, a campaign with one case, and the operator's receiver off the hook."""
    now, phone = world.clock.now(), TwilioPhone(peer.account(), world.clock)
    with world.database.write() as conn:
        values = {"id": CAMPAIGN, "name": "見本", "claim_type": "national_health_insurance", "state": "running"}
        people = {"supervisor_id": world.supervisor, "created_by": world.supervisor}
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY, script_hash=world.script_hash, created_at=now, **values, **people
            )
        )
        case = add_case(conn)
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(case.case_id, case.household_id, now, 1)])
        queue.wake(conn, MUNICIPALITY, now)
        desk = attendance.call(conn, MUNICIPALITY, world.operator, now)
    peer.take_receiver(desk)
    board = Switchboard(world.database, world.clock, world.calls, phone, MUNICIPALITY, site.rules_of)
    return replace(site, phone=phone, switchboard=board, hook=Hook(TwilioReceiver(peer.account(), world.clock), phone))


@pytest.fixture
def web(room: Site) -> TestClient:
    return TestClient(create_app(room, with_errands=False))


def give(web: TestClient, callback: Callback) -> int:
    return web.post(callback.path, content=callback.body, headers=dict(callback.headers)).status_code


def dial(room: Site, world: World) -> Any:
    dealt = room.switchboard.deal(world.operator, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    room.switchboard.dial(dealt, world.operator)
    return row(room)


def row(room: Site) -> Any:
    """The newest call."""
    with room.database.read() as conn:
        return conn.execute(select(calls).order_by(calls.c.id.desc())).first()


def state(room: Site) -> tuple[object, ...]:
    with room.database.read() as conn:
        events = conn.execute(select(func.count()).select_from(call_events)).scalar()
        found = [tuple(each) for each in conn.execute(select(calls.c.line_state, calls.c.event_count))]
        return (*found, events, *_receivers(conn))


def _receivers(conn: Any) -> list[tuple[object, ...]]:
    return [tuple(each) for each in conn.execute(select(receivers.c.desk, receivers.c.state)).all()]


def test_a_call_is_heard_of_by_callbacks_in_any_order_and_repeated(
    room: Site, world: World, peer: TwilioPeer, web: TestClient
) -> None:
    call = dial(room, world)
    assert (call.line_state, call.provider_ref) == ("ringing", peer.resident(call.attempt_ref).sid)
    for status in ("initiated", "ringing", "in-progress"):
        peer.happens(call.attempt_ref, status)
    assert [give(web, each) for each in (*peer.outbox[::-1], *peer.outbox)] == [204] * 6
    assert (row(room).line_state, bool(row(room).talk_state)) == ("answered", True)
    peer.is_answered_by(call.attempt_ref, "machine_start")
    peer.happens(call.attempt_ref, "completed")
    assert [give(web, each) for each in peer.outbox[-2:]] == [204] * 2
    assert row(room).line_state == "ended"


@pytest.mark.parametrize(
    ("status", "sip", "code"),
    [
        ("busy", "486", "BZ"),
        ("no-answer", "", "NA"),
        ("failed", "404", "DN"),
        ("failed", "603", "NA"),  # a rejected call is one that nobody answered
        ("failed", "480", "NW"),
        ("failed", "503", "TF"),
    ],
)
def test_an_end_without_an_answer_is_a_disposition(
    room: Site, world: World, peer: TwilioPeer, web: TestClient, status: str, sip: str, code: str
) -> None:
    call = dial(room, world)
    peer.happens(call.attempt_ref, status, **({"SipResponseCode": sip} if sip else {}))
    assert give(web, peer.outbox[-1]) == 204
    assert (row(room).disposition, row(room).live) == (code, False)


def test_a_costly_number_that_got_into_the_database_is_not_dialled_and_not_dealt_again(
    room: Site, world: World, peer: TwilioPeer
) -> None:
    with room.database.write() as conn:
        mine = phone_numbers.c.municipality_id == MUNICIPALITY
        conn.execute(update(phone_numbers).where(mine).values(e164="+81990123456"))
    call = dial(room, world)
    assert (call.disposition, call.live) == ("DN", False)
    assert not [each for each in peer.requests if "990123456" in each]
    world.clock.advance(timedelta(days=1, hours=4))
    world.database.transact(lambda conn: queue.wake(conn, MUNICIPALITY, world.clock.now()))
    assert not isinstance(room.switchboard.deal(world.operator, [CAMPAIGN]), Deal)


TOPIC = ("保険料", "滞納", "未納", "納付", "督促", "催告", "支払", "差押", "税")


def test_a_machine_that_is_told_of_after_the_answer_is_left_to_the_operators_ears(
    room: Site, world: World, peer: TwilioPeer, web: TestClient
) -> None:
    """No message on the first attempt, a minimal one from the second, never the topic; the late word moves nothing."""
    for code in ("AM0", "AM1"):
        call = dial(room, world)
        peer.happens(call.attempt_ref, "in-progress")
        assert give(web, peer.outbox[-1]) == 204
        before = state(room)
        peer.is_answered_by(call.attempt_ref, "machine_end_beep")
        assert give(web, peer.outbox[-1]) == 204
        assert state(room) == before
        heard = world.calls.standing(call.id, world.operator)
        told = world.calls.answer(call.id, world.operator, heard.step, "machine")
        assert not told.refused
        if code == "AM1":
            assert told.state == "machine"
            assert "見本区の業務を受託しております" in told.line
            assert not [word for word in TOPIC if word in told.line]
            told = world.calls.answer(call.id, world.operator, told.step, "done")
        assert told.talk_ended
        assert room.switchboard.finish(call.id, "operator:1").disposition == code
        peer.happens(call.attempt_ref, "completed")
        world.clock.advance(timedelta(days=1, hours=4))
        world.database.transact(lambda conn: queue.wake(conn, MUNICIPALITY, world.clock.now()))


def test_a_fax_is_hung_up(room: Site, world: World, peer: TwilioPeer, web: TestClient) -> None:
    call = dial(room, world)
    peer.happens(call.attempt_ref, "in-progress")
    peer.is_answered_by(call.attempt_ref, "fax")
    assert give(web, peer.outbox[-1]) == 204
    assert row(room).disposition == "FX"
    assert peer.resident(call.attempt_ref).status == "completed"


def test_who_answers_after_the_receiver_was_put_down_was_abandoned(
    room: Site, world: World, peer: TwilioPeer, web: TestClient
) -> None:
    call = dial(room, world)
    with room.database.read() as conn:
        found = attendance.receiver_of(conn, MUNICIPALITY, world.operator)
    assert found
    fields = {"AccountSid": SID, "CallSid": "CA" + "9" * 32, "CallStatus": "completed"}
    peer.faults["hang_up"].append("5xx")
    assert give(web, signed(f"{HOOKS_AT}/hooks/twilio/desk/{found.desk}", fields)) == 204
    with room.database.read() as conn:
        gone = attendance.receiver_of(conn, MUNICIPALITY, world.operator)
    assert gone
    assert gone.state == "gone"
    peer.happens(call.attempt_ref, "in-progress")
    assert give(web, peer.outbox[-1]) == 204
    assert (row(room).disposition, row(room).talk_state) == ("AB", "")
    assert peer.resident(call.attempt_ref).status == "completed"


def test_a_placement_of_unknown_fate_is_never_repeated_and_its_callback_settles_it(
    room: Site, world: World, peer: TwilioPeer, web: TestClient
) -> None:
    peer.faults["place"].append("5xx_after")
    peer.faults["list"].append("5xx")
    call = dial(room, world)
    assert call.line_state == "needs_review"
    assert room.switchboard.recover().resumed == ()
    peer.happens(call.attempt_ref, "no-answer")
    assert give(web, peer.outbox[-1]) == 204
    assert (row(room).disposition, len([each for each in peer.calls.values() if each.label])) == ("NA", 2)


def test_a_placement_whose_answer_was_lost_is_found_by_listing(room: Site, world: World, peer: TwilioPeer) -> None:
    peer.faults["place"].append("reset")
    call = dial(room, world)
    assert (call.line_state, call.provider_ref) == ("ringing", peer.resident(call.attempt_ref).sid)


REFUSED = {
    "no signature": lambda one: (one.body, {}),
    "another signature": lambda one: (one.body, {"x-twilio-signature": "A" * 28}),
    "a signature that is no word": lambda one: (one.body, {"x-twilio-signature": "é".encode()}),
    "another body": lambda one: (one.body.replace(b"in-progress", b"completed"), one.headers),
    "a field twice": lambda one: (one.body + b"&CallStatus=completed", one.headers),
    "no form": lambda one: (b"\xff\xfe{}", one.headers),
    "nothing": lambda one: (b"", one.headers),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_not_signed_is_refused_and_one_line_names_the_url_but_no_secret(
    room: Site, world: World, peer: TwilioPeer, web: TestClient, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = dial(room, world)
    peer.happens(call.attempt_ref, "in-progress")
    before, (body, headers) = state(room), REFUSED[how](peer.outbox[-1])
    capsys.readouterr()
    assert web.post(peer.outbox[-1].path, content=body, headers=headers).status_code == 403
    assert state(room) == before
    said = capsys.readouterr()
    (line,) = [each for each in (said.out + said.err).splitlines() if "hook refused" in each]
    assert f"{HOOKS_AT}/hooks/twilio/call/..." in line
    assert not re.search(peer.account().token + "|" + call.attempt_ref, line)


def test_what_is_signed_but_not_whole_changes_nothing(
    room: Site, world: World, peer: TwilioPeer, web: TestClient
) -> None:
    call = dial(room, world)
    url, before = f"{HOOKS_AT}/hooks/twilio/call/{call.attempt_ref}", state(room)
    whole = {"AccountSid": SID, "CallSid": call.provider_ref, "CallStatus": "completed"}
    for change, status in (
        ({"AccountSid": "AC" + "9" * 32}, 403),
        ({"CallStatus": "gone"}, 400),
        ({"CallSid": "CA1"}, 400),
        ({"Unheard": "1"}, 400),
        ({"Timestamp": "yesterday"}, 400),
        ({"CallerName": "\n"}, 400),
    ):
        assert give(web, signed(url, whole | change)) == status, change
    for missing in whole:
        assert give(web, signed(url, {name: value for name, value in whole.items() if name != missing})) == 400
    moved = signed(url, whole)
    for old, new in (("CallStatus=completed", "CallStatuscompleted="), ("CallSid=CA", "CallSidCA=")):
        assert (
            web.post(moved.path, content=moved.body.decode().replace(old, new), headers=dict(moved.headers)).status_code
            == 400
        )  # the signature fits: it covers no borders
    assert state(room) == before
    assert give(web, signed(f"{HOOKS_AT}/hooks/twilio/call/nobodys", whole)) == 204
    assert state(room) == before
    assert web.post("/hooks/twilio/other/1").status_code == 404
    assert web.get("/hooks/twilio/call/1").status_code == 405
    assert web.post("/hooks/twilio/call/1", content=b"a" * 20_000).status_code == 413


def test_a_console_without_a_provider_has_no_hook(app: ASGIApp) -> None:
    assert TestClient(app).post("/hooks/twilio/call/1").status_code == 404


# the fuzz


def _mutated(chance: random.Random, callback: Callback) -> tuple[str, bytes, Mapping[str, Any]]:
    """A request made from a true callback."""
    path, body, headers = callback.path, callback.body, dict(callback.headers)
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    match chance.randrange(9):
        case 0:
            headers = {}
        case 1:
            headers["x-twilio-signature"] = chance.choice(["", "é", "\t", "A" * chance.randrange(60), "=", "名"])
        case 2:
            cut = chance.randrange(len(body) + 1)
            body = body[:cut] + chance.randbytes(chance.randrange(9)) + body[cut + chance.randrange(4) :]
        case 3:
            chance.shuffle(pairs)
            body = urlencode(pairs).encode()
        case 4:  # a border moved: the signature still fits
            index = chance.randrange(len(pairs))
            whole = "".join(pairs[index])
            cut = chance.randrange(len(whole) + 1)
            pairs[index] = (whole[:cut], whole[cut:])
            body = urlencode(pairs).encode()
        case 5:
            name = chance.choice([*FORM_OF, "CallStatus", "__proto__", "a" * 99])
            body = urlencode([*pairs, (name, chance.choice(["completed", "", "0", "\x00", "𠮷"]))]).encode()
        case 6:
            path = chance.choice(
                ["/hooks/twilio/", "/hooks/twilio/call/", "/hooks/twilio/call/%00", path + "x", path + "/"]
            )
        case 7:
            body = chance.randbytes(chance.randrange(300))
        case 8:
            body = quote(
                chance.choice(["&", "=", "%", "%zz", "a=1&a=1", ";", "\ud7ff"]) * chance.randrange(300)
            ).encode()
    return path, body, headers


async def _ask(app: ASGIApp, path: str, body: bytes, headers: Mapping[str, Any]) -> int:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "query_string": b"",
        "raw_path": path.encode(), "root_path": "", "headers": encoded, "client": ("test", 1), "server": ("test", 80),
    }  # fmt: skip
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "count", [10_000, pytest.param(1_000_000, marks=[pytest.mark.deep, pytest.mark.timeout(1200)])]
)
def test_no_input_breaks_it_and_none_that_is_not_signed_and_whole_changes_anything(
    room: Site, world: World, peer: TwilioPeer, count: int
) -> None:
    call, chance = dial(room, world), random.Random(count)
    peer.happens(call.attempt_ref, "ringing", CalledCity="見本", SipResponseCode="180")
    peer.happens(call.attempt_ref, "in-progress", FromCountry="JP")
    peer.is_answered_by(call.attempt_ref, "human")
    callbacks, app, before = list(peer.outbox), create_app(room, with_errands=False), state(room)

    async def all_of_them() -> dict[int, int]:
        seen: dict[int, int] = {}
        for _ in range(count):
            one = chance.choice(callbacks)
            path, body, headers = _mutated(chance, one)
            if (
                dict(parse_qsl(body.decode("latin-1"))) == dict(parse_qsl(one.body.decode()))
                and headers
                and path == one.path
            ):
                continue  # in another order it is the same
            status = await _ask(app, path, body, headers)
            seen[status] = seen.get(status, 0) + 1
        return seen

    seen = asyncio.run(all_of_them())
    assert set(seen) <= {400, 403, 404}, seen
    assert min(seen.get(400, 0), seen.get(403, 0), seen.get(404, 0)) > count / 100
    assert state(room) == before
