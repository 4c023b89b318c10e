"""Validated rows on their way into the database: written in short transactions, cleared when the import has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Executable, Table, and_, delete, func, select, update

from callflow.errors import TryLaterError
from callflow.intake.bulk import insert_tuples
from callflow.intake.rows import Values
from models.database import Database
from models.tables import import_arrears, import_payments, import_people, imports

BATCH = 2000
"""Rows of one short transaction (a few milliseconds, then the write lock is free for calls)."""

_KEYS = {
    import_people: import_people.c.addressee_no,
    import_arrears: import_arrears.c.line,
    import_payments: import_payments.c.line,
}
_OWNER = ("municipality_id", "import_id")


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name not in _OWNER)


PERSON, INSTALMENT, PAYMENT = _columns(import_people), _columns(import_arrears), _columns(import_payments)
"""The order of the values that `rows.RowReader` gives."""

_LATER_PERSON = (
    " ON CONFLICT (municipality_id, import_id, addressee_no) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in PERSON if name not in ("addressee_no", "protected"))
    + ", protected = import_people.protected OR excluded.protected"
)
"""The last row that tells of a person counts; only a protection is never taken back by another row."""


class Staging:
    """The staged rows of one import. `now` is asked at each batch: an import that is silent too long was killed."""

    def __init__(self, database: Database, municipality_id: int, import_id: int, now: Callable[[], datetime]) -> None:
        self._database = database
        self._owner = (municipality_id, import_id)
        self._now = now
        self._people: dict[str, Values] = {}
        self._rows: list[Values] = []
        self._table = import_arrears

    def arrears(self, person: Values, instalment: Values) -> None:
        """Keeps an instalment and who owes it; written with its batch."""
        if self._people.get(person[0]) is not person:
            before = self._people.get(person[0])
            if before is not None and before[_PROTECTED] and not person[_PROTECTED]:
                person = (*person[:_PROTECTED], True, *person[_PROTECTED + 1 :])
            self._people[person[0]] = person
        self._add(instalment)

    def payment(self, payment: Values) -> None:
        self._table = import_payments
        self._add(payment)

    def _add(self, values: Values) -> None:
        self._rows.append(self._owner + values)
        if len(self._rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Writes what is kept, in one short transaction."""
        people = [self._owner + person for person in self._people.values()]
        rows, table = self._rows, self._table

        def work(conn: Connection) -> None:
            insert_tuples(conn, import_people, people, tail=_LATER_PERSON)
            insert_tuples(conn, table, rows)
            self._heard_of(conn)

        self._database.transact(work)
        self._people, self._rows = {}, []

    def drop(self, lines: list[int]) -> None:
        """Takes back instalments that turned out to repeat another."""
        rows = import_arrears.c
        ours = and_(rows.municipality_id == self._owner[0], rows.import_id == self._owner[1])
        for start in range(0, len(lines), BATCH):
            _write(self._database, delete(import_arrears).where(ours, rows.line.in_(lines[start : start + BATCH])))

    def _heard_of(self, conn: Connection) -> None:
        mine = and_(imports.c.municipality_id == self._owner[0], imports.c.id == self._owner[1])
        alive = update(imports).where(mine, imports.c.state == "staging").values(alive_at=self._now())
        if conn.execute(alive).rowcount != 1:
            raise TryLaterError("この取り込みは別の処理に打ち切られました", mend="もう一度取り込んでください")


_PROTECTED = PERSON.index("protected")


def clear(database: Database, municipality_id: int, import_id: int) -> None:
    """Removes every staged row of an import, in short transactions."""
    for table, key in _KEYS.items():
        ours = and_(table.c.municipality_id == municipality_id, table.c.import_id == import_id)
        while True:
            with database.read() as conn:
                first = select(key).where(ours).order_by(key).limit(BATCH).subquery()
                until = conn.execute(select(func.max(first.c[0]))).scalar()
            if until is None:
                break
            _write(database, delete(table).where(ours, key <= until))
    mine = and_(imports.c.municipality_id == municipality_id, imports.c.id == import_id)
    _write(database, update(imports).where(mine).values(staged=False))


def _write(database: Database, statement: Executable) -> None:
    """One statement in a transaction of its own."""
    database.transact(lambda conn: conn.execute(statement))
