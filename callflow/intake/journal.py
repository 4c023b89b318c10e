"""What an import changes, noted so that it can be taken back: rows as they were, ids above which rows are new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Table, Text, cast, delete, func, insert, literal, select

from models.ids import new_id, new_id_column
from models.tables import (
    arrears,
    cases,
    debtor_phones,
    debtors,
    households,
    import_changes,
    payments,
    phone_numbers,
)

NUMBERED = (payments, arrears, cases, debtors, phone_numbers, households)
"""The tables with ids whose rows come from imports alone, those that refer to others first."""
KEYS: Mapping[str, tuple[str, ...]] = {
    debtor_phones.name: ("debtor_id", "position"),
    **{table.name: ("id",) for table in NUMBERED},
}
"""What names a row inside its municipality."""


class Journal:
    """The journal of one import, in the transaction that activates it. Only the newest import has one."""

    def __init__(self, conn: Connection, municipality_id: int, import_id: int) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self._import = import_id
        forget(conn, municipality_id)
        self._above = {table.name: self._largest(table) for table in NUMBERED}

    def changing(self, table: Table, where: ColumnElement[bool], names: Iterable[str]) -> None:
        """The values of these columns in the rows that a statement is about to change."""
        self._note("before", table, table, where, (*KEYS[table.name], *names))

    def removing(self, table: Table, where: ColumnElement[bool]) -> None:
        """Whole rows that are about to go."""
        names = [column.name for column in table.columns if column.name != "municipality_id"]
        self._note("removed", table, table, where, names)

    def adding_phones(self, wanted: FromClause, where: ColumnElement[bool]) -> None:
        """Numbers that debtors who were there already are about to get; those of new ones go with them."""
        known = wanted.c.debtor_id <= self._above[debtors.name]
        self._note("added", debtor_phones, wanted, known & where, KEYS[debtor_phones.name])

    def _largest(self, table: Table) -> int:
        own = table.c.municipality_id == self._municipality
        largest = int(self._conn.execute(select(func.max(table.c.id)).where(own)).scalar() or 0)
        one = {"id": new_id(self._conn, import_changes, self._municipality), "row": json.dumps({"id": largest})}
        what = {"import_id": self._import, "kind": "above", "table_name": table.name}
        self._conn.execute(insert(import_changes).values(municipality_id=self._municipality, **one, **what))
        return largest

    def _note(
        self, kind: str, table: Table, source: FromClause, where: ColumnElement[bool], names: Iterable[str]
    ) -> None:
        pairs = [part for name in names for part in (literal(name, Text), source.c[name])]
        postgresql = self._conn.dialect.name == "postgresql"
        row = cast(func.json_build_object(*pairs), Text) if postgresql else func.json_object(*pairs)
        values: dict[str, ColumnElement[Any]] = {
            "municipality_id": literal(self._municipality),
            "id": new_id_column(self._conn, import_changes, self._municipality, source.c[KEYS[table.name][0]]),
            "import_id": literal(self._import),
            "kind": literal(kind, Text),
            "table_name": literal(table.name, Text),
            "row": row,
        }
        rows = select(*values.values()).where(where)
        if source is table:
            rows = rows.where(table.c.municipality_id == self._municipality)
        self._conn.execute(insert(import_changes).from_select(list(values), rows, include_defaults=False))


def forget(conn: Connection, municipality_id: int) -> int:
    """What was noted goes; how many rows. From then on no import can be taken back."""
    return conn.execute(delete(import_changes).where(import_changes.c.municipality_id == municipality_id)).rowcount
