"""Deals the next case that may be called, and judges it again before the call is placed.

Whatever is refused leaves a row in `dial_refusals` with every reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from models.ids import new_id
from models.tables import campaigns, cases, dial_refusals, households
from scheduler import queue
from scheduler.calendar import Calendar, tokyo_date, tokyo_midnight
from scheduler.policy import judge
from scheduler.queue import Claim
from scheduler.ranking import Choice, Rank, choose, rank
from scheduler.settings import Policy
from scheduler.snapshot import Facts, facts_for
from scheduler.verdict import Allowed, Notice, Reason, Refused

REFUSALS_AT_ONCE = 50  # then the caller commits and asks again: a short transaction
SOON = timedelta(minutes=5)

OVER = frozenset({Reason.NOTHING_OWED, Reason.CASE_CLOSED, Reason.CAMPAIGN_CAP, Reason.EXPIRED})
MENDED_SOON = frozenset({Reason.DISASTER_STOP, Reason.CAMPAIGN_NOT_RUNNING, Reason.NO_SUPERVISOR})
MENDED_OVERNIGHT = frozenset({Reason.PAYMENTS_UNKNOWN, Reason.PAYMENTS_STALE, Reason.CALENDAR_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Rules:
    """A campaign with the policy and the calendar that hold for it."""

    campaign_id: int
    policy: Policy
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Deal:
    """A case to call now, on that number."""

    claim: Claim
    number_id: int
    notices: tuple[Notice, ...]
    rank: Rank


@dataclass(frozen=True, slots=True)
class NothingNow:
    """No case was dealt. `more`: refusals filled this transaction, ask again."""

    refused: int = 0
    more: bool = False


def deal(
    conn: Connection,
    municipality_id: int,
    now: datetime,
    campaigns_in_order: Sequence[Rules],
    *,
    worker: str,
    lease: timedelta,
) -> Deal | NothingNow:
    """Claims cases until one may be called. Cases that may not go back, due when they next may.

    Campaigns outside their hours, not running or without a supervisor are passed over. Needs a write transaction.
    """
    refused = 0
    for rules in campaigns_in_order:
        if rules.calendar.window_at(now) is None or not _is_running(conn, municipality_id, rules):
            continue
        while held := queue.claim(conn, municipality_id, [rules.campaign_id], worker=worker, lease_until=now + lease):
            dealt = _judge_claim(conn, held, rules, now)
            if dealt is not None:
                return dealt
            refused += 1
            if refused >= REFUSALS_AT_ONCE:
                return NothingNow(refused, more=True)
    return NothingNow(refused)


def judge_for_placing(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    number_id: int,
    now: datetime,
    rules: Rules,
    *,
    call_id: int = 0,
) -> Allowed | Refused:
    """The judgement right before a call is placed, in the transaction that makes it an attempt.

    Locks the household, so that two calls to it are judged one after the other. `call_id`: the call itself if
    its row exists already. The caller records a refusal (`record_refusal`) in a transaction that is committed.
    """
    _lock_household(conn, municipality_id, case_id)
    facts = facts_for(conn, municipality_id, case_id, campaign_id=rules.campaign_id, except_call=call_id)
    number = next((each for each in facts.numbers if each.number_id == number_id), None)
    return judge(facts.case, number, facts.history, rules.policy, rules.calendar, now)


def put_back(conn: Connection, held: Claim, rules: Rules, now: datetime) -> datetime | None:
    """Gives a claim back after its call: due when the case may next be called, which is returned."""
    facts = facts_for(conn, held.municipality_id, held.case_id, campaign_id=held.campaign_id)
    verdict = _choose(facts, rules, now).verdict
    if isinstance(verdict, Allowed):
        verdict = Refused((), now)
    return _return(conn, held, rules, facts, verdict, now)


def due_of(facts: Facts, rules: Rules, now: datetime) -> tuple[datetime | None, Rank]:
    """When a case may first be called, and its place in the queue: what `queue.enqueue` is given."""
    verdict = _choose(facts, rules, now).verdict
    due = now if isinstance(verdict, Allowed) else _next_look(verdict, rules.calendar, now)
    return due, rank(facts.case, facts.history, now)


def record_refusal(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    at: datetime,
    refused: Refused,
    stage: str,
    campaign_id: int | None = None,
) -> None:
    """`stage`: claim or placing."""
    conn.execute(
        dial_refusals.insert().values(
            municipality_id=municipality_id,
            id=new_id(conn, dial_refusals, municipality_id),
            campaign_id=campaign_id,
            case_id=case_id,
            at=at,
            stage=stage,
            reasons=_codes(refused),
            earliest=refused.earliest,
        )
    )


def _judge_claim(conn: Connection, held: Claim, rules: Rules, now: datetime) -> Deal | None:
    facts = facts_for(conn, held.municipality_id, held.case_id, campaign_id=held.campaign_id)
    choice = _choose(facts, rules, now)
    if isinstance(choice.verdict, Allowed) and choice.number is not None:
        place = rank(facts.case, facts.history, now)
        return Deal(held, choice.number.number_id, choice.verdict.notices, place)
    assert isinstance(choice.verdict, Refused)
    record_refusal(conn, held.municipality_id, held.case_id, now, choice.verdict, "claim", held.campaign_id)
    _return(conn, held, rules, facts, choice.verdict, now)
    return None


def _return(
    conn: Connection, held: Claim, rules: Rules, facts: Facts, refused: Refused, now: datetime
) -> datetime | None:
    due = _next_look(refused, rules.calendar, now)
    if due is None and OVER & set(refused.reasons):
        queue.finish(conn, held, _codes(refused))
        return None
    place = rank(facts.case, facts.history, due or now)
    queue.release(conn, held, due, priority=place.priority, reason=_codes(refused))
    return due


def _next_look(refused: Refused, calendar: Calendar, now: datetime) -> datetime | None:
    """When to judge again: the next moment it may; soon or next day where people are about to mend it."""
    if refused.earliest is not None:
        return refused.earliest
    endless = {block.reason for block in refused.blocks if block.until is None}
    if not endless or endless - MENDED_SOON - MENDED_OVERNIGHT:
        return None
    if not endless - MENDED_SOON:
        return now + SOON
    tomorrow = tokyo_midnight(tokyo_date(now) + timedelta(days=1))
    return calendar.next_opening(tomorrow) or tomorrow


def _choose(facts: Facts, rules: Rules, now: datetime) -> Choice:
    return choose(facts.case, facts.numbers, facts.history, rules.policy, rules.calendar, now)


def _is_running(conn: Connection, municipality_id: int, rules: Rules) -> bool:
    if rules.policy.disaster_stop:
        return False
    row = conn.execute(
        select(campaigns.c.state, campaigns.c.supervisor_id).where(
            campaigns.c.municipality_id == municipality_id, campaigns.c.id == rules.campaign_id
        )
    ).one_or_none()
    return row is not None and row.state == "running" and row.supervisor_id is not None


def _lock_household(conn: Connection, municipality_id: int, case_id: int) -> None:
    """SQLite's write transaction is alone already."""
    whose = select(cases.c.household_id).where(cases.c.municipality_id == municipality_id, cases.c.id == case_id)
    conn.execute(
        select(households.c.id)
        .where(households.c.municipality_id == municipality_id, households.c.id == whose.scalar_subquery())
        .with_for_update()
    )


def _codes(refused: Refused) -> str:
    return ",".join(reason.code for reason in refused.reasons)
