"""What staff do with what calls left behind: every act on a slip, a report, a promise, a visit; append-only."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, String, Text

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

follow_up_events = tenant_table(
    "follow_up_events",
    Column("thing", String(8), nullable=False),
    Column("thing_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor_id", Id),  # empty: the program itself
    Column("organisation_id", Id),
    Column("act", String(16), nullable=False),
    Column("before", String(12), nullable=False),
    Column("after", String(12), nullable=False),
    Column("note", Text, nullable=False),
    belongs_to("accounts", "actor_id"),
    belongs_to("organisations", "organisation_id"),
    one_of("thing", ("slip", "report", "promise", "visit")),
    Index("ix_follow_up_events_thing", "municipality_id", "thing", "thing_id"),
    Index("ix_follow_up_events_at", "municipality_id", "at", "id"),
)

staff_calls = tenant_table(  # 折返し: a call that the ward's own staff make
    "staff_calls",
    Column("slip_id", Id, nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("planned_by", Id, nullable=False),
    Column("state", String(12), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("closed_at", Instant),
    belongs_to("contact_slips", "slip_id"),
    belongs_to("accounts", "planned_by"),
    one_of("state", ("open", "reached", "missed", "cancelled")),
    index_where("uq_staff_calls_open", "state = 'open'", "slip_id", unique=True),
    Index("ix_staff_calls_slip", "municipality_id", "slip_id"),
)

report_contents = tenant_table(  # 生活状況報告書 as it came back; the latest of a report counts
    "report_contents",
    Column("report_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("content", Text, nullable=False),  # {field: value}, JSON
    belongs_to("living_reports", "report_id"),
    belongs_to("accounts", "actor_id"),
    Index("ix_report_contents_report", "municipality_id", "report_id"),
)

visits = tenant_table(  # 訪問催告
    "visits",
    Column("case_id", Id, nullable=False),
    Column("report_id", Id),
    Column("slip_id", Id),
    Column("reason", String(24), nullable=False),
    Column("note", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("listed_at", Instant, nullable=False),
    Column("handed_at", Instant),
    Column("visited_on", Date),
    Column("result", String(16), nullable=False),
    Column("closed_at", Instant),
    belongs_to("cases", "case_id"),
    belongs_to("living_reports", "report_id"),
    belongs_to("contact_slips", "slip_id"),
    one_of("state", ("listed", "handed", "visited", "cancelled")),
    index_where("uq_visits_open", "state IN ('listed', 'handed')", "case_id", unique=True),
)
