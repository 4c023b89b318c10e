"""Kills a process at any point of its work with the database: before a statement, before a commit, after a commit.

The work runs against a real database. At the chosen point the connection is dropped without a commit, as it is
when a process is killed, and nothing that the dead process still tries reaches the database any more. What it held
in memory must be thrown away by the test; what it had committed, and what a telephone did, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, event

from models.database import Database

T = TypeVar("T")


class Killed(BaseException):
    """The process is dead. No `except Exception` of the program catches this."""


class Points:
    """The points of one database at which a process can die, counted while work runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._passed = 0
        self._deadly = 0
        self._dead = False
        self._watching = False
        engine = database.engine
        self._really_commit = engine.dialect.do_commit
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "commit", self._point)
        engine.dialect.do_commit = self._commit  # type: ignore[method-assign]

    def count(self, work: Callable[[], object]) -> int:
        """How many points `work` passes when nothing happens."""
        with self._watched(deadly=0):
            work()
        return self._passed

    def kill_at(self, point: int, work: Callable[[], object]) -> bool:
        """Runs `work` and kills it at the given point, 1 and up. False: it was through before."""
        with self._watched(deadly=point):
            try:
                work()
            except Killed:
                return True
        return False

    @contextmanager
    def _watched(self, deadly: int) -> Iterator[None]:
        self._passed, self._deadly, self._dead, self._watching = 0, deadly, False, True
        try:
            yield
        finally:
            self._dead = self._watching = False

    def _before_statement(self, conn: Connection, *_: Any) -> None:
        self._point(conn)

    def _commit(self, dbapi_connection: Any) -> None:
        self._really_commit(dbapi_connection)
        self._point(None)

    def _point(self, conn: Connection | None) -> None:
        if not self._watching:
            return
        self._passed += 1
        if self._dead or self._passed == self._deadly:
            self._dead = True
            if conn is not None and not conn.invalidated:
                conn.invalidate()
            raise Killed
