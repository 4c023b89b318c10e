"""Lines ahead of operators over the real engine: put through in time, abandoned and stopped under the cap, and safe
when the process that opened them is gone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from callflow.ahead import ANSWER_WITHIN, LEASE, is_over, stop_over_cap
from callflow.clock import SimulatedClock
from callflow.incidents import abandoned, look_at
from callflow.simulation.ahead import TICK, RoomAhead
from callflow.simulation.breaches import breaches
from callflow.telephony.simulated import Happening
from models.database import Database
from models.ids import new_ids
from models.tables import abandonments, call_events, calls, campaigns, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Rules
from scheduler.pacing.optimum import Room, progressive_limit, solve
from scheduler.pacing.pacer import Trail
from scheduler.settings import Policy
from tests.world import MUNICIPALITY, World, account, add_case, build

CAMPAIGN = 1


def begin(
    database: Database, clock: SimulatedClock, *, seats: int, cases: int, handled: int
) -> tuple[World, RoomAhead]:
    """A predictive campaign; `handled` talks of half an hour ago let the governor open lines ahead."""
    world = build(database, clock)
    now = clock.now()
    with database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "id": CAMPAIGN, "name": "見本", "created_at": now, "mode": "predictive"}
        whose = {"script_hash": world.script_hash, "supervisor_id": world.supervisor, "created_by": world.supervisor}
        conn.execute(campaigns.insert().values(claim_type="national_health_insurance", state="running", **own, **whose))
        operators = [account(conn, 1, f"op{n:03}", f"見本 架電{n}", "operator", now) for n in range(2, seats + 2)]
        made = [add_case(conn, number, instalments=1) for number in range(1, cases + 1)]
        entries = [queue.Entry(case.case_id, case.household_id, now, 1) for case in made]
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, entries)
        past = add_case(conn, cases + 1)
        earlier = now - timedelta(minutes=30)
        times = dict.fromkeys(("opened_at", "placed_at", "answered_at", "line_ended_at"), earlier)
        told: dict[str, Any] = {
            "line_state": "ended",
            "live": False,
            "disposition": "CB",
            "contact": 1,
            "attempt": 0,
            "direction": "outbound",
        }
        for number in new_ids(conn, calls, MUNICIPALITY, handled):
            conn.execute(
                calls.insert().values(
                    municipality_id=MUNICIPALITY,
                    id=number,
                    campaign_id=CAMPAIGN,
                    case_id=past.case_id,
                    household_id=past.household_id,
                    operator_id=world.operator,
                    script_hash=world.script_hash,
                    attempt_ref=f"past-{number}",
                    closed_at=earlier + timedelta(seconds=180),
                    last_event_at=earlier,
                    **times,
                    **told,
                )
            )
        while queue.wake(conn, MUNICIPALITY, now):
            pass
    room = RoomAhead(database, clock, world.calls, MUNICIPALITY, Rules(CAMPAIGN, Policy(), Calendar()), operators)
    return world, room


def rows(database: Database, table: Any = calls) -> list[Any]:
    with database.read() as conn:
        return [
            row for row in conn.execute(select(table)) if not str(getattr(row, "attempt_ref", "")).startswith("past")
        ]


def hold_invariants(database: Database, room: RoomAhead) -> None:
    """Nobody waited for an operator longer than two seconds, nothing was dialled against a rule or twice."""
    found = rows(database)
    placed = Counter(call.attempt_ref for call in room.phone.list_since(datetime.min.replace(tzinfo=UTC)))
    assert set(placed.values()) == {1}
    assert set(placed) == {call.attempt_ref for call in found}
    for call in found:
        if call.disposition == "AB":
            assert call.line_ended_at - call.answered_at <= ANSWER_WITHIN + 2 * TICK
        assert call.live or call.disposition
    with database.read() as conn:
        assert not breaches(conn, MUNICIPALITY, room.rules.calendar, room.rules.policy)
        begun = select(call_events.c.call_id, call_events.c.at).where(call_events.c.kind == "talk:begin")
        answered = {call.id: call.answered_at for call in found}
        assert all(at - answered[call] <= ANSWER_WITHIN + TICK for call, at in conn.execute(begun))


def test_lines_are_opened_ahead_and_whoever_is_free_longest_takes_the_call(
    database: Database, clock: SimulatedClock
) -> None:
    world, room = begin(database, clock, seats=4, cases=40, handled=300)
    room.board.listen()
    (step,) = room.dialler.step()
    assert step.opened > 4, "more lines than operators"
    assert all(call.unattended and call.operator_id == world.supervisor for call in rows(database))
    room.run(clock.now() + timedelta(minutes=2))
    hold_invariants(database, room)
    talked = [call for call in rows(database) if call.talk_state or call.disposition == "HU0"]
    assert {call.operator_id for call in talked} <= set(room.operators)
    assert not any(call.unattended for call in talked)
    with database.read() as conn:
        first = conn.execute(
            select(call_events.c.payload, call_events.c.actor).where(
                call_events.c.call_id == talked[0].id, call_events.c.kind == "talk:begin"
            )
        ).one()
    number = room.operators.index(int(first.actor.removeprefix("operator:"))) + 2
    assert f"見本 架電{number}と申します" in first.payload, "the line names who took the call"


def test_nobody_free_within_two_seconds_is_an_incident_and_left_alone_for_72_hours(
    database: Database, clock: SimulatedClock
) -> None:
    world, room = begin(database, clock, seats=1, cases=3, handled=300)
    room.phone._behaviour = lambda *_: [Happening(timedelta(seconds=3), "answered")]
    room.run(clock.now() + timedelta(seconds=20))
    lost = [call for call in rows(database) if call.disposition == "AB"]
    assert lost
    hold_invariants(database, room)
    incidents = rows(database, abandonments)
    assert {(each.call_id, each.cause, each.seen_at) for each in incidents} == {
        (call.id, "no_operator", None) for call in lost
    }
    first = lost[0]
    with database.write() as conn:
        look_at(conn, MUNICIPALITY, first.id, world.supervisor, "見本の理由", clock.now())
        assert first.id not in {each.call_id for each in abandoned(conn, MUNICIPALITY)}
        assert first.id in {each.call_id for each in abandoned(conn, MUNICIPALITY, everything=True)}
    entries = {entry.case_id: entry for entry in rows(database, queue_entries)}
    for call in lost:
        assert (call.attempt, call.contact, call.operator_id) == (1, 1, world.supervisor)
        assert entries[call.case_id].due_at >= call.placed_at + timedelta(hours=72)


def test_another_process_takes_over_within_the_lease_and_dials_nothing_twice(
    database: Database, clock: SimulatedClock
) -> None:
    _, room = begin(database, clock, seats=4, cases=40, handled=300)
    room.run(clock.now() + timedelta(seconds=5))
    before = {call.id for call in rows(database) if call.live}
    assert before
    room.restart("second")  # while lines of the first one ring
    room.board.listen()
    assert [step.hold for step in room.dialler.step()] == ["another_process"]
    clock.advance(LEASE)
    room.run(clock.now() + timedelta(seconds=40))
    assert len(rows(database)) > len(before)
    assert not {call.line_state for call in rows(database) if call.id in before} & {"placing", "ringing"}
    placed = Counter(call.attempt_ref for call in room.phone.list_since(datetime.min.replace(tzinfo=UTC)))
    assert set(placed.values()) == {1}
    with database.read() as conn:
        assert not breaches(conn, MUNICIPALITY, room.rules.calendar, room.rules.policy)


@pytest.mark.parametrize(
    ("abandoned", "handled", "over"), [(3, 0, False), (4, 0, True), (6, 194, False), (7, 193, True)]
)
def test_a_campaign_stops_beyond_three_percent(abandoned: int, handled: int, over: bool) -> None:
    assert is_over(Trail(abandoned, handled), 3) is over


def test_a_campaign_of_any_mode_pauses_with_the_reason(database: Database, clock: SimulatedClock) -> None:
    _, room = begin(database, clock, seats=1, cases=1, handled=110)
    with database.write() as conn:
        conn.execute(update(campaigns).values(mode="progressive"))
        assert stop_over_cap(MUNICIPALITY, CAMPAIGN, clock.now(), room.rules, conn) == 0
        conn.execute(
            update(calls)
            .where(calls.c.id <= select(func.min(calls.c.id) + 3).scalar_subquery())
            .values(disposition="AB")
        )
        assert stop_over_cap(MUNICIPALITY, CAMPAIGN, clock.now(), room.rules, conn) == 1
        row = conn.execute(select(campaigns.c.state, campaigns.c.state_reason)).one()
    assert row == ("paused", "24時間の放棄呼 4 / 110。上限 3% を超えたため止めました")


@pytest.mark.deep
@pytest.mark.parametrize("seats", [20, 50])
def test_a_large_room_is_near_the_optimum(database: Database, clock: SimulatedClock, seats: int) -> None:
    _, room = begin(database, clock, seats=seats, cases=seats * 150, handled=1_000)
    start = clock.now()
    room.run(start + timedelta(hours=1))
    hold_invariants(database, room)
    before, began = room.talked, clock.now()
    room.run(began + timedelta(hours=1))
    used = (room.talked - before) / (seats * 3600)
    found = Counter(call.disposition for call in rows(database))
    optimum = solve(Room(seats, 0.3, 180.0, 18.0), 0.03).utilisation
    print(f"{seats} seats: utilisation {used:.3f}, optimum {optimum:.3f}, {found}")
    assert used > progressive_limit(Room(seats, 0.3, 180.0, 18.0))
    assert found["AB"] / (found["AB"] + found["HU0"] + 1_000) <= 0.03
