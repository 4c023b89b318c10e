"""Operators' receivers, and how much of the caps on dialling is used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "receivers",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("desk", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.CheckConstraint("state IN ('calling', 'there', 'gone')", name=op.f("ck_receivers_state")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f("fk_receivers_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_receivers_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "account_id", name=op.f("pk_receivers")),
        sa.UniqueConstraint("municipality_id", "desk", name=op.f("uq_receivers_municipality_id_desk")),
    )
    op.create_table(
        "dial_counts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(32), nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_dial_counts_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "scope", name=op.f("pk_dial_counts")),
    )
