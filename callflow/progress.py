"""How far a campaign has come: its queue, its calls by outcome, and what was not dialled and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from callflow.tallies import outcomes
from models.tables import calls, dial_refusals, is_live, queue_entries
from scheduler import queue
from scheduler.calendar import tokyo_date, tokyo_midnight

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of one campaign. `refusals` counts every reason of every dial refused in 24 hours, so that one dial may
    count twice.
    """

    queue: Mapping[str, int]
    live_calls: int
    in_review: int
    outcomes: Mapping[str, int]
    refused_dials: int
    refusals: Mapping[str, int]
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class InQueue:
    """A case that waits to be dealt (`ready`) or to fall due (`scheduled`)."""

    case_id: int
    state: str
    priority: int
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class DayOfCalls:
    """What one day (Tokyo) of a campaign came to. `right_party`: calls in which the right party was spoken to."""

    day: date
    placed: int
    answered: int
    right_party: int
    promises: int


def progress(conn: Connection, municipality_id: int, campaign_id: int, now: datetime) -> Progress:
    """Refusals are read by their time, outcomes from their tally: nothing here grows with the log of calls."""
    q, c, r = queue_entries.c, calls.c, dial_refusals.c
    refusals = conn.execute(
        select(r.reasons, func.count())
        .where(r.municipality_id == municipality_id, r.at > now - DAY, r.campaign_id == campaign_id)
        .group_by(r.reasons)
    ).all()
    reasons: Counter[str] = Counter()
    for codes, count in refusals:
        reasons.update(dict.fromkeys(codes.split(","), count))
    in_queue = (q.municipality_id == municipality_id, q.campaign_id == campaign_id)
    room = select(c.campaign_id, c.line_state).where(c.municipality_id == municipality_id, is_live)
    live = Counter(state for campaign, state in conn.execute(room) if campaign == campaign_id)
    return Progress(
        queue=queue.counts(conn, municipality_id, campaign_id),
        live_calls=sum(live.values()),
        in_review=live["needs_review"],
        outcomes=outcomes(conn, municipality_id, campaign_id),
        refused_dials=sum(count for _, count in refusals),
        refusals=dict(reasons.most_common()),
        next_due_at=conn.execute(select(func.min(q.due_at)).where(*in_queue, q.state == "scheduled")).scalar_one(),
    )


def by_day(conn: Connection, municipality_id: int, campaign_id: int, now: datetime, most: int = 14) -> list[DayOfCalls]:
    """The last days on which calls were placed, the newest first: an index probe for each, and one day's calls."""
    c = calls.c
    mine = (c.municipality_id == municipality_id, c.campaign_id == campaign_id)
    found: list[DayOfCalls] = []
    until = now
    while len(found) < most:
        last = conn.execute(select(func.max(c.placed_at)).where(*mine, c.placed_at <= until)).scalar()
        if last is None:
            break
        day = tokyo_date(last)
        begins = tokyo_midnight(day)
        row = conn.execute(
            select(
                func.count(),
                func.count(c.answered_at),
                func.coalesce(func.sum(c.right_party), 0),
                func.count().filter(c.disposition == "PP"),
            ).where(*mine, c.placed_at >= begins, c.placed_at <= last)
        ).one()
        found.append(DayOfCalls(day, *row))
        until = begins - timedelta(microseconds=1)
    return found


def first_in_queue(conn: Connection, municipality_id: int, campaign_id: int, count: int) -> list[InQueue]:
    """The next cases in the order in which they are dealt: what waits, then what falls due."""
    q = queue_entries.c
    found: list[InQueue] = []
    for state, order in (
        ("ready", (q.priority, q.due_at, q.case_id)),
        ("scheduled", (q.due_at, q.priority, q.case_id)),
    ):
        query = (
            select(q.case_id, q.state, q.priority, q.due_at, q.reason)
            .where(q.municipality_id == municipality_id, q.campaign_id == campaign_id, q.state == state)
            .order_by(*order)
            .limit(count - len(found))
        )
        found += [InQueue(*row) for row in conn.execute(query)]
    return found
