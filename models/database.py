"""The database: one engine, two kinds of transaction, whole transactions retried when it is busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")

_RETRYABLE_SQLSTATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "08006", "08003"})


class Database:
    """SQLite (`sqlite:///var/callflow.sqlite`) or PostgreSQL (`postgresql+psycopg://…`).

    SQLite runs in WAL mode with full synchronisation, and every write transaction takes the write lock before
    its first statement, so that nothing read in it can be stale.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = _with_driver(url)
        self.engine = _sqlite_engine(self.url) if self.url.startswith("sqlite") else _server_engine(self.url, pool_size)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed when the block ends, rolled back when it raises."""
        with self.engine.connect() as conn:
            conn.execution_options(callflow_write=True)
            with conn.begin():
                yield conn

    def transact(self, work: Callable[[Connection], T], *, attempts: int = 5) -> T:
        """`work` in one write transaction, all of it again when the database was busy or went away."""
        for attempt in range(1, attempts + 1):
            try:
                with self.write() as conn:
                    return work(conn)
            except DBAPIError as error:
                if attempt == attempts or not _worth_retrying(error):
                    raise
                time.sleep(0.02 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.engine.dispose()


def _with_driver(url: str) -> str:
    for bare in ("postgresql://", "postgres://"):
        if url.startswith(bare):
            return "postgresql+psycopg://" + url.removeprefix(bare)
    return url


def _server_engine(url: str, pool_size: int) -> Engine:
    return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)


def _sqlite_engine(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 15, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        write = conn.get_execution_options().get("callflow_write")
        conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _worth_retrying(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if getattr(error.orig, "sqlstate", None) in _RETRYABLE_SQLSTATES:
        return True
    return isinstance(error, OperationalError) and "locked" in str(error.orig)
