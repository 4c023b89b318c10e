"""New ids, inside the caller's transaction.

PostgreSQL: one sequence per table, so that no writer waits for another. SQLite: the largest id plus one; it
has a single writer, and `Database.write` takes the write lock before the first statement.
"""

from __future__ import annotations

from sqlalchemy import Connection, Sequence, Table, func, select, text

from models.tables import metadata

SEQUENCES: dict[str, Sequence] = {
    table.name: Sequence(f"{table.name}_id", metadata=metadata)
    for table in list(metadata.tables.values())
    if "municipality_id" in table.c and "id" in table.c
}


def new_ids(conn: Connection, table: Table, municipality_id: int, count: int = 1) -> list[int]:
    """`count` unused ids of `table`, ascending."""
    if conn.dialect.name == "postgresql":
        rows = conn.execute(
            text("SELECT nextval(CAST(:name AS regclass)) FROM generate_series(1, :count)"),
            {"name": f"{table.name}_id", "count": count},
        )
        return [int(value) for value in rows.scalars()]
    largest = conn.execute(select(func.max(table.c.id)).where(table.c.municipality_id == municipality_id)).scalar_one()
    first = int(largest or 0) + 1
    return list(range(first, first + count))


def new_id(conn: Connection, table: Table, municipality_id: int) -> int:
    """One unused id of `table`."""
    return new_ids(conn, table, municipality_id)[0]
