"""The two databases behave alike where callflow relies on it."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from models.database import Database
from models.ids import new_ids
from models.tables import calls, is_live, job_runs, organisations


def test_ids_are_dense_and_given_once(database: Database) -> None:
    with database.write() as conn:
        first = new_ids(conn, organisations, 1, 2)
        for one in first:
            conn.execute(organisations.insert().values(municipality_id=1, id=one, kind="ward", name=f"区{one}"))
        assert not set(first) & set(new_ids(conn, organisations, 1, 2))


def test_a_naive_instant_is_refused(database: Database) -> None:
    with database.write() as conn, pytest.raises(StatementError, match="time zone"):
        conn.execute(job_runs.insert().values(job="x", fire_time=datetime(2026, 1, 1), worker="w"))  # noqa: DTZ001


def test_live_calls_are_found_by_their_partial_index(database: Database) -> None:
    mine = (calls.c.municipality_id == 1, calls.c.operator_id == 1)
    with database.write() as conn:
        if not database.is_sqlite:
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = select(calls.c.id).where(*mine, is_live).compile(conn, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = "\n".join(str(row[-1]) for row in conn.exec_driver_sql(f"{explain} {found}"))
    assert "uq_calls_live_" in plan  # on an empty table PostgreSQL may take either partial index
