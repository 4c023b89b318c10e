"""生活状況報告書 after the call: posted in batches, returned, consulted, decided; marked when it does not come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from callflow.errors import InputError, RefusedError, Where
from callflow.followup import history, statement
from callflow.followup.acts import DECISIONS, REPORT_STATES, decide
from callflow.followup.deadlines import next_mark, return_by
from callflow.followup.history import Who
from callflow.followup.statement import Content
from callflow.followup.terms import Rules
from models.database import Database
from models.ids import new_id
from models.tables import households, living_reports, report_contents
from scheduler import queue
from scheduler.calendar import tokyo_date

MARKS_AT_ONCE: Final = 200
"""How many forms the periodic duty marks in one transaction."""

_r = living_reports.c


@dataclass(frozen=True, slots=True)
class Posted:
    """A form of a batch: what a letter is made for. `again`: the second letter."""

    report_id: int
    case_id: int
    due_on: date
    again: bool


def waiting(conn: Connection, municipality_id: int) -> list[int]:
    """The reports whose letter, the first or the second, is still to be posted; the oldest first.

    A protected household's (支援措置) is not among them: staff settle by hand whether and where it may be sent.
    """
    h = households.c
    first = _r.state == "requested"
    second = (_r.state == "re_requested") & _r.re_sent_at.is_(None)
    query = (
        select(_r.id)
        .join(households, (h.municipality_id == _r.municipality_id) & (h.id == _r.household_id))
        .where(_r.municipality_id == municipality_id, first | second, h.protected.is_(False))
    )
    return list(conn.execute(query.order_by(_r.requested_at, _r.id)).scalars())


def send(conn: Connection, who: Who, report_ids: Sequence[int], rules: Rules) -> list[Posted]:
    """送付済: the letters of these reports have been posted. All of them or none; the list is what was posted.

    Raises NotFoundError, RefusedError for one that does not wait for a letter, InputError for an empty batch.
    """
    if not report_ids:
        raise InputError("送付する報告書が選ばれていません")
    may = set(waiting(conn, who.municipality_id))
    return [_send(conn, who, one, rules, may) for one in dict.fromkeys(report_ids)]


def _send(conn: Connection, who: Who, one: int, rules: Rules, may: set[int]) -> Posted:
    row = history.row_of(conn, who, "report", one)
    if one not in may:
        words = REPORT_STATES[row.state]
        raise RefusedError(
            f"報告書 {one}（{words}）は送付待ちではありません", mend="支援措置の世帯は、個別に扱ってください"
        )
    if row.state == "requested":
        due = _due(row, tokyo_date(who.now), rules)
        history.act(conn, who, "report", one, "send", sent_at=who.now, due_on=due)
        return Posted(one, row.case_id, due, again=False)
    history.act(conn, who, "report", one, "send_again", re_sent_at=who.now)
    return Posted(one, row.case_id, row.due_on, again=True)


def _due(row: Row[Any], today: date, rules: Rules) -> date:
    """The day that the printed letter names, else so many days from today."""
    if row.due_on is not None and row.due_on <= today:
        raise RefusedError(
            f"報告書 {row.id} の手紙にある返送期限 {row.due_on} は過ぎています",
            mend="もう一度印刷してから送ってください",
        )
    return row.due_on or return_by(today, rules.terms)


def returned(conn: Connection, who: Who, report_id: int) -> None:
    """The form came back, also after it was given up. Raises as `history.act`."""
    history.act(conn, who, "report", report_id, "returned", returned_at=who.now)


def enter(conn: Connection, who: Who, report_id: int, typed: Mapping[str, str]) -> dict[str, int | str]:
    """The content of a returned form, as a new version; the latest counts. Only staff.

    Raises InputError naming the line, RefusedError before the form has come back.
    """
    row = history.row_of(conn, who, "report", report_id)
    if "staff" not in history.roles_of(conn, who):
        raise RefusedError("報告書の内容は区の職員だけが入力します")
    if row.state != "returned":
        raise RefusedError("返送された報告書にだけ、内容を入力できます", mend="先に返送を記録してください")
    content = statement.read(typed)
    one = new_id(conn, report_contents, who.municipality_id)
    own = {"municipality_id": who.municipality_id, "id": one, "report_id": report_id}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    conn.execute(insert(report_contents).values(**own, at=who.now, actor_id=who.account_id, content=text))
    history.note_event(conn, who, "report", report_id, "content", row.state, row.state)
    return content


def content_of(conn: Connection, municipality_id: int, report_id: int) -> Content:
    """The content that counts; empty: nothing was entered. For staff alone (`views`, group `report`)."""
    c = report_contents.c
    query = select(c.content).where(c.municipality_id == municipality_id, c.report_id == report_id)
    found = conn.execute(query.order_by(c.id.desc()).limit(1)).scalar()
    return dict(json.loads(found)) if found else {}


def consulted(conn: Connection, who: Who, report_id: int, note: str) -> None:
    """納付相談 took place. Raises as `history.act`."""
    history.act(conn, who, "report", report_id, "consulted", note, consulted_at=who.now)


def settle(conn: Connection, who: Who, report_id: int, decision: str, note: str) -> None:
    """The ward's decision, one of `DECISIONS`, with its reason. Raises as `history.act`."""
    if decision not in DECISIONS:
        raise InputError(
            f"{decision} という決定はありません",
            where=Where(field="decision"),
            mend=f"使えるもの: {'、'.join(DECISIONS)}",
        )
    history.act(conn, who, "report", report_id, "decide", note, decision=decision, closed_at=who.now)


def cancel(conn: Connection, who: Who, report_id: int, note: str) -> None:
    """Staff call the request off, with the reason. Raises as `history.act`."""
    history.act(conn, who, "report", report_id, "cancel", note, cancelled_by="STAFF", closed_at=who.now)


def recall(conn: Connection, who: Who, report_id: int) -> None:
    """What did not come back is asked about by telephone: the household's cases are judged anew for the queue."""
    row = history.act(conn, who, "report", report_id, "recall", next_step="recall")
    queue.judge_again(conn, who.municipality_id, row.household_id, who.now)


def mark(database: Database, municipality_id: int, now: datetime, rules: Rules) -> int:
    """The periodic duty: forms that did not come back are marked for the second letter, then for a call or a visit.

    It only marks. Staff post the second letter and choose what comes then. Returns how many were marked.
    """
    done, after = 0, 0
    while True:

        def some(conn: Connection, after: int = after) -> tuple[int, int | None]:
            return _mark(conn, municipality_id, now, rules, after)

        moved, last = database.transact(some)
        done += moved
        if last is None:
            return done
        after = last


def _mark(conn: Connection, municipality_id: int, now: datetime, rules: Rules, after: int) -> tuple[int, int | None]:
    who, today = Who(municipality_id, None, now), tokyo_date(now)
    late = today - timedelta(days=rules.terms.ask_again_days)
    query = (
        select(living_reports)
        .where(_r.municipality_id == municipality_id, _r.state.in_(("sent", "re_requested")))
        .where(_r.due_on <= late, _r.id > after)
        .order_by(_r.id)
        .limit(MARKS_AT_ONCE)
        .with_for_update()
    )
    rows = conn.execute(query).all()
    moved = sum(_mark_one(conn, who, row, today, rules) for row in rows)
    return moved, rows[-1].id if len(rows) == MARKS_AT_ONCE else None


def _mark_one(conn: Connection, who: Who, row: Row[Any], today: date, rules: Rules) -> int:
    name = next_mark(row.state, row.due_on, asked_again=row.re_sent_at is not None, today=today, terms=rules.terms)
    if not name:
        return 0
    column = {"re_request": "re_requested_at", "escalate": "escalated_at"}[name]
    move = decide("report", name, row.state, frozenset({"staff"}), "")
    history.change(conn, who, "report", row, move, **{column: who.now})
    return 1
