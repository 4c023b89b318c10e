"""The two databases behave alike where callflow relies on it."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy.exc import StatementError

from models.database import Database
from models.ids import new_ids
from models.tables import job_runs, organisations


def test_ids_are_dense_and_given_once(database: Database) -> None:
    with database.write() as conn:
        first = new_ids(conn, organisations, 1, 2)
        for one in first:
            conn.execute(organisations.insert().values(municipality_id=1, id=one, kind="ward", name=f"区{one}"))
        assert not set(first) & set(new_ids(conn, organisations, 1, 2))


def test_a_naive_instant_is_refused(database: Database) -> None:
    with database.write() as conn, pytest.raises(StatementError, match="time zone"):
        conn.execute(job_runs.insert().values(job="x", fire_time=datetime(2026, 1, 1), worker="w"))  # noqa: DTZ001
