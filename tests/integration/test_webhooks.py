"""Webhooks: what is told when, signed how, tried again when; and where nothing is ever sent."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from callflow.access.clients import SCOPES, Clients
from callflow.clock import SimulatedClock
from callflow.errors import InputError, RefusedError
from callflow.webhooks import delivery, outbox
from callflow.webhooks.rows import Hooks
from callflow.webhooks.rules import DELAYS, EVENTS, check_url
from models.database import Database
from models.tables import accounts, signals, webhook_deliveries
from tests.integration.test_calls import whole
from tests.integration.test_holdings import HARD
from tests.world import MUNICIPALITY, World, add_case, build

HOSTS = ("tainou.example.lg.jp", "localhost:9000", "127.0.0.1")
URL = "https://tainou.example.lg.jp/callflow"


class Receiver:
    """Answers as it is told to, and keeps what came."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock, self.answer = clock, 204
        self.came: list[tuple[Mapping[str, str], bytes]] = []

    def __call__(self, _url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.came.append((headers, body))
        if self.answer == 0:
            raise httpx.ConnectTimeout("")
        return self.answer

    @property
    def told(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.came]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def receiver(clock: SimulatedClock) -> Receiver:
    return Receiver(clock)


def hook(world: World, events: tuple[str, ...] = tuple(EVENTS), name: str = "tainou") -> tuple[int, str]:
    with world.database.write() as conn:
        now = world.clock.now()
        desk = Clients(conn, MUNICIPALITY, now)
        desk.add(name, tuple(SCOPES), days=300, per_minute=100, by=world.staff[0])
        return Hooks(conn, MUNICIPALITY, now).add(desk.named(name), URL, events, HOSTS, by=world.staff[0])


def tell(world: World, receiver: Receiver, hosts: tuple[str, ...] = HOSTS) -> int:
    return delivery.tell(world.database, MUNICIPALITY, hosts, world.clock.now, receiver)


def states(world: World) -> list[tuple[str, int, str]]:
    d = webhook_deliveries.c
    with world.database.read() as conn:
        return [tuple(row) for row in conn.execute(select(d.state, d.attempts, d.answer).order_by(d.id))]


def test_what_a_call_left_behind_is_told_once_signed_and_in_ids_alone(world: World, receiver: Receiver) -> None:
    with world.database.write() as conn:
        before, case = add_case(conn, 1), add_case(conn, 2)
    whole(world, before, HARD)
    world.clock.advance(timedelta(minutes=1))
    _, secret = hook(world)
    call_id = whole(world, case, HARD).call_id
    tell(world, receiver)
    at_once = set(receiver.told)
    assert not at_once & {"call.recorded", "report.requested"}  # it may still be taken back
    world.clock.advance(timedelta(seconds=9))
    tell(world, receiver)
    assert set(receiver.told) == at_once
    world.clock.advance(timedelta(seconds=1))
    tell(world, receiver)
    tell(world, receiver)
    assert sorted(receiver.told) == sorted({"call.recorded", "report.requested", "slip.raised", *at_once})
    for headers, body in receiver.came:
        told = json.loads(body)["data"]
        assert told.get("case_id", case.case_id) == case.case_id
        assert told.get("call_id", call_id) == call_id
        assert not {"text", "name", "phone", "addressee_no", "reason", "note", "place", "amount"} & set(told)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        fits = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert headers["webhook-signature"] == fits


def test_a_signal_is_told_while_the_call_goes_on(world: World, receiver: Receiver) -> None:
    hook(world, ("signal.raised",))
    with world.database.write() as conn:
        case = add_case(conn)
    call_id = whole(world, case, HARD).call_id
    with world.database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "call_id": call_id, "case_id": case.case_id, "at": world.clock.now()}
        conn.execute(insert(signals).values(**own, seq=900, kind="emergency", reason="体調が急に悪い"))
    assert tell(world, receiver) >= 1
    assert "900" in receiver.came[-1][1].decode()
    assert "体調" not in receiver.came[-1][1].decode()


def raise_signals(world: World, count: int) -> None:
    with world.database.write() as conn:
        case = add_case(conn)
    call_id = whole(world, case, HARD).call_id
    with world.database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "call_id": call_id, "case_id": case.case_id, "at": world.clock.now()}
        rows = [own | {"seq": 900 + each, "kind": "signal", "reason": ""} for each in range(count)]
        conn.execute(signals.delete())
        conn.execute(insert(signals), rows)


@pytest.mark.parametrize("answer", [0, 500, 302, 410])
def test_what_is_not_taken_is_tried_later_and_later_then_dead_until_it_is_replayed(
    world: World, receiver: Receiver, answer: int
) -> None:
    one, _ = hook(world, ("signal.raised",))
    raise_signals(world, 1)
    receiver.answer = answer
    assert tell(world, receiver) == 0
    for delay in DELAYS:
        world.clock.advance(delay - timedelta(seconds=1))
        tell(world, receiver)
        came = len(receiver.came)
        world.clock.advance(timedelta(seconds=1))
        tell(world, receiver)
        assert len(receiver.came) == came + 1
    said = "ConnectTimeout" if answer == 0 else str(answer)
    assert states(world) == [("dead", len(DELAYS) + 1, said)]
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert len({body for _, body in receiver.came}) == 1
    receiver.answer = 200
    assert tell(world, receiver) == 0
    with world.database.write() as conn:
        desk = Hooks(conn, MUNICIPALITY, world.clock.now())
        client = Clients(conn, MUNICIPALITY, world.clock.now()).named("tainou")
        desk.replay(desk.one(client.account_id, one), 1)
    assert tell(world, receiver) == 1
    assert states(world) == [("sent", 1, "200")]
    world.clock.advance(delivery.KEPT + timedelta(seconds=1))
    assert world.database.transact(lambda conn: delivery.forget(conn, MUNICIPALITY, world.clock.now())) == 1


def test_a_receiver_that_is_away_costs_one_attempt_a_round_and_holds_up_nobody_else(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AT_ONCE", 2)
    hook(world, ("signal.raised",), "away")
    hook(world, ("signal.raised",), "there")
    raise_signals(world, 5)

    def half(url: str, headers: Mapping[str, str], body: bytes) -> int:
        with world.database.read() as conn:
            d = webhook_deliveries.c
            one = int(headers["webhook-id"].removeprefix("msg_"))
            whose = conn.execute(select(d.webhook_id).where(d.id == one)).scalar_one()
        receiver.answer = 0 if whose == 1 else 204
        return receiver(url, headers, body)

    for _ in range(3):  # at most two new ones at once
        delivery.tell(world.database, MUNICIPALITY, HOSTS, world.clock.now, half)
    with world.database.read() as conn:
        d = webhook_deliveries.c
        counted = conn.execute(select(d.webhook_id, d.state, func.sum(d.attempts)).group_by(d.webhook_id, d.state))
        assert sorted(tuple(row) for row in counted) == [(1, "waiting", 3), (2, "sent", 5)]


def test_nothing_is_told_to_who_was_stopped_or_to_a_host_that_is_no_longer_allowed(
    world: World, receiver: Receiver
) -> None:
    hook(world, ("signal.raised",))
    raise_signals(world, 1)
    assert tell(world, receiver, ("elsewhere.example",)) == 0
    assert states(world) == [("waiting", 1, "host not allowed")]
    with world.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "client.tainou").values(disabled_at=world.clock.now()))
    world.clock.advance(timedelta(hours=1))
    assert (tell(world, receiver), receiver.came) == (0, [])


def test_a_client_is_told_only_what_its_scopes_let_it_read(world: World) -> None:
    with world.database.write() as conn:
        desk = Clients(conn, MUNICIPALITY, world.clock.now())
        desk.add("small", ["webhooks:manage", "calls:read"], days=1, per_minute=1, by=world.staff[0])
        hooks = Hooks(conn, MUNICIPALITY, world.clock.now())
        hooks.add(desk.named("small"), URL, ["call.recorded"], HOSTS, by=1)
        with pytest.raises(RefusedError, match="slips:read"):
            hooks.add(desk.named("small"), URL, ["slip.raised"], HOSTS, by=1)
        with pytest.raises(InputError, match="知らない"):
            hooks.add(desk.named("small"), URL, ["all"], HOSTS, by=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://tainou.example.lg.jp/x",
        "https://tainou.example.lg.jp.evil.example/",
        "https://tainou.example.lg.jp:8443/",
        "https://tainou.example.lg.jp@evil.example/",
        "https://user:pw@tainou.example.lg.jp/",
        "https://evil.example/#tainou.example.lg.jp",
        "https://tainou.example.lg.jp/?to=x",
        "https://169.254.169.254/latest",
        "http://localhost/",
        "http://localhost:9001/",
        "http://[::1]:9000/",
        "https://ｔａｉｎｏｕ.example.lg.jp/",
        "https://tainou.example.lg.jp:99999/",
        "https://[bad/",
        "ftp://tainou.example.lg.jp/",
        "file:///etc/passwd",
        "//tainou.example.lg.jp",
        "https://tainou.example.lg.jp/\r\nx: y",
        "",
    ],
)
def test_no_other_host_is_reached(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url, HOSTS)


def test_the_configured_hosts_are_reached() -> None:
    for url in (URL, "https://TAINOU.example.lg.jp:443/", "http://localhost:9000/a/b", "http://127.0.0.1/"):
        check_url(url, HOSTS)


@pytest.fixture
def moved() -> Iterator[str]:
    """A server that sends everybody elsewhere."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/here"
            self.send_response(302)
            self.send_header("location", "/there")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/here"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_redirect_is_not_followed(moved: str) -> None:
    assert delivery.post(moved, {"webhook-id": "msg_1"}, b"{}") == 302
