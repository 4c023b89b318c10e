"""What others commit, as it happens: announced inside the transaction, heard once it is committed.

PostgreSQL carries it (LISTEN/NOTIFY, one listening connection per process); on SQLite `PRAGMA data_version` is asked
twice a second, and says only that something changed. A payload holds a topic and an id, never anything of a person.
Nothing relies on hearing: whoever hears of a change reads the rows, and after a lost connection is told `EVERYTHING`.

PostgreSQL lets transactions that announce commit only one after the other (0.8 of the rate of steps at 8 connections,
measured), so what happens many times in a call, a step of its talk or a claim, is not announced.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, cast

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from models.database import Database

Topic = Literal["call", "queue", "slip", "signal", "report", "campaign", "desk", "everything"]

CHANNEL = "callflow"
ASK_EVERY = 0.5  # seconds between two looks at a SQLite database
PROVE_EVERY = 10.0  # seconds of silence after which the server must prove that it is still there
TRY_AGAIN = 1.0  # seconds before the next attempt to connect
MOST_KEPT = 500  # changes that wait for one subscriber; more become `EVERYTHING`


@dataclass(frozen=True, slots=True)
class Change:
    """Something changed: the row of `topic` with that id; 0 where no single row is meant."""

    topic: Topic
    id: int = 0


EVERYTHING = Change("everything")
"""Anything may have changed: read anew."""


def announce(conn: Connection, municipality_id: int, topic: Topic, row_id: int = 0) -> None:
    """Tells every subscriber of the municipality when the transaction of `conn` is committed, and never before."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, f"{municipality_id} {topic} {row_id}"))


class Subscription:
    """The changes of one municipality that one subscriber has not yet taken. Ends with `close`, or as a context."""

    def __init__(self, municipality_id: int, leave: Callable[[Subscription], None]) -> None:
        self.municipality_id = municipality_id
        self._leave = leave
        self._waiting: dict[Change, None] = {}
        self._arrived = threading.Condition()
        self._wake_loop: Callable[[], object] | None = None

    def wait(self, timeout: float) -> tuple[Change, ...]:
        """The changes since the last time, each once; blocks until there is one, or `timeout` seconds: then none."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._waiting), timeout)
            return self._take()

    async def wait_async(self, timeout: float) -> tuple[Change, ...]:
        """As `wait`, without a thread of its own. One task at a time."""
        arrived, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._arrived:
            if self._waiting:
                return self._take()
            self._wake_loop = lambda: loop.call_soon_threadsafe(arrived.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), timeout)
        with self._arrived:
            self._wake_loop = None
            return self._take()

    def tell(self, change: Change) -> None:
        with self._arrived:
            if len(self._waiting) >= MOST_KEPT or EVERYTHING in self._waiting:
                self._waiting.clear()
                change = EVERYTHING
            self._waiting[change] = None
            self._arrived.notify_all()
            if self._wake_loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._wake_loop()

    def close(self) -> None:
        self._leave(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _take(self) -> tuple[Change, ...]:
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken


class Live:
    """One process's ear. Made once per process; listens from the first subscription until `close`.

    It connects again by itself after the database went away; `connected` is false meanwhile, and what a screen
    shows may be old.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: frozenset[Subscription] = frozenset()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def subscribe(self, municipality_id: int) -> Subscription:
        """Its first change is `EVERYTHING`, told once changes can no longer be missed: read then, not before."""
        made = Subscription(municipality_id, self._forget)
        with self._lock:
            self._subscriptions |= {made}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="callflow-live", daemon=True)
                self._thread.start()
        if self.connected:
            made.tell(EVERYTHING)
        return made

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _forget(self, one: Subscription) -> None:
        with self._lock:
            self._subscriptions -= {one}

    def _run(self) -> None:
        listen = self._ask if self._database.is_sqlite else self._listen
        while not self._stop.is_set():
            with contextlib.suppress(SQLAlchemyError, psycopg.Error, sqlite3.Error):
                held = self._database.engine.raw_connection()
                held.detach()  # no connection of the pool: it is held for as long as the process lives
                try:
                    listen(held.dbapi_connection)
                finally:
                    self._connected.clear()
                    held.close()
            self._stop.wait(TRY_AGAIN)

    def _listen(self, driver: Any) -> None:
        driver.autocommit = True
        driver.execute(f"LISTEN {CHANNEL}")
        self._is_connected()
        silent = 0.0
        while not self._stop.is_set():
            silent += ASK_EVERY
            for heard in driver.notifies(timeout=ASK_EVERY):
                silent = 0.0
                self._hear(heard.payload)
            if silent >= PROVE_EVERY:
                driver.execute("SELECT 1")  # a peer that vanished without a word is noticed here
                silent = 0.0

    def _ask(self, driver: Any) -> None:
        def version() -> int:
            return int(driver.execute("PRAGMA data_version").fetchone()[0])

        seen = version()
        self._is_connected()
        while not self._stop.wait(ASK_EVERY):
            if (now := version()) != seen:
                seen = now
                self._tell_all()

    def _is_connected(self) -> None:
        self._connected.set()
        self._tell_all()

    def _tell_all(self) -> None:
        for one in self._subscriptions:
            one.tell(EVERYTHING)

    def _hear(self, payload: str) -> None:
        municipality_id, topic, row_id = payload.split(" ")
        change = Change(cast(Topic, topic), int(row_id))
        for one in self._subscriptions:
            if one.municipality_id == int(municipality_id):
                one.tell(change)
