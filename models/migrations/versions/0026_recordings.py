"""Recordings of calls: of which call, when, under which key, and whether the file is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("recordings_id")))
    op.create_table(
        "recordings",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("provider_ref", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        *(sa.Column(name, Instant()) for name in ("next_try_at", "kept_at")),
        sa.Column("key_name", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("erased_at", Instant()),
        sa.CheckConstraint("state IN ('waiting', 'kept', 'erased')", name=op.f("ck_recordings_state")),
        sa.ForeignKeyConstraint(
            ["municipality_id", "call_id"],
            ["calls.municipality_id", "calls.id"],
            name=op.f("fk_recordings_municipality_id_call_id"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f("fk_recordings_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("municipality_id", "provider_ref", name=op.f("uq_recordings_municipality_id_provider_ref")),
    )
    op.create_index("ix_recordings_call", "recordings", ["municipality_id", "call_id"])


def downgrade() -> None:
    raise NotImplementedError
