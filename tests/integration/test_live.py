"""Who watches hears what others commit: once, after the commit, and again after the database went away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from callflow.clock import SimulatedClock
from callflow.standing import Opening
from models import live
from models.database import Database
from models.live import EVERYTHING, Change, Live, Subscription, announce
from models.tables import job_runs
from tests.conftest import MUNICIPALITY, START
from tests.world import add_case, build

PATIENCE = 10.0


@pytest.fixture
def ear(database: Database) -> Iterator[Live]:
    ear = Live(database)
    yield ear
    ear.close()


@pytest.fixture
def heard(ear: Live) -> Subscription:
    subscription = ear.subscribe(MUNICIPALITY)
    assert subscription.wait(PATIENCE) == (EVERYTHING,)
    return subscription


def change(database: Database, row_id: int, municipality_id: int = MUNICIPALITY) -> None:
    with database.write() as conn:
        announce(conn, municipality_id, "call", row_id)
        conn.execute(job_runs.insert().values(job=f"x{row_id}", fire_time=START, worker="w"))


def test_a_change_is_heard_once_committed(database: Database, heard: Subscription) -> None:
    with database.write() as conn:
        announce(conn, MUNICIPALITY, "call", 7)
        announce(conn, MUNICIPALITY, "call", 7)
        announce(conn, MUNICIPALITY, "slip", 3)
        conn.execute(job_runs.insert().values(job="x", fire_time=START, worker="w"))
        assert heard.wait(2 * live.ASK_EVERY) == ()
    told = heard.wait(PATIENCE)
    assert told == ((EVERYTHING,) if database.is_sqlite else (Change("call", 7), Change("slip", 3)))
    assert heard.wait(0.1) == ()


def test_what_is_rolled_back_is_never_heard(database: Database, heard: Subscription) -> None:
    with contextlib.suppress(ZeroDivisionError), database.write() as conn:
        announce(conn, MUNICIPALITY, "call", 7)
        _ = 1 / 0
    assert heard.wait(3 * live.ASK_EVERY) == ()


def test_another_municipality_hears_nothing_on_postgresql(database: Database, heard: Subscription) -> None:
    if database.is_sqlite:
        pytest.skip("data_version says only that something changed")
    change(database, 7, municipality_id=2)
    assert heard.wait(2 * live.ASK_EVERY) == ()


def test_every_subscriber_hears_and_a_closed_one_does_not(database: Database, ear: Live, heard: Subscription) -> None:
    with ear.subscribe(MUNICIPALITY) as second:
        assert second.wait(PATIENCE) == (EVERYTHING,)
        change(database, 1)
        assert heard.wait(PATIENCE)
        assert second.wait(PATIENCE)
    change(database, 2)
    assert heard.wait(PATIENCE)
    assert second.wait(0) == ()


def test_a_slow_subscriber_is_told_to_read_anew() -> None:
    slow = Subscription(MUNICIPALITY, lambda _one: None)
    for number in range(live.MOST_KEPT + 2):
        slow.tell(Change("call", number))
    assert slow.wait(0) == (EVERYTHING,)


def test_a_task_waits_without_a_thread(database: Database, heard: Subscription) -> None:
    async def both() -> tuple[tuple[Change, ...], tuple[Change, ...]]:
        waiting = asyncio.create_task(heard.wait_async(PATIENCE))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(change, database, 9)
        first = await waiting
        return first, await heard.wait_async(0.05)

    first, then = asyncio.run(both())
    assert first == ((EVERYTHING,) if database.is_sqlite else (Change("call", 9),))
    assert then == ()


def test_a_broken_connection_is_made_again_and_what_was_missed_is_read(
    database: Database, ear: Live, heard: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.is_sqlite:
        pytest.skip("nothing to break: the database is a file")
    monkeypatch.setattr(live, "TRY_AGAIN", 0.1)
    with database.write() as conn:
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        assert conn.execute(text(kill)).all()
    assert heard.wait(PATIENCE) == (EVERYTHING,)
    assert ear.connected
    change(database, 5)
    assert heard.wait(PATIENCE) == (Change("call", 5),)


def test_hearing_is_quick(database: Database, heard: Subscription) -> None:
    start = time.monotonic()
    change(database, 1)
    assert heard.wait(PATIENCE)
    assert time.monotonic() - start < 3 * live.ASK_EVERY


def test_a_call_is_heard_of_when_it_opens_moves_and_ends_but_not_at_each_step(
    database: Database, clock: SimulatedClock, heard: Subscription
) -> None:
    world = build(database, clock)
    with database.write() as conn:
        case = add_case(conn)
    heard.wait(2 * live.ASK_EVERY)
    call_id = world.calls.open(Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id))
    told = (EVERYTHING,) if database.is_sqlite else (Change("call", call_id),)
    assert heard.wait(PATIENCE) == told
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call_id, event)
        assert heard.wait(PATIENCE) == told
    standing = world.calls.begin(call_id, world.operator)
    if not database.is_sqlite:
        assert heard.wait(live.ASK_EVERY) == ()
    standing = world.calls.signal(call_id, world.operator, standing.step, "高齢・独居")
    assert heard.wait(PATIENCE) == ((EVERYTHING,) if database.is_sqlite else (Change("signal", call_id),))
    world.calls.hang_up(call_id, world.operator, standing.step)
    world.calls.close(call_id, "system")
    assert set(told) <= set(heard.wait(PATIENCE))
