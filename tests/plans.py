"""What the databases' planners say of the questions that an act asks: none may walk through what grows with the log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event, select

from models.database import Database
from models.tables import calls, metadata
from tests.world import TestCase

GROWS = ("calls", "call_events", "dial_refusals", "callbacks", "sessions", "negotiation_records", "audit_events")
PARTIAL = frozenset(
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
)
"""An index of a few rows (live calls, open sessions) may be read whole."""


def walks(database: Database, act: Callable[[], object]) -> list[str]:
    """The statements of `act` that walk through a table of `GROWS`, or through all that a municipality has in it,
    instead of asking an index.
    """
    asked: dict[str, Any] = {}

    def hear(_conn: Any, _cursor: Any, words: str, given: Any, _context: Any, many: bool) -> None:
        if words.startswith(("SELECT", "WITH", "UPDATE")) and not many:
            asked.setdefault(words, given)

    event.listen(database.engine, "before_cursor_execute", hear)
    act()
    event.remove(database.engine, "before_cursor_execute", hear)
    assert asked
    with database.write() as conn:
        conn.exec_driver_sql("ANALYZE")
        plan = _sqlite_walks if database.is_sqlite else _postgresql_walks
        if not database.is_sqlite:
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [f"{walk}: {words}" for words, given in asked.items() for walk in plan(conn, words, given)]


def _sqlite_walks(conn: Connection, words: str, given: Any) -> Iterator[str]:
    for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", given):
        line = str(row[-1])
        if (found := re.match(r"SCAN (\w+)", line)) and found[1] in GROWS and "INDEX" not in line:
            yield line
        found = re.match(r"SEARCH (\w+) USING (?:COVERING )?INDEX (\w+) \(municipality_id=\?\)$", line)
        newest = words.startswith("SELECT max(")  # asks for the end of the index alone
        if re.match(r"SEARCH calls USING INDEX ix_calls_operator \(municipality_id=\? AND operator_id=\?\)$", line):
            yield f"all that an operator ever called: {line}"
        if found and found[1] in GROWS and found[2] not in PARTIAL and not newest:
            yield line


def _postgresql_walks(conn: Connection, words: str, given: Any) -> Iterator[str]:
    def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for below in node.get("Plans", ()):
            yield from nodes(below)

    (plan,) = conn.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {words}", given).scalar_one()
    for node in nodes(plan["Plan"]):
        table, index, condition = (node.get(key, "") for key in ("Relation Name", "Index Name", "Index Cond"))
        if table not in GROWS:
            continue
        if node["Node Type"] == "Seq Scan":
            yield f"Seq Scan on {table}"
        elif index == "ix_calls_operator" and "closed_at" not in condition:
            yield f"all that an operator ever called: {condition}"
        elif index not in PARTIAL and re.fullmatch(r"\(municipality_id = [^ ]+\)", condition):
            yield f"{node['Node Type']} on {table} by {index} {condition}"


def many_calls(conn: Connection, copies: int, cases: Sequence[TestCase] = ()) -> None:
    """The ended calls of the log once more, `copies` times, days apart, of `cases` in turn: planners judge by what is
    there.
    """
    rows = [dict(row) for row in conn.execute(select(calls).where(calls.c.live.is_(False))).mappings()]
    assert rows, "no call has ended"
    conn.execute(
        calls.insert(),
        [_copy(row, copy * len(rows) + at, copy, cases) for copy in range(copies) for at, row in enumerate(rows)],
    )


def _copy(row: dict[str, Any], number: int, days: int, cases: Sequence[TestCase]) -> dict[str, Any]:
    before = {name: value - timedelta(days=1 + days) for name, value in row.items() if name.endswith("_at") and value}
    case = cases[number % len(cases)] if cases else None
    whose = {"case_id": case.case_id, "household_id": case.household_id, "number_id": case.number_id} if case else {}
    return {**row, **before, **whose, "id": 1_000_000 + number, "attempt_ref": f"copy-{number}", "untallied": False}
