"""The chance that a call reaches the right party: a case's own calls, drawn towards the rates of its group. Pure.

Empirical Bayes with beta-binomial counts, at two levels [docs/dialling.md, with the sources]. A group is a segment of
one claim type of one municipality in one band; its rate is drawn towards the claim type's own. A number's rate is
drawn towards its group's. Each day's group rates are a draw from what is known (Thompson sampling), not the mean, so
that hours of which little is known are tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import lgamma
from random import Random
from typing import Final

from scheduler.calendar import Band, Calendar
from scheduler.facts import Attempt, CaseFacts, Cell, History, NumberFacts, years_later

PRIOR_RATE: Final = 0.3
"""Right party ÷ attempts until calls say otherwise: half are answered in Kawasaki, not all by the right party [O]."""
PRIOR_CALLS: Final = 20.0
"""What that prior counts for, in calls of a claim type [O]."""
OWN_WEIGHT: Final = 4.0
"""What the group's rate counts for beside a number's own calls [O]."""
STRENGTHS: Final = (16.0, 8.0, 4.0, 32.0, 64.0, 128.0, 256.0)
"""What a claim type's rate may count for in a group, in calls: which of them, the counts say; until then the first."""
SURE: Final = 0.95
SENIOR: Final = 65
"""Years: 高齢者 in official statistics [O]: who is retired is at home at other hours."""

AGES: Final = ("working", "senior", "unknown")
LINES: Final = ("mobile", "fixed")
SEGMENTS: Final = tuple(f"{age}:{line}" for age, line in product(AGES, LINES))
MOBILE: Final = ("+8160", "+8170", "+8180", "+8190")


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls that count as attempts, and how many of them reached the right party."""

    tried: int = 0
    reached: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.tried + other.tried, self.reached + other.reached)


def segment_of(born: date | None, e164: str, today: date) -> str:
    """One of SEGMENTS: whether the debtor is of working age, and whether the number is a mobile phone's."""
    age = "unknown" if born is None else "senior" if years_later(born, SENIOR) <= today else "working"
    return f"{age}:{'mobile' if e164.startswith(MOBILE) else 'fixed'}"


@dataclass(frozen=True, slots=True)
class DayRates:
    """The rates of one claim type's groups that hold on a day; `day` None: nothing was drawn yet."""

    day: date | None
    by_cell: Mapping[Cell, float]

    def segment_of(self, born: date | None, e164: str) -> str:
        """The segment on that day; empty where there are no rates."""
        return segment_of(born, e164, self.day) if self.day else ""


NO_RATES: Final = DayRates(None, {})


def drawn_rates(tallies: Mapping[Cell, Tally], seed: str) -> dict[Cell, float]:
    """One day's rate of every group of a claim type, drawn from its beta posterior. The same seed draws the same."""
    whole = sum(tallies.values(), Tally())
    mean = (whole.reached + PRIOR_RATE * PRIOR_CALLS) / (whole.tried + PRIOR_CALLS)
    weight = strength(tallies.values(), mean)
    rates = {}
    for segment, band in product(SEGMENTS, Band):
        seen = tallies.get((segment, band), Tally())
        chance = Random(f"{seed}:{segment}:{band.name}")  # noqa: S311  drawn again from the rows, not kept secret
        missed = seen.tried - seen.reached
        rates[segment, band] = chance.betavariate(mean * weight + seen.reached, (1 - mean) * weight + missed)
    return rates


def strength(tallies: Iterable[Tally], mean: float) -> float:
    """How alike the groups are: the one of STRENGTHS under which their counts are most likely (beta-binomial)."""
    seen = [tally for tally in tallies if tally.tried]
    return max(STRENGTHS, key=lambda weight: sum(_likelihood(tally, mean * weight, weight) for tally in seen))


def _likelihood(seen: Tally, yes: float, weight: float) -> float:
    """The logarithm of the beta-binomial likelihood, without what does not depend on the prior."""
    no, missed = weight - yes, seen.tried - seen.reached
    after = lgamma(yes + seen.reached) + lgamma(no + missed) - lgamma(weight + seen.tried)
    return after - lgamma(yes) - lgamma(no) + lgamma(weight)


@dataclass(frozen=True, slots=True)
class Chances:
    """What is known of one case's numbers, from its own calls alone and the rates of its claim type."""

    rates: Mapping[Cell, float]
    own: Mapping[tuple[int, Band], Tally]

    @classmethod
    def of(cls, case: CaseFacts, history: History, calendar: Calendar) -> Chances:
        """Calls about other cases of the household are left out: another claim's record is not this one's."""
        own: dict[tuple[int, Band], Tally] = {}
        for attempt in history.attempts:
            if attempt.case_id == case.case_id and attempt.number_id is not None and _says_something(attempt):
                key = attempt.number_id, calendar.band_of(attempt.at)
                own[key] = own.get(key, Tally()) + Tally(1, int(attempt.right_party))
        return cls(case.rates, own)

    def at(self, number: NumberFacts, band: Band) -> float:
        """That the right party is reached on `number` in `band`.

        Calls in other bands say how the number compares with its group at those hours; with that the group's rate in
        this band is corrected, and calls in this band are then drawn towards it.
        """
        elsewhere = {other: self._own(number, other) for other in Band if other is not band}
        tried = sum(tally.tried for tally in elsewhere.values())
        lift = 1.0
        if tried:
            usual = sum(tally.tried * self.group(number, other) for other, tally in elsewhere.items()) / tried
            reached = sum(tally.reached for tally in elsewhere.values())
            lift = (reached + OWN_WEIGHT * usual) / (tried + OWN_WEIGHT) / usual
        expected = min(self.group(number, band) * lift, SURE)
        here = self._own(number, band)
        return (here.reached + OWN_WEIGHT * expected) / (here.tried + OWN_WEIGHT)

    def best(self, numbers: Collection[NumberFacts], band: Band) -> float:
        """On the best of the usable numbers."""
        return max((self.at(number, band) for number in numbers if number.status == "usable"), default=0.0)

    def tally(self, band: Band) -> Tally:
        """The case's own calls in `band`, on all its numbers."""
        return sum((tally for (_, other), tally in self.own.items() if other is band), Tally())

    def group(self, number: NumberFacts, band: Band) -> float:
        """The rate of the number's group today."""
        return self.rates.get((number.segment, band), PRIOR_RATE)

    def _own(self, number: NumberFacts, band: Band) -> Tally:
        return self.own.get((number.number_id, band), Tally())


def _says_something(attempt: Attempt) -> bool:
    return attempt.counts and bool(attempt.code)
