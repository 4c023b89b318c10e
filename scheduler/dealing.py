"""Deals the next case that may be called, and judges it again before the call is placed.

Whatever is refused leaves a row in `dial_refusals` with every reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, bindparam, insert, select

from models.base import Instant
from models.ids import new_id
from models.tables import callbacks, campaigns, dial_refusals, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar, tokyo_date, tokyo_midnight
from scheduler.policy import judge
from scheduler.queue import Claim
from scheduler.ranking import Choice, Rank, choose, rank
from scheduler.settings import Policy
from scheduler.snapshot import Facts, facts_for, is_stopped, supervised_until
from scheduler.verdict import Allowed, Notice, Reason, Refused

REFUSALS_AT_ONCE = 50  # then the caller commits and asks again: a short transaction
SOON = timedelta(minutes=5)

OVER = frozenset({Reason.NOTHING_OWED, Reason.CASE_CLOSED, Reason.CAMPAIGN_CAP, Reason.EXPIRED})
MENDED_SOON = frozenset({Reason.DISASTER_STOP, Reason.CAMPAIGN_NOT_RUNNING, Reason.NO_SUPERVISOR})
MENDED_OVERNIGHT = frozenset({Reason.PAYMENTS_UNKNOWN, Reason.PAYMENTS_STALE, Reason.CALENDAR_UNKNOWN})


_TENANT = bindparam("m", type_=Integer)
_RECORD = insert(dial_refusals)
_RUNNING = select(campaigns.c.state, supervised_until.label("supervised_until")).where(
    campaigns.c.municipality_id == _TENANT, campaigns.c.id == bindparam("campaign"), ~is_stopped
)
_OWN_CALLBACKS = (
    select(callbacks.c.case_id)
    .join(
        queue_entries,
        (queue_entries.c.municipality_id == callbacks.c.municipality_id)
        & (queue_entries.c.case_id == callbacks.c.case_id)
        & (queue_entries.c.campaign_id == bindparam("campaign")),
    )
    .where(
        callbacks.c.municipality_id == _TENANT,
        callbacks.c.owner_id == bindparam("owner"),
        callbacks.c.state == "open",
        callbacks.c.at > bindparam("since", type_=Instant),
        callbacks.c.at <= bindparam("now", type_=Instant),
        queue_entries.c.state.in_(("scheduled", "ready")),
    )
    .order_by(callbacks.c.at)
)


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
    operator_id: int | None = None,
) -> Deal | NothingNow:
    """Claims cases until one may be called. Cases that may not go back, due when they next may.

    Campaigns outside their hours, not running or without a supervisor are passed over. `operator_id`: who will call;
    what they agreed to call now comes first. Needs a write transaction.
    """
    refused = 0
    open_now = [
        rules
        for rules in campaigns_in_order
        if rules.calendar.window_at(now) is not None and _is_running(conn, municipality_id, rules, now)
    ]
    if operator_id is not None:
        for rules in open_now:
            own = _own_callback(conn, municipality_id, operator_id, rules, now, worker, now + lease)
            if own is not None:
                return own
    for rules in open_now:
        while held := queue.claim(conn, municipality_id, [rules.campaign_id], worker=worker, lease_until=now + lease):
            dealt = _judge_claim(conn, held, rules, now)
            if dealt is not None:
                return dealt
            refused += 1
            if refused >= REFUSALS_AT_ONCE:
                return NothingNow(refused, more=True)
    return NothingNow(refused)


def deal_many(
    conn: Connection, municipality_id: int, now: datetime, rules: Rules, count: int, *, worker: str, lease: timedelta
) -> list[Deal]:
    """Up to `count` cases of one campaign for who dials ahead of operators. Needs a write transaction."""
    dealt: list[Deal] = []
    refused = 0
    if rules.calendar.window_at(now) is None or not _is_running(conn, municipality_id, rules, now):
        return dealt
    while len(dealt) < count and refused < REFUSALS_AT_ONCE:
        wanted = count - len(dealt)
        claims = queue.claim_many(
            conn, municipality_id, rules.campaign_id, wanted, worker=worker, lease_until=now + lease
        )
        judged = [_judge_claim(conn, held, rules, now) for held in claims]
        dealt += [each for each in judged if each is not None]
        refused += judged.count(None)
        if len(claims) < wanted:
            break
    return dealt


def held_by(
    conn: Connection, municipality_id: int, worker: str, now: datetime, rules_of: Callable[[int], Rules]
) -> Deal | None:
    """The deal that stands on a worker's screen, read again from its claim; None if there is none any more.

    Whether it may still be called is judged when it is placed.
    """
    q = queue_entries.c
    row = conn.execute(
        select(q.campaign_id, q.case_id, q.household_id, q.fence, q.lease_until)
        .where(q.municipality_id == municipality_id, q.state == "claimed", q.claimed_by == worker, q.lease_until > now)
        .order_by(q.lease_until)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    claim = Claim(municipality_id, row.campaign_id, row.case_id, row.household_id, worker, row.fence, row.lease_until)
    facts = facts_for(conn, municipality_id, row.case_id, campaign_id=row.campaign_id)
    rules = rules_of(row.campaign_id)
    choice = _choose(facts, rules, now)
    number = choice.number or next((each for each, _verdict in choice.by_number), None)
    if number is None:
        return None
    notices = choice.verdict.notices if isinstance(choice.verdict, Allowed) else ()
    return Deal(claim, number.number_id, notices, _rank(facts, rules, now))


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

    The caller holds the household's lock, so that two calls to it are judged one after the other. `call_id`: the
    call itself if its row exists already. The caller records a refusal (`record_refusal`) in a transaction that is
    committed.
    """
    facts = facts_for(conn, municipality_id, case_id, campaign_id=rules.campaign_id, except_call=call_id, ranked=False)
    number = next((each for each in facts.numbers if each.number_id == number_id), None)
    return judge(facts.case, number, facts.history, rules.policy, rules.calendar, now)


def put_back(conn: Connection, held: Claim, rules: Rules, now: datetime) -> datetime | None:
    """Gives a claim back after its call: due when the case may next be called, which is returned."""
    facts = facts_for(conn, held.municipality_id, held.case_id, campaign_id=held.campaign_id)
    verdict = _choose(facts, rules, now).verdict
    if isinstance(verdict, Allowed):
        verdict = Refused((), now)
    return _return(conn, held, rules, facts, verdict, now)


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
        _RECORD,
        {
            "municipality_id": municipality_id,
            "id": new_id(conn, dial_refusals, municipality_id),
            "campaign_id": campaign_id,
            "case_id": case_id,
            "at": at,
            "stage": stage,
            "reasons": _codes(refused),
            "earliest": refused.earliest,
        },
    )


def _own_callback(
    conn: Connection, municipality_id: int, operator_id: int, rules: Rules, now: datetime, worker: str, until: datetime
) -> Deal | None:
    """A callback that this operator agreed to and whose time has come, while it is theirs alone."""
    since = now - timedelta(minutes=rules.policy.callback_owner_minutes)
    about = {"m": municipality_id, "campaign": rules.campaign_id, "owner": operator_id, "since": since, "now": now}
    for case_id in conn.execute(_OWN_CALLBACKS, about).scalars().all():
        facts = facts_for(conn, municipality_id, case_id, campaign_id=rules.campaign_id)
        choice = _choose(facts, rules, now)
        if not isinstance(choice.verdict, Allowed) or choice.number is None:
            continue  # refused, and recorded so, when it falls due for everybody
        held = queue.take(conn, municipality_id, rules.campaign_id, case_id, worker=worker, lease_until=until)
        if held is not None:
            place = _rank(facts, rules, now)
            return Deal(held, choice.number.number_id, choice.verdict.notices, place)
    return None


def _judge_claim(conn: Connection, held: Claim, rules: Rules, now: datetime) -> Deal | None:
    facts = facts_for(conn, held.municipality_id, held.case_id, campaign_id=held.campaign_id)
    choice = _choose(facts, rules, now)
    if isinstance(choice.verdict, Allowed) and choice.number is not None:
        place = _rank(facts, rules, now)
        return Deal(held, choice.number.number_id, choice.verdict.notices, place)
    assert isinstance(choice.verdict, Refused)
    record_refusal(conn, held.municipality_id, held.case_id, now, choice.verdict, "claim", held.campaign_id)
    _return(conn, held, rules, facts, choice.verdict, now)
    return None


def _return(
    conn: Connection, held: Claim, rules: Rules, facts: Facts, refused: Refused, now: datetime
) -> datetime | None:
    due = _for_everybody(_next_look(refused, rules.calendar, now), facts, rules)
    if due is None and OVER & set(refused.reasons):
        queue.finish(conn, held, _codes(refused))
        return None
    place = _rank(facts, rules, due or now)
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


def _for_everybody(due: datetime | None, facts: Facts, rules: Rules) -> datetime | None:
    """When a case falls due: a callback after its owner's minutes, unless nobody could call any more by then."""
    asked = facts.case.callback
    if due is None or asked is None:
        return due
    owned_until = asked.at + timedelta(minutes=rules.policy.callback_owner_minutes)
    return owned_until if due < owned_until and rules.calendar.window_at(owned_until) else due


def _choose(facts: Facts, rules: Rules, now: datetime) -> Choice:
    return choose(facts.case, facts.numbers, facts.history, rules.policy, rules.calendar, now)


def _rank(facts: Facts, rules: Rules, at: datetime) -> Rank:
    return rank(facts.case, facts.numbers, facts.history, rules.calendar, at)


def _is_running(conn: Connection, municipality_id: int, rules: Rules, now: datetime) -> bool:
    """One probe before any case is claimed; the judgement of each case asks the same again."""
    if rules.policy.disaster_stop:
        return False
    row = conn.execute(_RUNNING, {"m": municipality_id, "campaign": rules.campaign_id}).one_or_none()
    if row is None or row.state != "running" or row.supervised_until is None:
        return False
    return bool(now < row.supervised_until)


def _codes(refused: Refused) -> str:
    return ",".join(reason.code for reason in refused.reasons)
