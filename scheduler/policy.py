"""May this case be called on this number now: yes, or every reason why not and the next moment. Pure.

Each rule is a function of the facts and an instant. It yields a `Block` with the moment until which it holds
for certain, None where time alone does not end it. `judge` asks all rules now, and then again at the latest
of those moments until none blocks: the result is the first moment at which the same facts allow a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scheduler.calendar import Calendar, Closed, tokyo_date, tokyo_midnight
from scheduler.facts import Attempt, CaseFacts, History, Instalment, NumberFacts, has_expired
from scheduler.settings import Policy
from scheduler.verdict import Allowed, Block, Notice, Reason, Refused

NO_ANSWER = frozenset({"NA", "NW", "AM0"})
BUSY, FAULT, ABANDONED, MACHINE_MESSAGE = "BZ", "TF", "AB", "AM1"
ANOTHER_DAY = frozenset({"CH", "TP"})
FOLLOW_UP = frozenset({"VD", "VF", "LG", "HI", "OS", "MV", "CP", "AV", "EM", "UD"})
AFTER_LIMIT = timedelta(minutes=10)  # beyond ring and call limit, an unknown call is over
_DAY = timedelta(days=1)
_ROUNDS = 200  # each round passes at least one block's end; attempts of one household are few


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a rule may look at, at the instant `at`."""

    case: CaseFacts
    number: NumberFacts | None
    household: tuple[Attempt, ...]
    on_number: tuple[Attempt, ...]
    policy: Policy
    calendar: Calendar
    at: datetime

    def when(self, at: datetime) -> Question:
        return Question(self.case, self.number, self.household, self.on_number, self.policy, self.calendar, at)


Rule = Callable[[Question], Iterator[Block]]


def judge(
    case: CaseFacts,
    number: NumberFacts | None,
    history: History,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
) -> Allowed | Refused:
    """May `case` be called on `number` at `now`. `number` None: the case has none."""
    question = Question(
        case,
        number,
        tuple(history.of_household(case.household_id)),
        tuple(history.of_number(number.number_id)) if number else (),
        policy,
        calendar,
        now,
    )
    blocks = tuple(block for rule in (*NOW_RULES, *RULES) for block in rule(question))
    if not blocks:
        return Allowed(tuple(_notices(question)))
    return Refused(_distinct(blocks), _earliest(question, blocks))


def campaign_blocks(case: CaseFacts, policy: Policy, calendar: Calendar, now: datetime) -> tuple[Block, ...]:
    """What forbids a campaign's calls whatever case is meant: of `case` only the payment data's date is looked at."""
    question = Question(case, None, (), (), policy, calendar, now)
    return _distinct(tuple(block for rule in (_campaign, _payment_data, _hours) for block in rule(question)))


def _distinct(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """One block per reason, the one that holds longest, in the order of the reasons."""
    longest: dict[Reason, Block] = {}
    for block in blocks:
        held = longest.get(block.reason)
        if held is None or (held.until is not None and (block.until is None or block.until > held.until)):
            longest[block.reason] = block
    return tuple(longest[reason] for reason in Reason if reason in longest)


def _earliest(question: Question, blocks: tuple[Block, ...]) -> datetime | None:
    """The first moment at which no rule blocks; what people must mend (`NOW_RULES`) is asked only now."""
    for _ in range(_ROUNDS):
        ends = [block.until for block in blocks]
        if not ends:
            return question.at.astimezone(UTC)
        if None in ends:
            return None
        question = question.when(max(end for end in ends if end is not None))
        blocks = tuple(block for rule in RULES for block in rule(question))
    return None


def _campaign(q: Question) -> Iterator[Block]:
    if q.policy.disaster_stop or q.case.is_stopped:
        yield Block(Reason.DISASTER_STOP)
    if q.case.campaign_state != "running":
        yield Block(Reason.CAMPAIGN_NOT_RUNNING)
    if q.case.supervised_until is None or q.at >= q.case.supervised_until:
        yield Block(Reason.NO_SUPERVISOR)


def _standing(q: Question) -> Iterator[Block]:
    if q.case.status == "paid" or q.case.unpaid <= 0:
        yield Block(Reason.NOTHING_OWED)
    if q.case.status == "closed":
        yield Block(Reason.CASE_CLOSED)
    if q.case.status == "staff":
        yield Block(Reason.STAFF_IN_CHARGE)
    if q.case.is_protected:
        yield Block(Reason.PROTECTED)
    if q.case.is_corporate:
        yield Block(Reason.CORPORATE)
    if q.case.is_held_out:
        yield Block(Reason.HELD_OUT)
    if q.number is None or q.number.status != "usable":
        yield Block(Reason.NUMBER_UNUSABLE)
    if q.case.broken_promises >= q.policy.broken_promises_to_staff:
        yield Block(Reason.PROMISES_BROKEN)


def _payment_data(q: Question) -> Iterator[Block]:
    if q.case.payments_as_of is None:
        yield Block(Reason.PAYMENTS_UNKNOWN)
    elif _payment_data_age(q) > q.policy.payments_block_business_days:
        yield Block(Reason.PAYMENTS_STALE)


def _payment_data_age(q: Question) -> int:
    """In business days. Data dated later than today is as good as today's."""
    assert q.case.payments_as_of is not None
    return q.calendar.business_days_between(q.case.payments_as_of, tokyo_date(q.at))


def _live_call(q: Question) -> Iterator[Block]:
    """A live call blocks until it ends; one under review until it can no longer be live."""
    longest = timedelta(seconds=q.policy.ring_seconds, minutes=q.policy.call_limit_minutes) + AFTER_LIMIT
    for attempt in {*q.household, *q.on_number}:
        if attempt.live and (not attempt.is_in_review or q.at < attempt.at + longest):
            yield Block(Reason.LIVE_CALL, max(attempt.at + longest, q.at + timedelta(minutes=1)))


_CLOSED = {
    Closed.UNKNOWN_YEAR: Reason.CALENDAR_UNKNOWN,
    Closed.OFFICE_CLOSED: Reason.OFFICE_CLOSED,
    Closed.NOT_LISTED: Reason.NOT_A_CALLING_DAY,
    Closed.OUT_OF_HOURS: Reason.OUT_OF_HOURS,
}


def _hours(q: Question) -> Iterator[Block]:
    closed = q.calendar.why_closed(q.at)
    if closed is not None:
        yield Block(_CLOSED[closed], q.calendar.next_opening(q.at))


def _suppression(q: Question) -> Iterator[Block]:
    for hold in q.case.holds:
        if hold.since <= q.at and (hold.until is None or q.at < hold.until):
            yield Block(Reason.SUPPRESSED, hold.until)


def _instalments(q: Question) -> Iterator[Block]:
    """At least one unpaid instalment must be reminded long enough ago (calendar days) and not expired."""
    owed = [instalment for instalment in q.case.instalments if instalment.unpaid > 0]
    alive = [instalment for instalment in owed if not _has_expired(instalment, q)]
    reminded = [instalment.reminder_on for instalment in alive if instalment.reminder_on is not None]
    if owed and not alive:
        yield Block(Reason.EXPIRED)
    elif alive and not reminded:
        yield Block(Reason.NO_REMINDER)
    elif reminded:
        callable_from = tokyo_midnight(min(reminded) + q.policy.reminder_days * _DAY)
        if q.at < callable_from:
            yield Block(Reason.REMINDER_RECENT, callable_from)


def _has_expired(instalment: Instalment, q: Question) -> bool:
    return has_expired(instalment, q.policy.limitation_years[q.case.claim_type], tokyo_date(q.at))


def _caps(q: Question) -> Iterator[Block]:
    """Attempts a day (Tokyo's), in any 7 times 24 hours, and in the campaign, by household and by number."""
    for attempts in (q.household, q.on_number):
        counted = sorted((attempt for attempt in attempts if attempt.counts), key=lambda each: each.at)
        today = tokyo_date(q.at)
        if sum(tokyo_date(attempt.at) == today for attempt in counted) >= q.policy.attempts_per_day:
            yield Block(Reason.DAY_CAP, tokyo_midnight(today + _DAY))
        week = [attempt for attempt in counted if attempt.at > q.at - 7 * _DAY]
        surplus = len(week) - q.policy.attempts_per_7_days
        if surplus >= 0:
            until = week[surplus].at + 7 * _DAY if surplus < len(week) else None
            yield Block(Reason.WEEK_CAP, until)
        mine = sum(attempt.campaign_id == q.case.campaign_id for attempt in counted)
        if mine >= q.policy.attempts_per_campaign:
            yield Block(Reason.CAMPAIGN_CAP)


def _line_gaps(q: Question) -> Iterator[Block]:
    """Waits that the number itself imposes: busy, no answer, a fault of ours."""
    if not q.on_number:
        return
    last = q.on_number[-1]
    if last.code == FAULT:
        yield from _until(q, Reason.FAULT_RETRY, last, timedelta(minutes=q.policy.fault_retry_minutes))
    counted = [attempt for attempt in q.on_number if attempt.counts]
    if not counted:
        return
    last = counted[-1]
    if last.code == BUSY and _busy_in_a_row(counted) <= q.policy.busy_retries:
        yield from _until(q, Reason.BUSY_RETRY, last, timedelta(minutes=q.policy.busy_retry_minutes))
    elif last.code in NO_ANSWER or last.code == BUSY:
        wait = timedelta(minutes=q.policy.no_answer_retry_minutes)
        yield from _until(q, Reason.NO_ANSWER_RETRY, last, wait)
        yield from _another_band(q, last)


def _busy_in_a_row(attempts: list[Attempt]) -> int:
    run = 0
    for attempt in reversed(attempts):
        if attempt.code != BUSY:
            break
        run += 1
    return run


def _another_band(q: Question, last: Attempt) -> Iterator[Block]:
    """Not in the band that got no answer, for some days; with a single band, on another day."""
    band = q.calendar.band_of(last.at)
    if q.calendar.band_of(q.at) is not band:
        return
    limit = last.at + q.policy.another_band_within_days * _DAY
    if not q.calendar.bands - {band}:
        limit = min(limit, tokyo_midnight(tokyo_date(last.at) + _DAY))
    if q.at < limit:
        opening = q.calendar.next_opening(q.at, other_than=band)
        yield Block(Reason.ANOTHER_BAND, min(limit, opening) if opening else limit)


def _person_gaps(q: Question) -> Iterator[Block]:
    """Waits after what was said, for the whole household, unless the resident then asked to be called."""
    policy = q.policy
    waits = {
        "HU0": (Reason.HANG_UP, policy.hang_up_unverified_days * _DAY),
        "HU1": (Reason.HANG_UP, policy.hang_up_verified_days * _DAY),
        "RF": (Reason.REFUSAL, policy.refusal_days * _DAY),
        **dict.fromkeys(FOLLOW_UP, (Reason.FOLLOW_UP, policy.follow_up_days * _DAY)),
    }
    asked_at = q.case.callback.asked_at if q.case.callback else None
    broken_at = q.case.promise_broken_at
    for attempt in q.household:
        if asked_at is not None and attempt.at <= asked_at:
            continue
        if attempt.code in waits:
            yield from _until(q, waits[attempt.code][0], attempt, waits[attempt.code][1])
        if attempt.code in ANOTHER_DAY:
            tomorrow = tokyo_midnight(tokyo_date(attempt.at) + _DAY)
            yield from _until(q, Reason.ANOTHER_DAY, attempt, tomorrow - attempt.at)
        if attempt.right_party and not (broken_at is not None and attempt.at <= broken_at):
            yield from _until(q, Reason.QUIET, attempt, policy.quiet_days * _DAY)


def _standing_gaps(q: Question) -> Iterator[Block]:
    """Waits that nothing shortens: after an abandoned call, a machine message, a claim to have paid."""
    for attempt in {*q.household, *q.on_number}:
        if attempt.code == ABANDONED:
            yield from _until(q, Reason.ABANDONED, attempt, timedelta(hours=q.policy.abandoned_gap_hours))
    for attempt in q.on_number:
        if attempt.code == MACHINE_MESSAGE:
            wait = timedelta(hours=q.policy.machine_message_gap_hours)
            yield from _until(q, Reason.MACHINE_MESSAGE, attempt, wait)
    for attempt in q.household:
        if attempt.code == "PD" and attempt.case_id == q.case.case_id:
            wait = q.policy.payment_claim_days * _DAY
            yield from _until(q, Reason.PAYMENT_CLAIMED, attempt, wait)


def _agreements(q: Question) -> Iterator[Block]:
    """A call asked for at a time waits for it; a promise is followed up one business day after its grace."""
    if q.case.callback and q.at < q.case.callback.at:
        yield Block(Reason.CALLBACK_LATER, q.case.callback.at)
    if q.case.promise_due_on is not None and q.case.callback is None:
        graced = q.case.promise_due_on + q.policy.promise_grace_days * _DAY
        follow_up = q.calendar.next_business_day(graced)
        until = tokyo_midnight(follow_up) if follow_up else None
        if until is None or q.at < until:
            yield Block(Reason.PROMISE_OPEN, until)


def _until(q: Question, reason: Reason, attempt: Attempt, wait: timedelta) -> Iterator[Block]:
    if q.at < attempt.at + wait:
        yield Block(reason, attempt.at + wait)


def _notices(q: Question) -> Iterator[Notice]:
    if _payment_data_age(q) > q.policy.payments_warn_business_days:
        yield Notice.PAYMENTS_AGEING
    met = [attempt for attempt in {*q.household, *q.on_number} if attempt.answered or attempt.code == ABANDONED]
    if met and max(met, key=lambda each: each.at).code == ABANDONED:
        yield Notice.LIVE_OPERATOR_ONLY


NOW_RULES: tuple[Rule, ...] = (_campaign, _payment_data, _live_call)
RULES: tuple[Rule, ...] = (
    _hours,
    _standing,
    _suppression,
    _instalments,
    _caps,
    _line_gaps,
    _person_gaps,
    _standing_gaps,
    _agreements,
)
