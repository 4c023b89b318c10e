"""Drafts of scripts that wait for two approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "script_drafts"
PEOPLE = ("drafted_by", "first_by", "closed_by")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence(f"{TABLE}_id")))
    op.create_table(
        TABLE,
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("drafted_by", ID, nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_by", ID, nullable=True),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", ID, nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'published', 'withdrawn')", name=op.f(f"ck_{TABLE}_state")),
        *(
            sa.ForeignKeyConstraint(
                ["municipality_id", column],
                ["accounts.municipality_id", "accounts.id"],
                name=op.f(f"fk_{TABLE}_municipality_id_{column}"),
            )
            for column in PEOPLE
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{TABLE}_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index(f"ix_{TABLE}_state", TABLE, ["municipality_id", "state"])
