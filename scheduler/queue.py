"""The queue: due, claim, release. The only claiming code.

A row is `ready` when it is due; what is not yet due stays `scheduled`, outside the index that claims probe.
A claim is one probe of that partial index: on SQLite inside the single write transaction, on PostgreSQL with
SKIP LOCKED. Each claim raises the row's fence; whoever holds an older one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    String,
    Update,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import Instant
from models.live import announce
from models.tables import calls, cases, is_live, queue_entries

WAKE_AT_ONCE = 1_000  # rows that one `wake` or `expire_leases` moves: a short transaction

_q = queue_entries.c
_TENANT = bindparam("m", type_=Integer)
_CAMPAIGN = bindparam("campaign", type_=BigInteger)


def _in_state(word: str) -> Any:
    """A literal, so that the planner can prove that a partial index applies."""
    return _q.state == literal_column(f"'{word}'")


@dataclass(frozen=True, slots=True)
class Entry:
    """A case to be put in the queue. Smaller `priority` is sooner."""

    case_id: int
    household_id: int
    due_at: datetime
    priority: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A queue row held by one worker until its lease ends. `fence` proves that it is still held."""

    municipality_id: int
    campaign_id: int
    case_id: int
    household_id: int
    worker: str
    fence: int
    lease_until: datetime


_in_order = (
    select(_q.case_id)
    .where(_q.municipality_id == _TENANT, _q.campaign_id == _CAMPAIGN, _in_state("ready"))
    .order_by(_q.priority, _q.due_at, _q.case_id)
    .with_for_update(skip_locked=True)
    .correlate(None)
)
_head = _in_order.limit(literal_column("1"))
_heads = _in_order.limit(bindparam("count", type_=Integer)).cte(
    "heads"
)  # a common table is read once, not for each row

_taken = (
    update(queue_entries)
    .where(_q.municipality_id == _TENANT, _q.campaign_id == _CAMPAIGN, _in_state("ready"))
    .values(
        state="claimed",
        claimed_by=bindparam("worker", type_=String),
        fence=_q.fence + 1,
        lease_until=bindparam("until", type_=Instant),
        reason="",
    )
)
CLAIM = _taken.where(_q.case_id == _head.scalar_subquery()).returning(_q.case_id, _q.household_id, _q.fence)
CLAIM_MANY = _taken.where(_q.case_id.in_(select(_heads.c.case_id))).returning(
    _q.case_id, _q.household_id, _q.fence, _q.priority, _q.due_at
)


def enqueue(conn: Connection, municipality_id: int, campaign_id: int, entries: Iterable[Entry]) -> int:
    """Puts cases in the queue, or moves those already there, except what a worker holds. Returns how many."""
    rows = [
        {
            "municipality_id": municipality_id,
            "campaign_id": campaign_id,
            "case_id": entry.case_id,
            "household_id": entry.household_id,
            "state": "scheduled",
            "due_at": entry.due_at,
            "priority": entry.priority,
            "fence": 0,
            "reason": "",
        }
        for entry in entries
    ]
    if not rows:
        return 0
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(queue_entries)
    moved = {name: statement.excluded[name] for name in ("state", "due_at", "priority", "reason")}
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["municipality_id", "campaign_id", "case_id"], set_=moved, where=_q.state != "claimed"
        ),
        rows,
    )
    return len(rows)


def claim(
    conn: Connection,
    municipality_id: int,
    campaign_ids: Sequence[int],
    *,
    worker: str,
    lease_until: datetime,
) -> Claim | None:
    """The first ready case of the first campaign that has one; None when none has. Needs a write transaction."""
    for campaign_id in campaign_ids:
        row = conn.execute(
            CLAIM, {"m": municipality_id, "campaign": campaign_id, "worker": worker, "until": lease_until}
        ).one_or_none()
        if row is not None:
            return Claim(municipality_id, campaign_id, row.case_id, row.household_id, worker, row.fence, lease_until)
    return None


def claim_many(
    conn: Connection, municipality_id: int, campaign_id: int, count: int, *, worker: str, lease_until: datetime
) -> list[Claim]:
    """The first `count` ready cases of a campaign, or fewer, for who dials ahead. Needs a write transaction."""
    given = {"m": municipality_id, "campaign": campaign_id, "worker": worker, "until": lease_until, "count": count}
    rows = conn.execute(CLAIM_MANY, given).all()
    return [
        Claim(municipality_id, campaign_id, row.case_id, row.household_id, worker, row.fence, lease_until)
        for row in sorted(rows, key=lambda row: (row.priority, row.due_at, row.case_id))
    ]


def release(
    conn: Connection,
    held: Claim,
    due_at: datetime | None,
    *,
    priority: int | None = None,
    reason: str = "",
) -> bool:
    """Gives the case back, due at `due_at`; None: held until somebody reconsiders it. False: no longer ours."""
    values: dict[str, Any] = {"state": "held" if due_at is None else "scheduled", "reason": reason}
    if due_at is not None:
        values["due_at"] = due_at
    if priority is not None:
        values["priority"] = priority
    return _give_back(conn, held, values)


def finish(conn: Connection, held: Claim, reason: str) -> bool:
    """The campaign is through with this case. False: no longer ours."""
    return _give_back(conn, held, {"state": "done", "reason": reason})


def extend(conn: Connection, held: Claim, lease_until: datetime) -> bool:
    """A longer lease. False: no longer ours."""
    return _change(conn, held, {"lease_until": lease_until})


def holds(conn: Connection, held: Claim) -> bool:
    """Whether the claim still stands; on PostgreSQL the row stays locked until the transaction ends."""
    return conn.execute(_HOLDS, _held(held)).one_or_none() is not None


_IS_HELD = and_(
    _q.municipality_id == _TENANT,
    _q.campaign_id == _CAMPAIGN,
    _q.case_id == bindparam("case", type_=BigInteger),
    _q.state == "claimed",
    _q.fence == bindparam("held_fence", type_=Integer),
)
_HOLDS = select(_q.fence).where(_IS_HELD).with_for_update()
_CHANGE = update(queue_entries).where(_IS_HELD)


def _held(held: Claim) -> dict[str, Any]:
    return {
        "m": held.municipality_id,
        "campaign": held.campaign_id,
        "case": held.case_id,
        "held_fence": held.fence,
    }


def _change(conn: Connection, held: Claim, values: dict[str, Any]) -> bool:
    """False: no longer ours."""
    return conn.execute(_CHANGE, {**_held(held), **values}).rowcount == 1


def _give_back(conn: Connection, held: Claim, values: dict[str, Any]) -> bool:
    return _change(conn, held, {**values, "claimed_by": None, "lease_until": None})


def wake(conn: Connection, municipality_id: int, now: datetime, *, limit: int = WAKE_AT_ONCE) -> int:
    """Makes what has fallen due ready, the longest due first. Returns how many; `limit`: there may be more."""
    return _move(conn, _WAKE, municipality_id, now, limit)


def expire_leases(conn: Connection, municipality_id: int, now: datetime, *, limit: int = WAKE_AT_ONCE) -> int:
    """Frees what a vanished worker held. A case with a live call is left to those who settle that call."""
    return _move(conn, _EXPIRE, municipality_id, now, limit)


def reconsider(conn: Connection, municipality_id: int, case_ids: Sequence[int], now: datetime) -> int:
    """Held cases fall due now: something that time alone does not change has changed."""
    done = conn.execute(
        update(queue_entries)
        .where(_q.municipality_id == municipality_id, _q.case_id.in_(case_ids), _q.state == "held")
        .values(state="scheduled", due_at=now, reason="")
    )
    return done.rowcount


def judge_again(conn: Connection, municipality_id: int, household_id: int, now: datetime) -> int:
    """What a household's cases wait for has changed: those in the queue fall due now, and the next deal judges them."""
    of_household = select(cases.c.id).where(
        cases.c.municipality_id == municipality_id, cases.c.household_id == household_id
    )
    done = conn.execute(
        update(queue_entries)
        .where(
            _q.municipality_id == municipality_id,
            _q.case_id.in_(of_household),
            _q.state.in_(("scheduled", "held")),
        )
        .values(state="scheduled", due_at=now, reason="")
    )
    return done.rowcount


def take(
    conn: Connection, municipality_id: int, campaign_id: int, case_id: int, *, worker: str, lease_until: datetime
) -> Claim | None:
    """Claims one certain case that waits, due or not; None if somebody holds it or it is out of the queue."""
    row = conn.execute(
        update(queue_entries)
        .where(
            _q.municipality_id == municipality_id,
            _q.campaign_id == campaign_id,
            _q.case_id == case_id,
            _q.state.in_(("scheduled", "ready")),
        )
        .values(state="claimed", claimed_by=worker, lease_until=lease_until, fence=_q.fence + 1, reason="")
        .returning(_q.household_id, _q.fence)
    ).one_or_none()
    if row is None:
        return None
    return Claim(municipality_id, campaign_id, case_id, row.household_id, worker, row.fence, lease_until)


def fall_due(conn: Connection, municipality_id: int, campaign_id: int, case_id: int, now: datetime) -> int:
    """A case that waits for later is due now for everybody. Returns how many rows moved."""
    done = conn.execute(
        update(queue_entries)
        .where(
            _q.municipality_id == municipality_id,
            _q.campaign_id == campaign_id,
            _q.case_id == case_id,
            _q.state == "scheduled",
            _q.due_at > now,
        )
        .values(state="ready", due_at=now)
    )
    return done.rowcount


def take_again(
    conn: Connection, municipality_id: int, campaign_id: int, case_id: int, *, worker: str, lease_until: datetime
) -> int | None:
    """Claims a case whose call goes on, and returns the new fence; None if somebody else holds it by now."""
    statement = (
        update(queue_entries)
        .where(
            _q.municipality_id == municipality_id,
            _q.campaign_id == campaign_id,
            _q.case_id == case_id,
            _q.state != "claimed",
        )
        .values(state="claimed", claimed_by=worker, lease_until=lease_until, fence=_q.fence + 1, reason="")
        .returning(_q.fence)
    )
    fence: int | None = conn.execute(statement).scalar()
    return fence


def _moving(found: Select[Any], values: dict[str, Any]) -> dict[bool, Update]:
    """The update of the rows that `found` finds, for PostgreSQL (True) and SQLite.

    PostgreSQL may run a plain subquery once for each row, and pass the limit; a common table is read once.
    """
    keys = found.limit(bindparam("limit", type_=Integer)).with_for_update(skip_locked=True)
    once = keys.cte("keys")
    return {
        on_a_server: update(queue_entries)
        .where(_q.municipality_id == _TENANT, tuple_(_q.campaign_id, _q.case_id).in_(rows))
        .values(**values)
        for on_a_server, rows in ((False, keys), (True, select(once.c.campaign_id, once.c.case_id)))
    }


_NOW = bindparam("now", type_=Instant)
_in_a_call = exists().where(calls.c.municipality_id == _q.municipality_id, calls.c.case_id == _q.case_id, is_live)
_WAKE = _moving(
    select(_q.campaign_id, _q.case_id)
    .where(_q.municipality_id == _TENANT, _in_state("scheduled"), _q.due_at <= _NOW)
    .order_by(_q.due_at),
    {"state": "ready"},
)
_EXPIRE = _moving(
    select(_q.campaign_id, _q.case_id)
    .where(_q.municipality_id == _TENANT, _in_state("claimed"), _q.lease_until < _NOW, ~_in_a_call)
    .order_by(_q.lease_until),
    {"state": "ready", "claimed_by": None, "lease_until": None},
)


def _move(conn: Connection, statements: dict[bool, Update], municipality_id: int, now: datetime, limit: int) -> int:
    statement = statements[conn.dialect.name == "postgresql"]
    moved = conn.execute(statement, {"m": municipality_id, "now": now, "limit": limit}).rowcount
    if moved:
        announce(conn, municipality_id, "queue")
    return moved


def counts(conn: Connection, municipality_id: int, campaign_id: int) -> dict[str, int]:
    """How many cases of a campaign are in each state of the queue."""
    rows = conn.execute(
        select(_q.state, func.count())
        .where(_q.municipality_id == municipality_id, _q.campaign_id == campaign_id)
        .group_by(_q.state)
    )
    return {row[0]: row[1] for row in rows}
