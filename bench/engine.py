"""The engine: one answered step, P10 replay, P13 memory of a live call, P14 start."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

from sqlalchemy import select
from transitions import Machine

from bench.table import Contenders, Figure, at_least, at_most, scratch
from callflow.clock import SimulatedClock
from callflow.playback import verify_all
from callflow.standing import Opening, Standing
from models.database import Database
from models.tables import accounts, metadata, municipalities
from tests.world import IDENTITY, MUNICIPALITY, SCRIPTS, World, account, add_case, build, proved

STEPS, CALLS, LIVE = 400, 300, 40


def make_world(path: Path) -> World:
    """A municipality of one case in a fresh SQLite file."""
    database = Database(f"sqlite:///{path}")
    with database.write() as conn:
        metadata.create_all(conn)
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
    world = build(database, SimulatedClock(datetime(2026, 11, 24, 1, 0, tzinfo=UTC)))
    with database.write() as conn:
        add_case(conn)
    return world


def open_call(world: World, case: int = 1, operator: int = 0, number: int = 0) -> Standing:
    """A call that has been answered, at its first line."""
    operator = operator or world.operator
    call_id = world.calls.open(Opening(case, operator, world.script_hash, {}, number_id=number or case))
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call_id, event)
    return world.calls.begin(call_id, operator)


@contextmanager
def steps() -> Iterator[Contenders]:
    with scratch() as folder:
        world, fresh = make_world(folder / "engine.sqlite"), count()
        yield Contenders(
            ours=lambda: _steps(world),
            baseline=lambda: _bare(folder / f"bare-{next(fresh)}.sqlite"),
        )
        world.database.close()


def _steps(world: World) -> float:
    """Seconds a step: an answer and a step back, in turn."""
    standing = open_call(world)
    start = time.perf_counter()
    for _ in range(STEPS // 2):
        standing = world.calls.answer(standing.call_id, world.operator, standing.step, "yes")
        standing = world.calls.back(standing.call_id, world.operator, standing.step)
    spent = (time.perf_counter() - start) / STEPS
    standing = world.calls.hang_up(standing.call_id, world.operator, standing.step)
    world.calls.close(standing.call_id, "system")
    return spent


def _bare(path: Path) -> float:
    """Seconds a transaction by the driver: one event row of the same size in, one call row changed."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE e (m INT, c INT, seq INT, at TEXT, kind TEXT, actor TEXT, payload TEXT, salt BLOB, k BLOB,"
        " h BLOB, PRIMARY KEY (m, c, seq));"
        "CREATE TABLE c (m INT, id INT, step INT, n INT, h BLOB, state TEXT, PRIMARY KEY (m, id));"
        "INSERT INTO c VALUES (1, 1, 0, 0, x'00', '');"
    )
    payload = "x" * 420
    start = time.perf_counter()
    for seq in range(STEPS):
        conn.execute("BEGIN IMMEDIATE")
        row = (1, 1, seq, "2026-11-24 01:00:00.000000", "talk:answer", "operator:1", payload, b"s" * 16, b"k" * 32)
        conn.execute("INSERT INTO e VALUES (?,?,?,?,?,?,?,?,?,?)", (*row, b"h" * 32))
        conn.execute("UPDATE c SET step=?, n=?, h=?, state=? WHERE m=1 AND id=1", (seq, seq, b"h" * 32, "party"))
        conn.execute("COMMIT")
    spent = (time.perf_counter() - start) / STEPS
    conn.close()
    return spent


@contextmanager
def _talked() -> Iterator[World]:
    with scratch() as folder:
        world = make_world(folder / "engine.sqlite")
        _calls(world)
        yield world
        world.database.close()


@contextmanager
def replays() -> Iterator[Contenders]:
    with _talked() as world:
        yield Contenders(ours=lambda: CALLS / _replay(world))


@contextmanager
def state_replays() -> Iterator[Contenders]:
    with _talked() as world:
        yield Contenders(
            ours=lambda: CALLS / _replay(world, states_only=True),
            baseline=lambda: CALLS / _read(world),
        )


def _calls(world: World) -> None:
    for _ in range(CALLS):
        standing = open_call(world)
        for name in ("yes", "other", "other", "unknown", "done"):
            standing = world.calls.answer(standing.call_id, world.operator, standing.step, name)
        world.calls.close(standing.call_id, "system")


def _replay(world: World, *, states_only: bool = False) -> float:
    """Seconds of processor time, for the figure is about one core."""
    with world.database.read() as conn:
        start = time.process_time()
        verdicts = list(verify_all(conn, world.shelf, MUNICIPALITY, states_only=states_only))
        spent = time.process_time() - start
    assert len(verdicts) == CALLS
    assert all(verdict.proved for verdict in verdicts)
    return spent


def _read(world: World) -> float:
    with world.database.read() as conn:
        start = time.process_time()
        conn.exec_driver_sql("SELECT * FROM call_events").all()
        return time.process_time() - start


@contextmanager
def memory() -> Iterator[Contenders]:
    """All that a live call holds in the process, as the engine keeps it, and a `transitions` machine of its own."""
    script, _ = proved(SCRIPTS / "nhi-premium.yaml")
    transitions = [
        {"trigger": f"a_{answer.name}", "source": state.name, "dest": target}
        for state in script.states.values()
        for answer in state.answers.values()
        for target in answer.to.values
        if target in script.states
    ]
    with scratch() as folder:
        world = make_world(folder / "engine.sqlite")
        with world.database.write() as conn:
            for number in range(2, 2 + 2 * LIVE):
                add_case(conn, number)
                account(conn, 1, f"live{number}", "見本 架電", "operator", world.clock.now())
        cases = iter(range(2, 2 + 2 * LIVE))
        _talk_on(world, cases, LIVE // 2)  # what is built once for all calls is built by now
        yield Contenders(
            ours=lambda: _bytes(lambda: _talk_on(world, cases, LIVE), LIVE),
            baseline=lambda: _bytes(
                lambda: [
                    Machine(states=list(script.states), transitions=transitions, initial="greeting") for _ in "12345"
                ],
                5,
            ),
        )
        world.database.close()


def _talk_on(world: World, cases: Iterator[int], number: int) -> None:
    """Calls to `number` more cases, each by an operator of its own, that stand where the debt is named."""
    with world.database.read() as conn:
        of_login = dict(conn.execute(select(accounts.c.login, accounts.c.id)).tuples().all())
    for case in islice(cases, number):
        operator = of_login[f"live{case}"]
        standing = open_call(world, case, operator)
        for name, fields in (("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY}), ("yes", {})):
            standing = world.calls.answer(standing.call_id, operator, standing.step, name, fields=fields)
            assert not standing.refused, standing.refused


def _bytes(make: Callable[[], object], number: int) -> float:
    """Bytes that stay allocated for each of `number` things after `make` made them."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / number
    tracemalloc.stop()
    del made
    return size


@contextmanager
def starts() -> Iterator[Contenders]:
    yield Contenders(ours=lambda: _process("-m", "callflow.cli", "--help"), baseline=lambda: _process("-c", ""))


def _process(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


FIGURES = (
    Figure("step", "one answered step", "bare transaction, same rows, driver", "s", steps, at_most(3)),
    Figure("P10", "replay: states, lines, effects, chain", "", "calls/s", replays, at_least(2_000)),
    Figure("P10", "replay: states and chain", "reading the same rows", "calls/s", state_replays, at_least(0.3)),
    Figure(
        "P13",
        "memory of a live call, all it holds",
        "a transitions machine per call",
        "bytes",
        memory,
        at_most(1 / 30),
        1,
    ),
    Figure("P14", "--help", "bare interpreter", "s", starts, at_most(15)),
)
