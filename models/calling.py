"""The work of calling: scripts, campaigns, the queue, calls and their logs."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from models.base import Id, Instant, belongs_to, index_where, metadata, one_of, tenant_table
from models.cases import CLAIM_TYPES

LINE_STATES = ("claimed", "placing", "ringing", "answered", "ended", "needs_review")
QUEUE_STATES = ("scheduled", "ready", "claimed", "held", "done")
CAMPAIGN_STATES = ("draft", "approved", "running", "paused", "stopped")

script_versions = tenant_table(
    "script_versions",
    Column("hash", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sources", Text, nullable=False),  # {file: text}, JSON; immutable
    Column("published_at", Instant, nullable=False),
    Column("published_by", Id, nullable=False),
    Column("approved_by", Id, nullable=False),
    belongs_to("accounts", "published_by"),
    belongs_to("accounts", "approved_by"),
    UniqueConstraint("municipality_id", "name", "version"),
    key=("hash",),
)

campaigns = tenant_table(
    "campaigns",
    Column("name", Text, nullable=False),
    Column("claim_type", String(32), nullable=False),
    Column("script_hash", String(64), nullable=False),
    Column("settings", Text, nullable=False, default="{}"),  # the script's settings, JSON
    Column("policy", Text, nullable=False, default="{}"),  # tighter than the configuration, JSON
    Column("plan", Text, nullable=False, default="{}"),  # filter and counted exclusions, JSON
    Column("state", String(12), nullable=False),
    Column("state_reason", Text, nullable=False, default=""),
    Column("supervisor_id", Id),  # on shift; a campaign does not run without one
    Column("created_at", Instant, nullable=False),
    Column("created_by", Id, nullable=False),
    one_of("claim_type", CLAIM_TYPES),
    one_of("state", CAMPAIGN_STATES),
    belongs_to("accounts", "created_by"),
    belongs_to("accounts", "supervisor_id"),
    UniqueConstraint("municipality_id", "name"),
)

queue_entries = tenant_table(
    "queue_entries",
    Column("campaign_id", Id, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("state", String(12), nullable=False),
    Column("due_at", Instant, nullable=False),  # what makes it not callable now is folded into this
    Column("priority", Integer, nullable=False, default=0),  # smaller is sooner
    Column("claimed_by", String(64)),
    Column("fence", Integer, nullable=False, default=0),  # rises with each claim; a stale holder's is refused
    Column("lease_until", Instant),
    Column("reason", Text, nullable=False, default=""),  # why held or done
    one_of("state", QUEUE_STATES),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("cases", "case_id"),
    index_where("ix_queue_ready", "state = 'ready'", "campaign_id", "priority", "due_at", "case_id"),
    index_where("ix_queue_scheduled", "state = 'scheduled'", "due_at"),
    index_where("ix_queue_leases", "state = 'claimed'", "lease_until"),
    Index("ix_queue_case", "municipality_id", "case_id"),
    key=("campaign_id", "case_id"),
)

dial_refusals = tenant_table(
    "dial_refusals",
    Column("campaign_id", Id),
    Column("case_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("stage", String(12), nullable=False),  # judged when claimed, and again right before placing
    Column("reasons", Text, nullable=False),  # codes, comma-separated
    Column("earliest", Instant),
    one_of("stage", ("claim", "placing")),
    belongs_to("cases", "case_id"),
    Index(None, "municipality_id", "case_id", "at"),
)

calls = tenant_table(
    "calls",
    Column("campaign_id", Id),
    Column("case_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("number_id", Id),
    Column("operator_id", Id, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("script_hash", String(64), nullable=False),
    Column("attempt_ref", String(40), nullable=False),  # all that a provider ever learns besides the number
    Column("fence", Integer, nullable=False, default=0),
    Column("line_state", String(12), nullable=False),
    Column("provider_ref", Text, nullable=False, default=""),
    Column("step", Integer, nullable=False, default=0),  # rises with each accepted act of the talk
    Column("talk_state", String(64), nullable=False, default=""),  # for the board; the log is the truth
    Column("live", Boolean, nullable=False, default=True),
    Column("disposition", String(8)),
    Column("attempt", Integer, nullable=False, default=1),  # A, C, R as computed at the end
    Column("contact", Integer, nullable=False, default=0),
    Column("right_party", Integer, nullable=False, default=0),
    Column("party", String(12)),
    Column("review_reason", Text, nullable=False, default=""),
    Column("opened_at", Instant, nullable=False),
    Column("placed_at", Instant),
    Column("answered_at", Instant),
    Column("line_ended_at", Instant),
    Column("closed_at", Instant),
    Column("last_event_at", Instant),  # of an ended call: its end, or its last correction
    Column("event_count", Integer, nullable=False, default=0),
    Column("head_hash", LargeBinary),
    one_of("direction", ("outbound", "inbound")),
    one_of("line_state", LINE_STATES),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("cases", "case_id"),
    belongs_to("households", "household_id"),
    belongs_to("phone_numbers", "number_id"),
    belongs_to("accounts", "operator_id"),
    UniqueConstraint("municipality_id", "attempt_ref"),
    index_where("uq_calls_live_case", "live", "case_id", unique=True),
    index_where("uq_calls_live_number", "live", "number_id", unique=True),
    index_where("uq_calls_live_household", "live", "household_id", unique=True),
    index_where("uq_calls_live_operator", "live", "operator_id", unique=True),
    Index("ix_calls_case", "municipality_id", "case_id", "opened_at"),
    Index("ix_calls_household", "municipality_id", "household_id", "opened_at"),
    Index("ix_calls_number", "municipality_id", "number_id", "opened_at"),
    Index("ix_calls_last_event", "municipality_id", "last_event_at"),
)

is_live: ColumnElement[bool] = literal_column("live")
"""As the partial indexes say it: SQLite uses them for no other spelling of `calls.live`."""

call_events = tenant_table(
    "call_events",
    Column("call_id", Id, nullable=False),
    Column("seq", Integer, nullable=False),  # 1 and up, without a gap
    Column("at", Instant, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("actor", String(64), nullable=False),  # `operator:12`, `system`
    Column("payload", Text),  # canonical JSON; empty once erased by rule
    Column("salt", LargeBinary),
    Column("commitment", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("erased_under", String(64)),
    belongs_to("calls", "call_id"),
    key=("call_id", "seq"),
)

closed_days = tenant_table(
    "closed_days",
    Column("day", Date, nullable=False),
    Column("reason", Text, nullable=False),
    key=("day",),
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("job", String(64), nullable=False),
    Column("fire_time", Instant, nullable=False),
    Column("worker", String(64), nullable=False),
    Column("finished_at", Instant),
    PrimaryKeyConstraint("job", "fire_time"),
)
