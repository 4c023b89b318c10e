"""連絡票 after the call: taken up, done, sent back and answered, and the calls that staff make for them.

Each function is one act in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, exists, insert, select, update

from callflow.access.replays import visible_to
from callflow.access.views import Viewer
from callflow.caserecord import visible_from
from callflow.errors import InputError, NotFoundError, RefusedError, TryLaterError, Where
from callflow.followup import history
from callflow.followup.acts import LONGEST_NOTE
from callflow.followup.history import Who
from models.ids import new_id
from models.tables import calls, contact_slips, staff_calls

LONGEST_WINDOW: Final = timedelta(days=3)
FARTHEST: Final = timedelta(days=60)
CALL_OUTCOMES: Final = ("reached", "missed", "cancelled")


def visible(viewer: Viewer, municipality_id: int, now: datetime) -> ColumnElement[bool]:
    """The slips that a person may know of: all that have settled for the ward; for a supervisor those of calls that
    they answer for, where the household is not protected."""
    s, c = contact_slips.c, calls.c
    there = (s.municipality_id == municipality_id) & visible_from(now)
    if viewer.kind == "ward":
        return there
    theirs = select(c.id).where(visible_to(viewer, municipality_id), c.id == s.call_id)
    return there & exists(theirs)


def find(conn: Connection, who: Who, viewer: Viewer, slip_id: int) -> Row[Any]:
    """A slip that this person may know of. Raises NotFoundError."""
    s = contact_slips.c
    query = select(contact_slips).where(visible(viewer, who.municipality_id, who.now), s.id == slip_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"連絡票 {slip_id} はありません")
    return row


def act(conn: Connection, who: Who, viewer: Viewer, slip_id: int, name: str, note: str = "") -> None:
    """One of `SLIP_ACTS`. Raises as `history.act`; a planned call must have its outcome before the slip is done."""
    row = find(conn, who, viewer, slip_id)
    if name in ("done", "send_back") and planned(conn, who.municipality_id, slip_id) is not None:
        mend = "電話の結果を記録するか、取りやめてください"
        raise RefusedError("区からの電話の予定が残っています", mend=mend)
    history.act(conn, who, "slip", slip_id, name, note, **_columns(name, row, who))


def _columns(name: str, row: Row[Any], who: Who) -> dict[str, object]:
    """What an act sets besides the state."""
    first = row.taken_at or who.now
    sets: dict[str, dict[str, object]] = {
        "receive": {"taken_at": first},
        "take": {"taken_at": first, "handler_id": who.account_id},
        "reopen": {"handler_id": who.account_id, "done_at": None},
        "release": {"handler_id": None},
        "send_back": {"handler_id": None},
        "done": {"done_at": who.now},
    }
    return sets.get(name, {})


def planned(conn: Connection, municipality_id: int, slip_id: int) -> Row[Any] | None:
    """The call that staff have promised and not yet made."""
    c = staff_calls.c
    mine = (c.municipality_id == municipality_id, c.slip_id == slip_id, c.state == "open")
    return conn.execute(select(staff_calls).where(*mine)).one_or_none()


def calls_of(conn: Connection, municipality_id: int, slip_id: int) -> Sequence[Row[Any]]:
    """Every call that staff planned for a slip, oldest first."""
    c = staff_calls.c
    query = select(staff_calls).where(c.municipality_id == municipality_id, c.slip_id == slip_id).order_by(c.id)
    return conn.execute(query).all()


def plan_call(conn: Connection, who: Who, viewer: Viewer, slip_id: int, begins: datetime, ends: datetime) -> int:
    """Staff will call the resident themselves in that window (UTC). A slip that waits is taken in work by it.

    Raises InputError for a window that cannot be, RefusedError where one is planned already.
    """
    if not begins < ends <= begins + LONGEST_WINDOW:
        raise InputError(
            "電話の時間帯が正しくありません", where=Where(field="until"), mend="終わりは始まりの後、3日以内"
        )
    if not who.now < ends <= who.now + FARTHEST:
        raise InputError("電話の時間帯は、いまから60日のうちにします", where=Where(field="from"))
    row = find(conn, who, viewer, slip_id)
    if row.state in ("raised", "received"):
        act(conn, who, viewer, slip_id, "take")
    elif row.state != "in_work":
        raise RefusedError("対応中の連絡票だけに、電話を予定できます")
    if planned(conn, who.municipality_id, slip_id) is not None:
        raise RefusedError("区からの電話は、すでに予定されています", mend="先にその結果を記録してください")
    one = new_id(conn, staff_calls, who.municipality_id)
    values = {"from_at": begins, "until_at": ends, "planned_by": who.account_id, "state": "open", "outcome": ""}
    own = {"municipality_id": who.municipality_id, "id": one, "slip_id": slip_id}
    conn.execute(insert(staff_calls).values(**own, **values))
    history.note_event(conn, who, "slip", slip_id, "call_planned", "in_work", "in_work")
    return one


def close_call(conn: Connection, who: Who, viewer: Viewer, slip_id: int, outcome: str, note: str = "") -> None:
    """What became of the planned call: one of `CALL_OUTCOMES`. After a missed one another is planned.

    Raises InputError, RefusedError where none is planned, TryLaterError where somebody else recorded it.
    """
    find(conn, who, viewer, slip_id)
    if outcome not in CALL_OUTCOMES:
        raise InputError(f"{outcome} という結果はありません", mend=f"使えるもの: {'、'.join(CALL_OUTCOMES)}")
    if outcome == "reached" and not note.strip():
        raise InputError("話した内容を書いてください", where=Where(field="note"))
    if len(note) > LONGEST_NOTE:
        raise InputError(f"{LONGEST_NOTE}字までです", where=Where(field="note"))
    open_call = planned(conn, who.municipality_id, slip_id)
    if open_call is None:
        raise RefusedError("予定された電話がありません", mend="先に時間帯を決めてください")
    c = staff_calls.c
    mine = (c.municipality_id == who.municipality_id, c.id == open_call.id, c.state == "open")
    ended = update(staff_calls).where(*mine).values(state=outcome, outcome=note.strip(), closed_at=who.now)
    if conn.execute(ended).rowcount != 1:
        raise TryLaterError("この電話の結果は、いま別の人が記録しました", mend="画面を開き直してください")
    history.note_event(conn, who, "slip", slip_id, f"call_{outcome}", "in_work", "in_work", note.strip())
