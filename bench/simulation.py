"""P16: a day of the whole engine over its database, simulated, against the same rows by the driver alone."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from bench.table import Contenders, Figure, at_least, scratch
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.simulation.demo import START, last_moment
from callflow.simulation.sample import generate, write
from callflow.simulation.stage import Stage, set_stage
from models.database import Database

HOUSEHOLDS = 60
OF_A_CALL = {
    "negotiation_records": "SELECT call_id, t.* FROM negotiation_records t",
    "promises": "SELECT call_id, t.* FROM promises t",
    "promise_arrears": "SELECT p.call_id, t.* FROM promise_arrears t JOIN promises p ON p.id = t.promise_id",
    "contact_slips": "SELECT call_id, t.* FROM contact_slips t",
    "slip_reasons": "SELECT s.call_id, t.* FROM slip_reasons t JOIN contact_slips s ON s.id = t.slip_id",
    "callbacks": "SELECT call_id, t.* FROM callbacks t",
    "signals": "SELECT call_id, t.* FROM signals t",
    "off_scripts": "SELECT call_id, t.* FROM off_scripts t",
    "ward_tasks": "SELECT call_id, t.* FROM ward_tasks t",
    "suppressions": "SELECT call_id, t.* FROM suppressions t",
    "living_reports": "SELECT (SELECT min(call_id) FROM living_report_links WHERE report_id = t.id), t.*"
    " FROM living_reports t",
    "living_report_links": "SELECT call_id, t.* FROM living_report_links t",
    "abandonments": "SELECT call_id, t.* FROM abandonments t",
}
"""What a call leaves in other tables, by its id, parents first."""

Rows = dict[int, list[tuple[Any, ...]]]


@contextmanager
def days() -> Iterator[Contenders]:
    """Calls a second. Both begin from a copy of one prepared file; the ways through the script are known already."""
    with scratch() as folder:
        prepared, names = folder / "prepared.sqlite", count()
        stage = _stage(folder, prepared)
        first = folder / "first.sqlite"
        _simulated(stage, prepared, first)
        yield Contenders(
            ours=lambda: _simulated(stage, prepared, folder / f"s{next(names)}.sqlite"),
            baseline=lambda: _raw(first, prepared, folder / f"r{next(names)}.sqlite"),
        )


def _stage(folder: Path, prepared: Path) -> Stage:
    list_file = folder / "list.csv"
    write(list_file, generate(HOUSEHOLDS, 1, date(2026, 11, 20)), encoding="cp932")
    database = Database(f"sqlite:///{prepared}")
    script, clock = Path("scripts/nhi-premium.yaml"), SimulatedClock(START)
    stage = set_stage(database, load(Path("config.yaml")), script, clock, list_file, operators=6)
    database.close()
    return stage


def _simulated(stage: Stage, prepared: Path, file: Path) -> float:
    shutil.copy(prepared, file)
    database, clock = Database(f"sqlite:///{file}"), SimulatedClock(START)
    desk = load(Path("config.yaml")).desk()
    calls = Calls(database, clock, stage.shelf, desk, stage.municipality_id)
    room = replace(stage.room, database=database, clock=clock, calls=calls)
    start = time.perf_counter()
    room.run(last_moment(1))
    spent = time.perf_counter() - start
    with database.read() as conn:
        number = conn.exec_driver_sql("SELECT count(*) FROM calls").scalar_one()
    database.close()
    return float(number / spent)


def _raw(done: Path, prepared: Path, file: Path) -> float:
    """One transaction for the deal, one to open, one for each further event, the outcome's rows with the last.

    Under the pragmas of `models.database`: the same rows are durable, and held to the same constraints.
    """
    shutil.copy(prepared, file)
    calls, events, outcome = _rows(done)
    conn = sqlite3.connect(file, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        conn.execute(f"PRAGMA {pragma}")
    now = f"{datetime(2026, 11, 24, 1, tzinfo=UTC):%Y-%m-%d %H:%M:%S.%f}"
    start = time.perf_counter()
    for call in calls:
        call_id, case_id = call["id"], call["case_id"]
        with _transaction(conn):
            _queue(conn, case_id, "claimed", now)
        with _transaction(conn):
            _insert(conn, "calls", tuple(call))
            for row in events[call_id][:2]:
                _insert(conn, "call_events", row)
        for number, row in enumerate(events[call_id][2:], start=3):
            with _transaction(conn):
                _insert(conn, "call_events", row)
                conn.execute(
                    "UPDATE calls SET step = ?, event_count = ?, head_hash = ? WHERE municipality_id = 1 AND id = ?",
                    (number, number, b"h" * 32, call_id),
                )
                if number == len(events[call_id]):
                    for table, rows in outcome.items():
                        for each in rows[call_id]:
                            _insert(conn, table, each)
                    _queue(conn, case_id, "scheduled", now)
    spent = time.perf_counter() - start
    conn.close()
    return len(calls) / spent


def _rows(done: Path) -> tuple[list[sqlite3.Row], Rows, dict[str, Rows]]:
    """The calls of a finished day, their events, and what each left in the other tables."""
    conn = sqlite3.connect(done)
    conn.row_factory = sqlite3.Row
    found: dict[str, Rows] = {}
    for table, read in {"call_events": "SELECT call_id, t.* FROM call_events t ORDER BY seq", **OF_A_CALL}.items():
        found[table] = defaultdict(list)
        for call_id, *row in conn.execute(read):
            found[table][call_id].append(tuple(row))
    calls = conn.execute("SELECT * FROM calls ORDER BY id").fetchall()
    conn.close()
    return calls, found.pop("call_events"), found


@contextmanager
def _transaction(conn: sqlite3.Connection) -> Iterator[None]:
    conn.execute("BEGIN IMMEDIATE")
    yield
    conn.execute("COMMIT")


def _insert(conn: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    conn.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _queue(conn: sqlite3.Connection, case_id: int, state: str, due: str) -> None:
    conn.execute(
        "UPDATE queue_entries SET state = ?, due_at = ?, fence = fence + 1 WHERE municipality_id = 1 AND case_id = ?",
        (state, due, case_id),
    )


FIGURES = (
    Figure(
        "P16",
        "full-engine simulation with database",
        "raw transactions, same rows, driver",
        "calls/s",
        days,
        at_least(0.25),
    ),
)
