"""What is erased and when: holds, erasures with their two persons, what reports still need; inspections."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Index, Integer, String, Text

from models.base import Id, Instant, belongs_to, index_where, one_of, tenant_table

retention_holds = tenant_table(  # 消去の差し止め
    "retention_holds",
    Column("scope", String(12), nullable=False),
    Column("thing_id", Id),  # of a household, case or call
    Column("kind", String(16), nullable=False, default=""),  # a whole class
    Column("reason", Text, nullable=False),
    Column("placed_by", Id, nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("lifted_by", Id),
    Column("lifted_at", Instant),
    Column("lift_reason", Text, nullable=False, default=""),
    belongs_to("accounts", "placed_by"),
    belongs_to("accounts", "lifted_by"),
    one_of("scope", ("household", "case", "call", "class")),
    CheckConstraint("(scope = 'class') = (thing_id IS NULL)", name="thing"),
    index_where("ix_retention_holds_open", "lifted_at IS NULL", "id"),
)

erasures = tenant_table(  # 消去: asked for by one of the ward's staff, approved by another
    "erasures",
    Column("purpose", String(8), nullable=False),  # by rule, or all of it at the contract's end
    Column("cutoffs", Text, nullable=False),  # {class: before when}, JSON
    Column("plan", Text, nullable=False),  # what fell due when it was asked for, JSON
    Column("reason", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("asked_by", Id, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("decided_by", Id),
    Column("decided_at", Instant),
    Column("begun_at", Instant),
    Column("ended_at", Instant),
    Column("progress", Text, nullable=False, default="{}"),  # by class, JSON; where a killed run goes on
    Column("certificate", Text, nullable=False, default=""),
    belongs_to("accounts", "asked_by"),
    belongs_to("accounts", "decided_by"),
    one_of("purpose", ("rule", "end")),
    one_of("state", ("asked", "approved", "refused", "running", "done")),
)

erased_tallies = tenant_table(  # what reports count in texts that are gone, without whose they were
    "erased_tallies",
    Column("erasure_id", Id, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("day", Date, nullable=False),
    Column("campaign_id", Id),
    Column("account_id", Id),
    Column("word", String(64), nullable=False, default=""),
    Column("count", Integer, nullable=False),
    belongs_to("erasures", "erasure_id"),
    belongs_to("campaigns", "campaign_id"),
    belongs_to("accounts", "account_id"),
    one_of("kind", ("reason", "alone")),
    Index("ix_erased_tallies_day", "municipality_id", "kind", "day"),
)

inspections = tenant_table(  # 検査: the ward looks at the contractor's work
    "inspections",
    Column("held_on", Date, nullable=False),
    Column("place", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("measure", Text, nullable=False, default=""),
    Column("recorded_by", Id, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    belongs_to("accounts", "recorded_by"),
    Index("ix_inspections_held", "municipality_id", "held_on", "id"),
)
