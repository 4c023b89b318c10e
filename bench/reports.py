"""P12: a whole report through our code, against the same figures by hand-written SQL on the same database.

Filled by SQL without foreign keys, as a year of calls: outcomes in the proportions of the simulated residents.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from bench.queue import server
from bench.table import Contender, Contenders, Figure, at_most, scratch, sized
from callflow.config import load
from callflow.reports import catalogue
from callflow.reports.asking import Ask
from callflow.reports.figures import Period
from models.database import Database
from models.tables import metadata

CONFIG = load(Path("config.yaml"), {})
YEAR = Period(date(2026, 4, 1), date(2027, 3, 31))
NOW = datetime(2027, 4, 1, tzinfo=UTC)
CODES = (
    *("NA", "NA", "NA", "NA", "NA", "NA", "BZ", "NW", "AM0", "DN", "PP", "PP", "PP", "PP"),
    *("PX", "PD", "HS", "RF", "TP", "CH", "WN", "VD", "OS", "HU1", "CB"),
)
RIGHT = {"PP", "PX", "PD", "HS", "RF", "HU1"}
QUIET = {"NA", "BZ", "NW", "AM0", "DN"}

SCENE = """
INSERT INTO municipalities (id, code, name) VALUES (1, '139999', '見本区');
INSERT INTO campaigns (municipality_id, id, name, claim_type, script_hash, settings, policy, plan, state, state_reason,
 created_at, created_by) SELECT 1, n, 'C' || n, 'national_health_insurance', 'x', '{{}}', '{{}}', '{{}}', 'running', '',
 {opened}, 1 FROM {twelve};
INSERT INTO cases (municipality_id, id, debtor_id, household_id, claim_type, status, created_at)
 SELECT 1, n, 1000000000 + n, n, 'national_health_insurance', 'open', {start} FROM {cases};
INSERT INTO queue_entries (municipality_id, campaign_id, case_id, household_id, state, due_at, priority, fence, reason)
 SELECT 1, 1 + n % 12, n, n, 'done', {start}, 1, 0, '' FROM {cases};
INSERT INTO calls (municipality_id, id, campaign_id, case_id, household_id, number_id, operator_id, direction,
 script_hash, attempt_ref, fence, line_state, provider_ref, step, talk_state, live, disposition, attempt, contact,
 right_party, review_reason, opened_at, placed_at, answered_at, closed_at, event_count)
 SELECT 1, n, 1 + n % 12, 1 + n % {many}, 1 + n % {many}, 1 + n % {many}, 1 + n % 6, 'outbound', 'x', 'r' || n, 0,
 'ended', '', 5, '', {no}, {code}, 1, {contact}, {right}, '', {opened}, {opened}, {answered}, {closed}, 9 FROM {calls};
INSERT INTO promises (municipality_id, id, case_id, call_id, promiser, due_on, amount, place, state, made_at)
 SELECT 1, id, case_id, id, 'householder', {day}, 12000, '銀行', CASE id % 3 WHEN 0 THEN 'kept' WHEN 1 THEN 'partial'
 ELSE 'broken' END, closed_at FROM calls WHERE disposition = 'PP';
INSERT INTO signals (municipality_id, call_id, seq, case_id, kind, reason, at, review)
 SELECT 1, id, 3, case_id, 'signal', 'その他', closed_at, '' FROM calls WHERE right_party = 1 AND id % 40 = 0
"""


def filled(database: Database, rows: int) -> Database:
    """A year of calls, opened on weekdays and others between 9:00 and 16:30 in Tokyo."""
    with database.write() as conn:
        metadata.create_all(conn)
    many = max(1_000, rows // 5)
    codes = f"CASE n % {len(CODES)} " + " ".join(f"WHEN {i} THEN '{code}'" for i, code in enumerate(CODES)) + " END"
    contact = ",".join(str(i) for i, code in enumerate(CODES) if code not in QUIET)
    right = ",".join(str(i) for i, code in enumerate(CODES) if code in RIGHT)
    words = {
        "many": many,
        "code": codes,
        "no": "false",
        "contact": f"CASE WHEN n % {len(CODES)} IN ({contact}) THEN 1 ELSE 0 END",
    }
    words["right"] = f"CASE WHEN n % {len(CODES)} IN ({right}) THEN 1 ELSE 0 END"
    if database.is_sqlite:

        def numbers(count: int) -> str:
            return (
                f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
            )

        def moment(more: int) -> str:
            shift = f"'+' || (n % 365) || ' days', '+' || ((n * 7) % 27000 + {more}) || ' seconds'"
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', '2026-04-01 00:00:00', {shift})"

        words |= {"start": "'2026-04-01 00:00:00.000000'", "day": "'2026-12-01'"}
    else:

        def numbers(count: int) -> str:
            return f"generate_series(1, {count}) AS n"

        def moment(more: int) -> str:
            seconds = f"(n % 365) * interval '1 day' + ((n * 7) % 27000 + {more}) * interval '1 second'"
            return f"timestamptz '2026-04-01 00:00Z' + {seconds}"

        words |= {"start": "timestamptz '2026-04-01 00:00Z'", "day": "date '2026-12-01'"}
    words |= {"opened": moment(0), "answered": moment(10), "closed": moment(190)}
    words |= {"calls": numbers(rows), "cases": numbers(many), "twelve": numbers(12)}
    raw = database.engine.raw_connection()
    if not database.is_sqlite:
        raw.driver_connection.autocommit = True  # type: ignore[union-attr]
    cursor = raw.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF" if database.is_sqlite else "SET session_replication_role = replica")
    for statement in SCENE.format(**words).split(";"):
        cursor.execute(statement)
    cursor.execute("ANALYZE")
    raw.detach()
    raw.close()
    return database


def ours(database: Database, name: str) -> Contender:
    """Seconds for a whole report, made anew."""

    def run() -> float:
        begun = time.perf_counter()
        with database.read() as conn:
            ask = Ask(conn, 1, YEAR, NOW, CONFIG, "ward", 1)
            assert catalogue.made(catalogue.BY_NAME[name], ask).row_count
        return time.perf_counter() - begun

    return run


def by_hand(database: Database, statements: str) -> Contender:
    """Seconds for the statements through the bare driver, all rows read."""
    if database.is_sqlite:
        day, placed = "date(opened_at,'+9 hours')", "date(placed_at,'+9 hours')"
        hour = "strftime('%H',opened_at,'+9 hours')"
        seconds = "(julianday(closed_at)-julianday(answered_at))*86400"
        period = "opened_at >= '2026-03-31 15:00:00.000000' AND opened_at < '2027-03-31 15:00:00.000000'"
    else:
        day, placed = "(opened_at AT TIME ZONE 'Asia/Tokyo')::date", "(placed_at AT TIME ZONE 'Asia/Tokyo')::date"
        hour = "extract(hour FROM opened_at AT TIME ZONE 'Asia/Tokyo')"
        seconds = "extract(epoch FROM closed_at-answered_at)"
        period = "opened_at >= '2026-03-31 15:00Z' AND opened_at < '2027-03-31 15:00Z'"
    own = f"municipality_id = 1 AND {period} AND disposition IS NOT NULL"
    written = statements.format(own=own, day=day, hour=hour, seconds=seconds, placed=placed).split(";")

    def run() -> float:
        raw = database.engine.raw_connection()
        begun = time.perf_counter()
        cursor = raw.cursor()
        for statement in written:
            cursor.execute(statement)
            cursor.fetchall()
        spent = time.perf_counter() - begun
        raw.rollback()
        raw.close()
        return spent

    return run


_COUNTS = """count(*), sum(attempt), sum(CASE WHEN attempt=1 THEN contact ELSE 0 END), sum(right_party),
 sum(CASE WHEN disposition='PP' THEN 1 ELSE 0 END), sum(CASE WHEN disposition IN ('HS','HC','HR') THEN 1 ELSE 0 END),
 sum(CASE WHEN disposition='OS' THEN 1 ELSE 0 END), sum(CASE WHEN disposition IN ('VD','VF') THEN 1 ELSE 0 END),
 sum(CASE WHEN disposition='WN' THEN 1 ELSE 0 END), sum(CASE WHEN disposition IN ('TP','CH') THEN 1 ELSE 0 END),
 sum(CASE WHEN disposition='AB' THEN 1 ELSE 0 END), sum(CASE WHEN contact=1 THEN {seconds} ELSE 0 END)"""
_OUTCOMES = "SELECT disposition, count(*), count(DISTINCT case_id) FROM calls WHERE {own} GROUP BY 1 ORDER BY 2 DESC"
_BANDS = f"SELECT {{day}}, {{hour}}, {_COUNTS} FROM calls WHERE {{own}} GROUP BY 1, 2"
_MONTHLY = f"""SELECT {{day}}, campaign_id, {_COUNTS} FROM calls WHERE {{own}} GROUP BY 1, 2;
{_OUTCOMES};
SELECT count(DISTINCT case_id) FROM queue_entries WHERE municipality_id = 1;
SELECT count(DISTINCT case_id) FROM calls WHERE {{own}} AND case_id IN
 (SELECT case_id FROM queue_entries WHERE municipality_id = 1);
SELECT count(DISTINCT case_id), count(DISTINCT CASE WHEN disposition='PP' THEN case_id END),
 count(DISTINCT CASE WHEN disposition IN ('HS','HC','HR') OR id IN (SELECT call_id FROM signals WHERE municipality_id=1)
 THEN case_id END) FROM calls WHERE {{own}} AND right_party=1;
SELECT operator_id, {{day}}, min(opened_at), max(closed_at) FROM calls WHERE {{own}} GROUP BY 1, 2;
SELECT claim_type, {{placed}}, min(placed_at), max(placed_at), count(*) FROM calls JOIN campaigns k
 ON k.municipality_id = calls.municipality_id AND k.id = campaign_id WHERE calls.{{own}} GROUP BY 1, 2, {{hour}};
SELECT household_id, {{placed}}, count(*) FROM calls WHERE {{own}} AND attempt=1 GROUP BY 1, 2 HAVING count(*) > 2;
SELECT number_id, {{placed}}, count(*) FROM calls WHERE {{own}} AND attempt=1 GROUP BY 1, 2 HAVING count(*) > 2;
SELECT state, count(*), sum(amount) FROM promises WHERE municipality_id = 1 GROUP BY state"""


def _figure(name: str, statements: str, *, sqlite: bool) -> Figure:
    rows = sized(100_000, 1_000_000)

    @contextmanager
    def contenders() -> Iterator[Contenders]:
        with scratch() as folder, _database(folder, sqlite=sqlite) as database:
            filled(database, rows)
            yield Contenders(ours(database, name), by_hand(database, statements))

    where = "SQLite" if sqlite else "PostgreSQL"
    what = f"report {name}, {rows:,} calls ({where})"
    return Figure("P12", what, "the same figures by hand-written SQL", "s", contenders, at_most(1.5))


@contextmanager
def _database(folder: Path, *, sqlite: bool) -> Iterator[Database]:
    if sqlite:
        one = Database(f"sqlite:///{folder}/reports.sqlite")
        yield one
        one.close()
        return
    with server() as made:
        one = Database(made.url())
        yield one
        one.close()


FIGURES = tuple(
    _figure(name, statements, sqlite=sqlite)
    for sqlite in (True, False)
    for name, statements in (("outcomes", _OUTCOMES), ("bands", _BANDS), ("monthly", _MONTHLY))
)
