"""Many rows by the driver itself: SQLAlchemy's statement once, its handling of each row's parameters left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.sql.schema import ScalarElementColumnDefault


def insert_many(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Inserts rows that all have the keys of the first one; constant defaults of the table are filled in."""
    if not rows:
        return
    defaults = {
        column.name: column.default.arg
        for column in table.columns
        if column.name not in rows[0] and isinstance(column.default, ScalarElementColumnDefault)
    }
    names = [*rows[0], *defaults]
    mark = "?" if conn.dialect.paramstyle == "qmark" else "%s"
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"  # noqa: S608  names of our own tables
    rest = tuple(defaults.values())
    columns = [[row[name] for row in rows] for name in rows[0]] + [[value] * len(rows) for value in rest]
    prepared = [_prepared(conn, table, name, values) for name, values in zip(names, columns, strict=True)]
    conn.exec_driver_sql(statement, list(zip(*prepared, strict=True)))


def _prepared(conn: Connection, table: Table, name: str, values: list[Any]) -> Iterator[Any] | list[Any]:
    """A column's values as the driver wants them."""
    process: Callable[[Any], Any] | None = table.c[name].type.dialect_impl(conn.dialect).bind_processor(conn.dialect)
    return map(process, values) if process else values
