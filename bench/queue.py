"""P4 to P7: claims from a queue of any length, in its hostile cases, and beside the same SQL by pgbench.

PostgreSQL is a server of the benchmark's own, durable as in service.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from bench.table import Contender, Contenders, Figure, at_least, scratch, sized
from models.database import Database
from models.tables import metadata, queue_entries
from scheduler import queue
from tests.server import BIN, Server

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=15)
CAMPAIGNS, SHORT, CLAIMS, BATCH = 20, 10_000, 600, 20

ROWS = """
INSERT INTO queue_entries (municipality_id, campaign_id, case_id, household_id, state, due_at, priority, fence, reason)
SELECT 1 + (n / 40) % {municipalities}, 1 + (n / 2) % {campaigns}, n, n,
       CASE WHEN n % {every} = 0 THEN 'scheduled' ELSE 'ready' END,
       CASE WHEN n % {every} = 0 THEN {later} ELSE {now} END,
       CASE WHEN n % {every} = 0 THEN 100 ELSE 200 + n % 700 END, 0, ''
FROM {numbers}
"""


def filled(database: Database, rows: int, *, scheduled_every: int = 0, municipalities: int = 1) -> Database:
    """A queue of `rows` in `municipalities`; every `scheduled_every`th is at its head by priority, and not yet due.

    Without foreign keys, so that no cases need be made: a claim touches no key.
    """
    with database.write() as conn:
        metadata.create_all(conn)
    words: dict[str, object] = {"campaigns": CAMPAIGNS, "every": scheduled_every or rows + 1}
    words["municipalities"] = municipalities
    if database.is_sqlite:
        words["numbers"] = (
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s)"
        )
        words |= {"now": "'2026-11-24 01:00:00.000000'", "later": "'2026-11-25 01:00:00.000000'"}
        around = ("PRAGMA foreign_keys=OFF", ROWS.format(**words), "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        keys = [
            f"ALTER TABLE queue_entries DROP CONSTRAINT {key.name}" for key in queue_entries.foreign_key_constraints
        ]
        words |= {"now": "timestamptz '2026-11-24 01:00Z'", "later": "timestamptz '2026-11-25 01:00Z'"}
        words["numbers"] = f"generate_series(1, {rows}) AS n"
        around = (*keys, ROWS.format(**words), "VACUUM ANALYZE queue_entries", "CHECKPOINT")
    raw = database.engine.raw_connection()
    if not database.is_sqlite:
        raw.driver_connection.autocommit = True  # type: ignore[union-attr]
    cursor = raw.cursor()
    for statement in around:
        cursor.execute(statement)
    raw.detach()
    raw.close()
    return database


class Claimant:
    """Claims in turn from each campaign; what it returns are claims, or rows, a second."""

    def __init__(self, database: Database, municipalities: int = 1) -> None:
        self._database, self._municipalities, self._turn = database, municipalities, 0

    def single(self) -> float:
        return self._rate(CLAIMS, 1)

    def batches(self) -> float:
        return self._rate(CLAIMS // BATCH * 4, BATCH)

    def for_seconds(self, seconds: float) -> float:
        end, done = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            done += self._claim(1)
        return done / seconds

    def _rate(self, times: int, size: int) -> float:
        begun = time.perf_counter()
        taken = sum(self._claim(size) for _ in range(times))
        assert taken == times * size, "the queue ran dry"
        return taken / (time.perf_counter() - begun)

    def _claim(self, size: int) -> int:
        self._turn += 1
        campaign = 1 + self._turn % CAMPAIGNS
        one = 1 + self._turn // CAMPAIGNS % self._municipalities
        if size == 1:
            return len([self._database.transact(
                lambda conn: queue.claim(conn, one, [campaign], worker="operator:1", lease_until=UNTIL)
            )])  # fmt: skip
        return len(
            self._database.transact(
                lambda conn: queue.claim_many(conn, one, campaign, size, worker="operator:1", lease_until=UNTIL)
            )
        )


@contextmanager
def server() -> Iterator[Server]:
    made = Server()
    try:
        made.start()
        yield made
    finally:
        made.remove()


def named(made: Server, name: str) -> Database:
    admin = Database(made.url())
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    admin.close()
    return Database(made.url().removesuffix("postgres") + name)


@contextmanager
def lengths() -> Iterator[Contenders]:
    long = sized(300_000, 5_000_000)
    with server() as made:
        large, small = filled(named(made, "large"), long), filled(named(made, "small"), SHORT)
        yield Contenders(Claimant(large).single, Claimant(small).single)


@contextmanager
def lengths_sqlite() -> Iterator[Contenders]:
    long = sized(300_000, 5_000_000)
    with scratch() as folder:
        large, small = (filled(Database(f"sqlite:///{folder}/{rows}.sqlite"), rows) for rows in (long, SHORT))
        yield Contenders(Claimant(large).single, Claimant(small).single)


@contextmanager
def many_municipalities() -> Iterator[Contenders]:
    with server() as made:
        many = filled(named(made, "many"), 50 * SHORT, municipalities=50)
        one = filled(named(made, "one"), SHORT)
        yield Contenders(Claimant(many, 50).single, Claimant(one).single)


@contextmanager
def not_yet_due() -> Iterator[Contenders]:
    rows = sized(100_000, 1_000_000)
    with server() as made:
        hostile = filled(named(made, "hostile"), rows, scheduled_every=2)
        healthy = filled(named(made, "healthy"), rows)
        yield Contenders(Claimant(hostile).single, Claimant(healthy).single)


@contextmanager
def under_a_report() -> Iterator[Contenders]:
    """The first minute of claims after a report began, and the third (a sixth of that without `--full`)."""
    minute = sized(10, 60)
    with server() as made:
        database = filled(named(made, "reported"), sized(300_000, 1_000_000))
        claimant = Claimant(database)
        with database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as report:
            report.execute(text("SET idle_in_transaction_session_timeout = 0"))  # ours would end it after a minute
            report.execute(text("SELECT count(*) FROM queue_entries"))
            first = claimant.for_seconds(minute)
            claimant.for_seconds(minute)
            yield Contenders(lambda: claimant.for_seconds(minute), lambda: first)


@contextmanager
def beside_pgbench(ours: str) -> Iterator[Contenders]:
    with server() as made:
        database = filled(named(made, "beside"), sized(200_000, 1_000_000))
        claimant = Claimant(database)
        yield Contenders(getattr(claimant, ours), pgbench(made, database, made.folder / "claim.sql"))


def pgbench(made: Server, database: Database, script: Path) -> Contender:
    """The statement of `queue.claim`, word for word, in the same transaction, prepared, over one connection."""
    claim = str(queue.CLAIM.compile(dialect=database.engine.dialect))
    values = {"m": "1", "campaign": ":campaign", "worker": "'operator:1'", "until": f"'{UNTIL.isoformat()}'"}
    values |= {"state": "'claimed'", "fence_1": "1", "reason": "''"}
    words = re.sub(r"%\((\w+)\)s", lambda found: values[found[1]], claim)
    script.write_text(
        f"\\set campaign random(1, {CAMPAIGNS})\nBEGIN;\n{words.replace(chr(10), ' ')};\nCOMMIT;\n", encoding="utf-8"
    )

    def run() -> float:
        command = [BIN / "pgbench", "-n", "-c", "1", "-t", str(CLAIMS), "-M", "prepared", "-f", script]
        told = subprocess.run(
            [*command, "-p", str(made.port), "-h", "127.0.0.1", "-U", "postgres", "beside"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = re.search(r"tps = ([\d.]+)", told)
        assert found, told
        return float(found[1])

    return run


FIGURES = (
    Figure("P4", "claims, 20 campaigns, long queue (PostgreSQL)", "10,000 queued", "claims/s", lengths, at_least(0.85)),
    Figure(
        "P4", "claims, 20 campaigns, long queue (SQLite)", "10,000 queued", "claims/s", lengths_sqlite, at_least(0.85)
    ),
    Figure(
        "P4", "claims, 50 municipalities of 10,000", "one of 10,000", "claims/s", many_municipalities, at_least(0.85)
    ),
    Figure("P5", "claims, half of the head not yet due", "all due", "claims/s", not_yet_due, at_least(0.8)),
    Figure("P6", "claims while a report is open", "first minute", "claims/s", under_a_report, at_least(0.5), rounds=1),
    Figure("P7", "claim", "the same SQL by pgbench", "claims/s", lambda: beside_pgbench("single"), at_least(0.5)),
    Figure(
        "P7",
        f"claims in batches of {BATCH}",
        "single claims by pgbench",
        "rows/s",
        lambda: beside_pgbench("batches"),
        at_least(3),
    ),
)
