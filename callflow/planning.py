"""Which cases a campaign takes in, in one statement over all of them; the edges in time are computed here. Pure but
for the two functions that are given a connection.

What time alone ends (hours, limits, waits) excludes nobody: it is judged at every claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from callflow.selection import EVERYTHING, Selection, outside
from models.base import Id, Instant
from models.tables import (
    arrears,
    callbacks,
    calls,
    campaign_holdouts,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    households,
    payments,
    phone_numbers,
    promises,
    queue_entries,
    suppressions,
)
from scheduler.calendar import Calendar, tokyo_date
from scheduler.chances import PRIOR_RATE
from scheduler.dealing import Rules
from scheduler.ranking import BROKEN_PROMISE_PRIORITY, CALLBACK_PRIORITY, FIRST_VALUE, LAST_VALUE
from scheduler.snapshot import AWAITED


class Exclusion(Enum):
    """Why a case is not in a campaign, in the order in which the reasons are looked for."""

    OUTSIDE = ("選択の条件に合わない", "not meant by the filter")
    PROTECTED = ("支援措置など架電できない世帯", "the household may not be called")
    PAID = ("納付済み・未納なし", "nothing is owed")
    CLOSED = ("終了した案件", "the case is closed")
    STAFF = ("区職員が対応中（約束不履行の重なりを含む）", "ward staff are in charge, or promises broke too often")
    SUPPRESSED = ("架電停止中", "calls are suspended")
    CORPORATE = ("法人", "a company")
    EXPIRED = ("時効完成予定日を経過（推定を含む）", "past the estimated limitation date")
    NO_REMINDER = ("督促状の発送が確認できない", "no reminder was sent")
    NO_NUMBER = ("使える電話番号なし", "no usable number")
    PAYMENTS_UNKNOWN = ("収納データの基準日なし", "the payment data has no date")
    PAYMENTS_STALE = ("収納データが古い", "the payment data is too old")
    CAP_REACHED = ("世帯の架電回数の上限に達している", "the household's limit of attempts is reached")
    HELD_OUT = ("効果測定の対照群", "held out to measure the effect")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en

    @property
    def code(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Edges:
    """The days that decide, so that the database only compares.

    Due dates and part payments up to `expired_to`, and reminders up to `reminded_to`, are past the limitation;
    payment data from `fresh_from` on is fresh enough.
    """

    today: date
    expired_to: date
    reminded_to: date
    fresh_from: date


def edges(claim_type: str, rules: Rules, now: datetime) -> Edges:
    """The edges of a plan made at `now`, the inverse of what `scheduler.policy` judges for one case."""
    today = tokyo_date(now)
    expired_to = years_before(today, rules.policy.limitation_years[claim_type])
    fresh_from = oldest_fresh(rules.calendar, today, rules.policy.payments_block_business_days)
    return Edges(today, expired_to, expired_to - timedelta(days=10), fresh_from)


def years_before(day: date, years: int) -> date:
    """The last day whose anniversary after `years` is not later than `day`."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def oldest_fresh(calendar: Calendar, today: date, limit: int) -> date:
    """The oldest date of payment data that is at most `limit` business days old; nothing is older than two years."""
    day = today
    for _ in range(730):
        if calendar.business_days_between(day - timedelta(days=1), today) > limit:
            return day
        day -= timedelta(days=1)
    return day


@dataclass(frozen=True, slots=True)
class Question:
    """Whom a plan is about: a claim type, narrowed by a filter, under rules, at a moment.

    `rules.campaign_id` is 0 before the campaign exists.
    """

    municipality_id: int
    claim_type: str
    rules: Rules
    now: datetime
    selection: Selection = EVERYTHING

    @property
    def edges(self) -> Edges:
        return edges(self.claim_type, self.rules, self.now)


def count_cases(conn: Connection, question: Question) -> dict[str, int]:
    """How many cases of a claim type fall under each exclusion's code; the empty code: under none."""
    sorted_out = _sorted_out(question).subquery()
    query = select(sorted_out.c.exclusion, func.count().label("count")).group_by(sorted_out.c.exclusion)
    return {code: int(count) for code, count in conn.execute(query)}


def cases_under(conn: Connection, question: Question, exclusion: Exclusion, *, offset: int, limit: int) -> list[int]:
    """The ids of the cases that fall under an exclusion, in their order."""
    sorted_out = _sorted_out(question).subquery()
    query = select(sorted_out.c.id).where(sorted_out.c.exclusion == exclusion.code).order_by(sorted_out.c.id)
    return list(conn.execute(query.offset(offset).limit(limit)).scalars())


def included(conn: Connection, question: Question) -> Iterator[tuple[int, int, int]]:
    """Case, household and unpaid yen of every included case that is not yet in the queue."""
    sorted_out = _sorted_out(question).subquery()
    rows = select(sorted_out.c.id, sorted_out.c.household_id, sorted_out.c.unpaid).where(
        sorted_out.c.exclusion == "", ~_is_queued(question, sorted_out)
    )
    for row in conn.execute(rows.order_by(sorted_out.c.id)):
        yield row.id, row.household_id, row.unpaid


def fill_queue(conn: Connection, question: Question) -> int:
    """Puts every included case that is not yet there into the queue, due at once. Returns how many."""
    municipality_id, campaign_id = question.municipality_id, question.rules.campaign_id
    sorted_out = _sorted_out(question).subquery()
    rows = select(
        literal(municipality_id, Integer),
        literal(campaign_id, Id),
        sorted_out.c.id,
        sorted_out.c.household_id,
        literal("scheduled", String),
        literal(question.now, Instant),
        sorted_out.c.priority,
        literal(0, Integer),
        literal("", String),
    ).where(sorted_out.c.exclusion == "", ~_is_queued(question, sorted_out))
    columns = (
        "municipality_id",
        "campaign_id",
        "case_id",
        "household_id",
        "state",
        "due_at",
        "priority",
        "fence",
        "reason",
    )
    statement = insert(queue_entries).from_select(columns, rows).execution_options(preserve_rowcount=True)
    return conn.execute(statement).rowcount


def _is_queued(question: Question, sorted_out: Any) -> ColumnElement[bool]:
    return exists().where(
        queue_entries.c.municipality_id == question.municipality_id,
        queue_entries.c.campaign_id == question.rules.campaign_id,
        queue_entries.c.case_id == sorted_out.c.id,
    )


def _sorted_out(question: Question) -> Select[Any]:
    """Every case of the claim type with its exclusion and its first place in the queue."""
    municipality_id, claim_type, at = question.municipality_id, question.claim_type, question.edges
    owed = _owed(municipality_id, claim_type, at)
    joined = (
        cases.join(debtors, _same(debtors, debtors.c.id == cases.c.debtor_id))
        .join(households, _same(households, households.c.id == cases.c.household_id))
        .outerjoin(owed, owed.c.case_id == cases.c.id)
    )
    return (
        select(
            cases.c.id,
            cases.c.household_id,
            func.coalesce(owed.c.unpaid, 0).label("unpaid"),
            _exclusion(owed, at, question).label("exclusion"),
            _priority(owed, at).label("priority"),
        )
        .select_from(joined)
        .where(cases.c.municipality_id == municipality_id, cases.c.claim_type == claim_type)
    )


def _owed(municipality_id: int, claim_type: str, at: Edges) -> Any:
    """Per case: what is unpaid, what of it is not expired, and the oldest due date of it."""
    part_payment = (
        select(func.max(payments.c.paid_on))
        .where(
            payments.c.municipality_id == arrears.c.municipality_id,
            payments.c.arrear_id == arrears.c.id,
            payments.c.cancelled_as_of.is_(None),
        )
        .scalar_subquery()
    )
    starts = ((arrears.c.due_on, at.expired_to), (arrears.c.reminder_on, at.reminded_to), (part_payment, at.expired_to))
    estimated = and_(
        arrears.c.expires_on.is_(None),
        or_(*(start.is_not(None) for start, _ in starts)),
        *(or_(start.is_(None), start <= edge) for start, edge in starts),
    )
    expired = or_(arrears.c.expires_on <= at.today, estimated)
    return (
        select(
            arrears.c.case_id,
            func.sum(arrears.c.unpaid).label("unpaid"),
            func.sum(case((expired, 0), else_=arrears.c.unpaid)).label("callable"),
            func.sum(case((expired, 0), else_=1)).label("instalments"),
            func.sum(case((expired, 0), (arrears.c.reminder_on.is_not(None), 1), else_=0)).label("reminded"),
            func.min(case((expired, None), else_=arrears.c.due_on)).label("oldest"),
        )
        .where(
            arrears.c.municipality_id == municipality_id,
            arrears.c.claim_type == claim_type,
            arrears.c.active,
            arrears.c.unpaid > 0,
        )
        .group_by(arrears.c.case_id)
        .subquery()
    )


def _exclusion(owed: Any, at: Edges, question: Question) -> ColumnElement[str]:
    now = question.now
    suspended = exists().where(
        _same(
            suppressions, or_(suppressions.c.case_id == cases.c.id, suppressions.c.household_id == cases.c.household_id)
        ),
        suppressions.c.lifted_at.is_(None),
        suppressions.c.since <= now,
        or_(suppressions.c.until.is_(None), suppressions.c.until > now),
    )
    reachable = exists().where(
        _same(debtor_phones, debtor_phones.c.debtor_id == cases.c.debtor_id),
        phone_numbers.c.municipality_id == cases.c.municipality_id,
        phone_numbers.c.id == debtor_phones.c.number_id,
        phone_numbers.c.status == "usable",
    )
    not_meant = outside(question.selection, owed, at.today, now)
    holds: dict[Exclusion, ColumnElement[bool]] = {
        **({Exclusion.OUTSIDE: not_meant} if not_meant is not None else {}),
        Exclusion.PROTECTED: households.c.protected,
        Exclusion.PAID: or_(cases.c.status == "paid", func.coalesce(owed.c.unpaid, 0) <= 0),
        Exclusion.CLOSED: cases.c.status == "closed",
        Exclusion.STAFF: or_(cases.c.status == "staff", _broken(question.rules)),
        Exclusion.SUPPRESSED: suspended,
        Exclusion.CORPORATE: debtors.c.is_corporate,
        Exclusion.EXPIRED: owed.c.callable <= 0,
        Exclusion.NO_REMINDER: owed.c.reminded <= 0,
        Exclusion.NO_NUMBER: ~reachable,
        Exclusion.PAYMENTS_UNKNOWN: cases.c.payments_as_of.is_(None),
        Exclusion.PAYMENTS_STALE: cases.c.payments_as_of < at.fresh_from,
        Exclusion.CAP_REACHED: _is_capped(question),
        Exclusion.HELD_OUT: _is_held_out(question),
    }
    return case(*((holds[each], literal(each.code)) for each in Exclusion if each in holds), else_=literal(""))


def _broken(rules: Rules) -> ColumnElement[bool]:
    broken = (
        select(func.count())
        .select_from(promises)
        .where(_same(promises, promises.c.case_id == cases.c.id), promises.c.state == "broken")
        .correlate(cases)
        .scalar_subquery()
    )
    return broken >= rules.policy.broken_promises_to_staff


def _is_capped(question: Question) -> ColumnElement[bool]:
    """The household's attempts, all claims together, in 7 days or in this campaign."""
    attempts = (
        select(func.count())
        .select_from(calls)
        .where(
            _same(calls, calls.c.household_id == cases.c.household_id),
            calls.c.direction == "outbound",
            calls.c.attempt == 1,
        )
        .correlate(cases)
    )
    since = question.now - timedelta(days=7)
    week = attempts.where(func.coalesce(calls.c.placed_at, calls.c.opened_at) > since).scalar_subquery()
    capped = week >= question.rules.policy.attempts_per_7_days
    if not question.rules.campaign_id:
        return capped
    mine = attempts.where(calls.c.campaign_id == question.rules.campaign_id).scalar_subquery()
    return or_(capped, mine >= question.rules.policy.attempts_per_campaign)


def _is_held_out(question: Question) -> ColumnElement[bool]:
    """Held out of this campaign, or of another of the claim type that is not over: a call would spoil its measure."""
    other = campaigns.c.claim_type == question.claim_type, campaigns.c.state != "stopped"
    mine = campaigns.c.id == question.rules.campaign_id
    return exists().where(
        _same(campaign_holdouts, campaign_holdouts.c.case_id == cases.c.id),
        _same(campaigns, campaigns.c.id == campaign_holdouts.c.campaign_id),
        or_(mine, and_(*other)),
    )


def _priority(owed: Any, at: Edges) -> ColumnElement[int]:
    """The place in the queue until the first call: `scheduler.ranking` in whole doublings and whole years."""
    called_for = exists().where(_same(callbacks, callbacks.c.case_id == cases.c.id), callbacks.c.state.in_(AWAITED))
    broken = exists().where(_same(promises, promises.c.case_id == cases.c.id), promises.c.state == "broken")
    years = [(owed.c.oldest <= years_before(at.today, count), count) for count in range(5, 0, -1)]
    value = func.coalesce(owed.c.unpaid, 0) * (1 + case(*years, else_=0)) * PRIOR_RATE
    steps = (LAST_VALUE - FIRST_VALUE) // _DOUBLING
    doublings = [(value >= 2.0**count - 1, LAST_VALUE - _DOUBLING * count) for count in range(steps, 0, -1)]
    return case((called_for, CALLBACK_PRIORITY), (broken, BROKEN_PROMISE_PRIORITY), *doublings, else_=LAST_VALUE)


_DOUBLING: Final = 20  # as in `scheduler.ranking`: a debt of twice the size stands so much further in front


def _same(table: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """`condition` inside the case's municipality."""
    return and_(table.c.municipality_id == cases.c.municipality_id, condition)
