"""Which slips there are, as lists and one by one; no name and no number of a resident."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select

from callflow.access.views import Viewer
from callflow.followup.acts import OPEN_SLIP
from callflow.followup.deadlines import Alarm, alarm, due_at, overdue_before
from callflow.followup.slips import visible
from callflow.followup.terms import Rules
from callflow.outcomes import OUTCOMES
from models.tables import accounts, cases, contact_slips, debtors, slip_reasons, staff_calls

URGENCIES: Final[Mapping[str, str]] = {"urgent": "至急", "same_day": "当日中", "normal": "通常"}
CONSULTATIONS: Final[Mapping[str, str]] = {
    "staff_calls": "職員から電話",
    "resident_calls": "住民から連絡",
    "undecided": "未定",
}
REASONS: Final[Mapping[str, str]] = {
    "hardship": "生活困窮",
    "signal": "シグナル",
    "emergency": "緊急",
    "broken_promises": "約束の不履行が重なった",
    **OUTCOMES,
}
"""A slip's reasons in words: kinds of records, and outcomes; a script's own code stands for itself."""

_SAID_BY: Final[Mapping[str, frozenset[str]]] = {
    "hardship": frozenset({"HS", "HC", "HR"}),
    "emergency": frozenset({"EM"}),
}


def in_words(reasons: Collection[str]) -> tuple[str, ...]:
    """A slip's reasons in words, each once: a record's kind is left out where the outcome says the same."""
    said = (each for each in reasons if not _SAID_BY.get(each, frozenset()) & set(reasons))
    return tuple(REASONS.get(each, each) for each in said)


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip as a line of a list. `due`: by when the ward must have taken it up."""

    id: int
    case_id: int
    call_id: int
    origin: str
    urgency: str
    state: str
    consultation: str
    reasons: tuple[str, ...]
    raised_at: datetime
    due: datetime
    alarm: Alarm
    handler: str
    call_from: datetime | None
    call_until: datetime | None
    done_at: datetime | None
    text: str

    @property
    def why(self) -> tuple[str, ...]:
        """The reasons in words."""
        return in_words(self.reasons)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. `state`: a state, `open` (not done) or empty; `alarm`: `overdue`, `call_missed`; `words`:
    numbers, or a name or its reading in any width and kana where `by_name` allows it."""

    state: str = ""
    urgency: str = ""
    reason: str = ""
    alarm: str = ""
    handler_id: int | None = None
    words: str = ""
    by_name: bool = False


_s = contact_slips.c


def count(conn: Connection, m: int, viewer: Viewer, asked: Question, rules: Rules, now: datetime) -> int:
    """How many slips meet the question."""
    where = _conditions(m, viewer, asked, rules, now)
    return int(conn.execute(select(func.count()).select_from(contact_slips).where(*where)).scalar_one())


def some(
    conn: Connection, m: int, viewer: Viewer, asked: Question, rules: Rules, now: datetime, *, limit: int, offset: int
) -> list[Slip]:
    """A page of the slips: those that wait first, the urgent before the others, the oldest first."""
    waiting = case((_s.state.in_(("done", "cancelled")), 1), else_=0)
    urgent = case((_s.urgency == "urgent", 0), (_s.urgency == "same_day", 1), else_=2)
    query = _query(m).where(*_conditions(m, viewer, asked, rules, now))
    rows = conn.execute(query.order_by(waiting, urgent, _s.raised_at, _s.id).limit(limit).offset(offset)).all()
    return _slips(conn, m, rows, rules, now)


def one(conn: Connection, m: int, slip_id: int, rules: Rules, now: datetime) -> Slip:
    """A slip that was found before (`slips.find`)."""
    (found,) = _slips(
        conn, m, conn.execute(_query(m).where(_s.municipality_id == m, _s.id == slip_id)).all(), rules, now
    )
    return found


def alarms(conn: Connection, m: int, viewer: Viewer, rules: Rules, now: datetime) -> dict[str, int]:
    """How many slips wait, are overdue, and have a call that was not made."""
    asked = {name: Question(state="open", alarm=name) for name in ("overdue", "call_missed")}
    found = {name: count(conn, m, viewer, each, rules, now) for name, each in asked.items()}
    return {"open": count(conn, m, viewer, Question(state="open"), rules, now), **found}


def _query(m: int) -> Select[Any]:
    open_call = and_(
        staff_calls.c.municipality_id == _s.municipality_id,
        staff_calls.c.slip_id == _s.id,
        staff_calls.c.state == "open",
    )
    handler = and_(accounts.c.municipality_id == _s.municipality_id, accounts.c.id == _s.handler_id)
    return (
        select(contact_slips, staff_calls.c.from_at, staff_calls.c.until_at, accounts.c.display_name)
        .outerjoin(staff_calls, open_call)
        .outerjoin(accounts, handler)
        .where(_s.municipality_id == m)
    )


def _slips(conn: Connection, m: int, rows: Sequence[Row[Any]], rules: Rules, now: datetime) -> list[Slip]:
    reasons: dict[int, list[str]] = {row.id: [] for row in rows}
    r = slip_reasons.c
    query = select(r.slip_id, r.reason).where(r.municipality_id == m, r.slip_id.in_(list(reasons))).order_by(r.reason)
    for slip_id, reason in conn.execute(query):
        reasons[slip_id].append(reason)
    return [_slip(row, tuple(reasons[row.id]), rules, now) for row in rows]


def _slip(row: Row[Any], reasons: tuple[str, ...], rules: Rules, now: datetime) -> Slip:
    due = due_at(row.urgency, row.raised_at, rules.calendar, rules.terms)
    return Slip(
        id=row.id,
        case_id=row.case_id,
        call_id=row.call_id,
        origin=row.origin,
        urgency=row.urgency,
        state=row.state,
        consultation=row.consultation,
        reasons=reasons,
        raised_at=row.raised_at,
        due=due,
        alarm=alarm(row.state, due, row.until_at, now),
        handler=row.display_name or "",
        call_from=row.from_at,
        call_until=row.until_at,
        done_at=row.done_at,
        text=row.text,
    )


def _conditions(m: int, viewer: Viewer, asked: Question, rules: Rules, now: datetime) -> list[ColumnElement[bool]]:
    found = [visible(viewer, m, now)]
    if asked.state == "open":
        found.append(_s.state.in_(OPEN_SLIP))
    elif asked.state:
        found.append(_s.state == asked.state)
    if asked.urgency:
        found.append(_s.urgency == asked.urgency)
    if asked.handler_id is not None:
        found.append(_s.handler_id == asked.handler_id)
    if asked.reason:
        r = slip_reasons.c
        found.append(exists().where(r.municipality_id == m, r.slip_id == _s.id, r.reason == asked.reason))
    if asked.alarm == "overdue":
        found.append(_is_overdue(rules, now))
    elif asked.alarm == "call_missed":
        c = staff_calls.c
        missed = (c.municipality_id == m, c.slip_id == _s.id, c.state == "open", c.until_at <= now)
        late = exists().where(*missed).correlate(contact_slips)
        found += [_s.state.in_(OPEN_SLIP), late]
    return [*found, *matching(m, _s.case_id, asked.words, (_s.id, _s.case_id, _s.call_id), by_name=asked.by_name)]


def _is_overdue(rules: Rules, now: datetime) -> ColumnElement[bool]:
    late = (
        and_(_s.urgency == urgency, _s.raised_at < overdue_before(urgency, now, rules.calendar, rules.terms))
        for urgency in URGENCIES
    )
    return _s.state.in_(("raised", "received", "sent_back")) & or_(*late)


def matching(
    m: int, case_id: ColumnElement[int], words: str, numbers: Sequence[ColumnElement[int]], *, by_name: bool
) -> list[ColumnElement[bool]]:
    """The condition that `words` are one of `numbers`, or part of the debtor's name or reading.

    Letters of any width, either kana, blanks left out. Without `by_name` words that are no number meet nothing.
    """
    plain = "".join(unicodedata.normalize("NFKC", words).split())
    if not plain:
        return []
    if plain.isascii() and plain.isdigit():
        return [or_(*(each == int(plain) for each in numbers))] if len(plain) < 15 else [case_id < 0]
    if not by_name:
        return [case_id < 0]
    d, c = debtors.c, cases.c
    reading = "".join(chr(ord(one) + 0x60) if "ぁ" <= one <= "ゖ" else one for one in plain)
    bare = {name: func.replace(func.replace(d[name], " ", ""), "　", "") for name in ("kana", "name")}
    found = (
        select(c.id)
        .join(debtors, (d.municipality_id == c.municipality_id) & (d.id == c.debtor_id))
        .where(
            c.municipality_id == m,
            c.id == case_id,
            bare["kana"].contains(reading, autoescape=True) | bare["name"].contains(plain, autoescape=True),
        )
    )
    return [exists(found)]
