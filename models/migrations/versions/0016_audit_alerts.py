"""Alarms about views that somebody should ask about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("audit_alerts_id")))
    op.create_table(
        "audit_alerts",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        *(sa.Column(name, Instant(), nullable=False) for name in ("first_at", "last_at", "found_at")),
        sa.Column("seen_at", Instant()),
        sa.Column("seen_by", ID),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('many', 'hours', 'beyond')", name=op.f("ck_audit_alerts_kind")),
        *(
            sa.ForeignKeyConstraint(
                ["municipality_id", column],
                ["accounts.municipality_id", "accounts.id"],
                name=op.f(f"fk_audit_alerts_municipality_id_{column}"),
            )
            for column in ("account_id", "seen_by")
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_audit_alerts_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f("pk_audit_alerts")),
    )
    columns = ["municipality_id", "day", "kind", "account_id"]
    op.create_index("uq_audit_alerts_day", "audit_alerts", columns, unique=True)
