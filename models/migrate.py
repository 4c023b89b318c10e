"""Brings a database to the tables of this version, in one transaction, and says which version it has."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = (MIGRATIONS / "HEAD").read_text().strip()
"""The revision that this program needs. The file makes two branches that both add a migration conflict in git."""

_LOCK = 0x63616C6C666C6F77
"""PostgreSQL's advisory lock of ours, "callflow" in ASCII: of several processes that start at once, one migrates."""


def upgrade(database: Database) -> str:
    """Migrates to `HEAD`, which it returns. All of it or nothing; what is there already stays as it is."""
    with database.write() as conn:
        if not database.is_sqlite:
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(config(conn), "head")
    return HEAD


def current(database: Database) -> str | None:
    """The revision that the database has; None before the first migration."""
    with database.read() as conn:
        return MigrationContext.configure(conn).get_current_revision()


def known(revision: str) -> bool:
    """Whether this program can migrate a database of that revision."""
    return any(each.revision == revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def config(conn: Connection) -> Config:
    """Alembic's configuration for commands over `conn`; nothing is read from a file."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.attributes["connection"] = conn
    return made
