"""Holds, erasures with their two persons, the counts of what is erased, and inspections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _table(name: str, tied: Mapping[str, str], *items: Any) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence(f"{name}_id")))
    op.create_table(
        name,
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        *items,
        *(
            sa.ForeignKeyConstraint(
                ["municipality_id", column],
                [f"{table}.municipality_id", f"{table}.id"],
                name=op.f(f"fk_{name}_municipality_id_{column}"),
            )
            for column, table in tied.items()
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{name}_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{name}")),
    )


def _words(table: str, column: str, *words: str) -> sa.CheckConstraint:
    given = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({given})", name=op.f(f"ck_{table}_{column}"))


def upgrade() -> None:
    _table(
        "retention_holds",
        {"placed_by": "accounts", "lifted_by": "accounts"},
        sa.Column("scope", sa.String(12), nullable=False),
        sa.Column("thing_id", ID),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", ID, nullable=False),
        sa.Column("placed_at", Instant(), nullable=False),
        sa.Column("lifted_by", ID),
        sa.Column("lifted_at", Instant()),
        sa.Column("lift_reason", sa.Text(), nullable=False),
        _words("retention_holds", "scope", "household", "case", "call", "class"),
        sa.CheckConstraint("(scope = 'class') = (thing_id IS NULL)", name=op.f("ck_retention_holds_thing")),
    )
    placed = sa.text("lifted_at IS NULL")
    op.create_index(
        "ix_retention_holds_open",
        "retention_holds",
        ["municipality_id", "id"],
        sqlite_where=placed,
        postgresql_where=placed,
    )
    _table(
        "erasures",
        {"asked_by": "accounts", "decided_by": "accounts"},
        sa.Column("purpose", sa.String(8), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("cutoffs", "plan", "reason")),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("asked_by", ID, nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("decided_by", ID),
        *(sa.Column(name, Instant()) for name in ("decided_at", "begun_at", "ended_at")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("progress", "certificate")),
        _words("erasures", "purpose", "rule", "end"),
        _words("erasures", "state", "asked", "approved", "refused", "running", "done"),
    )
    _table(
        "erased_tallies",
        {"erasure_id": "erasures", "campaign_id": "campaigns", "account_id": "accounts"},
        sa.Column("erasure_id", ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("campaign_id", ID),
        sa.Column("account_id", ID),
        sa.Column("word", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _words("erased_tallies", "kind", "reason", "alone"),
    )
    op.create_index("ix_erased_tallies_day", "erased_tallies", ["municipality_id", "kind", "day"])
    _table(
        "inspections",
        {"recorded_by": "accounts"},
        sa.Column("held_on", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("place", "finding", "measure")),
        sa.Column("recorded_by", ID, nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
    )
    op.create_index("ix_inspections_held", "inspections", ["municipality_id", "held_on", "id"])
