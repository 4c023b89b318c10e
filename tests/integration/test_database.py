"""The two databases behave alike where callflow relies on it."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, StatementError

from models.database import Database, Fault, fault_of
from models.ids import new_ids
from models.tables import calls, holds_operator, is_live, job_runs, organisations


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
        found = (
            select(calls.c.id)
            .where(*mine, is_live, holds_operator)
            .compile(conn, compile_kwargs={"literal_binds": True})
        )
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = "\n".join(str(row[-1]) for row in conn.exec_driver_sql(f"{explain} {found}"))
    assert "uq_calls_live_" in plan  # on an empty table PostgreSQL may take either partial index


def test_a_host_that_vanished_does_not_hold_its_locks_for_hours(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("the locks of a file end with its process")
    with database.read() as conn:
        shown = conn.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert shown == "1min"


def test_what_a_database_complains_of_is_sorted_by_what_to_do(database: Database) -> None:
    def fault(statement: str) -> Fault:
        try:
            with database.write() as conn:
                conn.exec_driver_sql(statement)
        except DBAPIError as error:
            return fault_of(error)
        raise AssertionError("no error")

    assert fault("SELECT nonsense") is Fault.OTHER
    if not database.is_sqlite:
        assert fault("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$") is Fault.BUSY
        assert fault("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$") is Fault.FULL
        assert fault("SELECT pg_terminate_backend(pg_backend_pid())") is Fault.GONE
    nowhere = Database("postgresql://nobody@127.0.0.1:1/x")
    with pytest.raises(DBAPIError) as refused:
        nowhere.engine.connect()
    assert fault_of(refused.value) is Fault.GONE
