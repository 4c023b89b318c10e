"""Who may replay a call: on which ground, for which purpose; and the record of it before anything is shown.

An operator replays no real call. A supervisor replays those of their own campaigns, the ward's staff every one that
has ended (they review afterwards, they do not listen in), an auditor one for which staff granted a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, exists, func, insert, or_, select, update

from callflow.access.auditlog import audit
from callflow.access.glass import SealedError, is_sealed
from callflow.access.views import Sight, Situation, Viewer, record, sight
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from models.database import Database
from models.ids import new_id
from models.tables import audit_events, calls, campaigns, households, queue_entries, replay_requests

PURPOSES: Final = {
    "quality": "品質確認",
    "complaint": "苦情・問い合わせへの対応",
    "incident": "事故・誤りの調査",
    "training": "研修の材料",
    "audit": "監査",
    "support": "通話中の支援",
}
OPENED: Final = "call:open"
OPEN_FOR = timedelta(minutes=30)
"""How long a purpose that was given holds, for one call and one person."""

GRANTED_FOR = timedelta(days=7)
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Request:
    """An auditor's request to replay a call, and what became of it."""

    id: int
    account_id: int
    at: datetime
    reason: str
    decision: str


def own_campaigns(municipality_id: int, account_id: int) -> ColumnElement[bool]:
    """The condition on `calls` by which a supervisor's own are found: of a campaign that they supervise or planned,
    or of a resident who called back about a case of one."""
    c, q = campaigns.c, queue_entries.c
    own = (c.municipality_id == municipality_id) & or_(c.supervisor_id == account_id, c.created_by == account_id)
    case = (
        select(q.case_id)
        .join(campaigns, (c.municipality_id == q.municipality_id) & (c.id == q.campaign_id))
        .where(q.municipality_id == municipality_id, q.case_id == calls.c.case_id, own)
    )
    return calls.c.campaign_id.in_(select(c.id).where(own)) | (calls.c.campaign_id.is_(None) & exists(case))


def unprotected(municipality_id: int) -> ColumnElement[bool]:
    """The condition on `calls` that leaves out protected households (支援措置): not there for the contractor."""
    h = households.c
    protected = select(h.id).where(h.municipality_id == municipality_id, h.id == calls.c.household_id, h.protected)
    return ~exists(protected)


def visible_to(viewer: Viewer, municipality_id: int) -> ColumnElement[bool]:
    """The calls whose existence a person may know of."""
    there = calls.c.municipality_id == municipality_id
    if viewer.kind == "ward":
        return there
    return there & own_campaigns(municipality_id, viewer.account_id) & unprotected(municipality_id)


def call_for(conn: Connection, municipality_id: int, viewer: Viewer, call_id: int) -> Row[Any]:
    """A call that this person may know of. Raises NotFoundError."""
    found = conn.execute(select(calls).where(visible_to(viewer, municipality_id), calls.c.id == call_id)).one_or_none()
    if found is None:
        raise NotFoundError(f"通話 {call_id} はありません")
    return found


def may_replay(conn: Connection, municipality_id: int, viewer: Viewer, call: Row[Any], now: datetime) -> bool:
    """Whether this person may see what was said in a call that they may know of."""
    if call.live and viewer.kind == "ward":
        return False
    approved = _granted(conn, municipality_id, viewer.account_id, call.id, now)
    situation = Situation(own_campaign=viewer.kind == "contractor", approved=approved)
    return sight("replay", viewer.roles, situation) is Sight.YES


def _unsealed(conn: Connection, municipality_id: int, viewer: Viewer, call: Row[Any], now: datetime) -> None:
    """A protected household's call is replayed by staff who have broken the glass, or by whom staff granted it to.
    Raises SealedError."""
    granted = _granted(conn, municipality_id, viewer.account_id, call.id, now)
    if not granted and is_sealed(conn, municipality_id, viewer.account_id, call.case_id, now):
        raise SealedError(call.case_id)


def give_purpose(
    database: Database, municipality_id: int, viewer: Viewer, call_id: int, purpose: str, more: str, now: datetime
) -> None:
    """Puts on record why a call is about to be replayed. Raises InputError, NotFoundError, RefusedError."""
    if purpose not in PURPOSES:
        mend = "、".join(f"{name}（{words}）" for name, words in PURPOSES.items())
        raise InputError("目的を選んでください", where=Where(field="purpose"), mend=mend)

    def work(conn: Connection) -> None:
        call = call_for(conn, municipality_id, viewer, call_id)
        if not may_replay(conn, municipality_id, viewer, call, now):
            mend = "監査は、申請を区の職員が認めてから再生します" if "auditor" in viewer.roles else ""
            raise RefusedError("この通話を再生する権限がありません", mend=mend)
        _unsealed(conn, municipality_id, viewer, call, now)
        words = f"{purpose}: {more[:LONGEST_REASON]}" if more else purpose
        audit(conn, municipality_id, now, viewer.account_id, OPENED, f"call:{call_id}", purpose=words)

    database.transact(work)


def purpose_of(conn: Connection, municipality_id: int, account_id: int, call_id: int, now: datetime) -> str:
    """The purpose that this person gave for this call lately; empty: it is still to be asked."""
    a = audit_events.c
    return str(
        conn.execute(
            select(a.purpose)
            .where(
                a.municipality_id == municipality_id,
                a.at > now - OPEN_FOR,
                a.actor_id == account_id,
                a.verb == OPENED,
                a.object == f"call:{call_id}",
            )
            .order_by(a.at.desc())
            .limit(1)
        ).scalar()
        or ""
    )


def see_call(database: Database, municipality_id: int, viewer: Viewer, call_id: int, now: datetime) -> str:
    """Commits the access event of a replay and returns its purpose; whoever reads the log without it breaks I8.

    Raises RefusedError where no purpose was given, or the call may not be seen; NotFoundError.
    """

    def work(conn: Connection) -> str:
        call = call_for(conn, municipality_id, viewer, call_id)
        purpose = purpose_of(conn, municipality_id, viewer.account_id, call_id, now)
        if not purpose or not may_replay(conn, municipality_id, viewer, call, now):
            raise RefusedError("目的を記録してから再生してください")
        _unsealed(conn, municipality_id, viewer, call, now)
        seen = {"replay": Sight.YES, "party": Sight.YES}
        record(conn, municipality_id, viewer, f"call:{call_id}", seen, now, purpose=purpose)  # type: ignore[arg-type]
        return purpose

    return database.transact(work)


def follow_call(database: Database, municipality_id: int, viewer: Viewer, call_id: int, now: datetime) -> Row[Any]:
    """The row of a call that goes on, for whoever looks on to help; its access event is committed before, once for
    each time that a purpose was given: the page asks again every second.

    Raises RefusedError where no purpose was given or the call may not be seen, NotFoundError.
    """

    with database.read() as conn:
        call = call_for(conn, municipality_id, viewer, call_id)
        may = may_replay(conn, municipality_id, viewer, call, now)
        opened, seen = (_last(conn, municipality_id, viewer, call_id, verb, now) for verb in (OPENED, "call:view"))
    if not may or opened is None or seen is None or seen < opened:
        see_call(database, municipality_id, viewer, call_id, now)
    return call


def _last(conn: Connection, municipality_id: int, viewer: Viewer, call_id: int, verb: str, now: datetime) -> int | None:
    """The number of this person's last event of that kind about the call, of the time that a purpose holds."""
    a = audit_events.c
    found: int | None = conn.execute(
        select(func.max(a.id)).where(
            a.municipality_id == municipality_id,
            a.at > now - OPEN_FOR,
            a.actor_id == viewer.account_id,
            a.verb == verb,
            a.object == f"call:{call_id}",
        )
    ).scalar()
    return found


def ask(database: Database, municipality_id: int, viewer: Viewer, call_id: int, reason: str, now: datetime) -> None:
    """An auditor asks to replay a call. Raises InputError without a reason, RefusedError if one is open already."""
    if not reason.strip():
        raise InputError("理由がありません", where=Where(field="reason"), mend="なぜ再生が要るかを書いてください")

    def work(conn: Connection) -> None:
        call_for(conn, municipality_id, viewer, call_id)
        if any(
            r.account_id == viewer.account_id and r.decision == "open" for r in requests(conn, municipality_id, call_id)
        ):
            raise RefusedError("すでに申請しています", mend="区の職員の承認を待ってください")
        conn.execute(
            insert(replay_requests).values(
                municipality_id=municipality_id,
                id=new_id(conn, replay_requests, municipality_id),
                call_id=call_id,
                account_id=viewer.account_id,
                at=now,
                reason=reason.strip()[:LONGEST_REASON],
            )
        )
        audit(conn, municipality_id, now, viewer.account_id, "replay:ask", f"call:{call_id}")

    database.transact(work)


def decide(
    database: Database, municipality_id: int, viewer: Viewer, request_id: int, *, grant: bool, now: datetime
) -> int:
    """Staff grant or refuse a request, never their own. Returns the call. Raises NotFoundError, RefusedError."""

    def work(conn: Connection) -> int:
        r = replay_requests.c
        row = conn.execute(
            select(replay_requests).where(r.municipality_id == municipality_id, r.id == request_id)
        ).one_or_none()
        if row is None or row.decision != "open":
            raise NotFoundError("承認を待つ申請はありません")
        if row.account_id == viewer.account_id:
            raise RefusedError("自分の申請は承認できません", mend="ほかの職員が判断してください")
        decision = "granted" if grant else "refused"
        conn.execute(
            update(replay_requests)
            .where(r.municipality_id == municipality_id, r.id == request_id, r.decision == "open")
            .values(decided_at=now, decided_by=viewer.account_id, decision=decision)
        )
        audit(conn, municipality_id, now, viewer.account_id, f"replay:{decision}", f"call:{row.call_id}")
        return int(row.call_id)

    return database.transact(work)


def requests(conn: Connection, municipality_id: int, call_id: int) -> list[Request]:
    """The requests for one call, the oldest first."""
    r = replay_requests.c
    query = select(r.id, r.account_id, r.at, r.reason, r.decision)
    query = query.where(r.municipality_id == municipality_id, r.call_id == call_id).order_by(r.id)
    return [Request(*row) for row in conn.execute(query)]


def _granted(conn: Connection, municipality_id: int, account_id: int, call_id: int, now: datetime) -> bool:
    r = replay_requests.c
    query = select(r.id).where(
        r.municipality_id == municipality_id,
        r.call_id == call_id,
        r.account_id == account_id,
        r.decision == "granted",
        r.decided_at > now - GRANTED_FOR,
    )
    return conn.execute(query.limit(1)).scalar() is not None
