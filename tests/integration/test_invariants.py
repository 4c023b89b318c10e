"""Each invariant notices what breaks it, planted into calls that are otherwise whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from callflow import replay
from callflow.clock import SimulatedClock
from callflow.script.model import Level
from callflow.simulation.invariants import Acknowledged, check, lost
from callflow.standing import Opening
from models.database import Database
from tests.world import IDENTITY, MUNICIPALITY, World, add_case, build

Steps = Sequence[tuple[str, Mapping[str, Any]]]
VERIFIED: Steps = [("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY}), ("yes", {})]
HARDSHIP: Steps = [*VERIFIED, ("hardship", {}), ("signal", {"signal.reason": "病気・障害"}), ("hang_up", {})]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    """Call 1: hardship and a signal; call 2: hung up after verification, one day later."""
    world = build(database, clock)
    for number, steps in ((1, HARDSHIP), (2, [*VERIFIED, ("hang_up", {})])):
        with database.write() as conn:
            case = add_case(conn, number)
        opening = Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id)
        call = world.calls.open(opening, placing=True)
        for event in ("ringing", "answered"):
            world.calls.line(call, event)
        standing = world.calls.begin(call, world.operator)
        for name, fields in steps:
            standing = world.calls.answer(call, world.operator, standing.step, name, fields=fields)
            assert not standing.refused
        world.calls.close(call, "system")
        clock.advance(timedelta(days=1))
    return world


def found(world: World, *statements: str) -> set[tuple[str, int]]:
    with world.database.write() as conn:
        for statement in statements:
            conn.execute(text(statement))
    with world.database.read() as conn:
        return {(one.invariant, one.call_id) for one in check(conn, world.shelf)}


def test_whole_calls_break_nothing(world: World) -> None:
    assert found(world) == set()


@pytest.mark.parametrize(
    ("broken", "statements"),
    [
        (("I3", 2), ["UPDATE calls SET disposition = NULL WHERE id = 2"]),
        (("I6", 2), ["UPDATE calls SET right_party = 0 WHERE id = 2"]),
        (("I3", 2), ["UPDATE calls SET live = :yes WHERE id = 2"]),
        (("I3", 2), ["UPDATE calls SET line_state = 'ringing' WHERE id = 2"]),
        (("I3", 2), ["DELETE FROM negotiation_records WHERE call_id = 2"]),
        (("I3", 1), ["DELETE FROM signals"]),
        (("I4", 1), ["DELETE FROM slip_reasons"]),
        (("I4", 1), ["DELETE FROM living_report_links"]),
        (("I4", 1), ["UPDATE living_report_links SET kind = 'cancelled'"]),
        (("I4", 2), ["UPDATE living_report_links SET call_id = 2"]),
        (("I4", 1), ["UPDATE living_reports SET household_id = 2"]),
        (("I4", 1), ["DELETE FROM slip_reasons", "DELETE FROM contact_slips"]),
        (("I7", 1), ["UPDATE call_events SET payload = '{}' WHERE call_id = 1 AND seq = 4"]),
        (("I7", 2), ["DELETE FROM call_events WHERE call_id = 2 AND seq = 8"]),
        (("I6", 2), ["UPDATE calls SET disposition = 'PP' WHERE id = 2"]),
        (
            ("I9", 2),
            [
                "INSERT INTO suppressions (municipality_id, id, case_id, reason, since)"
                " SELECT 1, 9, 2, 'LW', opened_at FROM calls WHERE id = 1"
            ],
        ),
    ],
)
def test_what_breaks_an_invariant_is_found_and_named(
    world: World, broken: tuple[str, int], statements: list[str]
) -> None:
    yes = "1" if world.database.is_sqlite else "true"
    assert broken in found(world, *(one.replace(":yes", yes) for one in statements))


@pytest.mark.parametrize("whom", ["case", "number", "household", "operator"])
def test_two_live_calls_are_found_even_if_the_database_lets_them_pass(world: World, whom: str) -> None:
    yes = "1" if world.database.is_sqlite else "true"
    drop = [f"DROP INDEX uq_calls_live_{one}" for one in ("case", "number", "household", "operator")]
    same = f"UPDATE calls SET live = {yes}, {whom}_id = 1"
    assert ("I1", 1) in found(world, *drop, same)


def test_a_line_that_names_the_debt_to_an_unverified_voice_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No script that passes its proofs has such a line, so every line is declared to be one."""
    monkeypatch.setattr(replay, "level_of", lambda *_: Level.DEBT)
    assert ("I5", 1) in found(world)


def test_what_was_acknowledged_and_is_gone_is_found(world: World) -> None:
    with world.database.read() as conn:
        kept = lost(conn, MUNICIPALITY, [Acknowledged(1, 12, "HU1"), Acknowledged(2, 3)])
        gone = lost(conn, MUNICIPALITY, [Acknowledged(1, 99), Acknowledged(2, 3, "PP"), Acknowledged(7, 1)])
    assert kept == []
    assert [one.call_id for one in gone] == [1, 2, 7]
