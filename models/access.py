"""Who is at which terminal and how: sessions, failed attempts to log in, desks, preferences, the memo of a call."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Text, UniqueConstraint

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

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
    Column("code_asked_at", Instant),  # since when the second factor is waited for
    Column("proved_at", Instant),  # when the provider asked anew who it is; gone after one act
    belongs_to("accounts", "account_id"),
    Index("ix_sessions_account", "municipality_id", "account_id", "ended_at"),
    index_where("ix_sessions_open", "ended_at IS NULL", "seen_at"),
    key=("token_hash",),
)

login_failures = tenant_table(
    "login_failures",
    Column("subject", String(96), nullable=False),  # `login:op01`, `terminal:10.0.0.7`
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    key=("subject",),
)

desks = tenant_table(
    "desks",
    Column("account_id", Id, nullable=False),
    Column("state", String(12), nullable=False),  # outside calls, which speak for themselves
    Column("reason", String(32), nullable=False, default=""),  # of a break
    Column("since", Instant, nullable=False),
    Column("help_since", Instant),  # 支援要請: a supervisor is asked for
    Column("help_seen_at", Instant),  # and one has said that they know
    belongs_to("accounts", "account_id"),
    one_of("state", ("ready", "break")),
    key=("account_id",),
)

receivers = tenant_table(  # an operator's telephone, where it is called before the residents are
    "receivers",
    Column("account_id", Id, nullable=False),
    Column("desk", String(40), nullable=False),  # our name for this taking; the telephone tells of it by that
    Column("state", String(8), nullable=False),
    Column("since", Instant, nullable=False),
    belongs_to("accounts", "account_id"),
    one_of("state", ("calling", "there", "gone")),
    UniqueConstraint("municipality_id", "desk"),
    key=("account_id",),
)

preferences = tenant_table(
    "preferences",
    Column("account_id", Id, nullable=False),
    Column("keys_off", Boolean, nullable=False, default=False),  # no shortcut of one letter
    Column("keys", Text, nullable=False, default="{}"),  # {letter of the program: letter of this person}, JSON
    Column("theme", String(8)),  # empty: as the device wants it
    Column("size", Integer),  # of the text, percent; empty: 100
    belongs_to("accounts", "account_id"),
    key=("account_id",),
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
