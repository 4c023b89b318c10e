"""What the pacer is told of the room, read from the database: who is free, what rings, what came of the last calls.

Every process reads the same rows, so that they all believe the same and share one cap.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, func, select

from callflow.board import last_ended, looking_at, operators_at_work
from models.base import Instant
from models.tables import calls, desks, holds_operator, is_live
from scheduler.pacing.estimates import MEMORY, EndedLine, Estimates, observe
from scheduler.pacing.pacer import Floor, Trail

DAY: Final = timedelta(hours=24)
_LINES: Final = 5 * MEMORY
"""An older line weighs less than 1 %."""

_c = calls.c
_TENANT = bindparam("m", type_=Integer)
_HELD = select(_c.operator_id).where(_c.municipality_id == _TENANT, is_live, holds_operator)
_AHEAD = select(func.count()).select_from(calls).where(_c.municipality_id == _TENANT, is_live, _c.unattended)
_OF_CAMPAIGN = (_c.municipality_id == _TENANT, _c.campaign_id == bindparam("campaign"), _c.direction == "outbound")
_TRAIL = select(
    func.count().filter(_c.disposition == "AB"),
    func.count().filter(((_c.contact == 1) & (_c.disposition != "AB")) | (_c.live & (_c.talk_state != ""))),
).where(*_OF_CAMPAIGN, _c.placed_at > bindparam("since", type_=Instant))
_ENDED = (
    select(_c.placed_at, _c.answered_at, _c.line_ended_at, _c.closed_at, _c.contact, _c.disposition)
    .where(*_OF_CAMPAIGN, _c.placed_at.is_not(None), _c.closed_at.is_not(None), _c.attempt == 1)
    .order_by(_c.placed_at.desc())
    .limit(_LINES)
)
_ON_BREAK = select(desks.c.account_id).where(desks.c.municipality_id == _TENANT, desks.c.state == "break")
_SINCE = select(desks.c.account_id, desks.c.since).where(desks.c.municipality_id == _TENANT)


def on_duty(conn: Connection, municipality_id: int, now: datetime) -> set[int]:
    """The operators who are at a terminal and on no break."""
    at_work = operators_at_work(conn, municipality_id, now)
    return at_work - set(conn.execute(_ON_BREAK, {"m": municipality_id}).scalars())


def free_operators(conn: Connection, municipality_id: int, now: datetime, duty: Collection[int]) -> list[int]:
    """Those of `duty` with no call and no case on the screen, who is free longest first."""
    busy = {*conn.execute(_HELD, {"m": municipality_id}).scalars(), *looking_at(conn, municipality_id)}
    since = {row.account_id: row.since for row in conn.execute(_SINCE, {"m": municipality_id})}
    ended = last_ended(conn, municipality_id, now)
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(set(duty) - busy, key=lambda one: (max(since.get(one, never), ended.get(one, never)), one))


def floor_of(conn: Connection, municipality_id: int, now: datetime, duty: Collection[int]) -> Floor:
    """The room over all campaigns: lines that ring or wait for nobody in particular count for each of them."""
    free = free_operators(conn, municipality_id, now, duty)
    ahead = conn.execute(_AHEAD, {"m": municipality_id}).scalar_one()
    return Floor(len(duty), len(duty) - len(free), ahead)


def trail_of(conn: Connection, municipality_id: int, campaign_id: int, now: datetime) -> Trail:
    """What was answered of the campaign's calls that were placed in the trailing 24 hours."""
    about = {"m": municipality_id, "campaign": campaign_id, "since": now - DAY}
    abandoned, handled = conn.execute(_TRAIL, about).one()
    return Trail(abandoned, handled)


def estimates_of(conn: Connection, municipality_id: int, campaign_id: int) -> Estimates:
    """What the campaign's last ended lines let expect."""
    rows = conn.execute(_ENDED, {"m": municipality_id, "campaign": campaign_id}).all()
    lines = []
    for row in reversed(rows):
        rang_until = row.answered_at or row.line_ended_at or row.closed_at
        handled = row.contact == 1 and row.disposition != "AB" and row.answered_at is not None
        talk = (row.closed_at - row.answered_at).total_seconds() if handled else None
        lines.append(EndedLine(row.contact == 1, (rang_until - row.placed_at).total_seconds(), talk))
    return observe(lines).estimates()
