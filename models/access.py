"""Who is at which terminal: sessions, failed attempts to log in, and the scratch memo of a call."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Text

from models.base import Id, Instant, belongs_to, tenant_table

sessions = tenant_table(
    "sessions",
    Column("token_hash", String(64), nullable=False),  # SHA-256 of the cookie: the table opens no session
    Column("account_id", Id, nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("language", String(2), nullable=False, default="ja"),
    Column("terminal", String(64), nullable=False, default=""),  # the address it came from
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("locked_at", Instant),
    Column("ended_at", Instant),
    Column("end_reason", String(16), nullable=False, default=""),
    belongs_to("accounts", "account_id"),
    Index("ix_sessions_account", "municipality_id", "account_id", "ended_at"),
    key=("token_hash",),
)

login_failures = tenant_table(
    "login_failures",
    Column("subject", String(96), nullable=False),  # `login:op01`, `terminal:10.0.0.7`
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    key=("subject",),
)

memos = tenant_table(
    "memos",
    Column("call_id", Id, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
    belongs_to("calls", "call_id"),
    key=("call_id",),
)
"""What an operator jots down in a call; deleted at its end, never in the log."""
