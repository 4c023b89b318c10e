"""Row locks, for what must be judged or made one after the other."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Integer, bindparam, select

from models.tables import households

_HOUSEHOLD: Final = (
    select(households.c.id)
    .where(
        households.c.municipality_id == bindparam("m", type_=Integer),
        households.c.id == bindparam("household", type_=Integer),
    )
    .with_for_update()
)


def lock_household(conn: Connection, municipality_id: int, household_id: int) -> None:
    """Until the end of the transaction. On SQLite a write transaction is alone already, and nothing is asked."""
    if conn.dialect.name != "sqlite":
        conn.execute(_HOUSEHOLD, {"m": municipality_id, "household": household_id})
