"""What the contact policy makes of a case after each call, in a few numbers. Pure.

`scheduler.policy` judges a case from its whole history and is the rule; here the same is folded forward, call by
call, fast enough for a simulation. A test holds the two equal over random histories.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from callflow.effects import NEXT_CALL_NEVER
from callflow.simulation.planner.hours import DAY, Hours, day_of, midnight_after
from scheduler.calendar import Band
from scheduler.policy import ABANDONED, ANOTHER_DAY, BUSY, FAULT, FOLLOW_UP, MACHINE_MESSAGE, NO_ANSWER
from scheduler.settings import Policy

NUMBER_LOST: Final = frozenset({"FX", "DN", "WN"})
PROMISE, CALLBACK, PAID = "PP", "CB", "PD"


@dataclass(slots=True)
class Number:
    """One telephone number of a case: until when it waits, and in which band it was not answered last."""

    waits: float = 0.0
    band: Band | None = None
    band_waits: float = 0.0
    busy: int = 0  # times in a row
    usable: bool = True


@dataclass(slots=True)
class Household:
    """What all cases of a household share: its attempts, and until when it is left alone."""

    attempts: list[float] = field(default_factory=list)  # of the last days; those that count
    in_campaign: int = 0
    waits: float = 0.0
    talked_waits: float = 0.0  # after what was said; not for a case whose resident then asked to be called


@dataclass(slots=True)
class Course:
    """One case on its way through a campaign."""

    case_id: int
    household: Household
    numbers: list[Number]
    due: float
    priority: int = 0
    chance: float = 0.0  # that a call to it is answered, set by each run
    waits: float = 0.0  # of this case alone: a promise, a callback, a payment that is being checked
    asked: bool = False  # to be called, and not called since
    reached: bool = False  # the right party was spoken to
    suppressed: bool = False


def next_due(course: Course, policy: Policy, hours: Hours, now: float) -> float | None:
    """When the case may next be called; None: not in this campaign, or not within its hours."""
    household = course.household
    if course.suppressed or household.in_campaign >= policy.attempts_per_campaign:
        return None
    said = 0.0 if course.asked else household.talked_waits
    base = _after_limits(household, policy, max(now, household.waits, said, course.waits))
    found = (
        hours.first(max(base, number.waits), other_than=number.band, before=number.band_waits)
        for number in course.numbers
        if number.usable
    )
    return min((at for at in found if at is not None), default=None)


def is_spent(course: Course, policy: Policy) -> bool:
    """Whether the campaign cannot call the case any more, on no day."""
    usable = any(number.usable for number in course.numbers)
    return course.suppressed or not usable or course.household.in_campaign >= policy.attempts_per_campaign


def best_number(course: Course, now: float) -> Number:
    """The usable number that waits for nothing now, or for the shortest."""
    usable = (number for number in course.numbers if number.usable)
    return min(usable, key=lambda number: max(number.waits, now))


def after_call(
    course: Course, number: Number, policy: Policy, hours: Hours, *, code: str, right_party: bool, at: float
) -> None:
    """What a call that began at `at` leaves behind. Promises and callbacks are dated by the caller."""
    household = course.household
    if code == FAULT:
        number.waits = at + policy.fault_retry_minutes * 60
        return
    course.asked = code == CALLBACK
    _count(household, at)
    _line_gap(number, policy, hours, code, at)
    if code == ABANDONED:
        household.waits = max(household.waits, at + policy.abandoned_gap_hours * 3600)
    elif code == MACHINE_MESSAGE:
        number.waits = at + policy.machine_message_gap_hours * 3600
    elif code in NUMBER_LOST:
        number.usable = False
    elif code in NEXT_CALL_NEVER:
        course.suppressed = True
    elif code == PAID:
        course.waits = max(course.waits, at + policy.payment_claim_days * DAY)
    household.talked_waits = max(household.talked_waits, at + _said(policy, code, at))
    if right_party:
        course.reached = True
        household.talked_waits = max(household.talked_waits, at + policy.quiet_days * DAY)


def _after_limits(household: Household, policy: Policy, moment: float) -> float:
    """From `moment` on, the first with room under the limits a day and in 7 days."""
    attempts = household.attempts
    today = day_of(moment)
    if sum(day_of(at) == today for at in attempts) >= policy.attempts_per_day:
        moment = midnight_after(moment)
    week = [at for at in attempts if at > moment - 7 * DAY]
    surplus = len(week) - policy.attempts_per_7_days
    return week[surplus] + 7 * DAY if surplus >= 0 else moment


def _count(household: Household, at: float) -> None:
    household.attempts = [each for each in household.attempts if each > at - 7 * DAY]
    household.attempts.append(at)
    household.in_campaign += 1


def _line_gap(number: Number, policy: Policy, hours: Hours, code: str, at: float) -> None:
    number.busy = number.busy + 1 if code == BUSY else 0
    number.band, number.band_waits = None, 0.0
    if code == BUSY and number.busy <= policy.busy_retries:
        number.waits = at + policy.busy_retry_minutes * 60
    elif code in NO_ANSWER or code == BUSY:
        number.waits = at + policy.no_answer_retry_minutes * 60
        number.band = hours.band_at(at)
        number.band_waits = at + policy.another_band_within_days * DAY
        if hours.one_band:
            number.band_waits = min(number.band_waits, midnight_after(at))


def _said(policy: Policy, code: str, at: float) -> float:
    """Seconds to wait after what was said."""
    if code in ANOTHER_DAY:
        return midnight_after(at) - at
    if code in FOLLOW_UP:
        return policy.follow_up_days * DAY
    days = {
        "HU0": policy.hang_up_unverified_days,
        "HU1": policy.hang_up_verified_days,
        "RF": policy.refusal_days,
    }
    return days.get(code, 0) * DAY
