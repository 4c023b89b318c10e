"""New ids, inside the caller's transaction.

PostgreSQL: one sequence per table, so that no writer waits for another. SQLite: the largest id plus one; it
has a single writer, and `Database.write` takes the write lock before the first statement.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Sequence, Table, bindparam, func, select, text

from models.tables import metadata

SEQUENCES: dict[str, Sequence] = {
    table.name: Sequence(f"{table.name}_id", metadata=metadata)
    for table in list(metadata.tables.values())
    if "municipality_id" in table.c and "id" in table.c
}


_NEXT = text("SELECT nextval(CAST(:name AS regclass)) FROM generate_series(1, :count)")


@cache
def _largest_of(table: Table) -> Select[int | None]:
    return select(func.max(table.c.id)).where(table.c.municipality_id == bindparam("m"))


def new_ids(conn: Connection, table: Table, municipality_id: int, count: int = 1) -> list[int]:
    """`count` unused ids of `table`, ascending."""
    if conn.dialect.name == "postgresql":
        rows = conn.execute(_NEXT, {"name": f"{table.name}_id", "count": count})
        return [int(value) for value in rows.scalars()]
    first = _largest(conn, table, municipality_id) + 1
    return list(range(first, first + count))


def new_id_column(
    conn: Connection, table: Table, municipality_id: int, order: ColumnElement[Any]
) -> ColumnElement[int]:
    """For `INSERT … SELECT`: an unused id for each row that is selected, on SQLite in that order."""
    if conn.dialect.name == "postgresql":
        return SEQUENCES[table.name].next_value()
    return func.row_number().over(order_by=order) + _largest(conn, table, municipality_id)


def _largest(conn: Connection, table: Table, municipality_id: int) -> int:
    largest = conn.execute(_largest_of(table), {"m": municipality_id}).scalar_one()
    return int(largest or 0)


def new_id(conn: Connection, table: Table, municipality_id: int) -> int:
    """One unused id of `table`."""
    return new_ids(conn, table, municipality_id)[0]
