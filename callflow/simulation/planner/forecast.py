"""Many runs of one plan, and what they say together: dates and numbers with intervals."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from math import inf
from typing import Any, Final

import numpy as np

from callflow.clock import TOKYO
from callflow.simulation.planner.hours import DAY, date_of, day_of
from callflow.simulation.planner.rates import History, believe
from callflow.simulation.planner.run import CampaignRun, Outcome, Setup

SHARES: Final = (0.8, 0.95)
"""The intervals that are told: so much of the runs lies inside."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One plan to compare: how many operators, and what becomes of the answer rate."""

    operators: int
    answer_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """What the runs said of one figure: the middle one, and the interval of each share. None: not in time."""

    middle: float | None
    intervals: dict[float, tuple[float | None, float | None]]

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        ordered = sorted(inf if value is None else value for value in values)
        return cls(
            _at(ordered, 0.5),
            {share: (_at(ordered, (1 - share) / 2), _at(ordered, (1 + share) / 2)) for share in SHARES},
        )

    def holds(self, value: float, share: float) -> bool:
        """Whether `value` lies in the interval of `share`; `inf` is what does not come about in time."""
        low, high = (inf if end is None else end for end in self.intervals[share])
        return low <= value <= high


def _at(ordered: Sequence[float], share: float) -> float | None:
    """The value with `share` of the others below it, between two neighbours the outer one."""
    place = share * (len(ordered) - 1)
    value = ordered[int(place) if share < 0.5 else -int(-place // 1)]
    return None if value == inf else value


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a scenario comes to. Instants in seconds since 1970.

    `in_time`: share of the runs that finish; `reached_by`: (day, low, middle, high) cases reached by the end of each
    calling day, with the 80 % interval.
    """

    scenario: Scenario
    runs: int
    finished: Spread
    called_all: Spread
    reached: Spread
    promises: Spread
    calls: Spread
    days: Spread
    given_up: Spread
    open: Spread
    abandoned: Spread
    utilisation: float
    in_time: float
    reached_by: tuple[tuple[date, float, float, float], ...]


def forecast(
    setup: Setup,
    history: History,
    scenario: Scenario,
    *,
    runs: int,
    seed: int,
    workers: int = 1,
    told: Callable[[], None] = lambda: None,
) -> Forecast:
    """`runs` runs of `scenario`. The same seed gives the same forecast, however many `workers` (processes) there are.

    The runs of all scenarios of a seed draw the same beliefs, so that a difference between two is theirs.
    """
    years = dict(setup.policy.limitation_years)  # a read-only view of them cannot go to another process
    setup = replace(setup, operators=scenario.operators, policy=replace(setup.policy, limitation_years=years))
    one = partial(_one, setup, history, scenario.answer_factor, seed)
    outcomes = []
    for outcome in _all(one, runs, workers):
        outcomes.append(outcome)
        told()
    return _together(scenario, setup, outcomes)


def _all(one: Callable[[int], Outcome], runs: int, workers: int) -> Iterator[Outcome]:
    if workers <= 1 or runs <= 1:
        yield from map(one, range(runs))
        return
    with ProcessPoolExecutor(min(workers, runs)) as pool:
        yield from pool.map(one, range(runs))


def processors() -> int:
    """How many processes are worth it."""
    return os.cpu_count() or 1


def _one(setup: Setup, history: History, factor: float, seed: int, number: int) -> Outcome:
    beliefs = np.random.default_rng([seed, number])
    rates = believe(history, setup.policy.ring_seconds, beliefs).scaled(factor)
    return CampaignRun(setup, rates, random.Random(f"{seed}:{number}")).run()


def _together(scenario: Scenario, setup: Setup, outcomes: Sequence[Outcome]) -> Forecast:
    def spread(name: str) -> Spread:
        return Spread.of([getattr(outcome, name) for outcome in outcomes])

    staffed = sum(outcome.staffed_seconds for outcome in outcomes)
    return Forecast(
        scenario=scenario,
        runs=len(outcomes),
        finished=spread("finished"),
        called_all=spread("called_all"),
        reached=spread("reached"),
        promises=spread("promises"),
        calls=spread("calls"),
        days=Spread.of([float(len(outcome.days)) for outcome in outcomes]),
        given_up=spread("given_up"),
        open=spread("open"),
        abandoned=Spread.of([_share(outcome) for outcome in outcomes]),
        utilisation=sum(outcome.busy_seconds for outcome in outcomes) / staffed if staffed else 0.0,
        in_time=sum(outcome.finished is not None for outcome in outcomes) / len(outcomes),
        reached_by=_reached_by(setup, outcomes),
    )


def _share(outcome: Outcome) -> float:
    answered = outcome.abandoned + outcome.handled
    return outcome.abandoned / answered if answered else 0.0


def _reached_by(setup: Setup, outcomes: Sequence[Outcome]) -> tuple[tuple[date, float, float, float], ...]:
    last = max((day for outcome in outcomes for day in outcome.days), default=0)
    days = sorted({day_of(opens) for opens in setup.hours.opens if day_of(opens) <= last})
    sums = [0] * len(outcomes)
    found = []
    for day in days:
        for index, outcome in enumerate(outcomes):
            if day in outcome.days:
                sums[index] += outcome.days[day].reached
        spread = Spread.of(sums)
        low, high = spread.intervals[0.8]
        found.append((date_of(day * DAY), low or 0.0, spread.middle or 0.0, high or 0.0))
    return tuple(found)


def moment(seconds: float | None) -> datetime | None:
    """As people read it: in Tokyo."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).astimezone(TOKYO)


def as_data(found: Forecast) -> dict[str, Any]:
    """For programs: instants in ISO 8601, None where it is not in time."""
    return {
        "operators": found.scenario.operators,
        "answer_factor": found.scenario.answer_factor,
        "runs": found.runs,
        "in_time": found.in_time,
        "finished": _spread_data(found.finished, _iso),
        "called_all": _spread_data(found.called_all, _iso),
        **{
            name: _spread_data(getattr(found, name), float)
            for name in ("reached", "promises", "calls", "days", "given_up", "open", "abandoned")
        },
        "utilisation": round(found.utilisation, 4),
        "reached_by": [
            {"day": day.isoformat(), "low": low, "middle": middle, "high": high}
            for day, low, middle, high in found.reached_by
        ],
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(TOKYO).isoformat(timespec="minutes")


def _spread_data(spread: Spread, shown: Callable[[float], Any]) -> dict[str, Any]:
    def one(value: float | None) -> Any:
        return None if value is None else shown(value)

    intervals = {f"{share:.0%}": [one(low), one(high)] for share, (low, high) in spread.intervals.items()}
    return {"middle": one(spread.middle), **intervals}
