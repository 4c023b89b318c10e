"""Openings of protected households, each with its reason and its review."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIED = {"account_id": "accounts", "reviewed_by": "accounts", "household_id": "households", "case_id": "cases"}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("glass_breaks_id")))
    op.create_table(
        "glass_breaks",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        *(sa.Column(name, ID, nullable=False) for name in ("account_id", "household_id", "case_id")),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("reviewed_at", Instant()),
        sa.Column("reviewed_by", ID),
        sa.Column("verdict", sa.String(12), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("verdict IN ('', 'fine', 'not_fine')", name=op.f("ck_glass_breaks_verdict")),
        *(
            sa.ForeignKeyConstraint(
                ["municipality_id", column],
                [f"{table}.municipality_id", f"{table}.id"],
                name=op.f(f"fk_glass_breaks_municipality_id_{column}"),
            )
            for column, table in TIED.items()
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_glass_breaks_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_glass_breaks")),
    )
    op.create_index(
        "ix_glass_breaks_household", "glass_breaks", ["municipality_id", "household_id", "account_id", "until"]
    )
    unreviewed = sa.text("reviewed_at IS NULL")
    op.create_index(
        "ix_glass_breaks_open",
        "glass_breaks",
        ["municipality_id", "account_id", "at"],
        sqlite_where=unreviewed,
        postgresql_where=unreviewed,
    )
