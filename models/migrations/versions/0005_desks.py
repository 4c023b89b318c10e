"""Desks and preferences: what an operator does outside calls, and the keys each person wants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "desks",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("help_since", Instant()),
        sa.CheckConstraint("state IN ('ready', 'break')", name=op.f("ck_desks_state")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_desks_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_desks_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "account_id", name=op.f("pk_desks")),
    )
    op.create_table(
        "preferences",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("keys_off", sa.Boolean(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_preferences_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_preferences_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "account_id", name=op.f("pk_preferences")),
    )
