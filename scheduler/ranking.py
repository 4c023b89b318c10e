"""Which case first and which number, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from math import log2
from typing import Final

from scheduler.calendar import Band, Calendar, tokyo_date
from scheduler.chances import Chances
from scheduler.facts import CaseFacts, History, NumberFacts
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.verdict import Allowed, Block, Reason, Refused

CALLBACK_PRIORITY, BROKEN_PROMISE_PRIORITY = 0, 100
FIRST_VALUE, LAST_VALUE = 200, 999
WAITING: Final = 0.5
"""How far a case that waits today may count on the better hour that comes: about half of what waits is called [O]."""
LEAST: Final = 0.1
"""What a call now is worth at least, of its chance: nobody is idle because a later hour is better [O]."""


class Motive(Enum):
    """Why a case stands where it stands in the queue."""

    CALLBACK = ("再架電の約束", "a call was asked for")
    BROKEN_PROMISE = ("納付約束の不履行", "a promise broke")
    VALUE = ("未納額・経過・本人につながる見込み", "amount, age and chance of the right party")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en


@dataclass(frozen=True, slots=True)
class Rank:
    """A place in the queue: smaller is sooner."""

    priority: int
    motive: Motive
    band: Band
    chance: float  # that the right party is reached in this band
    later: float  # the best chance of the bands that are still to come on the day


@dataclass(frozen=True, slots=True)
class Choice:
    """The number to call, or why none may be called now; every number's own verdict beside it."""

    number: NumberFacts | None
    verdict: Allowed | Refused
    by_number: tuple[tuple[NumberFacts, Allowed | Refused], ...] = ()


def rank(case: CaseFacts, numbers: Sequence[NumberFacts], history: History, calendar: Calendar, now: datetime) -> Rank:
    """Callbacks first, then broken promises, then by amount × age × what a call now is worth.

    The value is put on a scale of doublings, so that a debt of twice the size moves up by one step of 20.
    """
    age = _age_days(case, tokyo_date(now))
    chances, band = Chances.of(case, history, calendar), calendar.band_of(now)
    chance = chances.best(numbers, band)
    later = max((chances.best(numbers, other) for other in _later_bands(calendar, band, now)), default=0.0)
    motive, priority = Motive.VALUE, _by_value(case.unpaid * (1 + age / 365) * _gain(chance, later))
    if case.promise_broken_at is not None and case.promise_due_on is None:
        motive, priority = Motive.BROKEN_PROMISE, BROKEN_PROMISE_PRIORITY
    if case.callback is not None:
        motive, priority = Motive.CALLBACK, CALLBACK_PRIORITY
    return Rank(priority, motive, band, chance, later)


def _gain(chance: float, later: float) -> float:
    """What calling now gains over waiting for the day's better hour, which may or may not come to this case."""
    return max(chance - WAITING * later, LEAST * chance)


def _later_bands(calendar: Calendar, band: Band, now: datetime) -> set[Band]:
    return {window.band for window in calendar.windows_on(tokyo_date(now)) if window.opens > now} - {band}


def choose(
    case: CaseFacts,
    numbers: tuple[NumberFacts, ...],
    history: History,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
) -> Choice:
    """The best number that may be called now; else the number that may be called soonest.

    Best: where the right party is most likely reached at this hour, then as listed.
    """
    if not numbers:
        return Choice(None, judge(case, None, history, policy, calendar, now))
    chances, band = Chances.of(case, history, calendar), calendar.band_of(now)
    ordered = sorted(numbers, key=lambda number: (-chances.at(number, band), number.position))
    verdicts = tuple((number, judge(case, number, history, policy, calendar, now)) for number in ordered)
    for number, verdict in verdicts:
        if isinstance(verdict, Allowed):
            return Choice(number, verdict, verdicts)
    return Choice(None, _soonest([v for _, v in verdicts if isinstance(v, Refused)]), verdicts)


def _soonest(refusals: list[Refused]) -> Refused:
    """The refusal that ends first; among those that never end, the one whose number is not to blame."""

    def patience(refused: Refused) -> tuple[bool, datetime | bool]:
        if refused.earliest is not None:
            return (False, refused.earliest)
        return (True, Block(Reason.NUMBER_UNUSABLE) in refused.blocks)

    return min(refusals, key=patience)


def _age_days(case: CaseFacts, today: date) -> int:
    dues = [each.due_on for each in case.instalments if each.unpaid > 0 and each.due_on is not None]
    return max(0, (today - min(dues)).days) if dues else 0


def _by_value(value: float) -> int:
    return max(FIRST_VALUE, LAST_VALUE - round(20 * log2(1 + max(value, 0))))
