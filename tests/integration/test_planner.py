"""The planner's forecast against the engine's own run, what it reads from both databases, and its command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from callflow.clock import SimulatedClock
from callflow.simulation.planner.forecast import Forecast, Scenario, forecast
from callflow.simulation.planner.hours import hours_of
from callflow.simulation.planner.rates import History
from callflow.simulation.planner.reading import read_history, read_list
from callflow.simulation.planner.run import Setup
from callflow.simulation.room import Room
from models.database import Database
from models.tables import accounts, calls, campaigns, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Rules
from scheduler.queue import Entry
from scheduler.settings import HARD_CAP, Policy
from tests.world import MUNICIPALITY, World, account, add_case, build

NHI = "national_health_insurance"
START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo
LAST = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)  # beyond it the payment data is too old
CALENDAR = Calendar()

quick = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""The simulation itself knows no database."""


@dataclass
class Campaign:
    """A running campaign over invented cases, and a room that calls them."""

    world: World
    id: int
    rules: Rules
    operators: list[int]

    def room(self, seed: int) -> Room:
        world = self.world
        return Room(
            database=world.database,
            clock=world.clock,
            calls=world.calls,
            shelf=world.shelf,
            municipality_id=MUNICIPALITY,
            campaign_id=self.id,
            script_hash=world.script_hash,
            rules=self.rules,
            operators=self.operators,
            seed=seed,
        )

    def forecast(self, scenario: Scenario, **options: Any) -> Forecast:
        now = self.world.clock.now()
        with self.world.database.read() as conn:
            cases, _ = read_list(conn, MUNICIPALITY, self.id, now)
            history = read_history(conn, MUNICIPALITY, NHI, CALENDAR, now)
        setup = Setup(cases, 1, "progressive", self.rules.policy, hours_of(CALENDAR, now, LAST, 10), HARD_CAP)
        return forecast(setup, history, scenario, **options)


def campaign(database: Database, clock: SimulatedClock, cases: int, operators: int, policy: Policy) -> Campaign:
    world = build(database, clock)
    with database.write() as conn:
        organisation = conn.execute(
            select(accounts.c.organisation_id).where(accounts.c.id == world.operator)
        ).scalar_one()
        people = [account(conn, organisation, f"op1{n}", f"見本 架電{n}", "operator", START) for n in range(operators)]
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=1,
                name="見通し",
                claim_type=NHI,
                script_hash=world.script_hash,
                state="running",
                supervisor_id=world.supervisor,
                created_at=START,
                created_by=world.supervisor,
            )
        )
        made = [add_case(conn, number) for number in range(1, cases + 1)]
        queue.enqueue(conn, MUNICIPALITY, 1, [Entry(each.case_id, each.household_id, START, 500) for each in made])
    return Campaign(world, 1, Rules(1, policy, CALENDAR), people)


@dataclass
class Course:
    """What the engine did from a moment on."""

    reached: int
    promised: int
    finished: float


def course(database: Database, since: datetime, policy: Policy) -> Course:
    with database.read() as conn:
        rows = conn.execute(
            select(calls.c.case_id, calls.c.right_party, calls.c.disposition, calls.c.attempt, calls.c.closed_at)
            .where(calls.c.live.is_(False))
            .order_by(calls.c.id)
        ).all()
        listed = set(conn.execute(select(queue_entries.c.case_id)).scalars())
    through: dict[int, datetime] = {}
    tries: dict[int, int] = {}
    reached, promised = {}, {}
    for row in rows:
        tries[row.case_id] = tries.get(row.case_id, 0) + row.attempt
        if row.right_party:
            reached.setdefault(row.case_id, row.closed_at)
        if row.disposition == "PP":
            promised.setdefault(row.case_id, row.closed_at)
        spent = tries[row.case_id] >= policy.attempts_per_campaign or row.disposition in LOST
        if row.right_party or spent:
            through.setdefault(row.case_id, row.closed_at)
    finished = max(through.values()).timestamp() if listed == through.keys() else float("inf")
    return Course(sum(at > since for at in reached.values()), sum(at > since for at in promised.values()), finished)


LOST = frozenset({"DN", "FX", "WN", "DV", "DC", "GD", "LW", "NC"})


@quick
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(2, 6))])
def test_the_forecast_holds_against_the_engine(database: Database, clock: SimulatedClock, seed: int) -> None:
    """A morning's calls are the history; what the engine then does lies in the forecast's 95 % intervals."""
    policy = Policy(attempts_per_campaign=3)
    planned = campaign(database, clock, 90, 2, policy)
    planned.room(seed).run(START + timedelta(hours=1, minutes=15))
    since = clock.now()
    found = planned.forecast(Scenario(2), runs=40, seed=seed)
    planned.room(seed + 100).run(LAST)
    told = course(database, since, policy)
    print(told, found.reached, found.promises, found.finished)
    assert 0 < told.reached < 90
    assert found.reached.holds(told.reached, 0.95)
    assert found.promises.holds(told.promised, 0.95)
    assert found.finished.holds(told.finished, 0.95)
    low, high = found.reached.intervals[0.95]
    assert low is not None
    assert high is not None
    assert high - low < 40  # a forecast that says anything holds always


def test_what_is_read(database: Database, clock: SimulatedClock) -> None:
    planned = campaign(database, clock, 12, 1, Policy())
    planned.room(seed=1).run(START + timedelta(minutes=25))
    now = clock.now()
    with database.read() as conn:
        cases, held = read_list(conn, MUNICIPALITY, 1, now)
        history = read_history(conn, MUNICIPALITY, NHI, CALENDAR, now)
        rows = conn.execute(select(calls)).all()
    assert len(cases) + held == 12
    made = [row for row in rows if not row.live]
    assert len(history.calls) == len(made) > 3
    assert sum(history.tried.values()) == len(made)
    assert sum(call.answered for call in history.calls) == sum(row.answered_at is not None for row in made)
    assert sum(case.tries for case in cases) == sum(row.attempt for row in made if row.case_id in _ids(cases))
    assert sum(case.reached for case in cases) == len({r.case_id for r in made if r.right_party} & _ids(cases))
    assert all(0 < call.ring <= 31 for call in history.calls)
    assert all(10 < gap < 60 for gap in history.gaps)
    called = next(case for case in cases if case.tries)
    assert len(called.recent) == called.household_tries == called.tries
    assert called.due > now.timestamp()


def _ids(cases: Any) -> set[int]:
    return {case.case_id for case in cases}


@quick
def test_the_same_seed_gives_the_same_forecast_in_any_number_of_processes(
    database: Database, clock: SimulatedClock
) -> None:
    planned = campaign(database, clock, 30, 1, Policy())
    alone = planned.forecast(Scenario(2), runs=4, seed=3)
    assert planned.forecast(Scenario(2), runs=4, seed=3, workers=2) == alone
    assert planned.forecast(Scenario(2), runs=4, seed=4) != alone


@quick
def test_more_operators_are_sooner_and_fewer_answers_reach_fewer(database: Database, clock: SimulatedClock) -> None:
    planned = campaign(database, clock, 200, 1, Policy(attempts_per_campaign=2))
    few, many = (planned.forecast(Scenario(seats), runs=6, seed=1) for seats in (1, 6))
    bad = planned.forecast(Scenario(6, 0.5), runs=6, seed=1)
    assert few.called_all.middle is not None
    assert many.called_all.middle is not None
    assert few.called_all.middle > many.called_all.middle
    assert few.utilisation > many.utilisation
    assert (bad.reached.middle or 0) < 0.8 * (many.reached.middle or 0)


def test_nothing_to_call_is_finished_at_once() -> None:
    setup = Setup([], 3, "progressive", Policy(), hours_of(CALENDAR, START, LAST, 10), HARD_CAP)
    found = forecast(setup, History(), Scenario(3), runs=2, seed=1)
    assert found.calls.middle == found.open.middle == 0
