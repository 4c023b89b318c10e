"""訪問催告: which households the ward's own people visit, why, the list that they are handed, and what came of it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, insert, select

from callflow.access.auditlog import audit
from callflow.clock import TOKYO
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.followup import history
from callflow.followup.acts import LONGEST_NOTE, VISIT_REASONS, VISIT_RESULTS
from callflow.followup.history import Who
from callflow.shelf import Shelf
from models.ids import new_id
from models.tables import arrears, calls, cases, debtors, promises, visits
from scheduler.calendar import tokyo_date

COLUMNS: Final = (
    "訪問番号", "案件", "宛名番号", "氏名", "カナ", "住所", "債権区分", "未納額", "理由", "備考", "経過",
)  # fmt: skip
LAST_CONTACTS: Final = 5
OPEN: Final = ("listed", "handed")
MEANING_SOMETHING: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""

_v = visits.c


@dataclass(frozen=True, slots=True)
class Export:
    """A list that was handed over: the file's bytes, how many lines, and their SHA-256, as the audit record has it."""

    content: bytes
    rows: int
    digest: str


def enlist(
    conn: Connection, who: Who, case_id: int, reason: str, note: str = "", *, report_id: int | None = None
) -> int:
    """Puts a case on the list. One that stands there already stays as it is; its id is returned.

    Raises NotFoundError, RefusedError for who is not staff, InputError for an unknown reason.
    """
    if "staff" not in history.roles_of(conn, who):
        raise RefusedError("訪問の一覧は、区の職員が作ります")
    if reason not in VISIT_REASONS:
        mend = f"使えるもの: {'、'.join(VISIT_REASONS)}"
        raise InputError(f"{reason} という理由はありません", where=Where(field="reason"), mend=mend)
    if len(note) > LONGEST_NOTE:
        raise InputError(f"{LONGEST_NOTE}字までです", where=Where(field="note"))
    m = who.municipality_id
    known = select(cases.c.id).where(cases.c.municipality_id == m, cases.c.id == case_id).with_for_update()
    if conn.execute(known).first() is None:
        raise NotFoundError(f"案件 {case_id} はありません")
    there = conn.execute(select(_v.id).where(_v.municipality_id == m, _v.case_id == case_id, _v.state.in_(OPEN)))
    if (found := there.scalar()) is not None:
        return int(found)
    one = new_id(conn, visits, m)
    values = {"case_id": case_id, "report_id": report_id, "reason": reason, "note": note.strip(), "result": ""}
    conn.execute(insert(visits).values(municipality_id=m, id=one, state="listed", listed_at=who.now, **values))
    history.note_event(conn, who, "visit", one, "list", "", "listed", note.strip())
    return one


def visit_for(conn: Connection, who: Who, report_id: int) -> int:
    """A report that did not come back is followed up by a visit. Raises as `history.act`."""
    row = history.act(conn, who, "report", report_id, "visit", next_step="visit")
    return enlist(conn, who, row.case_id, "report_not_returned", report_id=report_id)


def export(conn: Connection, who: Who, purpose: str, shelf: Shelf, claims: Mapping[str, str]) -> Export:
    """Hands over every case on the list, as CSV (UTF-8 with its mark, so that a spreadsheet reads it). `claims`: the
    claim types in words.

    The purpose, the number of lines and the hash are on record in the same transaction. Raises InputError without a
    purpose, RefusedError for who is not staff or where nobody is on the list.
    """
    if "staff" not in history.roles_of(conn, who):
        raise RefusedError("書き出しは、区の職員だけが行います")
    if not purpose.strip() or len(purpose) > LONGEST_NOTE:
        raise InputError("書き出す目的を書いてください", where=Where(field="purpose"))
    rows = _rows(conn, who.municipality_id)
    if not rows:
        raise RefusedError("訪問待ちの案件がありません")
    content = as_csv([COLUMNS, *(_cells(conn, shelf, claims, row) for row in rows)])
    digest = hashlib.sha256(content).hexdigest()
    for row in rows:
        history.act(conn, who, "visit", row.id, "hand", purpose.strip(), handed_at=who.now)
    words = f"{purpose.strip()}（{len(rows)}行、sha256 {digest}）"
    fields = "name,kana,address,unpaid,history"
    audit(conn, who.municipality_id, who.now, who.account_id, "visit:export", "visits", purpose=words, fields=fields)
    return Export(content, len(rows), digest)


def record(conn: Connection, who: Who, visit_id: int, result: str, visited_on: date, note: str = "") -> None:
    """What came of a visit: one of `VISIT_RESULTS`. Raises as `history.act`, InputError for a day to come."""
    if result not in VISIT_RESULTS:
        mend = f"使えるもの: {'、'.join(VISIT_RESULTS)}"
        raise InputError(f"{result} という結果はありません", where=Where(field="result"), mend=mend)
    row = history.row_of(conn, who, "visit", visit_id)
    if not tokyo_date(row.listed_at) <= visited_on <= tokyo_date(who.now):
        raise InputError("訪問日は、一覧に載せた日から今日までです", where=Where(field="visited_on"))
    values = {"result": result, "visited_on": visited_on, "closed_at": who.now}
    history.act(conn, who, "visit", visit_id, "result", note, **values)


def open_visits(conn: Connection, municipality_id: int, *, done: bool = False) -> list[Row[Any]]:
    """The visits that are to be made, oldest first; with `done` the others too."""
    states = [_v.state.in_(OPEN)] if not done else []
    query = select(visits).where(_v.municipality_id == municipality_id, *states).order_by(_v.id)
    return list(conn.execute(query).all())


def as_csv(lines: Sequence[Sequence[object]]) -> bytes:
    """CSV that a spreadsheet opens without reading a formula into it."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([[harmless(cell) for cell in line] for line in lines])
    return file.getvalue().encode("utf-8-sig")


def harmless(cell: object) -> str:
    """A cell as text; what a spreadsheet would take for a formula is quoted by an apostrophe."""
    text = str(cell)
    return f"'{text}" if text.startswith(MEANING_SOMETHING) else text


def _rows(conn: Connection, m: int) -> list[Row[Any]]:
    c, d, a = cases.c, debtors.c, arrears.c
    unpaid = (
        select(func.coalesce(func.sum(a.unpaid), 0))
        .where(a.municipality_id == m, a.case_id == c.id, a.active)
        .scalar_subquery()
    )
    query = (
        select(visits, c.claim_type, d.addressee_no, d.name, d.kana, d.address, unpaid.label("unpaid"))
        .join(cases, and_(c.municipality_id == _v.municipality_id, c.id == _v.case_id))
        .join(debtors, and_(d.municipality_id == c.municipality_id, d.id == c.debtor_id))
        .where(_v.municipality_id == m, _v.state.in_(OPEN))
        .order_by(_v.id)
    )
    return list(conn.execute(query).all())


def _cells(conn: Connection, shelf: Shelf, claims: Mapping[str, str], row: Row[Any]) -> tuple[object, ...]:
    claim = claims.get(row.claim_type, row.claim_type)
    past = " / ".join(history_of(conn, shelf, row.municipality_id, row.case_id))
    return (
        *(row.id, row.case_id, row.addressee_no, row.name, row.kana, row.address, claim, row.unpaid),
        *(VISIT_REASONS[row.reason], row.note, past),
    )


def history_of(conn: Connection, shelf: Shelf, municipality_id: int, case_id: int) -> list[str]:
    """The last contacts and promises of a case in words, newest first."""
    c, p = calls.c, promises.c
    talks = (
        select(c.opened_at, c.disposition, c.script_hash)
        .where(c.municipality_id == municipality_id, c.case_id == case_id, c.disposition.is_not(None))
        .order_by(c.id.desc())
        .limit(LAST_CONTACTS)
    )
    made = (
        select(p.due_on, p.amount, p.state)
        .where(p.municipality_id == municipality_id, p.case_id == case_id, p.state != "cancelled")
        .order_by(p.id.desc())
        .limit(LAST_CONTACTS)
    )
    found = []
    for at, code, script_hash in conn.execute(talks):
        script = shelf.flow(conn, municipality_id, script_hash).script
        found.append(f"{at.astimezone(TOKYO):%Y-%m-%d} {script.outcome(code)}")
    return found + [f"約束 {due} {amount:,}円 {PROMISE_STATES[state]}" for due, amount, state in conn.execute(made)]


PROMISE_STATES: Final = {
    "open": "判定前",
    "kept": "履行",
    "partial": "一部履行",
    "broken": "不履行",
    "replaced": "置き換え",
    "cancelled": "取消",
}
