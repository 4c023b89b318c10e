"""What the planner is told by the database: the real list, and how calls went so far. Short reads, no personal data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, select

from callflow.simulation.planner.course import PROMISE
from callflow.simulation.planner.rates import History, PastCall
from callflow.simulation.planner.run import Listed
from models.tables import calls, cases, debtor_phones, phone_numbers, promises, queue_entries
from scheduler.calendar import Band, Calendar

HISTORY_DAYS: Final = 180
HISTORY_CALLS: Final = 5_000
_SAME_BREATH: Final = 300.0  # seconds; a longer pause is no wrap-up
_ABANDONED, _FAULT = "AB", "TF"


def read_list(conn: Connection, municipality_id: int, campaign_id: int, now: datetime) -> tuple[list[Listed], int]:
    """The cases that a campaign still calls, and how many are held until somebody acts."""
    q = queue_entries.c
    rows = conn.execute(
        select(q.case_id, q.household_id, q.state, q.due_at, q.priority).where(
            q.municipality_id == municipality_id, q.campaign_id == campaign_id, q.state != "done"
        )
    ).all()
    numbers = _usable_numbers(conn, municipality_id, campaign_id)
    by_case, by_household = _tried(conn, municipality_id, campaign_id)
    recent = _recent(conn, municipality_id, now)
    listed = []
    for row in rows:
        if row.state == "held" or not numbers[row.case_id]:
            continue
        of_case = by_case[row.case_id]
        listed.append(
            Listed(
                row.case_id,
                row.household_id,
                max(row.due_at, now).timestamp(),
                row.priority,
                numbers[row.case_id],
                of_case["tries"],
                of_case["answers"],
                by_household[row.household_id],
                tuple(recent[row.household_id]),
                of_case["right"] > 0,
                of_case["promises"] > 0,
            )
        )
    return listed, len(rows) - len(listed)


def _usable_numbers(conn: Connection, municipality_id: int, campaign_id: int) -> Counter[int]:
    query = (
        select(queue_entries.c.case_id, func.count(phone_numbers.c.id.distinct()))
        .join(cases, _same(queue_entries, cases, queue_entries.c.case_id == cases.c.id))
        .join(debtor_phones, _same(cases, debtor_phones, debtor_phones.c.debtor_id == cases.c.debtor_id))
        .join(phone_numbers, _same(cases, phone_numbers, phone_numbers.c.id == debtor_phones.c.number_id))
        .where(
            queue_entries.c.municipality_id == municipality_id,
            queue_entries.c.campaign_id == campaign_id,
            phone_numbers.c.status == "usable",
        )
        .group_by(queue_entries.c.case_id)
    )
    return Counter(dict(iter(conn.execute(query))))


def _tried(
    conn: Connection, municipality_id: int, campaign_id: int
) -> tuple[defaultdict[int, Counter[str]], Counter[int]]:
    """This campaign's attempts, answers, talks with the right party and promises by case; its attempts by household."""
    by_case: defaultdict[int, Counter[str]] = defaultdict(Counter)
    by_household: Counter[int] = Counter()
    query = (
        select(
            calls.c.case_id,
            calls.c.household_id,
            func.count().label("tries"),
            func.count(calls.c.answered_at).label("answers"),
            func.sum(calls.c.right_party).label("right"),
            func.count().filter(calls.c.disposition == PROMISE).label("promised"),
        )
        .where(calls.c.municipality_id == municipality_id, calls.c.campaign_id == campaign_id, calls.c.attempt == 1)
        .group_by(calls.c.case_id, calls.c.household_id)
    )
    for row in conn.execute(query):
        by_case[row.case_id].update(tries=row.tries, answers=row.answers, right=row.right, promises=row.promised)
        by_household[row.household_id] += row.tries
    return by_case, by_household


def _recent(conn: Connection, municipality_id: int, now: datetime) -> defaultdict[int, list[float]]:
    """The attempts of the last 7 days of each household, over all claims, oldest first."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    began = func.coalesce(calls.c.placed_at, calls.c.opened_at)
    query = (
        select(calls.c.household_id, began.label("began"))
        .where(
            calls.c.municipality_id == municipality_id,
            calls.c.attempt == 1,
            calls.c.direction == "outbound",
            calls.c.opened_at > now - timedelta(days=8),
        )
        .order_by(calls.c.opened_at)
    )
    for row in conn.execute(query):
        found[row.household_id].append(row.began.timestamp())
    return found


def read_history(conn: Connection, municipality_id: int, claim_type: str, calendar: Calendar, now: datetime) -> History:
    """How the last calls of a claim type went: at most HISTORY_CALLS of the last HISTORY_DAYS."""
    rows = _ended(conn, municipality_id, claim_type, now)
    past = [_past(row) for row in rows if row.disposition not in (_ABANDONED, _FAULT)]
    tried: Counter[Band] = Counter(calendar.band_of(row.placed_at) for row in rows if row.disposition != _FAULT)
    answered: Counter[Band] = Counter(calendar.band_of(row.placed_at) for row in rows if row.answered_at is not None)
    first, second = _first_and_second(rows)
    kept = _promises(conn, municipality_id, claim_type, now)
    return History(
        calls=tuple(past),
        tried=dict(tried),
        answered=dict(answered),
        first_tried=len(first),
        first_answered=sum(first),
        second_tried=len(second),
        second_answered=sum(second),
        gaps=tuple(_gaps(rows)),
        promises_kept=kept["kept"],
        promises_judged=kept.total(),
    )


def _ended(conn: Connection, municipality_id: int, claim_type: str, now: datetime) -> Sequence[Row[Any]]:
    """Newest calls, oldest first."""
    query = (
        select(
            calls.c.case_id,
            calls.c.operator_id,
            calls.c.disposition,
            calls.c.right_party,
            calls.c.opened_at,
            calls.c.placed_at,
            calls.c.answered_at,
            calls.c.line_ended_at,
            calls.c.closed_at,
        )
        .join(cases, _same(calls, cases, calls.c.case_id == cases.c.id))
        .where(
            calls.c.municipality_id == municipality_id,
            cases.c.claim_type == claim_type,
            calls.c.direction == "outbound",
            calls.c.closed_at.is_not(None),
            calls.c.placed_at > now - timedelta(days=HISTORY_DAYS),
        )
        .order_by(calls.c.placed_at.desc())
        .limit(HISTORY_CALLS)
    )
    return list(reversed(conn.execute(query).all()))


def _past(row: Row[Any]) -> PastCall:
    rung_until = row.answered_at or row.line_ended_at or row.closed_at
    talk = (row.closed_at - row.answered_at).total_seconds() if row.answered_at else 0.0
    ring = (rung_until - row.placed_at).total_seconds()
    return PastCall(row.disposition, bool(row.right_party), row.answered_at is not None, max(ring, 0.5), max(talk, 0.0))


def _first_and_second(rows: Sequence[Row[Any]]) -> tuple[list[bool], list[bool]]:
    """Of the calls seen, whether each case's first was answered, and its second where the first was not."""
    seen: dict[int, int] = {}
    first, second = [], []
    for row in rows:
        if row.disposition == _FAULT:
            continue
        number = seen[row.case_id] = seen.get(row.case_id, 0) + 1
        answered = row.answered_at is not None
        if number == 1:
            first.append(answered)
            if answered:
                seen[row.case_id] = 2  # a second call after a talk says something else
        elif number == 2:
            second.append(answered)
    return first, second


def _gaps(rows: Sequence[Row[Any]]) -> list[float]:
    """Seconds from the end of an operator's call to the next one, where no pause lay between."""
    ended: dict[int, datetime] = {}
    gaps = []
    for row in rows:
        before = ended.get(row.operator_id)
        if before is not None:
            gap = (row.opened_at - before).total_seconds()
            if 0 <= gap <= _SAME_BREATH:
                gaps.append(gap)
        ended[row.operator_id] = row.closed_at
    return gaps


def _promises(conn: Connection, municipality_id: int, claim_type: str, now: datetime) -> Counter[str]:
    query = (
        select(promises.c.state, func.count())
        .join(cases, _same(promises, cases, promises.c.case_id == cases.c.id))
        .where(
            promises.c.municipality_id == municipality_id,
            cases.c.claim_type == claim_type,
            promises.c.state.in_(("kept", "partial", "broken")),
            promises.c.judged_at > now - timedelta(days=HISTORY_DAYS),
        )
        .group_by(promises.c.state)
    )
    return Counter(dict(iter(conn.execute(query))))


def _same(one: Any, other: Any, condition: Any) -> Any:
    """`condition` inside one municipality."""
    return and_(one.c.municipality_id == other.c.municipality_id, condition)
