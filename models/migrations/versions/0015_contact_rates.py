"""Calls of a day by group, and the rates that a day's ranks are made with."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None



def upgrade() -> None:
    _table("contact_tallies", sa.Column("tried", sa.Integer(), nullable=False),
           sa.Column("reached", sa.Integer(), nullable=False))
    _table("contact_rates", sa.Column("rate", sa.Float(), nullable=False))


def _table(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("claim_type", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("segment", sa.String(16), nullable=False),
        sa.Column("band", sa.String(12), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{name}_municipality_id")),
        sa.PrimaryKeyConstraint(
            "municipality_id", "claim_type", "day", "segment", "band", name=op.f(f"pk_{name}")
        ),
    )
