"""What was done and seen, by whom: the record of acts, in hash chains (docs/security.md)."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, LargeBinary, String, Text

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

audit_events = tenant_table(
    "audit_events",
    Column("at", Instant, nullable=False),
    Column("actor_id", Id),  # empty: the program itself
    Column("verb", String(64), nullable=False),  # `user:add`, `script:publish`
    Column("object", String(64), nullable=False),  # `account:12`; never a name
    Column("purpose", Text, nullable=False, default=""),
    Column("fields", Text, nullable=False, default=""),  # names only, never values
    Column("terminal", String(64), nullable=False, default=""),
    Column("roles", String(64), nullable=False, default=""),  # of the actor, at that moment
    Column("chain", Id, nullable=False),  # the id of its first event
    Column("seq", Integer, nullable=False),
    Column("salt", LargeBinary(16)),  # gone once the content was erased under a rule
    Column("commitment", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("erased_under", String(64)),
    belongs_to("accounts", "actor_id"),
    Index("uq_audit_events_chain", "municipality_id", "chain", "seq", unique=True),
    Index("ix_audit_events_at", "municipality_id", "at", "id"),
    Index("ix_audit_events_actor", "municipality_id", "actor_id", "at", "id"),
    Index("ix_audit_events_object", "municipality_id", "object", "at", "id"),
    Index("ix_audit_events_verb", "municipality_id", "verb", "at", "id"),
    index_where("ix_audit_events_purpose", "purpose <> ''", "at", "id"),
)

audit_alerts = tenant_table(
    "audit_alerts",
    Column("kind", String(12), nullable=False),
    Column("account_id", Id, nullable=False),  # whose sights these are
    Column("day", Date, nullable=False),  # in Tokyo
    Column("count", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("seen_by", Id),
    Column("note", Text, nullable=False, default=""),
    belongs_to("accounts", "account_id"),
    belongs_to("accounts", "seen_by"),
    one_of("kind", ("many", "hours", "beyond")),
    Index("uq_audit_alerts_day", "municipality_id", "day", "kind", "account_id", unique=True),
)

glass_breaks = tenant_table(
    "glass_breaks",
    Column("account_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("reviewed_at", Instant),
    Column("reviewed_by", Id),
    Column("verdict", String(12), nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    belongs_to("accounts", "account_id"),
    belongs_to("accounts", "reviewed_by"),
    belongs_to("households", "household_id"),
    belongs_to("cases", "case_id"),
    one_of("verdict", ("", "fine", "not_fine")),
    Index("ix_glass_breaks_household", "municipality_id", "household_id", "account_id", "until"),
    index_where("ix_glass_breaks_open", "reviewed_at IS NULL", "account_id", "at"),
)
"""Openings of protected households by staff, and their review."""
