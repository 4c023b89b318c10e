"""What the ward's case system may read on from a moment: each list oldest first, each sight of a case on record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from callflow.access.views import Group, Sight, Situation, Viewer, record, sight
from callflow.caserecord import SETTLING_TIME, visible_from
from callflow.errors import InputError, Where
from models.database import Database
from models.tables import (
    arrears,
    calls,
    cases,
    contact_slips,
    debtors,
    follow_up_events,
    households,
    living_reports,
    negotiation_records,
    promises,
    slip_reasons,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR: Final = re.compile(r"([0-9]{1,16})-([0-9]{1,15})")
COMMITTING: Final = timedelta(seconds=1)
"""An urgent slip is seen so much later than it was written, so that none slips in behind a reader's back."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A list: its table, the moment by which it is ordered, what is told, and the group of fields that this shows."""

    table: Table
    at: str
    columns: tuple[str, ...]
    group: Group | None


FEEDS: Final[Mapping[str, Feed]] = {
    "records": Feed(
        negotiation_records,
        "at",
        ("call_id", "disposition", "party", "text", "ack_candidate", "corrects_id"),
        "history",
    ),
    "promises": Feed(
        promises,
        "made_at",
        ("call_id", "promiser", "due_on", "amount", "place", "state", "judged_at", "replaced_by", "paid"),
        "follow_up",
    ),
    "slips": Feed(
        contact_slips,
        "visible_at",
        ("call_id", "origin", "urgency", "consultation", "text", "state", "raised_at", "done_at", "cancelled_at"),
        "follow_up",
    ),
    "living-reports": Feed(
        living_reports,
        "requested_at",
        ("state", "sent_at", "due_on", "re_requested_at", "returned_at", "closed_at", "decision", "cancelled_by"),
        "report",
    ),
    "calls": Feed(
        calls,
        "last_event_at",
        (
            *("campaign_id", "direction", "disposition", "attempt", "contact", "right_party", "party"),
            *("placed_at", "answered_at", "closed_at"),
        ),
        "history",
    ),
    "changes": Feed(follow_up_events, "at", ("thing", "thing_id", "act", "before", "after"), None),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, oldest first. `next`: where to go on from, now or later."""

    rows: list[dict[str, Any]]
    next: str
    more: bool


def read_on(
    database: Database, municipality_id: int, viewer: Viewer, name: str, after: str, limit: int, now: datetime
) -> Batch:
    """The rows of a feed after a cursor; their access events are committed before this returns.

    What a call left behind is seen once the call can no longer be taken back; an urgent slip at once. A corrected
    call comes again. Raises InputError for a cursor that is none.
    """
    feed = FEEDS[name]
    query = _query(municipality_id, feed, after, now).limit(limit + 1)

    def work(conn: Connection) -> list[dict[str, Any]]:
        found = [dict(row) for row in conn.execute(query).mappings()]
        if feed.table is contact_slips:
            _with_reasons(conn, municipality_id, found)
        if feed.group is not None:
            note(conn, municipality_id, viewer, found[:limit], feed.group, now, purpose=f"api:{name}")
        return found

    found = database.transact(work)
    kept = found[:limit]
    return Batch(kept, _cursor(kept[-1]["at"], kept[-1]["id"]) if kept else after, len(found) > limit)


def cases_after(
    database: Database, municipality_id: int, viewer: Viewer, after: int, limit: int, now: datetime
) -> list[dict[str, Any]]:
    """How cases stand, by number, with their access events committed; one more than `limit` if there are more."""
    a, d, h = arrears.c, debtors.c, households.c
    own = cases.c.municipality_id == municipality_id
    unpaid = (
        select(func.coalesce(func.sum(a.unpaid), 0))
        .where(a.municipality_id == municipality_id, a.case_id == cases.c.id, a.active)
        .scalar_subquery()
    )
    shown = (cases.c.id, d.addressee_no, cases.c.claim_type, cases.c.status, cases.c.payments_as_of)
    query = (
        select(*shown, unpaid.label("unpaid"), h.protected)
        .join(debtors, and_(d.municipality_id == municipality_id, d.id == cases.c.debtor_id))
        .join(households, and_(h.municipality_id == municipality_id, h.id == cases.c.household_id))
        .where(own, cases.c.id > after)
        .order_by(cases.c.id)
        .limit(limit + 1)
    )

    def work(conn: Connection) -> list[dict[str, Any]]:
        found = [dict(row) for row in conn.execute(query).mappings()]
        seen = [{"case_id": row["id"]} for row in found[:limit]]
        note(conn, municipality_id, viewer, seen, "debt", now, purpose="api:cases")
        return found

    return database.transact(work)


def note(
    conn: Connection,
    municipality_id: int,
    viewer: Viewer,
    rows: list[dict[str, Any]],
    group: Group,
    now: datetime,
    *,
    purpose: str,
) -> None:
    """One access event for each case among the rows. The rules of `access.views` decide; what they hide is not told."""
    seen = sight(group, viewer.roles, Situation())
    if seen is not Sight.YES:
        rows.clear()
    for case_id in dict.fromkeys(row["case_id"] for row in rows):
        record(conn, municipality_id, viewer, f"case:{case_id}", {group: seen}, now, purpose=purpose)


def _query(municipality_id: int, feed: Feed, after: str, now: datetime) -> Select[Any]:
    t = feed.table.c
    at: ColumnElement[datetime] = t[feed.at]
    conditions = [t.municipality_id == municipality_id]
    if feed.table is contact_slips:
        conditions.append(visible_from(now - COMMITTING))
    else:
        conditions.append(at <= now - SETTLING_TIME)
    if feed.table is calls:
        conditions.append(t.live.is_(False))
    if after:
        moment, one = _place(after)
        conditions += [at >= moment, or_(at > moment, t.id > one)]
    shown = [t.id, at.label("at"), *(t[name] for name in feed.columns)]
    query = select(*shown)
    if feed.group is not None:
        query = (
            select(*shown, t.case_id, debtors.c.addressee_no, cases.c.claim_type)
            .join(cases, and_(cases.c.municipality_id == t.municipality_id, cases.c.id == t.case_id))
            .join(debtors, and_(debtors.c.municipality_id == t.municipality_id, debtors.c.id == cases.c.debtor_id))
        )
    return query.where(*conditions).order_by(at, t.id)


def _with_reasons(conn: Connection, municipality_id: int, slips: list[dict[str, Any]]) -> None:
    r = slip_reasons.c
    query = select(r.slip_id, r.reason).where(
        r.municipality_id == municipality_id, r.slip_id.in_([slip["id"] for slip in slips])
    )
    reasons: dict[int, list[str]] = {}
    for row in conn.execute(query.order_by(r.slip_id, r.reason)):
        reasons.setdefault(row.slip_id, []).append(row.reason)
    for slip in slips:
        slip["reasons"] = reasons.get(slip["id"], [])


def _cursor(at: datetime, one: int) -> str:
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{one}"


def _place(cursor: str) -> tuple[datetime, int]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InputError(
            "after がここで渡した値ではありません", where=Where(field="after"), mend="next の値をそのまま渡す"
        )
    return _EPOCH + timedelta(microseconds=int(found[1])), int(found[2])
