"""What calls left behind: the case record, promises, slips, reports, tasks, signals. Append-only in meaning:
a mistake is corrected by a new entry or by the row's own state, never by deletion."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    String,
    Text,
    text,
)

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

negotiation_records = tenant_table(  # 交渉経過記録
    "negotiation_records",
    Column("case_id", Id, nullable=False),
    Column("call_id", Id),
    Column("at", Instant, nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("organisation_id", Id, nullable=False),
    Column("disposition", String(8), nullable=False),
    Column("party", String(12)),
    Column("text", Text, nullable=False),
    Column("ack_candidate", Boolean, nullable=False, default=False),  # for staff only, never law by itself
    Column("corrects_id", Id),
    belongs_to("cases", "case_id"),
    belongs_to("calls", "call_id"),
    belongs_to("negotiation_records", "corrects_id"),
    Index(None, "municipality_id", "case_id", "at"),
    index_where("uq_negotiation_records_call", "corrects_id IS NULL", "call_id", unique=True),
    index_where("uq_negotiation_records_corrects", "corrects_id IS NOT NULL", "corrects_id", unique=True),
    Index("ix_negotiation_records_at", "municipality_id", "at", "id"),
)

promises = tenant_table(  # 納付約束
    "promises",
    Column("case_id", Id, nullable=False),
    Column("call_id", Id, nullable=False),
    Column("promiser", String(12), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("amount", Integer, nullable=False),  # yen
    Column("place", Text, nullable=False),
    Column("state", String(12), nullable=False, default="open"),
    Column("made_at", Instant, nullable=False),
    Column("judged_at", Instant),
    Column("replaced_by", Id),  # the later promise that took its place
    Column("paid", Integer),  # yen that came in for it, when it was judged
    belongs_to("cases", "case_id"),
    belongs_to("calls", "call_id"),
    belongs_to("promises", "replaced_by"),
    one_of("promiser", ("householder", "spouse")),
    one_of("state", ("open", "kept", "partial", "broken", "replaced", "cancelled")),
    CheckConstraint("amount > 0", name="amount"),
    index_where("uq_promises_call", "state <> 'cancelled'", "call_id", unique=True),
    index_where("uq_promises_open", "state = 'open'", "case_id", unique=True),
    Index("ix_promises_made", "municipality_id", "made_at", "id"),
)

promise_arrears = tenant_table(
    "promise_arrears",
    Column("promise_id", Id, nullable=False),
    Column("arrear_id", Id, nullable=False),
    Column("amount", Integer, nullable=False),  # yen of this instalment
    belongs_to("promises", "promise_id"),
    belongs_to("arrears", "arrear_id"),
    key=("promise_id", "arrear_id"),
)

contact_slips = tenant_table(  # 連絡票
    "contact_slips",
    Column("case_id", Id, nullable=False),
    Column("household_id", Id, nullable=False),
    Column("call_id", Id, nullable=False),
    Column("urgency", String(12), nullable=False),
    Column("consultation", String(20), nullable=False, default=""),  # staff_calls | resident_calls | undecided
    Column("text", Text, nullable=False, default=""),
    Column("state", String(12), nullable=False, default="raised"),
    Column("raised_at", Instant, nullable=False),
    Column("visible_at", Instant, nullable=False),  # to the ward: 10 s after the call's end
    Column("cancelled_at", Instant),
    Column("origin", String(8), nullable=False, default="call", server_default=text("'call'")),  # call | promise
    Column("handler_id", Id),  # who of the ward has it in work
    Column("taken_at", Instant),  # first
    Column("done_at", Instant),
    belongs_to("cases", "case_id"),
    belongs_to("calls", "call_id"),
    belongs_to("households", "household_id"),
    one_of("urgency", ("normal", "same_day", "urgent")),
    one_of("state", ("raised", "received", "in_work", "done", "sent_back", "cancelled")),
    index_where("uq_contact_slips_call", "state <> 'cancelled'", "call_id", "origin", unique=True),
    Index("ix_contact_slips_visible", "municipality_id", "visible_at", "id"),
    Index(None, "municipality_id", "state", "visible_at"),
    Index("ix_contact_slips_case", "municipality_id", "case_id"),
)

slip_reasons = tenant_table(
    "slip_reasons",
    Column("slip_id", Id, nullable=False),
    Column("reason", String(32), nullable=False),
    belongs_to("contact_slips", "slip_id"),
    key=("slip_id", "reason"),
)

_OPEN_REPORT = "state IN ('requested', 'sent', 're_requested')"

living_reports = tenant_table(  # 生活状況報告書
    "living_reports",
    Column("household_id", Id, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("state", String(12), nullable=False, default="requested"),
    Column("requested_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("returned_at", Instant),
    Column("closed_at", Instant),
    Column("cancelled_by", String(8)),  # the code that cancels it: DV, DC, GD, LW; or CORRECT, a correction
    Column("due_on", Date),  # 返送期限
    Column("re_requested_at", Instant),
    Column("re_sent_at", Instant),
    Column("consulted_at", Instant),
    Column("escalated_at", Instant),
    Column("next_step", String(8), nullable=False, default="", server_default=text("''")),  # recall | visit
    Column("decision", String(16), nullable=False, default="", server_default=text("''")),
    belongs_to("households", "household_id"),
    belongs_to("cases", "case_id"),
    one_of("state", ("requested", "sent", "returned", "reviewed", "re_requested", "escalated", "cancelled")),
    index_where("uq_living_reports_open", _OPEN_REPORT, "household_id", unique=True),
    Index("ix_living_reports_requested", "municipality_id", "requested_at", "id"),
    Index("ix_living_reports_state", "municipality_id", "state"),
)

living_report_links = tenant_table(
    "living_report_links",
    Column("call_id", Id, nullable=False),
    Column("report_id", Id, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("state_before", String(12)),  # of the report that the call cancelled
    belongs_to("calls", "call_id"),
    belongs_to("living_reports", "report_id"),
    one_of("kind", ("created", "reminded", "cancelled", "withdrawn")),
    index_where("uq_living_report_links_call", "kind <> 'withdrawn'", "call_id", unique=True),
    Index(None, "municipality_id", "report_id"),
)

callbacks = tenant_table(
    "callbacks",
    Column("case_id", Id, nullable=False),
    Column("call_id", Id, nullable=False),
    Column("owner_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("phone", Text, nullable=False, default=""),  # as given; empty: the number that was dialled
    Column("unverified", Boolean, nullable=False),  # given by a voice nobody had identified
    Column("state", String(12), nullable=False, default="open"),
    belongs_to("cases", "case_id"),
    belongs_to("calls", "call_id"),
    one_of("state", ("open", "done", "missed", "cancelled")),
    index_where("uq_callbacks_call", "state <> 'cancelled'", "call_id", unique=True),
    Index(None, "municipality_id", "state", "at"),
    Index("ix_callbacks_case", "municipality_id", "case_id"),
    Index("ix_callbacks_owner", "municipality_id", "owner_id", "state", "at"),
)

ward_callbacks = tenant_table(  # 区からの折返し: a caller whom the contractor could not find
    "ward_callbacks",
    Column("operator_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("name", Text, nullable=False),  # as typed, like the others
    Column("phone", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("done_at", Instant),
    Column("done_by", Id),
    belongs_to("accounts", "operator_id"),
    belongs_to("accounts", "done_by"),
    index_where("ix_ward_callbacks_open", "done_at IS NULL", "at"),
)

suppressions = tenant_table(
    "suppressions",
    Column("case_id", Id),
    Column("household_id", Id),
    Column("reason", String(32), nullable=False),
    Column("call_id", Id),
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # empty: until staff lift it
    Column("lifted_at", Instant),
    belongs_to("cases", "case_id"),
    belongs_to("households", "household_id"),
    CheckConstraint("(case_id IS NULL) <> (household_id IS NULL)", name="scope"),
    Index("ix_suppressions_case", "municipality_id", "case_id"),
    Index("ix_suppressions_household", "municipality_id", "household_id"),
)

signals = tenant_table(  # シグナル; written at once, not at the call's end
    "signals",
    Column("call_id", Id, nullable=False),
    Column("seq", Integer, nullable=False),  # of the event in the call's log
    Column("case_id", Id, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reviewed_at", Instant),
    Column("reviewed_by", Id),
    Column("review", Text, nullable=False, default="", server_default=text("''")),  # what came of it
    belongs_to("calls", "call_id"),
    belongs_to("cases", "case_id"),
    one_of("kind", ("signal", "emergency")),
    index_where("ix_signals_unread", "reviewed_at IS NULL", "at"),
    Index("ix_signals_at", "municipality_id", "at"),
    key=("call_id", "seq"),
)

off_scripts = tenant_table(  # 台本外
    "off_scripts",
    Column("call_id", Id, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("case_id", Id, nullable=False),
    Column("state", String(64), nullable=False),  # where the script did not help
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    belongs_to("calls", "call_id"),
    key=("call_id", "seq"),
)

ward_tasks = tenant_table(
    "ward_tasks",
    Column("case_id", Id, nullable=False),
    Column("call_id", Id, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(12), nullable=False, default="open"),
    Column("created_at", Instant, nullable=False),
    belongs_to("cases", "case_id"),
    belongs_to("calls", "call_id"),
    one_of("kind", ("reissue", "letter", "address_check", "payment_check", "form")),
    one_of("state", ("open", "done", "cancelled")),
    index_where("uq_ward_tasks_call", "state <> 'cancelled'", "call_id", "kind", unique=True),
)
