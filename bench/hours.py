"""P9: whom to call at which hour, learnt in ten days, against the optimum of one who knows every group's rates.

A simulated list of six groups whose chances differ by hour, one call a case and day, fewer calls than cases. What is
dialled follows `scheduler.ranking` and the rates that `scheduler.chances` draws from the calls so far, as in service.
All amounts are equal, so that contacts are all there is to gain. The optimum is the assignment of groups to hours by
a linear programme over the true rates; a case's own calls say nothing here that its group does not.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count

from bench.table import Contender, Contenders, Figure, at_least
from scheduler.calendar import Band, Calendar, Window
from scheduler.chances import SEGMENTS, Tally, drawn_rates
from scheduler.facts import Attempt, CaseFacts, Cell, History, Instalment, NumberFacts
from scheduler.ranking import rank

FIRST = date(2026, 11, 4)
LEARNING, SCORED = 10, 3
CASES = 1_200
BANDS = (Band.MORNING, Band.AFTERNOON, Band.EVENING)
SPREAD = 0.5
"""Of the logarithm of a group's chance over the hours."""

Order = Callable[["Town", Window, list["Case"]], list["Case"]]


@dataclass
class Case:
    number: int
    segment: str
    attempts: list[Attempt] = field(default_factory=list)


class Town:
    """A list and its residents; everything follows from `seed`. `load`: calls a day ÷ cases."""

    def __init__(self, seed: int, load: float, cases: int = CASES) -> None:
        self.chance = random.Random(seed)
        self.days = _business_days(LEARNING + SCORED)
        self.calendar = Calendar(evening_days=frozenset(self.days))
        self.rates: dict[Cell, float] = {}
        for segment in SEGMENTS:
            usual = self.chance.betavariate(2, 5)
            for band in BANDS:
                rate = usual * math.exp(self.chance.gauss(0, SPREAD))
                self.rates[segment, band] = min(max(rate, 0.02), 0.9)
        self.numbers = count(1)
        self.cases = [Case(next(self.numbers), self.chance.choice(SEGMENTS)) for _ in range(cases)]
        self.a_band = round(cases * load / len(BANDS))
        self.tallies: defaultdict[Cell, Tally] = defaultdict(Tally)
        self.believed: dict[Cell, float] = {}

    def day(self, day: date, order: Order) -> tuple[float, float]:
        """Contacts expected of what was dialled, and the optimum for the list as it stood in the morning."""
        self.believed = drawn_rates(self.tallies, f"bench:{day}")
        sizes = [sum(case.segment == segment for case in self.cases) for segment in SEGMENTS]
        chances = [[self.rates[segment, band] for band in BANDS] for segment in SEGMENTS]
        best = optimum(chances, sizes, [self.a_band] * len(BANDS))
        waiting, made, calls = list(self.cases), 0.0, []
        for window in self.calendar.windows_on(day):
            ordered = order(self, window, waiting)
            for case in ordered[: self.a_band]:
                made += self.rates[case.segment, window.band]
                calls.append((case, window))
            waiting = ordered[self.a_band :]
        for case, window in calls:
            self._call(case, window)
        return made, best

    def _call(self, case: Case, window: Window) -> None:
        cell = case.segment, window.band
        reached = self.chance.random() < self.rates[cell]
        self.tallies[cell] += Tally(1, int(reached))
        code = "PP" if reached else "NA"
        case.attempts.append(Attempt(window.opens, 1, case.number, case.number, 1, code, right_party=reached))
        if reached:  # who was reached is left alone; another comes onto the list
            self.cases.remove(case)
            self.cases.append(Case(next(self.numbers), case.segment))


def by_rank(town: Town, window: Window, waiting: list[Case]) -> list[Case]:
    return sorted(waiting, key=lambda case: _priority(town, case, window.opens))


def _priority(town: Town, case: Case, now: datetime) -> int:
    owed = Instalment(20_000, FIRST - timedelta(days=100))
    facts = CaseFacts(case.number, 1, "national_health_insurance", 1, (owed,), None, rates=town.believed)
    number = NumberFacts(case.number, segment=case.segment)
    return rank(facts, (number,), History(tuple(case.attempts)), town.calendar, now).priority


def by_list(_town: Town, _window: Window, waiting: list[Case]) -> list[Case]:
    """The peer: down the list, who was called last comes last."""
    return sorted(waiting, key=lambda case: (len(case.attempts), case.number))


def optimum(chances: Sequence[Sequence[float]], sizes: Sequence[int], rooms: Sequence[int]) -> float:
    """The most contacts of an assignment of groups to hours: no more calls than cases of a group, or than room in an
    hour. Successive best augmentations, exact for this transport problem (Ahuja, Magnanti, Orlin 1993, chapter 9)."""
    assigned = [[0.0] * len(rooms) for _ in sizes]
    left, room, total = [float(size) for size in sizes], [float(each) for each in rooms], 0.0
    while True:
        gain, before = _best_ways(chances, assigned, left)
        end = max((hour for hour in range(len(room)) if room[hour] > 0), key=lambda hour: gain[hour], default=None)
        if end is None or gain[end] <= 0:
            return total
        steps, hour = [], end
        while True:
            group, from_hour = before[hour]
            steps.append((group, hour, from_hour))
            if from_hour is None:
                break
            hour = from_hour
        moved = min(room[end], left[group], *(assigned[g][h] for g, _, h in steps if h is not None))
        for each, to, source in steps:
            assigned[each][to] += moved
            if source is not None:
                assigned[each][source] -= moved
        left[group] -= moved
        room[end] -= moved
        total += moved * gain[end]


def _best_ways(
    chances: Sequence[Sequence[float]], assigned: list[list[float]], left: list[float]
) -> tuple[list[float], dict[int, tuple[int, int | None]]]:
    """For each hour, what one call more gains at best: of a case that is left, or of one that another hour gives up.

    With the way there: the group that comes in, and the hour that it left.
    """
    hours = range(len(chances[0]))
    gain, before = [-math.inf] * len(hours), dict[int, tuple[int, int | None]]()
    for hour in hours:
        for group, cases in enumerate(left):
            if cases > 0 and chances[group][hour] > gain[hour]:
                gain[hour], before[hour] = chances[group][hour], (group, None)
    for _ in hours:
        for source in hours:
            for hour in hours:
                for group in range(len(left)):
                    value = gain[source] + chances[group][hour] - chances[group][source]
                    if assigned[group][source] > 0 and value > gain[hour] + 1e-12:
                        gain[hour], before[hour] = value, (group, source)
    return gain, before


def _business_days(number: int) -> list[date]:
    days = (FIRST + timedelta(days=ahead) for ahead in count())
    business = (day for day in days if Calendar().is_business_day(day))
    return [next(business) for _ in range(number)]


@cache
def contacts(order: Order, load: float, seed: int) -> tuple[float, float]:
    """A day's contacts and their optimum, on the days after the learning."""
    town = Town(seed, load)
    scored = [town.day(day, order) for day in town.days][LEARNING:]
    return sum(made for made, _ in scored) / SCORED, sum(best for _, best in scored) / SCORED


@contextmanager
def _rounds(load: float) -> Iterator[Contenders]:
    """Each round is another town, the same for all."""

    def of(order: Order, which: int) -> Contender:
        seeds = count(1)
        return lambda: contacts(order, load, next(seeds))[which]

    yield Contenders(of(by_rank, 0), of(by_rank, 1), {"list order": of(by_list, 0)})


FIGURES = tuple(
    Figure(
        "P9",
        f"contacts a day after {LEARNING} days, calls for {load:.0%} of the cases",
        "segment-level assignment LP",
        "contacts",
        lambda load=load: _rounds(load),  # type: ignore[misc]
        at_least(0.95),
    )
    for load in (0.3, 0.5, 0.8)
)
