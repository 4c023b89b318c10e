"""Many rows by the driver itself: SQLAlchemy's handling of each row's parameters left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table


def insert_tuples(conn: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, tail: str = "") -> None:
    """Inserts rows whose values stand in the order of the table's columns, dates as ISO text.

    `tail`: what follows the values, such as ON CONFLICT. Without one PostgreSQL is told by COPY.
    """
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    if conn.dialect.name == "postgresql" and not tail:
        driver: Any = conn.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    mark = "?" if conn.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(table.columns))
    conn.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks}){tail}", list(rows))  # noqa: S608  names of our own tables
