"""An erasure before it happens: one of the ward's staff asks for it, another approves it, within a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.keeping import BY_NAME
from callflow.retention.holds import must_be_staff, reason_of
from callflow.retention.plan import Due, plan
from models.ids import new_id
from models.tables import erasures

OPEN_FOR: Final = timedelta(days=14)
"""[O] How long a request may wait for its approval and for its beginning."""

STATES: Final = {
    "asked": "承認待ち",
    "approved": "承認済み",
    "refused": "却下",
    "running": "消去中",
    "done": "消去済み",
}
RULE, END = "rule", "end"


def ask(
    conn: Connection,
    municipality_id: int,
    kinds: Sequence[str],
    before: Mapping[str, datetime],
    reason: str,
    by: int,
    now: datetime,
) -> int:
    """Asks to erase what falls due now of these classes. Returns the erasure's number.

    Raises InputError, NotFoundError, RefusedError where nothing is due.
    """
    if unknown := [name for name in kinds if name not in BY_NAME]:
        raise NotFoundError(f"種類 {unknown[0]} はありません", mend=f"あるもの: {'、'.join(BY_NAME)}")
    wanted = {name: before[name] for name in BY_NAME if name in (kinds or BY_NAME)}
    dues = [due for due in plan(conn, municipality_id, wanted) if due.count]
    if not dues:
        raise RefusedError("消去の時期になったものはありません", mend="callflow retention plan で確かめられます")
    told = {due.kind.name: due.before.isoformat() for due in dues}
    return _ask(conn, municipality_id, RULE, told, _planned(dues), reason, by, now)


def ask_for_end(
    conn: Connection, municipality_id: int, manifest: Mapping[str, Any], reason: str, by: int, now: datetime
) -> int:
    """Asks to destroy everything, by the manifest of what was returned. Returns the erasure's number."""
    return _ask(conn, municipality_id, END, {}, manifest, reason, by, now)


def _ask(
    conn: Connection,
    municipality_id: int,
    purpose: str,
    told: Mapping[str, str],
    planned: Any,
    reason: str,
    by: int,
    now: datetime,
) -> int:
    must_be_staff(conn, municipality_id, by)
    words = reason_of(reason)
    one = new_id(conn, erasures, municipality_id)
    conn.execute(
        insert(erasures).values(
            municipality_id=municipality_id,
            id=one,
            purpose=purpose,
            cutoffs=json.dumps(told),
            plan=json.dumps(planned, ensure_ascii=False, sort_keys=True),
            reason=words,
            state="asked",
            asked_by=by,
            asked_at=now,
            expires_at=now + OPEN_FOR,
            progress="{}",
            certificate="",
        )
    )
    what = f"purpose={purpose}" + (f",classes={'+'.join(told)}" if told else "")
    audit(conn, municipality_id, now, by, "retention:request", f"erasure:{one}", purpose=words, fields=what)
    return one


def _planned(found: Sequence[Due]) -> list[dict[str, Any]]:
    return [
        {
            "class": due.kind.name,
            "count": due.count,
            "held": due.held,
            "oldest": due.oldest.isoformat() if due.oldest else None,
            "newest": due.newest.isoformat() if due.newest else None,
        }
        for due in found
    ]


def decide(conn: Connection, municipality_id: int, erasure: int, by: int, now: datetime, *, approve: bool) -> None:
    """Another of the ward's staff approves or refuses. Raises NotFoundError, RefusedError."""
    must_be_staff(conn, municipality_id, by)
    row = locked(conn, municipality_id, erasure)
    if row.state != "asked":
        raise RefusedError(f"消去 {erasure} は承認待ちではありません（{STATES[row.state]}）")
    if row.asked_by == by:
        raise RefusedError("自分が求めた消去は承認できません", mend="ほかの職員が判断してください")
    if approve:
        not_expired(row, now)
    state = "approved" if approve else "refused"
    store(conn, row, state=state, decided_by=by, decided_at=now)
    audit(conn, municipality_id, now, by, "retention:approve" if approve else "retention:refuse", f"erasure:{erasure}")


def not_expired(row: Row[Any], now: datetime) -> None:
    """Raises RefusedError for a request whose time is over."""
    if now >= row.expires_at:
        raise RefusedError(
            f"消去 {row.id} の期限（{row.expires_at:%Y-%m-%d} UTC）が過ぎています", mend="求め直してください"
        )


def locked(conn: Connection, municipality_id: int, erasure: int) -> Row[Any]:
    """The request, held until the transaction's end. Raises NotFoundError."""
    return found(conn, municipality_id, erasure, lock=True)


def found(conn: Connection, municipality_id: int, erasure: int, *, lock: bool = False) -> Row[Any]:
    """The request. Raises NotFoundError."""
    e = erasures.c
    query = select(erasures).where(e.municipality_id == municipality_id, e.id == erasure)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError(f"消去 {erasure} はありません", mend="callflow retention requests で確かめられます")
    return row


def store(conn: Connection, row: Row[Any], **values: Any) -> None:
    e = erasures.c
    conn.execute(update(erasures).where(e.municipality_id == row.municipality_id, e.id == row.id).values(**values))


def listed(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    """Every erasure, the newest first."""
    e = erasures.c
    return list(conn.execute(select(erasures).where(e.municipality_id == municipality_id).order_by(e.id.desc())))


def may_begin(row: Row[Any], purpose: str, now: datetime) -> None:
    """Raises RefusedError unless the erasure was approved in time or has begun, InputError for another kind."""
    if row.purpose != purpose:
        mend = "callflow retention destroy を使います" if row.purpose == END else "callflow retention run を使います"
        raise InputError(f"消去 {row.id} は別の種類です", mend=mend)
    if row.state not in ("approved", "running"):
        raise RefusedError(f"消去 {row.id} は承認されていません（{STATES[row.state]}）")
    if row.state == "approved":
        not_expired(row, now)
