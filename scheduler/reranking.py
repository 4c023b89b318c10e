"""Remakes the ranks of what may be called in the hours that begin: the chance of the right party is another one.

A rank is an integer in the one index that claims probe, so a claim knows nothing of hours. Whatever happens to a case
folds its rank anew for the moment at which it falls due; what still waits when a band begins is remade here, in short
transactions of which each changes only rows whose rank is another one now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Integer, and_, bindparam, or_, select, update

from models.database import Database
from models.live import announce
from models.tables import arrears, calls, cases, debtor_phones, debtors, phone_numbers, queue_entries
from scheduler.calendar import Calendar
from scheduler.chances import DayRates
from scheduler.dealing import Rules
from scheduler.facts import Attempt, CaseFacts, History, Instalment, NumberFacts
from scheduler.ranking import FIRST_VALUE, rank
from scheduler.snapshot import ATTEMPT, attempt_of, rates_of

READ_AT_ONCE: Final = 500
WRITTEN_AT_ONCE: Final = 100
"""Rows that a claim may have to pass by for a moment."""
BEFORE: Final = timedelta(hours=1)
"""How long before a band opens its ranks may be made."""

_q = queue_entries.c
_TENANT = bindparam("m", type_=Integer)


def remake_ranks(database: Database, municipality_id: int, rules: Rules, now: datetime) -> int:
    """Remakes the ranks of one campaign for the band that is open or opens within the hour; how many changed."""
    opens = rules.calendar.next_opening(now)
    window = rules.calendar.window_at(opens) if opens else None
    if opens is None or window is None or opens - now >= BEFORE:
        return 0
    given = {"m": municipality_id, "campaign": rules.campaign_id, "until": window.last_dial, "after": 0}
    changed = 0
    while True:
        with database.read() as conn:
            waiting = conn.execute(_WAITING, given).all()
            changes = _changes(conn, municipality_id, waiting, rules.calendar, opens)
        for start in range(0, len(changes), WRITTEN_AT_ONCE):
            some = changes[start : start + WRITTEN_AT_ONCE]
            changed += database.transact(partial(_write, municipality_id, rules.campaign_id, some))
        if len(waiting) < READ_AT_ONCE:
            return changed
        given["after"] = waiting[-1].case_id


_WAITING = (
    select(_q.case_id, _q.household_id, _q.priority, cases.c.claim_type, cases.c.debtor_id, debtors.c.birth_date)
    .join(cases, and_(cases.c.municipality_id == _q.municipality_id, cases.c.id == _q.case_id))
    .join(debtors, and_(debtors.c.municipality_id == _q.municipality_id, debtors.c.id == cases.c.debtor_id))
    .where(
        _q.municipality_id == _TENANT,
        _q.campaign_id == bindparam("campaign"),
        _q.case_id > bindparam("after"),
        or_(_q.state == "ready", and_(_q.state == "scheduled", _q.due_at < bindparam("until", type_=_q.due_at.type))),
        _q.priority >= FIRST_VALUE,
    )
    .order_by(_q.case_id)
    .limit(READ_AT_ONCE)
)
"""Callbacks and broken promises keep their place whatever the hour."""


@dataclass(frozen=True, slots=True)
class _Change:
    case_id: int
    was: int
    priority: int


def _changes(
    conn: Connection, municipality_id: int, waiting: Sequence[Any], calendar: Calendar, at: datetime
) -> list[_Change]:
    if not waiting:
        return []
    ids = [row.case_id for row in waiting]
    instalments = _instalments(conn, municipality_id, ids)
    attempts = _attempts(conn, municipality_id, ids)
    rates = rates_of(conn, municipality_id, waiting[0].claim_type)
    numbers = _numbers(conn, municipality_id, {row.debtor_id: row.birth_date for row in waiting}, rates)
    found = []
    for row in waiting:
        case = CaseFacts(
            case_id=row.case_id,
            household_id=row.household_id,
            claim_type=row.claim_type,
            campaign_id=0,
            instalments=tuple(instalments[row.case_id]),
            payments_as_of=None,
            rates=rates.by_cell,
        )
        history = History(tuple(attempts[row.case_id]))
        priority = rank(case, numbers[row.debtor_id], history, calendar, at).priority
        if priority != row.priority:
            found.append(_Change(row.case_id, row.priority, priority))
    return found


def _instalments(conn: Connection, municipality_id: int, ids: list[int]) -> dict[int, list[Instalment]]:
    rows = conn.execute(
        select(arrears.c.case_id, arrears.c.unpaid, arrears.c.due_on).where(
            arrears.c.municipality_id == municipality_id, arrears.c.case_id.in_(ids), arrears.c.active
        )
    )
    found: defaultdict[int, list[Instalment]] = defaultdict(list)
    for row in rows:
        found[row.case_id].append(Instalment(row.unpaid, row.due_on))
    return found


def _attempts(conn: Connection, municipality_id: int, ids: list[int]) -> dict[int, list[Attempt]]:
    rows = conn.execute(select(*ATTEMPT).where(calls.c.municipality_id == municipality_id, calls.c.case_id.in_(ids)))
    found: defaultdict[int, list[Attempt]] = defaultdict(list)
    for row in rows:
        found[row.case_id].append(attempt_of(row))
    return found


def _numbers(
    conn: Connection, municipality_id: int, born: dict[int, Any], rates: DayRates
) -> dict[int, list[NumberFacts]]:
    rows = conn.execute(
        select(debtor_phones.c.debtor_id, debtor_phones.c.position, phone_numbers.c.id, phone_numbers.c.e164)
        .join(
            phone_numbers,
            and_(
                phone_numbers.c.municipality_id == debtor_phones.c.municipality_id,
                phone_numbers.c.id == debtor_phones.c.number_id,
            ),
        )
        .where(
            debtor_phones.c.municipality_id == municipality_id,
            debtor_phones.c.debtor_id.in_(list(born)),
            phone_numbers.c.status == "usable",
        )
    )
    found: defaultdict[int, list[NumberFacts]] = defaultdict(list)
    for row in rows:
        segment = rates.segment_of(born[row.debtor_id], row.e164)
        found[row.debtor_id].append(NumberFacts(row.id, "usable", row.position, segment))
    return found


_WRITE = (
    update(queue_entries)
    .where(
        _q.municipality_id == _TENANT,
        _q.campaign_id == bindparam("campaign"),
        _q.case_id == bindparam("case"),
        _q.priority == bindparam("was"),
        or_(_q.state == "ready", _q.state == "scheduled"),
    )
    .values(priority=bindparam("rank"))
)


def _write(municipality_id: int, campaign_id: int, changes: Sequence[_Change], conn: Connection) -> int:
    """What was claimed or ranked anew meanwhile is left alone."""
    mine = {"m": municipality_id, "campaign": campaign_id}
    conn.execute(_WRITE, [{**mine, "case": each.case_id, "was": each.was, "rank": each.priority} for each in changes])
    announce(conn, municipality_id, "queue")
    return len(changes)
