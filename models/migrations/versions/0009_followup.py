"""Slips, reports, promises, signals and visits after the call: their acts, dates and contents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
NUMBERED = ("follow_up_events", "report_contents", "staff_calls", "visits")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in NUMBERED:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{table}_id")))
    _new_columns()
    _new_tables()
    op.drop_index("uq_contact_slips_call", "contact_slips")
    _index_where("uq_contact_slips_call", "contact_slips", "state <> 'cancelled'", "call_id", "origin", unique=True)
    op.create_index("ix_contact_slips_case", "contact_slips", ["municipality_id", "case_id"])
    op.create_index("ix_living_reports_state", "living_reports", ["municipality_id", "state"])
    _index_where("ix_signals_unread", "signals", "reviewed_at IS NULL", "at")
    op.create_index("ix_follow_up_events_thing", "follow_up_events", ["municipality_id", "thing", "thing_id"])
    op.create_index("ix_report_contents_report", "report_contents", ["municipality_id", "report_id"])
    op.create_index("ix_staff_calls_slip", "staff_calls", ["municipality_id", "slip_id"])
    _index_where("uq_staff_calls_open", "staff_calls", "state = 'open'", "slip_id", unique=True)
    _index_where("uq_visits_open", "visits", "state IN ('listed', 'handed')", "case_id", unique=True)


def _new_columns() -> None:
    added: dict[str, list[sa.Column[object]]] = {
        "promises": [sa.Column("paid", sa.Integer(), nullable=True)],
        "contact_slips": [
            sa.Column("origin", sa.String(8), server_default=sa.text("'call'"), nullable=False),
            sa.Column("handler_id", ID, nullable=True),
            sa.Column("taken_at", INSTANT, nullable=True),
            sa.Column("done_at", INSTANT, nullable=True),
        ],
        "living_reports": [
            sa.Column("due_on", sa.Date(), nullable=True),
            sa.Column("re_requested_at", INSTANT, nullable=True),
            sa.Column("re_sent_at", INSTANT, nullable=True),
            sa.Column("consulted_at", INSTANT, nullable=True),
            sa.Column("escalated_at", INSTANT, nullable=True),
            sa.Column("next_step", sa.String(8), server_default=sa.text("''"), nullable=False),
            sa.Column("decision", sa.String(16), server_default=sa.text("''"), nullable=False),
        ],
        "signals": [
            sa.Column("reviewed_by", ID, nullable=True),
            sa.Column("review", sa.Text(), server_default=sa.text("''"), nullable=False),
        ],
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)


def _new_tables() -> None:
    op.create_table(
        "follow_up_events",
        *_key(),
        sa.Column("thing", sa.String(8), nullable=False),
        sa.Column("thing_id", ID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor_id", ID, nullable=True),
        sa.Column("organisation_id", ID, nullable=True),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("before", sa.String(12), nullable=False),
        sa.Column("after", sa.String(12), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _one_of("follow_up_events", "thing", "slip", "report", "promise", "visit"),
        *_tied("follow_up_events", actor_id="accounts", organisation_id="organisations"),
    )
    op.create_table(
        "staff_calls",
        *_key(),
        sa.Column("slip_id", ID, nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.Column("planned_by", ID, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        _one_of("staff_calls", "state", "open", "reached", "missed", "cancelled"),
        *_tied("staff_calls", slip_id="contact_slips", planned_by="accounts"),
    )
    op.create_table(
        "report_contents",
        *_key(),
        sa.Column("report_id", ID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor_id", ID, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        *_tied("report_contents", report_id="living_reports", actor_id="accounts"),
    )
    op.create_table(
        "visits",
        *_key(),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("report_id", ID, nullable=True),
        sa.Column("slip_id", ID, nullable=True),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("listed_at", INSTANT, nullable=False),
        sa.Column("handed_at", INSTANT, nullable=True),
        sa.Column("visited_on", sa.Date(), nullable=True),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        _one_of("visits", "state", "listed", "handed", "visited", "cancelled"),
        *_tied("visits", case_id="cases", report_id="living_reports", slip_id="contact_slips"),
    )


def _index_where(name: str, table: str, condition: str, *columns: str, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(
        name, table, ["municipality_id", *columns], unique=unique, sqlite_where=where, postgresql_where=where
    )


def _key() -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("id", ID, autoincrement=False, nullable=False),
    )


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    words = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({words})", name=op.f(f"ck_{table}_{column}"))


def _tied(table: str, **columns: str) -> list[sa.Constraint]:
    """The primary key, and the references inside the municipality."""
    found: list[sa.Constraint] = [
        sa.ForeignKeyConstraint(
            ["municipality_id", column],
            [f"{other}.municipality_id", f"{other}.id"],
            name=op.f(f"fk_{table}_municipality_id_{column}"),
        )
        for column, other in columns.items()
    ]
    found.append(
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{table}_municipality_id"))
    )
    found.append(sa.PrimaryKeyConstraint("municipality_id", "id", name=op.f(f"pk_{table}")))
    return found
