"""The work of calling: scripts, campaigns, the queue, calls and their logs."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    text,
    true,
)

from models.base import Id, Instant, belongs_to, index_where, metadata, one_of, tenant_table

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

script_drafts = tenant_table(  # becomes a version when two of the ward's staff have approved it
    "script_drafts",
    Column("name", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("sources", Text, nullable=False),  # {file: text}, JSON, main file first; immutable
    Column("note", Text, nullable=False, default=""),
    Column("state", String(12), nullable=False),
    Column("drafted_by", Id, nullable=False),
    Column("drafted_at", Instant, nullable=False),
    Column("first_by", Id),  # the first approval; the second publishes
    Column("first_at", Instant),
    Column("closed_by", Id),
    Column("closed_at", Instant),
    one_of("state", ("open", "published", "withdrawn")),
    belongs_to("accounts", "drafted_by"),
    belongs_to("accounts", "first_by"),
    belongs_to("accounts", "closed_by"),
    Index("ix_script_drafts_state", "municipality_id", "state"),
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
    Column("selection", Text),  # which cases are meant, JSON; empty: all of the claim type
    Column("days", Text),  # its calling days by kind, JSON; empty: those of the claim type
    Column("holdout_percent", Integer),  # of the households, never dialled, to measure the effect
    Column(  # how lines are opened; what was planned before there were modes was looked at first
        "mode", String(12), nullable=False, default="progressive", server_default=text("'preview'")
    ),
    one_of("state", CAMPAIGN_STATES),
    belongs_to("accounts", "created_by"),
    belongs_to("accounts", "supervisor_id"),
    UniqueConstraint("municipality_id", "name"),
)

campaign_approvals = tenant_table(
    "campaign_approvals",
    Column("campaign_id", Id, nullable=False),
    Column("approved_by", Id, nullable=False),  # of the ward, and not who planned it
    Column("approved_at", Instant, nullable=False),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("accounts", "approved_by"),
    key=("campaign_id",),
)

campaign_holdouts = tenant_table(  # 対照群: drawn once, never dialled in that campaign
    "campaign_holdouts",
    Column("campaign_id", Id, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("unpaid", Integer, nullable=False),  # yen when drawn
    Column("drawn_at", Instant, nullable=False),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("cases", "case_id"),
    Index(None, "municipality_id", "case_id"),
    key=("campaign_id", "case_id"),
)

shifts = tenant_table(  # 業務責任者の勤務
    "shifts",
    Column("account_id", Id, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),  # a forgotten shift ends by itself
    Column("ended_at", Instant),
    Column("ended_by", Id),
    belongs_to("accounts", "account_id"),
    belongs_to("accounts", "ended_by"),
    index_where("uq_shifts_open", "ended_at IS NULL", "account_id", unique=True),
)

dial_stops = tenant_table(  # 災害等による全停止
    "dial_stops",
    Column("since", Instant, nullable=False),
    Column("stopped_by", Id, nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted_at", Instant),
    Column("lifted_by", Id),
    belongs_to("accounts", "stopped_by"),
    belongs_to("accounts", "lifted_by"),
    index_where("uq_dial_stops_open", "lifted_at IS NULL", unique=True),
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
    Index("ix_dial_refusals_at", "municipality_id", "at"),
)

dial_counts = tenant_table(  # against toll fraud: how much of each cap is used
    "dial_counts",
    Column("scope", String(32), nullable=False),  # `minute`, `day`, `campaign:7`
    Column("period", String(16), nullable=False),  # of which minute or day; the count of an older one is over
    Column("used", Integer, nullable=False),
    key=("scope",),
)

dial_leases = tenant_table(  # which process opens the lines of a predictive campaign
    "dial_leases",
    Column("campaign_id", Id, nullable=False),
    Column("worker", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    belongs_to("campaigns", "campaign_id"),
    key=("campaign_id",),
)

abandonments = tenant_table(  # 放棄呼: each is an incident that a supervisor looks at
    "abandonments",
    Column("call_id", Id, nullable=False),
    Column("campaign_id", Id),
    Column("at", Instant, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("seen_at", Instant),
    Column("seen_by", Id),
    belongs_to("calls", "call_id"),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("accounts", "seen_by"),
    one_of("cause", ("no_operator", "operator_left")),
    index_where("ix_abandonments_unseen", "seen_at IS NULL", "at"),
    Index("ix_abandonments_campaign", "municipality_id", "campaign_id", "at"),
    key=("call_id",),
)

_HOLDS_OPERATOR = "(NOT unattended AND (review_reason = '' OR talk_state <> ''))"

calls = tenant_table(
    "calls",
    Column("campaign_id", Id),
    Column("case_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("number_id", Id),
    Column("operator_id", Id, nullable=False),  # who answers for it: unattended, the campaign's supervisor
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
    Column(  # dialled ahead, and no operator has it as yet
        "unattended", Boolean, nullable=False, default=False, server_default=text("false")
    ),
    Column("tallied_as", String(8)),  # the outcome under which `call_tallies` counts it, if it does
    Column("untallied", Boolean, nullable=False, server_default=text("true")),  # its outcome is new, or another
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
    index_where("uq_calls_live_operator", f"live AND {_HOLDS_OPERATOR}", "operator_id", unique=True),
    Index("ix_calls_case", "municipality_id", "case_id", "opened_at"),
    Index("ix_calls_household", "municipality_id", "household_id", "opened_at"),
    Index("ix_calls_number", "municipality_id", "number_id", "opened_at"),
    Index("ix_calls_last_event", "municipality_id", "last_event_at"),
    Index("ix_calls_campaign", "municipality_id", "campaign_id", "placed_at"),
    Index("ix_calls_opened", "municipality_id", "opened_at"),
    Index("ix_calls_operator", "municipality_id", "operator_id", "closed_at"),
    index_where("ix_calls_untallied", "untallied", "untallied", "campaign_id"),
)

is_live: ColumnElement[bool] = literal_column("live")
"""As the partial indexes say it: SQLite uses them for no other spelling of `calls.live`."""


def called_by(operator: ColumnElement[int] | int) -> ColumnElement[bool]:
    """An operator's, beside what leaves few calls (`is_live`, a case): the index of an operator's calls holds every one
    that they ever made, and SQLite would choose it.
    """
    return calls.c.operator_id + 0 == operator


holds_operator: ColumnElement[bool] = literal_column(_HOLDS_OPERATOR)
"""False for a call that came into review before anybody spoke: its operator goes on, while it stays the one live
attempt of its case, number and household. Such a call is never talked in again, so it stays false. False too while a
call that was dialled ahead has no operator."""

is_untallied: ColumnElement[bool] = and_(literal_column("untallied"), calls.c.untallied == true())
"""A call whose outcome is not counted as it stands: it has just ended, was corrected or taken back. Said twice: as the
partial index says it, and as its column, for which SQLite prefers it to the index of a whole campaign."""

call_tallies = tenant_table(  # a campaign's counted calls by outcome; what counts anew is `callflow.tallies`
    "call_tallies",
    Column("campaign_id", Id, nullable=False),
    Column("disposition", String(8), nullable=False),
    Column("count", Integer, nullable=False),
    belongs_to("campaigns", "campaign_id"),
    key=("campaign_id", "disposition"),
)

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

contact_tallies = tenant_table(  # calls of a day by group, without whose they were
    "contact_tallies",
    Column("claim_type", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("segment", String(16), nullable=False),
    Column("band", String(12), nullable=False),
    Column("tried", Integer, nullable=False),
    Column("reached", Integer, nullable=False),  # the right party
    key=("claim_type", "day", "segment", "band"),
)

contact_rates = tenant_table(  # what a day's ranks are made with: drawn once, then read
    "contact_rates",
    Column("claim_type", String(32), nullable=False),
    Column("day", Date, nullable=False),
    Column("segment", String(16), nullable=False),
    Column("band", String(12), nullable=False),
    Column("rate", Float, nullable=False),
    key=("claim_type", "day", "segment", "band"),
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
    Column("started_at", Instant),  # unfinished for long after it: its process is dead, another takes over
    PrimaryKeyConstraint("job", "fire_time"),
)
