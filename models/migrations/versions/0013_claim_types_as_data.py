"""Claim types are the configuration's: the tables hold no list of them."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("campaigns", "cases")


def upgrade() -> None:
    conn = op.get_bind()
    for table in TABLES:
        if conn.dialect.name == "postgresql":
            op.drop_constraint(op.f(f"ck_{table}_claim_type"), table, type_="check")
        else:
            _forget_check(conn, table, f"ck_{table}_claim_type")


def _forget_check(conn: sa.Connection, table: str, name: str) -> None:
    """SQLite's own procedure to take a CHECK away (lang_altertable.html, section 7): tables that others refer to
    cannot be made anew inside a transaction."""
    sql = conn.exec_driver_sql("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).scalar_one()
    without, found = re.subn(rf"\s*CONSTRAINT {name} CHECK \(claim_type IN \([^)]*\)\),", "", sql)
    if found != 1:
        raise RuntimeError(f"{name} is not where the first migration wrote it")
    version = conn.exec_driver_sql("PRAGMA schema_version").scalar_one()
    conn.exec_driver_sql("PRAGMA writable_schema = ON")
    conn.exec_driver_sql("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (without, table))
    conn.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    conn.exec_driver_sql("PRAGMA writable_schema = OFF")
