"""The database: one engine, two kinds of transaction, whole transactions retried when it is busy."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")

PATIENCE = 10.0  # seconds for which a transaction is tried again; a server that was killed is back within that

_SERVER_SETTINGS = {
    # A host that is cut off in the middle of a transaction must not hold its locks for the two hours that TCP waits.
    "idle_in_transaction_session_timeout": 60_000,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class Fault(Enum):
    """What kind of trouble an error of the database is. `BUSY` and `GONE` pass, `FULL` needs a person at once; `RANGE`
    is a number or a day larger than its column can hold, of which SQLite's driver says OverflowError.
    """

    BUSY = "busy"
    GONE = "gone"
    FULL = "full"
    RANGE = "range"
    OTHER = "other"


def fault_of(error: DBAPIError) -> Fault:
    """Sorts an error by what can be done about it."""
    if isinstance(error.orig, sqlite3.Error):
        return _FAULT_OF_SQLITE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF, Fault.OTHER)
    state = getattr(error.orig, "sqlstate", None) or ""
    if state in ("40001", "40P01", "55P03"):
        return Fault.BUSY
    if state in ("53100", "58030"):
        return Fault.FULL
    if state in ("22003", "22008"):
        return Fault.RANGE
    no_answer = isinstance(error, OperationalError) and not state  # refused, timed out, or closed without a word
    gone = error.connection_invalidated or no_answer or state.startswith(("08", "57P", "25P03"))
    return Fault.GONE if gone else Fault.OTHER


_FAULT_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_FULL: Fault.FULL,
    sqlite3.SQLITE_IOERR: Fault.FULL,
    sqlite3.SQLITE_CANTOPEN: Fault.GONE,
}


class Database:
    """SQLite (`sqlite:///var/callflow.sqlite`) or PostgreSQL (`postgresql+psycopg://…`).

    SQLite runs in WAL mode with full synchronisation, and every write transaction takes the write lock before
    its first statement, so that nothing read in it can be stale.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = _with_driver(url)
        self.engine = _sqlite_engine(self.url) if self.url.startswith("sqlite") else _server_engine(self.url, pool_size)

    @cached_property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as conn, conn.begin():
            if self.is_sqlite:
                _begin(conn, "BEGIN")
            yield conn

    @contextmanager
    def one_moment(self) -> Iterator[Connection]:
        """A transaction that only reads and sees the same moment throughout, however long it takes."""
        if self.is_sqlite:
            with self.read() as conn:
                yield conn
            return
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn, conn.begin():
            yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed when the block ends, rolled back when it raises."""
        with self.engine.connect() as conn, conn.begin():
            if self.is_sqlite:
                _begin(conn, "BEGIN IMMEDIATE")
            yield conn

    def transact(self, work: Callable[[Connection], T], *, patience: float = PATIENCE) -> T:
        """`work` in one write transaction, all of it again while the database is busy or gone, for `patience` seconds.

        What it returns is committed. Where the answer to a commit was lost, `work` may run once more over its own
        result: it must find that (a step, a fence, a unique key) and not do it twice.
        """
        end, pause = time.monotonic() + patience, 0.02
        while True:
            try:
                with self.write() as conn:
                    return work(conn)
            except DBAPIError as error:
                if time.monotonic() + pause > end or fault_of(error) not in (Fault.BUSY, Fault.GONE):
                    raise
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  so that those who collided do not meet again
            pause = min(2 * pause, 0.5)

    def close(self) -> None:
        self.engine.dispose()


def _begin(conn: Connection, statement: str) -> None:
    """By the driver: each transaction begins so, and through the engine it costs as much as a short one's work."""
    driver = conn.connection.dbapi_connection
    assert driver is not None
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


def _with_driver(url: str) -> str:
    for bare in ("postgresql://", "postgres://"):
        if url.startswith(bare):
            return "postgresql+psycopg://" + url.removeprefix(bare)
    return url


def _server_engine(url: str, pool_size: int) -> Engine:
    given = make_url(url).query
    ours: dict[str, Any] = {name: value for name, value in _CONNECT.items() if name not in given}
    if "options" not in given:
        ours["options"] = " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items())
    return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, connect_args=ours)


def _sqlite_engine(url: str) -> Engine:
    path = url.removeprefix("sqlite:///")
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 15, "check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def _private(*_: Any) -> None:
        """A new database is its owner's only. One that is there is not opened: closing it would drop SQLite's locks."""
        if path and path != ":memory:":
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # `read` and `write` say BEGIN themselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
