"""One course that a campaign may take: operators, lines and cases over the calendar's hours, without the database."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from callflow.simulation.floor import ABANDONED, HANDLED, Fate, FloorRun, Line
from callflow.simulation.planner.course import (
    CALLBACK,
    PROMISE,
    Course,
    Household,
    Number,
    after_call,
    best_number,
    is_spent,
    next_due,
)
from callflow.simulation.planner.hours import DAY, Hours, day_of, midnight_after
from callflow.simulation.planner.rates import PREVIEW, PastCall, Rates
from scheduler.pacing.estimates import Estimates
from scheduler.pacing.pacer import Floor, Trail, pace
from scheduler.policy import ABANDONED as LOST
from scheduler.ranking import CALLBACK_PRIORITY
from scheduler.settings import Mode, Policy

GAP_SPREAD: Final = 0.5  # of the logarithm of the seconds between two calls [O]
PROMISED_DAYS: Final = (2, 13)
CALLBACK_DAYS: Final = (1, 6)


@dataclass(frozen=True, slots=True)
class Listed:
    """A case of the real list: when it is due, and what was tried so far. Instants in seconds since 1970."""

    case_id: int
    household_id: int
    due: float
    priority: int
    numbers: int = 1
    tries: int = 0
    answers: int = 0
    household_tries: int = 0  # in this campaign
    recent: tuple[float, ...] = ()  # the household's attempts of the last 7 days
    reached: bool = False
    promised: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """What is simulated. `cap`: of abandoned calls, predictive mode only."""

    cases: Sequence[Listed]
    operators: int
    mode: Mode
    policy: Policy
    hours: Hours
    cap: float


@dataclass(slots=True)
class Day:
    """One day's work."""

    calls: int = 0
    reached: int = 0  # cases, the first time


@dataclass(slots=True)
class Outcome:
    """What one run came to. Instants in seconds since 1970; None: not before the hours end.

    A case is through when its right party was spoken to, or when the campaign cannot call it any more (given up).
    """

    finished: float | None = None  # all cases are through
    called_all: float | None = None  # all cases were called, or are through
    calls: int = 0
    reached: int = 0  # cases, the first time
    promises: int = 0  # cases, the first time
    abandoned: int = 0
    handled: int = 0
    given_up: int = 0
    open: int = 0  # not through
    busy_seconds: float = 0.0
    staffed_seconds: float = 0.0
    days: dict[int, Day] = field(default_factory=dict)


class CampaignRun:
    """One run. Everything follows from `chance`."""

    def __init__(self, setup: Setup, rates: Rates, chance: random.Random) -> None:
        self.setup, self.rates, self.chance = setup, rates, chance
        self.result = Outcome()
        self._cases = _courses(setup.cases, rates, chance)
        self._best_rate = max(rates.answer.values())
        self._due = [(case.due, index) for index, case in enumerate(self._cases)]
        heapq.heapify(self._due)
        self._ready: list[tuple[int, float, int]] = []
        self._dialled: dict[int, tuple[PastCall, Number, float]] = {}
        self._not_through = {index for index, case in enumerate(self._cases) if not case.reached}
        self._promised = {index for index, case in enumerate(setup.cases) if case.promised}
        self._not_called = {index for index in self._not_through if not setup.cases[index].tries}
        self._estimates = self._believed()
        start = setup.hours.opens[0] if setup.hours.opens else 0.0
        self._floor = FloorRun(setup.operators, self._pace, self._next_line, self._told, now=start)

    def run(self) -> Outcome:
        hours, floor, result = self.setup.hours, self._floor, self.result
        ends = [*hours.opens[1:], hours.until]
        for opens, last_dial, end in zip(hours.opens, hours.last_dials, ends, strict=True):
            if not self._not_through:
                break
            floor.run(end, last_dial=last_dial)
            result.staffed_seconds += (min(last_dial, result.finished or last_dial) - opens) * self.setup.operators
        result.open, result.busy_seconds = len(self._not_through), floor.talked
        result.abandoned, result.handled = floor.fates[ABANDONED], floor.fates[HANDLED]
        return result

    def _pace(self, floor: Floor, trail: Trail) -> int:
        if not self._not_through:
            return 0
        mode: Mode = "progressive" if self.setup.mode == "preview" else self.setup.mode
        return pace(mode, floor, trail, self._estimates, self.setup.cap).lines

    def _next_line(self, now: float) -> Line | None:
        """The first case that may be called now, by priority; else the room is woken when one may."""
        while self._due and self._due[0][0] <= now:
            due, index = heapq.heappop(self._due)
            heapq.heappush(self._ready, (self._cases[index].priority, due, index))
        while self._ready:
            _, _, index = heapq.heappop(self._ready)
            later = next_due(self._cases[index], self.setup.policy, self.setup.hours, now)
            if later is not None and later <= now:
                return self._dial(index, now)
            self._put_back(index, later, now)
        if self._due:
            self._floor.wake_at(self._due[0][0])
        return None

    def _dial(self, index: int, now: float) -> Line:
        case, rates, chance = self._cases[index], self.rates, self.chance
        rate = rates.answer[self.setup.hours.band_at(now)]
        answered = chance.random() < case.chance * rate / self._best_rate
        fates = rates.answered if answered else rates.unanswered
        fate = fates.draw(chance.random())
        self._dialled[index] = (fate, best_number(case, now), now)
        gap = rates.gap * chance.lognormvariate(-(GAP_SPREAD**2) / 2, GAP_SPREAD)
        if self.setup.mode == "preview":
            gap += PREVIEW
        wrap = 0.0 if self.setup.mode == "predictive" else gap
        return Line(fate.ring, answered, fate.talk + gap, wrap, index)

    def _told(self, line: Line, fate: Fate, at: float) -> None:
        index, result = line.case, self.result
        past, number, began = self._dialled.pop(index)
        case, code = self._cases[index], LOST if fate == ABANDONED else past.code
        was_reached, right = case.reached, past.right_party and fate == HANDLED
        after_call(case, number, self.setup.policy, self.setup.hours, code=code, right_party=right, at=began)
        self._agree(index, code, at)
        day = result.days.setdefault(day_of(began), Day())
        first = case.reached and not was_reached
        result.calls += 1
        if code == PROMISE:
            result.promises += index not in self._promised
            self._promised.add(index)
        result.reached += first
        day.calls += 1
        day.reached += first
        self._not_called.discard(index)
        if first:
            self._not_through.discard(index)
        self._put_back(index, next_due(case, self.setup.policy, self.setup.hours, at), at)

    def _agree(self, index: int, code: str, at: float) -> None:
        """A promise is followed up after its grace if it breaks; a callback is made at its time, before all others."""
        case, hours = self._cases[index], self.setup.hours
        case.priority = self.setup.cases[index].priority
        if code == PROMISE:
            follow_up = hours.follow_ups.get(day_of(at) + self.chance.randint(*PROMISED_DAYS), hours.until)
            case.waits = hours.until if self.chance.random() < self.rates.kept else follow_up
        elif code == CALLBACK:
            days, hour = self.chance.randint(*CALLBACK_DAYS), self.chance.randint(9, 16)
            case.waits = midnight_after(at) + (days - 1) * DAY + hour * 3600
            case.priority = CALLBACK_PRIORITY

    def _put_back(self, index: int, due: float | None, at: float) -> None:
        if due is not None:
            heapq.heappush(self._due, (due, index))
        elif is_spent(self._cases[index], self.setup.policy):
            self.result.given_up += index in self._not_through
            self._not_through.discard(index)
            self._not_called.discard(index)
        if not self._not_called and self.result.called_all is None:
            self.result.called_all = at
        if not self._not_through and self.result.finished is None:
            self.result.finished = at

    def _believed(self) -> Estimates:
        """The means that a pacer would have learnt."""
        rates, rate = self.rates, self.rates.mean_answer
        ring = rate * rates.answered.mean("ring") + (1 - rate) * rates.unanswered.mean("ring")
        return Estimates(rate, rates.answered.mean("talk") + rates.gap, ring)


def _courses(cases: Sequence[Listed], rates: Rates, chance: random.Random) -> list[Course]:
    households: dict[int, Household] = {}
    found = []
    rate, spread = max(rates.answer.values()), 1 / max(rates.likeness, 1e-3) - 1
    for each in cases:
        household = households.get(each.household_id)
        if household is None:
            household = Household(list(each.recent), each.household_tries)
            households[each.household_id] = household
        yes, no = rate * spread + each.answers, (1 - rate) * spread + each.tries - each.answers
        likely = chance.betavariate(max(yes, 1e-6), max(no, 1e-6))
        found.append(
            Course(
                each.case_id,
                household,
                [Number() for _ in range(each.numbers)],
                each.due,
                each.priority,
                likely,
                waits=each.due,
                reached=each.reached,
            )
        )
    return found
