"""Which case first and which number, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from math import log2

from scheduler.calendar import Calendar, tokyo_date
from scheduler.facts import CaseFacts, History, NumberFacts
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.verdict import Allowed, Block, Reason, Refused

CALLBACK_PRIORITY, BROKEN_PROMISE_PRIORITY = 0, 100
FIRST_VALUE, LAST_VALUE = 200, 999
ANSWER_RATE, ANSWER_WEIGHT = 0.5, 4.0  # Kawasaki reports about half answered; worth four calls of our own


class Motive(Enum):
    """Why a case stands where it stands in the queue."""

    CALLBACK = ("再架電の約束", "a call was asked for")
    BROKEN_PROMISE = ("納付約束の不履行", "a promise broke")
    VALUE = ("未納額・経過・応答の見込み", "amount, age and chance of an answer")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en


@dataclass(frozen=True, slots=True)
class Rank:
    """A place in the queue: smaller is sooner. The figures are what `VALUE` was made from."""

    priority: int
    motive: Motive
    unpaid: int  # yen
    age_days: int  # of the oldest unpaid instalment
    chance: float  # that somebody answers

    @property
    def ja(self) -> str:
        return (
            f"優先度 {self.priority}: {self.motive.ja}"
            f"（未納 {self.unpaid:,}円、納期限から{self.age_days}日、応答の見込み {self.chance:.0%}）"
        )

    @property
    def en(self) -> str:
        return (
            f"priority {self.priority}: {self.motive.en} "
            f"({self.unpaid:,} yen, {self.age_days} days past due, chance of an answer {self.chance:.0%})"
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The number to call, or why none may be called now; every number's own verdict beside it."""

    number: NumberFacts | None
    verdict: Allowed | Refused
    by_number: tuple[tuple[NumberFacts, Allowed | Refused], ...] = ()


def rank(case: CaseFacts, history: History, now: datetime) -> Rank:
    """Callbacks first, then broken promises, then by amount × age × chance of an answer.

    The value is put on a scale of doublings, so that a debt of twice the size moves up by one step of 20.
    """
    age = _age_days(case, tokyo_date(now))
    chance = answer_chance(case, history)
    motive, priority = Motive.VALUE, _by_value(case.unpaid * (1 + age / 365) * chance)
    if case.promise_broken_at is not None and case.promise_due_on is None:
        motive, priority = Motive.BROKEN_PROMISE, BROKEN_PROMISE_PRIORITY
    if case.callback is not None:
        motive, priority = Motive.CALLBACK, CALLBACK_PRIORITY
    return Rank(priority, motive, case.unpaid, age, chance)


def answer_chance(case: CaseFacts, history: History) -> float:
    """The household's own share of answered calls, shrunk towards the general rate (a beta prior's mean)."""
    tried = [a for a in history.of_household(case.household_id) if a.counts and a.code]
    answered = sum(attempt.answered for attempt in tried)
    return (answered + ANSWER_RATE * ANSWER_WEIGHT) / (len(tried) + ANSWER_WEIGHT)


def choose(
    case: CaseFacts,
    numbers: tuple[NumberFacts, ...],
    history: History,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
) -> Choice:
    """The best number that may be called now; else the number that may be called soonest.

    Best: where the right party was reached last, then where fewest calls went unanswered, then as listed.
    """
    if not numbers:
        return Choice(None, judge(case, None, history, policy, calendar, now))
    ordered = sorted(numbers, key=lambda number: _preference(number, history))
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


def _preference(number: NumberFacts, history: History) -> tuple[float, int, int]:
    attempts = history.of_number(number.number_id)
    reached = max((a.at.timestamp() for a in attempts if a.right_party), default=0.0)
    unanswered = sum(a.counts and not a.answered for a in attempts)
    return (-reached, unanswered, number.position)


def _age_days(case: CaseFacts, today: date) -> int:
    dues = [each.due_on for each in case.instalments if each.unpaid > 0 and each.due_on is not None]
    return max(0, (today - min(dues)).days) if dues else 0


def _by_value(value: float) -> int:
    return max(FIRST_VALUE, LAST_VALUE - round(20 * log2(1 + max(value, 0))))
