"""Approval, shifts, the disaster stop, hold-outs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERED: tuple[str, ...] = ("dial_stops", "shifts")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{table}_id")))
    op.create_table(
        "dial_stops",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_by", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id", "lifted_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_dial_stops_municipality_id_lifted_by"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "stopped_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_dial_stops_municipality_id_stopped_by"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_dial_stops_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_dial_stops")),
    )
    op.create_index(
        "uq_dial_stops_open",
        "dial_stops",
        ["municipality_id"],
        unique=True,
        sqlite_where=sa.text("lifted_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "shifts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_shifts_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "ended_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_shifts_municipality_id_ended_by"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_shifts_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_shifts")),
    )
    op.create_index(
        "uq_shifts_open",
        "shifts",
        ["municipality_id", "account_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "campaign_approvals",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("approved_by", ID, nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "approved_by"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_campaign_approvals_municipality_id_approved_by"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "campaign_id"],
            ["campaigns.municipality_id", "campaigns.id"],
            name=op.f("fk_campaign_approvals_municipality_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_campaign_approvals_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "campaign_id", name=op.f("pk_campaign_approvals")),
    )
    op.create_table(
        "campaign_holdouts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("unpaid", sa.Integer(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "campaign_id"],
            ["campaigns.municipality_id", "campaigns.id"],
            name=op.f("fk_campaign_holdouts_municipality_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id", "case_id"],
            ["cases.municipality_id", "cases.id"],
            name=op.f("fk_campaign_holdouts_municipality_id_case_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_campaign_holdouts_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "campaign_id", "case_id", name=op.f("pk_campaign_holdouts")),
    )
    op.create_index(
        op.f("ix_campaign_holdouts_municipality_id_case_id"),
        "campaign_holdouts",
        ["municipality_id", "case_id"],
        unique=False,
    )
    op.create_index("ix_callbacks_case", "callbacks", ["municipality_id", "case_id"], unique=False)
    op.create_index("ix_callbacks_owner", "callbacks", ["municipality_id", "owner_id", "state", "at"], unique=False)
    op.create_index("ix_calls_campaign", "calls", ["municipality_id", "campaign_id", "placed_at"], unique=False)
    op.add_column("campaigns", sa.Column("selection", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("days", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("holdout_percent", sa.Integer(), nullable=True))
