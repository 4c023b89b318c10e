"""Imports that can be taken back, and files on their way through the wizard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERED = ("import_changes", "import_uploads")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{table}_id")))
    op.add_column("imports", sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("imports", sa.Column("taken_back_by", ID, nullable=True))
    op.create_table(
        "import_changes",
        *_key(),
        sa.Column("import_id", ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("table_name", sa.String(32), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('above', 'before', 'removed', 'added')", name=op.f("ck_import_changes_kind")),
        *_tied("import_changes", "import_id", "imports"),
    )
    op.create_table(
        "import_uploads",
        *_key(),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("stored_as", sa.String(64), nullable=False),
        sa.Column("full_list", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alive_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("rows_all", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'checked', 'confirmed', 'done', 'failed', 'dropped')",
            name=op.f("ck_import_uploads_state"),
        ),
        *_tied("import_uploads", "actor_id", "accounts"),
    )
    op.create_index("ix_import_uploads_state", "import_uploads", ["municipality_id", "state"])


def _key() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
    )


def _tied(table: str, column: str, other: str) -> list[sa.Constraint]:
    """The primary key, and what a row belongs to."""
    return [
        sa.ForeignKeyConstraint(
            ["municipality_id", column],
            [f"{other}.municipality_id", f"{other}.id"],
            name=op.f(f"fk_{table}_municipality_id_{column}"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{table}_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{table}")),
    ]
