"""Calls that residents asked for at a time: who has them first, which were missed, and the lists of them.

The operator who agreed it is dealt the case first, from the agreed time on (`policy.callback_owner_minutes`), then
everybody; where that operator is not at a desk, everybody at once. One whose time passes without an attempt is
`missed`: it is listed, and stays the first to be called until an attempt or a call from the resident settles it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, update

from callflow.access.replays import own_campaigns, unprotected
from callflow.access.views import Viewer
from callflow.board import operators_at_work
from models.live import announce
from models.tables import accounts, callbacks, calls, campaigns, desks, is_live, queue_entries
from scheduler import queue
from scheduler.settings import Policy
from scheduler.snapshot import AWAITED
from scheduler.verdict import Reason

_b, _q = callbacks.c, queue_entries.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that somebody waits for. `owner`: the login of who agreed it. `unverified`: asked for by a voice that
    nobody had identified. `queue_state` empty: in no campaign that is not over. `reasons`: why it was refused last.
    """

    id: int
    case_id: int
    call_id: int
    owner: str
    at: datetime
    missed: bool
    unverified: bool
    queue_state: str
    due_at: datetime | None
    reasons: tuple[str, ...]

    def late(self, now: datetime) -> timedelta:
        """How long its time is past; negative before it."""
        return now - self.at


@dataclass(frozen=True, slots=True)
class Own:
    """An operator's own: how many are due by the end of the hour, and when the next one is."""

    due: int
    next_at: datetime | None


def attend(conn: Connection, municipality_id: int, now: datetime, policy_of: Callable[[int], Policy]) -> int:
    """Looks at the callbacks whose time has come: opens to everybody those whose owner is away, and marks as missed
    those that nobody attempted in time. Returns how many it moved. May be repeated at any time."""
    rows = conn.execute(_past_due(municipality_id, now)).all()
    here = at_desks(conn, municipality_id, now) if rows else frozenset()
    missed, opened = set(), 0
    for row in rows:
        policy = policy_of(row.campaign_id) if row.campaign_id is not None else Policy()
        if now >= row.at + timedelta(minutes=policy.callback_missed_minutes) and not row.in_call:
            missed.add(row.id)
        reserved = row.due_at is not None and now < row.due_at <= row.at + owner_time(policy)
        if reserved and row.owner_id not in here:
            opened += queue.fall_due(conn, municipality_id, row.campaign_id, row.case_id, now)
    if missed:
        mine = (_b.municipality_id == municipality_id, _b.id.in_(missed), _b.state == "open")
        conn.execute(update(callbacks).where(*mine).values(state="missed"))
    if missed or opened:
        announce(conn, municipality_id, "queue")
    return len(missed) + opened


def owner_time(policy: Policy) -> timedelta:
    """How long from the agreed time a callback is its owner's alone."""
    return timedelta(minutes=policy.callback_owner_minutes)


def at_desks(conn: Connection, municipality_id: int, now: datetime) -> frozenset[int]:
    """The operators at a terminal that was used lately, and not on a break."""
    away = select(desks.c.account_id).where(desks.c.municipality_id == municipality_id, desks.c.state == "break")
    return frozenset(operators_at_work(conn, municipality_id, now)).difference(conn.execute(away).scalars())


def waiting(
    conn: Connection, municipality_id: int, viewer: Viewer | None, *, missed: bool = False, limit: int = 500
) -> list[Waiting]:
    """Every callback that is still waited for, the earliest first; `missed`: only those.

    For the contractor without protected households; for a supervisor those of their own campaigns. `viewer` None:
    the person at the host's shell, who is nobody of the ward.
    """
    query = (
        select(
            *(_b.id, _b.case_id, _b.call_id, accounts.c.login, _b.at, _b.state, _b.unverified),
            *(_q.state.label("queue_state"), _q.due_at, _q.reason),
        )
        .select_from(_with_queue())
        .join(calls, and_(calls.c.municipality_id == _b.municipality_id, calls.c.id == _b.call_id))
        .join(accounts, and_(accounts.c.municipality_id == _b.municipality_id, accounts.c.id == _b.owner_id))
        .where(_b.municipality_id == municipality_id, _b.state == "missed" if missed else _b.state.in_(AWAITED))
        .order_by(_b.at, _b.id, _q.campaign_id)
        .limit(limit)
    )
    if viewer is None or viewer.kind != "ward":
        query = query.where(unprotected(municipality_id))
    if viewer is not None and viewer.kind != "ward":
        query = query.where(own_campaigns(municipality_id, viewer.account_id))
    found: dict[int, Waiting] = {}
    for row in conn.execute(query):
        found.setdefault(row.id, _waiting(row))
    return list(found.values())


def own(conn: Connection, municipality_id: int, operator_id: int, now: datetime) -> Own:
    """What an operator agreed to and has not done yet."""
    mine = (_b.municipality_id == municipality_id, _b.owner_id == operator_id, _b.state.in_(AWAITED))
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    due = conn.execute(select(func.count()).select_from(callbacks).where(*mine, _b.at < hour)).scalar_one()
    return Own(int(due), conn.execute(select(func.min(_b.at)).where(*mine)).scalar())


def reason_words(codes: tuple[str, ...]) -> str:
    known = {reason.code: reason.ja for reason in Reason}
    return "、".join(known.get(code, code) for code in codes)


def _with_queue() -> Any:
    """Callbacks beside their case's place in the campaigns that are not over."""
    running = and_(campaigns.c.municipality_id == _q.municipality_id, campaigns.c.id == _q.campaign_id)
    live = queue_entries.join(campaigns, and_(running, campaigns.c.state.in_(("running", "paused"))))
    return callbacks.outerjoin(live, and_(_q.municipality_id == _b.municipality_id, _q.case_id == _b.case_id))


def _past_due(municipality_id: int, now: datetime) -> Any:
    waits: ColumnElement[bool] = _q.state == "scheduled"
    due = select(_q.campaign_id, _q.due_at, _q.case_id).where(_q.municipality_id == municipality_id, waits).subquery()
    talking = exists().where(calls.c.municipality_id == _b.municipality_id, calls.c.case_id == _b.case_id, is_live)
    return (
        select(_b.id, _b.case_id, _b.owner_id, _b.at, talking.label("in_call"), due.c.campaign_id, due.c.due_at)
        .select_from(callbacks.outerjoin(due, due.c.case_id == _b.case_id))
        .where(_b.municipality_id == municipality_id, _b.state == "open", _b.at <= now)
    )


def _waiting(row: Any) -> Waiting:
    reasons = tuple(code for code in (row.reason or "").split(",") if code)
    return Waiting(
        row.id,
        row.case_id,
        row.call_id,
        row.login,
        row.at,
        row.state == "missed",
        row.unverified,
        row.queue_state or "",
        row.due_at,
        reasons,
    )
