"""納付約束 judged by the payments that came in (R40): kept, partial or broken by the day and its grace."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, insert, select, update

from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.followup import history
from callflow.followup.history import Who
from callflow.followup.terms import Rules
from models.database import Database
from models.ids import new_id
from models.live import announce
from models.tables import (
    arrears,
    calls,
    campaigns,
    cases,
    contact_slips,
    follow_up_events,
    import_payments,
    negotiation_records,
    payments,
    promises,
    slip_reasons,
)
from scheduler import queue
from scheduler.calendar import tokyo_date

Verdict = Literal["kept", "partial", "broken"]
AT_ONCE: Final = 200
"""How many promises are judged in one transaction."""

_p = promises.c


def judge(
    amount: int, paid: int, due_on: date, known_until: date | None, today: date, grace_days: int
) -> Verdict | None:
    """What became of a promise of `amount` yen, of which `paid` came in by its day and grace; None: still open.

    Kept as soon as all of it is there. Partial or broken only when the grace is over and the payment data reach to its
    end: what is merely not known yet (行き違い) breaks no promise.
    """
    if paid >= amount:
        return "kept"
    last = due_on + timedelta(days=grace_days)
    if today <= last or known_until is None or known_until < last:
        return None
    return "partial" if paid > 0 else "broken"


def judge_due(database: Database, municipality_id: int, now: datetime, rules: Rules) -> int:
    """The periodic duty: every open promise is held against the payments known. Returns how many were judged."""
    done, after = 0, 0
    while True:

        def some(conn: Connection, after: int = after) -> tuple[int, int | None]:
            return judge_open(conn, municipality_id, now, rules, after=after)

        judged, last = database.transact(some)
        done += judged
        if last is None:
            return done
        after = last


def judge_open(
    conn: Connection, municipality_id: int, now: datetime, rules: Rules, *, after: int = 0
) -> tuple[int, int | None]:
    """Judges the next open promises by id. Returns how many, and the last id if there may be more."""
    rows = _read(conn, municipality_id, [_p.state == "open", _p.id > after], limit=AT_ONCE)
    return _judge(conn, municipality_id, now, rules, rows), rows[-1].id if len(rows) == AT_ONCE else None


def judge_imported(conn: Connection, municipality_id: int, import_id: int, now: datetime, rules: Rules) -> int:
    """Judges the promises of the cases that a payment file names, those judged before included: a payment that was
    cancelled or came to light late changes what was said. In the transaction that activates the file."""
    s, a = import_payments.c, arrears.c
    keys = ("claim_type", "notice_no", "levy_year", "instalment")
    same = and_(s.municipality_id == a.municipality_id, *(s[key] == a[key] for key in keys))
    named = (
        select(a.case_id)
        .join(import_payments, same)
        .where(a.municipality_id == municipality_id, s.municipality_id == municipality_id, s.import_id == import_id)
    )
    where = [_p.state.in_(("open", "kept", "partial", "broken")), _p.case_id.in_(named)]
    return _judge(conn, municipality_id, now, rules, _read(conn, municipality_id, where))


def _read(conn: Connection, m: int, where: Collection[ColumnElement[bool]], limit: int | None = None) -> list[Row[Any]]:
    """Promises with their case's household, the day until which its payments are known, and the campaign's own policy;
    locked."""
    c, k = calls.c, campaigns.c
    query = (
        select(promises, cases.c.household_id, cases.c.claim_type, cases.c.payments_as_of, k.policy)
        .join(cases, and_(cases.c.municipality_id == _p.municipality_id, cases.c.id == _p.case_id))
        .outerjoin(calls, and_(c.municipality_id == _p.municipality_id, c.id == _p.call_id))
        .outerjoin(campaigns, and_(k.municipality_id == c.municipality_id, k.id == c.campaign_id))
        .where(_p.municipality_id == m, *where)
        .order_by(_p.id)
        .with_for_update(of=promises)
    )
    return list(conn.execute(query.limit(limit) if limit else query).all())


def _paid(conn: Connection, m: int, promise: Row[Any], grace_days: int) -> int:
    """Yen that came in for the case from the day of the promise to the end of its grace.

    Payments on any instalment of the case count: who pays another first has paid [O].
    """
    y, a = payments.c, arrears.c
    query = (
        select(func.coalesce(func.sum(y.amount), 0))
        .join(arrears, and_(a.municipality_id == y.municipality_id, a.id == y.arrear_id))
        .where(y.municipality_id == m, a.case_id == promise.case_id, y.cancelled_as_of.is_(None))
        .where(y.paid_on >= tokyo_date(promise.made_at), y.paid_on <= promise.due_on + timedelta(days=grace_days))
    )
    return int(conn.execute(query).scalar_one())


def _judge(conn: Connection, m: int, now: datetime, rules: Rules, rows: Collection[Row[Any]]) -> int:
    return sum(_judge_one(conn, Who(m, None, now), rules, row) for row in rows)


def _judge_one(conn: Connection, who: Who, rules: Rules, row: Row[Any]) -> int:
    m, policy = who.municipality_id, rules.policy_of(row.claim_type).tightest(json.loads(row.policy or "{}"))
    paid = _paid(conn, m, row, policy.promise_grace_days)
    verdict = judge(row.amount, paid, row.due_on, row.payments_as_of, tokyo_date(who.now), policy.promise_grace_days)
    if verdict is None or (verdict, paid) == (row.state, row.paid):
        return 0
    mine = (_p.municipality_id == m, _p.id == row.id, _p.state == row.state)
    moved = update(promises).where(*mine).values(state=verdict, judged_at=who.now, paid=paid)
    if conn.execute(moved).rowcount != 1:
        return 0
    history.note_event(conn, who, "promise", row.id, "judge", row.state, verdict, f"{paid:,}円／{row.amount:,}円")
    if verdict != row.state:
        queue.judge_again(conn, m, row.household_id, who.now)
    if verdict == "broken" and _broken(conn, m, row.case_id) >= policy.broken_promises_to_staff:
        _hand_to_staff(conn, who, row)
    return 1


def _broken(conn: Connection, m: int, case_id: int) -> int:
    query = select(func.count()).select_from(promises)
    return int(
        conn.execute(query.where(_p.municipality_id == m, _p.case_id == case_id, _p.state == "broken")).scalar_one()
    )


def _hand_to_staff(conn: Connection, who: Who, promise: Row[Any]) -> None:
    """A slip of the program's own, of the call in which the promise was made. The scheduler refuses further calls."""
    m, s = who.municipality_id, contact_slips.c
    there = exists().where(s.municipality_id == m, s.call_id == promise.call_id, s.origin == "promise")
    if conn.execute(select(there)).scalar():
        return
    one = new_id(conn, contact_slips, m)
    text = f"納付約束が履行されないまま重なりました。直近の約束: {promise.due_on.isoformat()} まで {promise.amount:,}円"
    about = {"case_id": promise.case_id, "household_id": promise.household_id, "call_id": promise.call_id}
    conn.execute(
        insert(contact_slips).values(
            municipality_id=m,
            id=one,
            **about,
            origin="promise",
            urgency="normal",
            text=text,
            state="raised",
            raised_at=who.now,
            visible_at=who.now,
        )
    )
    conn.execute(insert(slip_reasons).values(municipality_id=m, slip_id=one, reason="broken_promises"))
    announce(conn, m, "slip", one)


def listed(
    conn: Connection, municipality_id: int, state: str, *, limit: int, offset: int = 0
) -> tuple[list[Row[Any]], int]:
    """Promises in a state, the earliest day first, and how many there are. No names."""
    mine = (_p.municipality_id == municipality_id, _p.state == state)
    total = int(conn.execute(select(func.count()).select_from(promises).where(*mine)).scalar_one())
    query = select(promises).where(*mine).order_by(_p.due_on, _p.id).limit(limit).offset(offset)
    return list(conn.execute(query).all()), total


def candidates(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    """Promises of a verified householder that staff have not yet looked at as a possible 債務承認 (R10)."""
    n, e = negotiation_records.c, follow_up_events.c
    marked = exists().where(n.municipality_id == municipality_id, n.call_id == _p.call_id, n.ack_candidate)
    seen = exists().where(
        e.municipality_id == municipality_id,
        e.thing == "promise",
        e.thing_id == _p.id,
        e.act.in_(("acknowledged", "not_acknowledged")),
    )
    query = select(promises).where(_p.municipality_id == municipality_id, _p.state != "cancelled", marked, ~seen)
    return list(conn.execute(query.order_by(_p.id)).all())


def confirm(conn: Connection, who: Who, promise_id: int, note: str, *, acknowledged: bool) -> None:
    """Staff say whether a candidate is an acknowledgement. It moves no date by itself (R09).

    Raises NotFoundError, InputError without a reason, RefusedError for what is no candidate or was decided.
    """
    if "staff" not in history.roles_of(conn, who):
        raise RefusedError("債務承認の確認は、区の職員だけが行います")
    found = select(_p.id).where(_p.municipality_id == who.municipality_id, _p.id == promise_id)
    if conn.execute(found).first() is None:
        raise NotFoundError(f"納付約束 {promise_id} はありません")
    if promise_id not in {row.id for row in candidates(conn, who.municipality_id)}:
        raise RefusedError("この約束は、債務承認の候補ではないか、確認済みです")
    if not note.strip():
        raise InputError("確認の理由を書いてください")
    name = "acknowledged" if acknowledged else "not_acknowledged"
    history.note_event(conn, who, "promise", promise_id, name, "", "", note.strip())
