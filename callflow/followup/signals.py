"""シグナル after they were raised: a queue that somebody of the ward reads to its end (R46)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, exists, func, select, update

from callflow.access.replays import visible_to
from callflow.access.views import Viewer
from callflow.errors import InputError, NotFoundError, RefusedError, TryLaterError, Where
from callflow.followup import history
from callflow.followup.acts import LONGEST_NOTE
from callflow.followup.history import Who
from models.live import announce
from models.tables import accounts, calls, signals

KINDS: Final = {"emergency": "緊急（生命・健康）", "signal": "シグナル"}

_g = signals.c


@dataclass(frozen=True, slots=True)
class Signal:
    """A sign that was noticed in a call. `review`: what came of it, by `reviewer`; empty: nobody has read it."""

    call_id: int
    seq: int
    case_id: int
    kind: str
    reason: str
    at: datetime
    reviewed_at: datetime | None
    reviewer: str
    review: str


def visible(viewer: Viewer, municipality_id: int) -> ColumnElement[bool]:
    """The ward sees all, at once; a supervisor those of own campaigns without protected households."""
    there = _g.municipality_id == municipality_id
    if viewer.kind == "ward":
        return there
    theirs = select(calls.c.id).where(visible_to(viewer, municipality_id), calls.c.id == _g.call_id)
    return there & exists(theirs)


def _unread(*, unread: bool) -> list[ColumnElement[bool]]:
    return [_g.reviewed_at.is_(None)] if unread else []


def count(conn: Connection, m: int, viewer: Viewer, *, unread: bool) -> int:
    where = [visible(viewer, m), *_unread(unread=unread)]
    return int(conn.execute(select(func.count()).select_from(signals).where(*where)).scalar_one())


def some(conn: Connection, m: int, viewer: Viewer, *, unread: bool, limit: int, offset: int) -> list[Signal]:
    """Emergencies first, then the oldest that nobody has read; those read, newest first, behind them."""
    a = accounts.c
    query = (
        select(signals, a.display_name)
        .outerjoin(accounts, (a.municipality_id == _g.municipality_id) & (a.id == _g.reviewed_by))
        .where(visible(viewer, m), *_unread(unread=unread))
        .order_by(_g.reviewed_at.is_not(None), _g.kind != "emergency", _g.at, _g.call_id, _g.seq)
    )
    return [_signal(row) for row in conn.execute(query.limit(limit).offset(offset))]


def _signal(row: Any) -> Signal:
    return Signal(
        *(row.call_id, row.seq, row.case_id, row.kind, row.reason, row.at, row.reviewed_at),
        row.display_name or "",
        row.review,
    )


def review(conn: Connection, who: Who, call_id: int, seq: int, words: str) -> None:
    """Staff have read it, and what came of it. Nobody's reading is written over.

    Raises NotFoundError, RefusedError, InputError without words, TryLaterError where somebody else was quicker.
    """
    if "staff" not in history.roles_of(conn, who):
        raise RefusedError("シグナルの確認は、区の職員が行います")
    text = words.strip()
    if not text or len(text) > LONGEST_NOTE:
        raise InputError(f"確認した結果を{LONGEST_NOTE}字までで書いてください", where=Where(field="review"))
    mine = (_g.municipality_id == who.municipality_id, _g.call_id == call_id, _g.seq == seq)
    if conn.execute(select(_g.seq).where(*mine)).first() is None:
        raise NotFoundError(f"通話 {call_id} の通番 {seq} にシグナルはありません")
    read = update(signals).where(*mine, _g.reviewed_at.is_(None))
    if conn.execute(read.values(reviewed_at=who.now, reviewed_by=who.account_id, review=text)).rowcount != 1:
        raise TryLaterError("このシグナルは、別の人が確認しました", mend="画面を開き直してください")
    announce(conn, who.municipality_id, "signal", call_id)
