"""What was erased leaves the database's files too, as far as the database can see to it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from sqlalchemy import Table

from models.database import Database


def sweep_up(database: Database, tables: Iterable[Table], *, rewrite: bool) -> None:
    """Frees what is dead: SQLite's log of writes is emptied, PostgreSQL's tables are vacuumed. `rewrite`: the files are
    written anew, which needs their room once more and everybody to wait."""
    if not database.is_sqlite:
        how = "VACUUM FULL" if rewrite else "VACUUM"
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for table in tables:
                conn.exec_driver_sql(f"{how} {table.name}")
        return
    with closing(database.engine.raw_connection()) as raw:
        cursor = raw.cursor()
        if rewrite:
            cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
