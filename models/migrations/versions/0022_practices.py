"""The score of each practice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "practices"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence(f"{TABLE}_id")))
    op.create_table(
        TABLE,
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("script_name", sa.String(64), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("fitting", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "account_id"],
            ["accounts.municipality_id", "accounts.id"],
            name=op.f(f"fk_{TABLE}_municipality_id_account_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{TABLE}_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{TABLE}")),
    )
    op.create_index("ix_practices_account", TABLE, ["municipality_id", "account_id", "at"])
