"""The board: the room as it is now, its lines, operators, pace, refusals, what falls due, why nothing is dialled.

Every question is answered from what is live, from the last day, or from the head of an index: the cost does not grow
with the log. Counts that could grow with the queue stop at `MANY`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, literal_column, select, text, union_all

from callflow.standstill import standstill
from models.tables import (
    account_roles,
    accounts,
    callbacks,
    calls,
    campaigns,
    desks,
    dial_refusals,
    is_live,
    queue_entries,
    sessions,
)
from scheduler.dealing import Rules
from scheduler.settings import Mode
from scheduler.verdict import Block

MANY = 10_000
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
SEEN = timedelta(minutes=15)
"""A terminal that was used within this time is somebody's: the time after which a session ends."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that is not over. `since` (UTC): when its line came into this state, as far as that is known.

    `party`: who was identified, if anybody. `events`: how many its log holds.
    """

    call_id: int
    operator: str
    campaign_id: int | None
    line_state: str
    talk_state: str
    since: datetime
    operator_id: int
    script_hash: str
    party: str | None
    holds_operator: bool  # not one in review without a talk, nor one dialled ahead
    events: int


OperatorState = Literal["call", "break", "looking", "free"]


@dataclass(frozen=True, slots=True)
class OperatorNow:
    """An operator at work: in a call, on a break, with a dealt case on the screen, or free.

    `since` (UTC; None: not known): of that state. `reason`: of the break. `help_since`: 支援要請, since then;
    `help_seen_at`: a supervisor has said that they know of it.
    """

    account_id: int
    login: str
    name: str
    state: OperatorState
    since: datetime | None
    call: LiveCall | None
    reason: str
    help_since: datetime | None
    help_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignNow:
    """A campaign that is not over. `ready` stops at `MANY`. `still`: what forbids every call of a running one now;
    `cap`: percent of abandoned calls at which it stops.
    """

    id: int
    name: str
    claim_type: str
    state: str
    reason: str
    supervisor: str | None
    ready: int
    mode: Mode
    cap: int
    still: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One municipality at one moment. `dialled`, `answered`: in the last hour; `dialled_day`, `answered_day`,
    `abandoned`, `handled`, `refused` (by reason): over 24 h. `next_due`: the first case that is not due yet.
    `callbacks_due`: agreed for the next hour or before; `callbacks_missed`: of the last week. Instants are UTC.
    """

    at: datetime
    calls: tuple[LiveCall, ...]
    looking: int  # operators with a dealt case on the screen
    free: int  # operators at a terminal without a call or a case
    dialled: int
    answered: int
    dialled_day: int
    answered_day: int
    handled: int
    abandoned: int
    refused: Mapping[str, int]
    callbacks_due: int
    callbacks_missed: int
    next_callback: datetime | None
    next_due: datetime | None
    campaigns: tuple[CampaignNow, ...]
    operators: tuple[OperatorNow, ...]

    @property
    def lines(self) -> Mapping[str, int]:
        """How many lines are in each state."""
        return Counter(call.line_state for call in self.calls)

    @property
    def abandoned_share(self) -> float | None:
        """AB ÷ (AB + handled) over 24 h; None while nobody has answered."""
        answered = self.abandoned + self.handled
        return self.abandoned / answered if answered else None


def board(conn: Connection, municipality_id: int, now: datetime, rules_of: Callable[[int], Rules]) -> Board:
    """`rules_of`: a campaign's policy and calendar as they are now."""
    live = tuple(_call(row) for row in _live_calls(conn, municipality_id))
    busy = {call.operator_id for call in live if call.holds_operator}
    looking = looking_at(conn, municipality_id) - busy
    at_work = operators_at_work(conn, municipality_id, now)
    hour, day = _pace(conn, municipality_id, now)
    due, missed, first = _callbacks(conn, municipality_id, now)
    return Board(
        at=now,
        calls=live,
        looking=len(looking),
        free=len(at_work - busy - looking),
        dialled=hour["dialled"],
        answered=hour["answered"],
        dialled_day=day["dialled"],
        answered_day=day["answered"],
        handled=day["handled"],
        abandoned=day["abandoned"],
        refused=_refused(conn, municipality_id, now),
        callbacks_due=due,
        callbacks_missed=missed,
        next_callback=first,
        next_due=_next_due(conn, municipality_id),
        campaigns=tuple(_campaigns(conn, municipality_id, now, rules_of)),
        operators=tuple(_operators(conn, municipality_id, now, live, looking, at_work)),
    )


def _live_calls(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    c = calls.c
    query = (
        select(
            c.id,
            c.operator_id,
            accounts.c.login,
            c.campaign_id,
            c.line_state,
            c.talk_state,
            c.opened_at,
            c.placed_at,
            c.answered_at,
            c.line_ended_at,
            c.review_reason,
            c.unattended,
            c.script_hash,
            c.party,
            c.event_count,
        )
        .join(accounts, (accounts.c.municipality_id == c.municipality_id) & (accounts.c.id == c.operator_id))
        .where(c.municipality_id == municipality_id, is_live)
    )
    # Sorted here: asked for the order, SQLite walks all calls by `opened_at` in place of the few that are live.
    return sorted(conn.execute(query), key=lambda row: row.opened_at)


def _call(row: Row[Any]) -> LiveCall:
    since = row.line_ended_at or row.answered_at or row.placed_at or row.opened_at
    return LiveCall(
        row.id,
        row.login,
        row.campaign_id,
        row.line_state,
        row.talk_state,
        since,
        row.operator_id,
        row.script_hash,
        row.party,
        not row.unattended and (bool(row.talk_state) or not row.review_reason),
        row.event_count,
    )


def _operators(
    conn: Connection,
    municipality_id: int,
    now: datetime,
    live: Iterable[LiveCall],
    looking: set[int],
    at_work: set[int],
) -> Iterator[OperatorNow]:
    """By login. A break, a free minute and a request for help count only of those who are at work."""
    a, d = accounts.c, desks.c
    in_call = {call.operator_id: call for call in live if call.holds_operator}
    people = (
        select(a.id, a.login, a.display_name, d.state, d.reason, d.since, d.help_since, d.help_seen_at)
        .outerjoin(desks, (d.municipality_id == a.municipality_id) & (d.account_id == a.id))
        .where(a.municipality_id == municipality_id, a.id.in_(in_call.keys() | looking | at_work))
        .order_by(a.login)
    )
    ended = last_ended(conn, municipality_id, now)
    for row in conn.execute(people):
        call = in_call.get(row.id)
        state: OperatorState = "free"
        since = max(filter(None, (row.since, ended.get(row.id))), default=None)
        if call is not None:
            state, since = "call", call.since
        elif row.id in looking:
            state = "looking"
        elif row.state == "break":
            state, since = "break", row.since
        reason = row.reason if state == "break" else ""
        helped = (row.help_since, row.help_seen_at)
        yield OperatorNow(row.id, row.login, row.display_name, state, since, call, reason, *helped)


def last_ended(conn: Connection, municipality_id: int, now: datetime) -> dict[int, datetime]:
    """When each operator's last call of the last hour ended."""
    c = calls.c
    lately = (c.municipality_id == municipality_id, text("NOT live"), c.last_event_at > now - HOUR)
    ended: dict[int, datetime] = {}
    # Grouped here: asked to group, SQLite walks all calls by operator in place of the last hour's.
    for operator, at in conn.execute(select(c.operator_id, c.closed_at).where(*lately, c.closed_at.is_not(None))):
        ended[operator] = max(at, ended.get(operator, at))
    return ended


def looking_at(conn: Connection, municipality_id: int) -> set[int]:
    """The operators with a dealt case on their screen."""
    q = queue_entries.c
    held = select(q.claimed_by).where(q.municipality_id == municipality_id, q.state == literal_column("'claimed'"))
    return {
        int(name.removeprefix("operator:"))
        for name in conn.execute(held).scalars()
        if name and name.startswith("operator:")
    }


def operators_at_work(conn: Connection, municipality_id: int, now: datetime) -> set[int]:
    """The operators at a terminal that was used lately."""
    s, r = sessions.c, account_roles.c
    query = (
        select(s.account_id)
        .join(account_roles, (r.municipality_id == s.municipality_id) & (r.account_id == s.account_id))
        .where(s.municipality_id == municipality_id, s.ended_at.is_(None), s.seen_at > now - SEEN, r.role == "operator")
    )
    return set(conn.execute(query).scalars())


def recent_calls(municipality_id: int, since: datetime) -> Select[Any]:
    """Calls with an event since then: the live ones and those that ended, both by an index."""
    c = calls.c
    columns = (c.direction, c.placed_at, c.answered_at, c.disposition, c.contact)
    live = select(*columns).where(c.municipality_id == municipality_id, is_live)
    ended = select(*columns).where(c.municipality_id == municipality_id, text("NOT live"), c.last_event_at >= since)
    return select(union_all(live, ended).subquery())


def _pace(conn: Connection, municipality_id: int, now: datetime) -> tuple[Counter[str], Counter[str]]:
    """What was dialled, answered, handled and abandoned in the last hour, and in the last day."""
    recent = recent_calls(municipality_id, now - DAY).subquery()
    r = recent.c
    found = []
    for length in (HOUR, DAY):
        placed = (r.direction == "outbound") & (r.placed_at > now - length)
        row = conn.execute(
            select(
                func.count().filter(placed),
                func.count().filter(placed & r.answered_at.is_not(None)),
                func.count().filter(placed & (r.disposition == "AB")),
                func.count().filter(placed & (r.contact == 1) & (r.disposition != "AB")),
            ).select_from(recent)
        ).one()
        found.append(Counter(dict(zip(("dialled", "answered", "abandoned", "handled"), row, strict=True))))
    return found[0], found[1]


def _refused(conn: Connection, municipality_id: int, now: datetime) -> dict[str, int]:
    r = dial_refusals.c
    query = (
        select(r.reasons, func.count())
        .where(r.municipality_id == municipality_id, r.at > now - DAY)
        .group_by(r.reasons)
    )
    reasons: Counter[str] = Counter()
    for codes, count in conn.execute(query):
        for code in codes.split(","):
            reasons[code] += count
    return dict(reasons.most_common())


def _callbacks(conn: Connection, municipality_id: int, now: datetime) -> tuple[int, int, datetime | None]:
    b = callbacks.c
    mine = (b.municipality_id == municipality_id, b.state == "open")
    due = conn.execute(select(func.count()).select_from(callbacks).where(*mine, b.at <= now + HOUR)).scalar_one()
    missed = conn.execute(
        select(func.count())
        .select_from(callbacks)
        .where(b.municipality_id == municipality_id, b.state == "missed", b.at > now - WEEK)
    ).scalar_one()
    return int(due), int(missed), conn.execute(select(func.min(b.at)).where(*mine)).scalar()


def _next_due(conn: Connection, municipality_id: int) -> datetime | None:
    q = queue_entries.c
    waiting = select(q.due_at).where(q.municipality_id == municipality_id, q.state == literal_column("'scheduled'"))
    return conn.execute(waiting.order_by(q.due_at).limit(1)).scalar()


def _campaigns(
    conn: Connection, municipality_id: int, now: datetime, rules_of: Callable[[int], Rules]
) -> list[CampaignNow]:
    c, q = campaigns.c, queue_entries.c
    query = (
        select(c.id, c.name, c.claim_type, c.state, c.state_reason, c.mode, accounts.c.login)
        .outerjoin(accounts, (accounts.c.municipality_id == c.municipality_id) & (accounts.c.id == c.supervisor_id))
        .where(c.municipality_id == municipality_id, c.state.in_(("approved", "running", "paused")))
        .order_by(c.id)
    )
    found = []
    for row in conn.execute(query).all():
        mine = (q.municipality_id == municipality_id, q.campaign_id == row.id)
        ready = select(q.case_id).where(*mine, q.state == literal_column("'ready'")).limit(MANY).subquery()
        rules = rules_of(row.id)
        found.append(
            CampaignNow(
                id=row.id,
                name=row.name,
                claim_type=row.claim_type,
                state=row.state,
                reason=row.state_reason,
                supervisor=row.login,
                ready=conn.execute(select(func.count()).select_from(ready)).scalar_one(),
                mode=row.mode,
                cap=rules.policy.abandoned_percent,
                still=standstill(conn, municipality_id, rules, now) if row.state == "running" else (),
            )
        )
    return found
