"""A campaign's counts of outcomes are those of its calls, whatever happened, and reading them does not grow."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, String, cast, event, insert, literal, select, text, update

from callflow import tallies
from callflow.clock import SimulatedClock
from callflow.corrections import Corrections, Request
from callflow.doctor import storage
from callflow.progress import progress
from callflow.standing import Opening
from models.database import Database
from models.tables import call_tallies, calls
from tests.crash.points import Points
from tests.world import MUNICIPALITY, World, add_case, build, counted_salt, running_campaign

CAMPAIGN = 1
ACTS = ("nobody", "talk", "correct", "take_back", "count_in", "killed")


class Room:
    """One case of a campaign, called again and again."""

    def __init__(self, database: Database, clock: SimulatedClock) -> None:
        self.world: World = build(database, clock)
        with database.write() as conn:
            running_campaign(conn, self.world)
            self.case = add_case(conn)
        self.points = Points(database)
        self.desk = Corrections(database, clock, self.world.shelf, MUNICIPALITY, counted_salt())
        self.last = 0
        self.done: set[str] = set()

    def act(self, name: str, number: int) -> None:
        world, database = self.world, self.world.database
        self.done.add(name)
        world.clock.advance(timedelta(minutes=1))
        if name in ("nobody", "talk"):
            self.call(spoken=name == "talk")
        elif name == "correct" and self.last:
            code = ("TP", "CH", "")[number % 3]
            self.desk.correct(self.last, world.supervisor, Request("聞き違い", code=code, note="訂正"))
        elif name == "take_back":
            self.call(spoken=True)
            if number % 2:
                self.count_in()
            self.desk.take_back(self.last, world.operator)
            with database.read() as conn:
                self.holds(conn)
            if number % 3:
                self.count_in()
            world.calls.close(self.last, "operator:1")
        elif name == "count_in":
            self.count_in(limit=number)
        elif name == "killed":
            self.points.kill_at(number, self.count_in)
        with database.read() as conn:
            self.holds(conn)

    def call(self, *, spoken: bool) -> None:
        world = self.world
        opening = Opening(
            self.case.case_id,
            world.operator,
            world.script_hash,
            {},
            number_id=self.case.number_id,
            campaign_id=CAMPAIGN,
        )
        one = world.calls.open(opening)
        for heard in ("placing", "ringing", "answered" if spoken else "no_answer"):
            world.calls.line(one, heard)
        if spoken:
            standing = world.calls.begin(one, world.operator)
            world.calls.hang_up(one, world.operator, standing.step)
        world.calls.close(one, "operator:1")
        if spoken:
            self.last = one

    def count_in(self, limit: int = 1_000) -> int:
        database = self.world.database
        return database.transact(lambda conn: tallies.count_in(conn, MUNICIPALITY, limit=limit))

    def holds(self, conn: Any) -> None:
        codes = conn.execute(select(calls.c.disposition).where(calls.c.disposition.is_not(None))).scalars()
        assert tallies.outcomes(conn, MUNICIPALITY, CAMPAIGN) == Counter(codes)
        assert tallies.astray(conn, MUNICIPALITY) == {}


@pytest.fixture
def room(database: Database, clock: SimulatedClock) -> Room:
    return Room(database, clock)


def test_any_sequence_of_ends_corrections_take_backs_and_deaths_is_counted_right(room: Room) -> None:
    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 6)), min_size=5, max_size=5))
    def run(acts: list[tuple[str, int]]) -> None:
        for name, number in acts:
            room.act(name, number)

    run()
    assert room.done == set(ACTS)
    room.count_in()
    with room.world.database.read() as conn:
        counted = conn.execute(select(call_tallies.c.disposition, call_tallies.c.count)).all()
        assert {code: number for code, number in counted if number} == tallies.outcomes(conn, MUNICIPALITY, CAMPAIGN)


def test_a_death_at_any_point_of_the_counting_counts_nothing_twice(room: Room) -> None:
    for spoken in (True, False, True):
        room.call(spoken=spoken)
    for point in count(1):
        killed = room.points.kill_at(point, room.count_in)
        with room.world.database.read() as conn:
            room.holds(conn)
        if not killed:
            break
    assert point > 3
    assert room.count_in() == 0, "all is counted"


def test_the_counting_waits_for_nobody_and_nobody_for_it(room: Room) -> None:
    for _ in range(2):
        room.call(spoken=True)
    database = room.world.database
    if database.is_sqlite:
        return
    with database.write() as correcting:
        correcting.execute(text("SET LOCAL lock_timeout = '1s'"))
        correcting.execute(update(calls).where(calls.c.id == room.last).values(disposition="TP"))
        assert room.count_in() == 1, "all but the call that somebody holds"
        with database.read() as conn:
            room.holds(conn)
    with database.read() as conn:
        room.holds(conn)
    assert room.count_in() == 1


def test_a_count_that_is_wrong_is_found_and_mended(room: Room, tmp_path: Path) -> None:
    room.call(spoken=False)
    room.count_in()
    room.call(spoken=False)
    database = room.world.database
    with database.write() as conn:
        conn.execute(update(call_tallies).values(count=5))
    own = SimpleNamespace(municipality=SimpleNamespace(code="139999"))
    around: Any = SimpleNamespace(database=database, config=own, now=room.world.clock.now(), config_path=tmp_path)
    assert [(each.level.code, each.facts.get("by")) for each in storage.tallies(around)] == [("problem", 4)]
    assert database.transact(lambda conn: tallies.set_right(conn, MUNICIPALITY)) == {(CAMPAIGN, "NA"): 4}
    assert [each.level.code for each in storage.tallies(around)] == ["ok"]
    with database.read() as conn:
        room.holds(conn)


def _fill(room: Room, many: int) -> None:
    """More calls of the campaign, as they stand once they are counted, and their counts."""
    numbers = select(literal(1_000_000, Integer).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 1_000_000 + many - 1))
    fixed = {
        "municipality_id": MUNICIPALITY,
        "campaign_id": CAMPAIGN,
        "case_id": room.case.case_id,
        "household_id": room.case.household_id,
        "operator_id": room.world.operator,
        "direction": "outbound",
        "script_hash": room.world.script_hash,
        "fence": 0,
        "line_state": "ended",
        "provider_ref": "",
        "step": 0,
        "talk_state": "",
        "attempt": 1,
        "contact": 0,
        "right_party": 0,
        "review_reason": "",
        "event_count": 0,
        "live": False,
        "unattended": False,
        "disposition": "NA",
        "tallied_as": "NA",
        "untallied": False,
        "opened_at": room.world.clock.now(),
    }
    columns = [literal(value, calls.c[name].type).label(name) for name, value in fixed.items()]
    rows = select(numbers.c.n, cast(numbers.c.n, String), *columns)
    with room.world.database.write() as conn:
        conn.execute(insert(calls).from_select(["id", "attempt_ref", *fixed], rows, include_defaults=False))
        conn.execute(
            insert(call_tallies).values(
                municipality_id=MUNICIPALITY, campaign_id=CAMPAIGN, disposition="NA", count=many
            )
        )


def _read(room: Room) -> int:
    """What reading the status costs: steps of SQLite's machine, or rows that PostgreSQL's nodes handled."""
    database, now = room.world.database, room.world.clock.now()
    if database.is_sqlite:
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        with database.read() as conn:
            driver: Any = conn.connection.driver_connection
            driver.set_progress_handler(step, 1)
            progress(conn, MUNICIPALITY, CAMPAIGN, now)
            driver.set_progress_handler(None, 1)
        return steps
    rows = 0
    with database.read() as conn:
        asked: list[tuple[str, Any]] = []

        def hear(_conn: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
            asked.append((statement, given))

        event.listen(conn, "before_cursor_execute", hear)
        progress(conn, MUNICIPALITY, CAMPAIGN, now)
        event.remove(conn, "before_cursor_execute", hear)
        for statement, given in asked:
            plan = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given).scalar_one()
            nodes = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]]
            while nodes:
                node = nodes.pop()
                handled = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                rows += int(handled * node["Actual Loops"])
                nodes += node.get("Plans", [])
    return rows


def test_the_status_of_a_campaign_with_20000_calls_reads_no_more_than_with_200(room: Room) -> None:
    room.call(spoken=True)
    _fill(room, 200)
    little = _read(room)
    with room.world.database.write() as conn:
        conn.execute(calls.delete().where(calls.c.id >= 1_000_000))
        conn.execute(call_tallies.delete())
    _fill(room, 20_000)
    assert _read(room) <= little * 1.02
    with room.world.database.write() as conn:
        conn.execute(text("ANALYZE"))
        assert progress(conn, MUNICIPALITY, CAMPAIGN, room.world.clock.now()).outcomes["NA"] == 20_000
    assert _read(room) <= little * 1.02
