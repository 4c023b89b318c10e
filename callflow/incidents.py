"""Abandoned calls (放棄呼) as incidents: each is listed until a supervisor has looked at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from callflow.access.auditlog import audit
from callflow.errors import NotFoundError
from models.tables import abandonments, calls, campaigns

CAUSE_WORDS = {"no_operator": "応対できる担当者がいなかった", "operator_left": "担当者の電話が切れていた"}
MOST = 200

_a = abandonments.c


@dataclass(frozen=True, slots=True)
class Incident:
    """One abandoned call. `at` (UTC): when it ended."""

    call_id: int
    case_id: int
    campaign: str
    at: datetime
    cause: str
    seen_at: datetime | None


def abandoned(conn: Connection, municipality_id: int, *, everything: bool = False) -> list[Incident]:
    """Those that nobody has looked at, or the last `MOST` of all, newest first."""
    query = (
        select(_a.call_id, calls.c.case_id, campaigns.c.name, _a.at, _a.cause, _a.seen_at)
        .join(calls, (calls.c.municipality_id == _a.municipality_id) & (calls.c.id == _a.call_id))
        .outerjoin(campaigns, (campaigns.c.municipality_id == _a.municipality_id) & (campaigns.c.id == _a.campaign_id))
        .where(_a.municipality_id == municipality_id)
        .order_by(_a.at.desc(), _a.call_id.desc())
        .limit(MOST)
    )
    rows = conn.execute(query if everything else query.where(_a.seen_at.is_(None)))
    return [Incident(row.call_id, row.case_id, row.name or "", row.at, row.cause, row.seen_at) for row in rows]


def look_at(conn: Connection, municipality_id: int, call_id: int, by: int, note: str, now: datetime) -> None:
    """A supervisor has looked into it. Raises NotFoundError; looking again changes nothing."""
    mine = (_a.municipality_id == municipality_id, _a.call_id == call_id)
    if conn.execute(select(_a.call_id).where(*mine)).scalar() is None:
        raise NotFoundError(f"放棄呼 {call_id} はありません", mend="callflow dial abandoned で確かめられます")
    conn.execute(update(abandonments).where(*mine, _a.seen_at.is_(None)).values(seen_at=now, seen_by=by))
    audit(conn, municipality_id, now, by, "call:abandoned_seen", f"call:{call_id}", purpose=note)
