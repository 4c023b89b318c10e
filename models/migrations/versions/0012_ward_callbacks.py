"""Callers whom the ward calls back; people by their day of birth."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("ward_callbacks_id")))
    op.create_table(
        "ward_callbacks",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("operator_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", ID, nullable=True),
        *(
            sa.ForeignKeyConstraint(
                ["municipality_id", column],
                ["accounts.municipality_id", "accounts.id"],
                name=op.f(f"fk_ward_callbacks_municipality_id_{column}"),
            )
            for column in ("operator_id", "done_by")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_ward_callbacks_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_ward_callbacks")),
    )
    still_open = sa.text("done_at IS NULL")
    op.create_index(
        "ix_ward_callbacks_open",
        "ward_callbacks",
        ["municipality_id", "at"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index(op.f("ix_debtors_municipality_id_birth_date"), "debtors", ["municipality_id", "birth_date"])
