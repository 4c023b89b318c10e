"""Acts on the record stand in hash chains, with terminal and roles; what was there is chained by day as it stands."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BLOCK = 5_000


def upgrade() -> None:
    with op.batch_alter_table("audit_events") as table:
        table.add_column(sa.Column("terminal", sa.String(64), nullable=True))
        table.add_column(sa.Column("roles", sa.String(64), nullable=True))
        table.add_column(sa.Column("chain", ID, nullable=True))
        table.add_column(sa.Column("seq", sa.Integer(), nullable=True))
        table.add_column(sa.Column("salt", sa.LargeBinary(16), nullable=True))
        table.add_column(sa.Column("commitment", sa.LargeBinary(32), nullable=True))
        table.add_column(sa.Column("hash", sa.LargeBinary(32), nullable=True))
        table.add_column(sa.Column("erased_under", sa.String(64), nullable=True))
    _chain_what_is_there()
    with op.batch_alter_table("audit_events") as table:
        table.alter_column("terminal", existing_type=sa.String(64), nullable=False)
        table.alter_column("roles", existing_type=sa.String(64), nullable=False)
        table.alter_column("chain", existing_type=ID, nullable=False)
        table.alter_column("seq", existing_type=sa.Integer(), nullable=False)
        table.alter_column("commitment", existing_type=sa.LargeBinary(32), nullable=False)
        table.alter_column("hash", existing_type=sa.LargeBinary(32), nullable=False)
    op.drop_index("ix_audit_events_municipality_id_at", "audit_events")
    op.create_index("uq_audit_events_chain", "audit_events", ["municipality_id", "chain", "seq"], unique=True)
    for name in ("actor_id", "object", "verb"):
        op.create_index(
            f"ix_audit_events_{name.removesuffix('_id')}", "audit_events", ["municipality_id", name, "at", "id"]
        )
    op.create_index("ix_audit_events_at", "audit_events", ["municipality_id", "at", "id"])
    with_purpose = sa.text("purpose <> ''")
    op.create_index(
        "ix_audit_events_purpose",
        "audit_events",
        ["municipality_id", "at", "id"],
        sqlite_where=with_purpose,
        postgresql_where=with_purpose,
    )


EVENTS = sa.table(
    "audit_events",
    *(sa.column(name, sa.Integer()) for name in ("municipality_id", "id", "actor_id", "chain", "seq")),
    sa.column("at", Instant()),
    *(sa.column(name, sa.Text()) for name in ("verb", "object", "purpose", "fields", "terminal", "roles")),
    *(sa.column(name, sa.LargeBinary()) for name in ("salt", "commitment", "hash")),
)


def _chain_what_is_there() -> None:
    """One chain for each municipality and day in Tokyo. It proves the rows from now on, not how they came here."""
    conn, e = op.get_bind(), EVENTS.c
    rows = conn.execute(sa.select(EVENTS).order_by(e.municipality_id, e.id)).all()
    write = (
        sa.update(EVENTS)
        .where(e.municipality_id == sa.bindparam("m"), e.id == sa.bindparam("one"))
        .values({name: sa.bindparam(name) for name in ("terminal", "roles", *_CHAINED)})
    )
    values: list[dict[str, Any]] = []
    ordered = sorted(rows, key=lambda row: (row.municipality_id, _day(row.at), row.id))
    for _, day in groupby(ordered, key=lambda row: (row.municipality_id, _day(row.at))):
        values += _chained(list(day))
    for first in range(0, len(values), BLOCK):
        conn.execute(write, values[first : first + BLOCK])


_CHAINED = ("chain", "seq", "salt", "commitment", "hash")


def _chained(rows: list[Any]) -> list[dict[str, Any]]:
    found, before = [], bytes(32)
    for seq, row in enumerate(rows, start=1):
        salt = secrets.token_bytes(16)
        told = {"fields": row.fields, "id": row.id, "object": row.object, "purpose": row.purpose}
        text = json.dumps(
            {**told, "roles": "", "terminal": ""}, ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        commitment = hmac.digest(salt, text.encode(), "sha256")
        stamp = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        actor = "system" if row.actor_id is None else f"account:{row.actor_id}"
        parts = [before.hex(), row.municipality_id, rows[0].id, seq, stamp, row.verb, actor, commitment.hex()]
        before = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
        chain = {"chain": rows[0].id, "seq": seq, "salt": salt, "commitment": commitment, "hash": before}
        found.append({"m": row.municipality_id, "one": row.id, "terminal": "", "roles": "", **chain})
    return found


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC) + timedelta(hours=9):%Y-%m-%d}"
