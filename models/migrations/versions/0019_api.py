"""Clients of the API, their webhooks, and an index for each list that is read on from a moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Instant

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
READ_ON = {
    "ix_negotiation_records_at": ("negotiation_records", ["at", "id"]),
    "ix_promises_made": ("promises", ["made_at", "id"]),
    "ix_contact_slips_visible": ("contact_slips", ["visible_at", "id"]),
    "ix_living_reports_requested": ("living_reports", ["requested_at", "id"]),
    "ix_signals_at": ("signals", ["at"]),
    "ix_follow_up_events_at": ("follow_up_events", ["at", "id"]),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name in ("webhooks_id", "webhook_deliveries_id"):
            op.execute(sa.schema.CreateSequence(sa.Sequence(name)))
    _make(
        "api_clients",
        ["account_id"],
        ("account_id", "accounts"),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        *(sa.Column(name, Instant(), nullable=False) for name in ("created_at", "expires_at")),
        *(sa.Column(name, Instant()) for name in ("last_used_at", "minute")),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.UniqueConstraint("municipality_id", "token_hash", name=op.f("uq_api_clients_municipality_id_token_hash")),
    )
    _make(
        "api_keys",
        ["account_id", "key"],
        ("account_id", "accounts"),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    _make(
        "webhooks",
        ["id"],
        ("account_id", "accounts"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("url", "events")),
        sa.Column("secret", sa.String(64), nullable=False),
        *(sa.Column(name, Instant(), nullable=False) for name in ("created_at", "looked_until")),
        sa.Column("stopped_at", Instant()),
    )
    _make(
        "webhook_deliveries",
        ["id"],
        ("webhook_id", "webhooks"),
        sa.Column("event", sa.String(24), nullable=False),
        sa.Column("thing", sa.String(48), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant()),
        sa.Column("answer", sa.String(32), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name=op.f("ck_webhook_deliveries_state")),
        sa.UniqueConstraint(
            "municipality_id", "webhook_id", "event", "thing", name=op.f("uq_webhook_deliveries_municipality_id_webhook_id_event_thing")
        ),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["municipality_id", "next_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    by_state = ["municipality_id", "webhook_id", "state", "id"]
    op.create_index("ix_webhook_deliveries_state", "webhook_deliveries", by_state)
    for name, (table, columns) in READ_ON.items():
        op.create_index(name, table, ["municipality_id", *columns])


def _make(name: str, key: list[str], owner: tuple[str, str], *items: sa.schema.SchemaItem) -> None:
    column, table = owner
    columns = [sa.Column("municipality_id", sa.Integer(), nullable=False)]
    if "id" in key:
        columns.append(sa.Column("id", ID, autoincrement=False, nullable=False))
    op.create_table(
        name,
        *columns,
        sa.Column(column, ID, nullable=False),
        *items,
        sa.ForeignKeyConstraint(
            ["municipality_id", column],
            [f"{table}.municipality_id", f"{table}.id"],
            name=op.f(f"fk_{name}_municipality_id_{column}"),
        ),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{name}_municipality_id")),
        sa.PrimaryKeyConstraint("municipality_id", *key, name=op.f(f"pk_{name}")),
    )
