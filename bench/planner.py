"""P15: how fast the planner simulates a campaign, on one core and without a database."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

from bench.table import Contenders, Figure, at_least, sized
from callflow.simulation.planner.hours import hours_of
from callflow.simulation.planner.rates import History, believe
from callflow.simulation.planner.run import CampaignRun, Listed, Setup
from scheduler.calendar import Calendar
from scheduler.settings import HARD_CAP, Mode, Policy

START = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
OPERATORS = 6


@contextmanager
def _campaigns(mode: Mode) -> Iterator[Contenders]:
    """Six operators over a list that keeps them busy for weeks; each round is another course."""
    cases = [
        Listed(number, number, START.timestamp(), 200 + number % 700, numbers=1 + number % 2)
        for number in range(sized(4_000, 40_000))
    ]
    policy = Policy()
    hours = hours_of(Calendar(), START, START + timedelta(days=120), policy.promise_grace_days)
    setup = Setup(cases, OPERATORS, mode, policy, hours, HARD_CAP)
    seeds = count(1)

    def calls_a_second() -> float:
        run = CampaignRun(setup, believe(History(), policy.ring_seconds), random.Random(next(seeds)))
        start = time.process_time()
        made = run.run().calls
        return made / (time.process_time() - start)

    yield Contenders(calls_a_second)


FIGURES = tuple(
    Figure("P15", f"planner simulation, {mode}", "", "calls/s", partial(_campaigns, mode), at_least(10_000))
    for mode in ("progressive", "predictive")
)
