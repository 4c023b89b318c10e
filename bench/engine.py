"""One answered step against a bare transaction of the same rows, P10 replay, P13 memory of a live call, P14 start.

Ratios inside one run, interleaved rounds, median and spread.

    python -m bench.engine [--rounds 5]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from transitions import Machine

from callflow.clock import SimulatedClock
from callflow.flow import Flow
from callflow.playback import verify_all
from callflow.script.talk import begin
from callflow.standing import Opening, Standing
from models.database import Database
from models.tables import metadata, municipalities
from tests.world import MUNICIPALITY, SCRIPTS, World, add_case, build, proved

STEPS, CALLS = 400, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        world = _world(Path(folder) / "engine.sqlite")
        _told("answered step ÷ bare transaction (aim ≤ 3)", rounds, lambda: _steps(world), lambda: _bare(folder))
        _calls(world)
        _told("P10 replay ÷ reading the rows", rounds, lambda: _replay(world), lambda: _read(world))
        print(f"P10 replay with states, lines, effects and chain: {CALLS / _replay(world):,.0f} calls/s (aim ≥ 2,000)")
    print(f"P13 memory of a live call ÷ machine per call: {_memory():.4f} (aim ≤ 0.033)")
    _told(
        "P14 --help ÷ bare interpreter (aim ≤ 15)",
        rounds,
        lambda: _process("-m", "callflow.cli"),
        lambda: _process("-c", ""),
    )


def _told(name: str, rounds: int, ours: Callable[[], float], baseline: Callable[[], float]) -> None:
    ratios = [ours() / baseline() for _ in range(rounds)]
    print(f"{name}: {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}, {rounds} rounds)")


def _world(path: Path) -> World:
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
    world = build(database, SimulatedClock(datetime(2026, 11, 24, 1, 0, tzinfo=UTC)))
    with database.write() as conn:
        add_case(conn)
    return world


def _open(world: World) -> Standing:
    call_id = world.calls.open(Opening(1, world.operator, world.script_hash, {}, number_id=1))
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call_id, event)
    return world.calls.begin(call_id, world.operator)


def _steps(world: World) -> float:
    """Seconds a step: an answer and a step back, in turn."""
    standing = _open(world)
    start = time.perf_counter()
    for _ in range(STEPS // 2):
        standing = world.calls.answer(standing.call_id, world.operator, standing.step, "yes")
        standing = world.calls.back(standing.call_id, world.operator, standing.step)
    spent = (time.perf_counter() - start) / STEPS
    standing = world.calls.hang_up(standing.call_id, world.operator, standing.step)
    world.calls.close(standing.call_id, "system")
    return spent


def _bare(folder: str) -> float:
    """Seconds a transaction by the driver: one event row of the same size in, one call row changed."""
    path = Path(folder) / f"bare-{time.perf_counter_ns()}.sqlite"
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


def _calls(world: World) -> None:
    for _ in range(CALLS):
        standing = _open(world)
        for name in ("yes", "other", "other", "unknown", "done"):
            standing = world.calls.answer(standing.call_id, world.operator, standing.step, name)
        world.calls.close(standing.call_id, "system")


def _replay(world: World) -> float:
    first = 10_000_000
    with world.database.read() as conn:
        newest = conn.exec_driver_sql("SELECT max(id) FROM calls").scalar_one()
        first = newest - CALLS + 1
        start = time.perf_counter()
        verdicts = list(verify_all(conn, world.shelf, MUNICIPALITY, first=first))
        spent = time.perf_counter() - start
    assert len(verdicts) == CALLS
    assert all(verdict.proved for verdict in verdicts)
    return spent


def _read(world: World) -> float:
    with world.database.read() as conn:
        newest = conn.exec_driver_sql("SELECT max(id) FROM calls").scalar_one()
        start = time.perf_counter()
        conn.exec_driver_sql("SELECT * FROM call_events WHERE call_id > ?", (newest - CALLS,)).all()
        return time.perf_counter() - start


def _memory() -> float:
    """Bytes of a held talk ÷ bytes of a `transitions` machine of its own."""
    script, _ = proved(SCRIPTS / "nhi-premium.yaml")
    flow = Flow(script)
    transitions = [
        {"trigger": f"a_{answer.name}", "source": state.name, "dest": target}
        for state in script.states.values()
        for answer in state.answers.values()
        for target in answer.to.values
        if target in script.states
    ]
    ours = _bytes(lambda: begin(flow.script, "outbound", {}), 2_000)
    theirs = _bytes(lambda: Machine(states=list(script.states), transitions=transitions, initial="greeting"), 10)
    return ours / theirs


def _bytes(make: Callable[[], object], count: int) -> float:
    tracemalloc.start()
    held = [make() for _ in range(count)]
    size = tracemalloc.get_traced_memory()[0] / len(held)
    tracemalloc.stop()
    return size


def _process(*arguments: str) -> float:
    command = [sys.executable, *arguments, *(["--help"] if arguments[0] == "-m" else [])]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
