"""Comments, scorecards, requests to replay; calls by the day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERED = ("call_comments", "replay_requests", "scorecards")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{table}_id")))
    op.create_table(
        "call_comments",
        *_key(),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        *_tied("call_comments", call_id="calls", author_id="accounts"),
    )
    op.create_table(
        "scorecards",
        *_key(),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", ID, nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        *_tied("scorecards", call_id="calls", author_id="accounts"),
    )
    op.create_table(
        "replay_requests",
        *_key(),
        sa.Column("call_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", ID, nullable=True),
        sa.Column("decision", sa.String(8), nullable=False),
        sa.CheckConstraint(
            "decision IN ('open', 'granted', 'refused')", name=op.f("ck_replay_requests_decision")
        ),
        *_tied("replay_requests", call_id="calls", account_id="accounts", decided_by="accounts"),
    )
    for table in NUMBERED:
        op.create_index(f"ix_{table}_call", table, ["municipality_id", "call_id"])
    op.create_index("ix_calls_opened", "calls", ["municipality_id", "opened_at"])


def _key() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
    )


def _tied(table: str, **columns: str) -> list[sa.Constraint]:
    """The primary key, and the references inside the municipality."""
    found: list[sa.Constraint] = [
        sa.ForeignKeyConstraint(
            ["municipality_id", column],
            [f"{other}.municipality_id", f"{other}.id"],
            name=op.f(f"fk_{table}_municipality_id_{column}"),
        )
        for column, other in columns.items()
    ]
    found.append(
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{table}_municipality_id"))
    )
    found.append(sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{table}")))
    return found
