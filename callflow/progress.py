"""How far a campaign has come: its queue, its calls by outcome, and what was not dialled and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from models.tables import calls, dial_refusals, is_live, queue_entries


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of one campaign. `refusals` counts every reason of every refused dial, so one dial may count twice."""

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


def progress(conn: Connection, municipality_id: int, campaign_id: int) -> Progress:
    q, c, r = queue_entries.c, calls.c, dial_refusals.c
    mine = (c.municipality_id == municipality_id, c.campaign_id == campaign_id)
    refusals = conn.execute(
        select(r.reasons, func.count())
        .where(r.municipality_id == municipality_id, r.campaign_id == campaign_id)
        .group_by(r.reasons)
    ).all()
    reasons: Counter[str] = Counter()
    for codes, count in refusals:
        reasons.update(dict.fromkeys(codes.split(","), count))
    in_queue = (q.municipality_id == municipality_id, q.campaign_id == campaign_id)
    return Progress(
        queue=_counted(conn, select(q.state, func.count()).where(*in_queue).group_by(q.state)),
        live_calls=conn.execute(select(func.count()).select_from(calls).where(*mine, is_live)).scalar_one(),
        in_review=conn.execute(
            select(func.count()).select_from(calls).where(*mine, is_live, c.line_state == "needs_review")
        ).scalar_one(),
        outcomes=_counted(
            conn, select(c.disposition, func.count()).where(*mine, c.live.is_(False)).group_by(c.disposition)
        ),
        refused_dials=sum(count for _, count in refusals),
        refusals=dict(reasons.most_common()),
        next_due_at=conn.execute(select(func.min(q.due_at)).where(*in_queue, q.state == "scheduled")).scalar_one(),
    )


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


def _counted(conn: Connection, query: Any) -> dict[str, int]:
    return {word: int(count) for word, count in conn.execute(query)}
