"""How a campaign dials, calls that no operator has as yet, who opens lines, and abandoned calls as incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    kept = sa.text("'preview'")  # as campaigns were dialled until now
    op.add_column("campaigns", sa.Column("mode", sa.String(12), nullable=False, server_default=kept))
    op.add_column("calls", sa.Column("unattended", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    held = sa.text("live AND (NOT unattended AND (review_reason = '' OR talk_state <> ''))")
    op.drop_index("uq_calls_live_operator", table_name="calls")
    op.create_index(
        "uq_calls_live_operator",
        "calls",
        ["municipality_id", "operator_id"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_table(
        "dial_leases",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("worker", sa.String(64), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        *_owned("dial_leases"),
        _refers("dial_leases", "campaigns", "campaign_id"),
        sa.PrimaryKeyConstraint("municipality_id", "campaign_id", name=op.f("pk_dial_leases")),
    )
    op.create_table(
        "abandonments",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("campaign_id", ID),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("seen_at", Instant()),
        sa.Column("seen_by", ID),
        *_owned("abandonments"),
        _refers("abandonments", "calls", "call_id"),
        _refers("abandonments", "campaigns", "campaign_id"),
        _refers("abandonments", "accounts", "seen_by"),
        sa.CheckConstraint("cause IN ('no_operator', 'operator_left')", name=op.f("ck_abandonments_cause")),
        sa.PrimaryKeyConstraint("municipality_id", "call_id", name=op.f("pk_abandonments")),
    )
    unseen = sa.text("seen_at IS NULL")
    op.create_index(
        "ix_abandonments_unseen",
        "abandonments",
        ["municipality_id", "at"],
        sqlite_where=unseen,
        postgresql_where=unseen,
    )
    op.create_index("ix_abandonments_campaign", "abandonments", ["municipality_id", "campaign_id", "at"])


def _owned(table: str) -> tuple[sa.ForeignKeyConstraint]:
    name = op.f(f"fk_{table}_municipality_id")
    return (sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=name),)


def _refers(table: str, other: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["municipality_id", column],
        [f"{other}.municipality_id", f"{other}.id"],
        name=op.f(f"fk_{table}_municipality_id_{column}"),
    )
