"""Other programs of the ward: who may ask the API, what they sent once, and what they are told by webhook."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Text, UniqueConstraint

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

api_clients = tenant_table(
    "api_clients",
    Column("account_id", Id, nullable=False),  # a client acts as an account without roles and without a password
    Column("scopes", Text, nullable=False),  # separated by blanks
    Column("token_hash", String(64), nullable=False),  # SHA-256: the table opens nothing
    Column("per_minute", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("minute", Instant),  # in which `used` requests were counted
    Column("used", Integer, nullable=False, default=0),
    belongs_to("accounts", "account_id"),
    UniqueConstraint("municipality_id", "token_hash"),
    key=("account_id",),
)

api_keys = tenant_table(  # Idempotency-Key: what came under it first
    "api_keys",
    Column("account_id", Id, nullable=False),
    Column("key", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    belongs_to("accounts", "account_id"),
    key=("account_id", "key"),
)

webhooks = tenant_table(
    "webhooks",
    Column("account_id", Id, nullable=False),  # the client that is told
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),  # separated by blanks
    Column("secret", String(64), nullable=False),  # signs what we send; who has it can write in our name
    Column("created_at", Instant, nullable=False),
    Column("looked_until", Instant, nullable=False),  # what happened before has its delivery
    Column("stopped_at", Instant),
    belongs_to("accounts", "account_id"),
)

webhook_deliveries = tenant_table(
    "webhook_deliveries",
    Column("webhook_id", Id, nullable=False),
    Column("event", String(24), nullable=False),
    Column("thing", String(48), nullable=False),  # `slip:12`
    Column("body", Text, nullable=False),  # ids and codes; the same bytes at every attempt
    Column("made_at", Instant, nullable=False),
    Column("state", String(8), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("answer", String(32), nullable=False, default=""),  # a status, or how it failed
    belongs_to("webhooks", "webhook_id"),
    one_of("state", ("waiting", "sent", "dead")),
    UniqueConstraint("municipality_id", "webhook_id", "event", "thing"),
    index_where("ix_webhook_deliveries_waiting", "state = 'waiting'", "next_at"),
    Index("ix_webhook_deliveries_state", "municipality_id", "webhook_id", "state", "id"),
)
