"""Whole calls through the real database."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Table, func, select, text, update

from callflow import calllog
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.effects import RequestLivingReport
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.playback import verify_all, verify_call
from callflow.replay import ReplayError
from callflow.shelf import Shelf
from callflow.standing import Closed, Opening, Standing
from callflow.ways import Ways
from models.database import Database
from models.tables import (
    call_events,
    calls,
    contact_slips,
    living_report_links,
    living_reports,
    negotiation_records,
    phone_numbers,
    promise_arrears,
    promises,
    script_versions,
    signals,
    slip_reasons,
    suppressions,
)
from tests.world import DESK, IDENTITY, MUNICIPALITY, WRONG_IDENTITY, TestCase, World, add_case, build

Steps = Iterable[tuple[str, Mapping[str, Any]]]

VERIFIED: list[tuple[str, Mapping[str, Any]]] = [
    ("yes", {}),
    ("yes", {}),
    ("match", {"identity": IDENTITY}),
    ("yes", {}),
]
PROMISED = [
    *VERIFIED,
    ("pays", {}),
    ("told", {"promise.due": "R8.12.4"}),
    ("told", {"promise.amount": "１８,０００"}),
    ("told", {"promise.place": "金融機関"}),
    ("have", {}),
    ("yes", {}),
]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def case(world: World) -> TestCase:
    with world.database.write() as conn:
        return add_case(conn)


def opening(world: World, case: TestCase, **changes: Any) -> Opening:
    return replace(Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id), **changes)


def connect(world: World, case: TestCase) -> Standing:
    call_id = world.calls.open(opening(world, case))
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call_id, event)
    return world.calls.begin(call_id, world.operator)


def talk(world: World, standing: Standing, steps: Steps) -> Standing:
    for name, fields in steps:
        world.clock.advance(timedelta(seconds=7))
        standing = world.calls.answer(standing.call_id, world.operator, standing.step, name, fields=fields)
        assert not standing.refused, standing.refused
    return standing


def whole(world: World, case: TestCase, steps: Steps) -> Closed:
    standing = talk(world, connect(world, case), steps)
    return world.calls.close(standing.call_id, "operator:1")


def rows(world: World, table: Table) -> list[Any]:
    with world.database.read() as conn:
        return list(conn.execute(select(table)).all())


def test_a_promise_is_read_back_recorded_and_proved(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    assert closed.disposition == "PP"
    (promise,) = rows(world, promises)
    assert (promise.amount, promise.due_on.isoformat(), promise.promiser) == (18_000, "2026-12-04", "householder")
    assert sorted(row.amount for row in rows(world, promise_arrears)) == [6_000, 12_000]
    (record,) = rows(world, negotiation_records)
    assert (record.disposition, record.ack_candidate) == ("PP", True)
    with world.database.read() as conn:
        assert verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id).proved


def test_hanging_up_after_hardship_still_leaves_slip_and_report(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*VERIFIED, ("hardship", {}), ("hang_up", {})])
    assert closed.disposition == "HU1"
    (slip,) = rows(world, contact_slips)
    assert (slip.consultation, slip.visible_at - slip.raised_at) == ("undecided", timedelta(seconds=10))
    assert [row.reason for row in rows(world, slip_reasons)] == ["hardship"]
    assert [(row.state, row.sent_at) for row in rows(world, living_reports)] == [("requested", None)]


def test_a_second_hardship_call_reminds_the_open_report(world: World, case: TestCase) -> None:
    steps = [*VERIFIED, ("hardship", {}), ("hang_up", {})]
    whole(world, case, steps)
    whole(world, case, steps)
    assert len(rows(world, living_reports)) == 1
    assert [row.kind for row in rows(world, living_report_links)] == ["created", "reminded"]


def test_what_was_read_back_is_what_is_recorded(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), PROMISED[:-1])
    assert standing.state == "read_back"
    other = {"promise.amount": "1,000", "promise.place": "コンビニエンスストア"}
    refused = world.calls.answer(standing.call_id, world.operator, standing.step, "yes", fields=other)
    assert refused.state == "read_back"
    assert "金額" in refused.refused
    assert refused.step == standing.step
    again = {"promise.due": "R8.12.4", "promise.amount": "18000"}
    taken = world.calls.answer(standing.call_id, world.operator, standing.step, "yes", fields=again)
    assert taken.state == "close"
    assert not taken.refused


def test_a_time_that_was_read_out_is_mended_only_by_reading_it_out_again(world: World, case: TestCase) -> None:
    to_callback = [*VERIFIED[:-1], ("no", {}), ("told", {"callback.at": "2026-12-01 14:00"})]
    standing = talk(world, connect(world, case), to_callback)
    later = {"callback.at": "2026-12-02 10:00"}
    assert world.calls.answer(standing.call_id, world.operator, standing.step, "this_number", fields=later).refused
    mended = world.calls.answer(standing.call_id, world.operator, standing.step, "other_time", fields=later)
    assert "12月2日" in mended.line
    done = world.calls.answer(standing.call_id, world.operator, mended.step, "this_number", fields=later)
    assert done.state == "close_neutral"


def test_protection_told_after_hardship_cancels_the_report(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*VERIFIED, ("hardship", {}), ("dv", {}), ("done", {})])
    assert closed.disposition == "DV"
    assert RequestLivingReport() not in closed.effects
    assert rows(world, living_reports) == []
    assert [(row.reason, row.household_id) for row in rows(world, suppressions)] == [("DV", case.household_id)]


def test_stepping_back_takes_back_what_the_step_had_won(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*VERIFIED, ("hardship", {})])
    standing = world.calls.back(standing.call_id, world.operator, standing.step)
    assert standing.state == "request"
    standing = talk(world, standing, [("hang_up", {})])
    closed = world.calls.close(standing.call_id, "operator:1")
    assert RequestLivingReport() not in closed.effects
    assert rows(world, contact_slips) == []


def test_stepping_back_over_the_identification_drops_it(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), VERIFIED[:3])
    assert standing.party == "householder"
    standing = world.calls.back(standing.call_id, world.operator, standing.step)
    assert (standing.state, standing.party) == ("verify_householder", None)


def test_a_new_voice_is_unverified_and_cannot_be_stepped_over(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*VERIFIED, ("new_voice", {})])
    assert (standing.state, standing.party) == ("party", None)
    refused = world.calls.back(standing.call_id, world.operator, standing.step)
    assert refused.refused
    assert refused.state == "party"


def test_a_wrong_identity_is_refused_twice_and_leaves_no_trace_of_what_was_tried(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), VERIFIED[:2])
    claimed = world.calls.answer(
        standing.call_id, world.operator, standing.step, "match", fields={"identity": WRONG_IDENTITY}
    )
    assert claimed.refused
    assert claimed.party is None
    steps = [("no_match", {"identity": WRONG_IDENTITY})] * 2
    standing = talk(world, standing, [*steps, ("done", {}), ("done", {})])
    assert world.calls.close(standing.call_id, "operator:1").disposition == "VF"
    assert not any("10.17" in row.payload for row in rows(world, call_events))


def test_a_stale_step_changes_nothing(world: World, case: TestCase) -> None:
    first = connect(world, case)
    second = talk(world, first, [("yes", {})])
    before = rows(world, call_events)
    again = world.calls.answer(first.call_id, world.operator, first.step, "wrong_number")
    assert again.refused
    assert (again.state, again.step) == (second.state, second.step)
    assert rows(world, call_events) == before


@pytest.mark.parametrize("name", ["no_such_answer", "to_request", "trigger", "match"])
def test_an_answer_that_the_state_does_not_offer_changes_nothing(world: World, case: TestCase, name: str) -> None:
    standing = connect(world, case)
    refused = world.calls.answer(standing.call_id, world.operator, standing.step, name)
    assert refused.refused
    assert refused.state == "greeting"


def test_a_field_that_cannot_be_read_is_named_and_changes_nothing(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*VERIFIED, ("pays", {})])
    with pytest.raises(InputError, match="日付"):
        world.calls.answer(standing.call_id, world.operator, standing.step, "told", fields={"promise.due": "来週"})
    assert world.calls.standing(standing.call_id, world.operator) == standing


def test_a_signal_is_there_before_the_call_ends_and_survives_stepping_back(world: World, case: TestCase) -> None:
    standing = connect(world, case)
    standing = world.calls.signal(standing.call_id, world.operator, standing.step, "食事・光熱費")
    assert [row.reason for row in rows(world, signals)] == ["食事・光熱費"]
    standing = world.calls.back(standing.call_id, world.operator, standing.step)
    standing = world.calls.hang_up(standing.call_id, world.operator, standing.step)
    world.calls.close(standing.call_id, "operator:1")
    assert [row.reason for row in rows(world, slip_reasons)] == ["signal"]


def test_a_reload_on_another_machine_shows_the_same_step(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*PROMISED])
    elsewhere = Calls(world.database, world.clock, world.shelf, DESK, MUNICIPALITY)
    assert elsewhere.standing(standing.call_id, world.operator) == standing


def test_someone_elses_call_is_not_there(world: World, case: TestCase) -> None:
    standing = connect(world, case)
    with pytest.raises(NotFoundError):
        world.calls.standing(standing.call_id, world.supervisor)


def test_only_one_live_call_for_a_case_a_number_and_a_household(world: World, case: TestCase) -> None:
    world.calls.open(opening(world, case))
    with world.database.write() as conn:
        sibling = add_case(conn, 2, household=case.household_id)
    for rival in (opening(world, case), opening(world, sibling), opening(world, sibling, number_id=case.number_id)):
        with pytest.raises(RefusedError):
            world.calls.open(replace(rival, operator_id=world.supervisor))


def test_closing_twice_changes_nothing(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    before = rows(world, call_events)
    assert world.calls.close(closed.call_id, "operator:1").disposition == "PP"
    assert rows(world, call_events) == before


def test_a_call_is_not_closed_while_somebody_talks(world: World, case: TestCase) -> None:
    standing = connect(world, case)
    with pytest.raises(RefusedError, match="通話中"):
        world.calls.close(standing.call_id, "operator:1")


def test_a_call_that_nobody_ended_is_undecided_with_what_its_log_amounts_to(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*VERIFIED, ("hardship", {})])
    closed = world.calls.close(standing.call_id, "system", reason="unended")
    assert closed.disposition == "UD"
    assert RequestLivingReport() in closed.effects


def test_a_wrong_number_is_never_dialled_again(world: World, case: TestCase) -> None:
    whole(world, case, [("wrong_number", {}), ("done", {})])
    assert [row.status for row in rows(world, phone_numbers)] == ["wrong"]


def test_a_line_that_is_busy_ends_without_a_talk(world: World, case: TestCase) -> None:
    call_id = world.calls.open(opening(world, case))
    for event in ("placing", "busy", "ringing", "answered"):
        world.calls.line(call_id, event)
    closed = world.calls.close(call_id, "system")
    (row,) = rows(world, calls)
    assert (closed.disposition, row.attempt, row.contact) == ("BZ", 1, 0)


def test_what_joins_the_close_stands_or_falls_with_it(world: World, case: TestCase) -> None:
    standing = talk(world, connect(world, case), [*PROMISED, ("done", {})])

    def fails(_conn: object, _closed: Closed) -> None:
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        world.calls.close(standing.call_id, "operator:1", then=fails)
    assert rows(world, promises) == []
    assert world.calls.close(standing.call_id, "operator:1").disposition == "PP"


class UndoneError(Exception):
    """Rolls back what a test has changed."""


def test_every_byte_of_the_log_is_held(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    changes = {
        "payload": "replace(payload, 'operator', 'operatos') || ' '",
        "actor": "actor || 'x'",
        "kind": "kind || 'x'",
        "seq": "seq + 100",
    }
    for column, changed in changes.items():
        for seq in (1, 7):
            with suppress(UndoneError), world.database.write() as conn:
                conn.execute(
                    text(f"UPDATE call_events SET {column} = {changed} WHERE call_id = :call AND seq = :seq"),
                    {"call": closed.call_id, "seq": seq},
                )
                verdict = verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id)
                assert not verdict.proved, column
                assert verdict.seq == seq
                raise UndoneError


def test_states_alone_are_checked_without_lines_and_effects(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.read() as conn:
        assert verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id, states_only=True).proved
        script = world.shelf.flow(conn, MUNICIPALITY, world.script_hash).script
        rows = conn.execute(select(*calllog.chain_columns(conn)).order_by(call_events.c.seq)).all()
    ways = Ways(script)  # known from the second log on: what was gone once must not hide what another log says
    ways.check(rows)
    changes = {"to": "child", "disposition": "DV", "answer": "no_such_answer"}
    for number, (seq, at, kind, actor, payload, *rest) in enumerate(rows):
        told = json.loads(payload)
        for name in changes.keys() & told.keys():
            if kind == calllog.LINE:
                continue
            changed = (seq, at, kind, actor, json.dumps({**told, name: changes[name]}), *rest)
            for looked in (ways, Ways(script)):
                with pytest.raises(ReplayError) as fault:
                    looked.check([*rows[:number], changed, *rows[number + 1 :]])
                assert fault.value.seq == seq
    ways.check(rows)


def test_the_ways_that_are_known_are_bounded(world: World, case: TestCase, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(world, case, [*PROMISED, ("done", {})])
    monkeypatch.setattr("callflow.ways.MOST", 3)
    with world.database.read() as conn:
        script = world.shelf.flow(conn, MUNICIPALITY, world.script_hash).script
        rows = conn.execute(select(*calllog.chain_columns(conn)).order_by(call_events.c.seq)).all()
    ways = Ways(script)
    for _ in range(3):
        ways.check(rows)
        assert ways.places <= 3


@given(st.binary(max_size=64), st.binary())
def test_a_commitment_is_the_hmac_of_the_standard_library(salt: bytes, payload: bytes) -> None:
    assert calllog.commit_to(payload, salt) == hmac.digest(salt, payload, "sha256")


def test_a_cut_tail_is_noticed(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        last = select(func.max(call_events.c.seq)).scalar_subquery()
        conn.execute(call_events.delete().where(call_events.c.seq == last))
        assert not verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id).proved


def test_an_erased_call_says_under_which_rule_and_its_chain_is_whole(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        conn.execute(update(call_events).values(payload=None, salt=None, erased_under="logs-5y"))
        verdict = verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id)
        assert verdict.proved
        assert verdict.erased == "logs-5y"


def test_a_changed_script_is_noticed(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        conn.execute(
            update(script_versions).values(
                sources=func.replace(script_versions.c.sources, "復唱いたします", "復唱します")
            )
        )
    fresh = Shelf()
    with world.database.read() as conn:
        assert "公開時と違います" in verify_call(conn, fresh, MUNICIPALITY, closed.call_id).fault


def test_all_calls_are_verified_in_one_pass(world: World, case: TestCase) -> None:
    for steps in ([*PROMISED, ("done", {})], [("wrong_number", {}), ("done", {})]):
        whole(world, case, steps)
    with world.database.read() as conn:
        verdicts = list(verify_all(conn, world.shelf, MUNICIPALITY))
    assert [verdict.proved for verdict in verdicts] == [True, True]


def test_the_first_event_holds_what_the_call_was_told(world: World, case: TestCase) -> None:
    standing = connect(world, case)
    with world.database.read() as conn:
        first = calllog.read(conn, MUNICIPALITY, standing.call_id)[0]
    assert first.payload is not None
    assert first.payload["facts"]["arrears"]["total"] == 24_000
    assert first.payload["settings"]["opening"] == "documented"


def test_one_machine_message_in_seven_days_for_the_household_and_the_number(world: World, case: TestCase) -> None:
    with world.database.write() as conn:
        sister = add_case(conn, 2, household=case.household_id)

    def call(one: TestCase, disposition: str, number: int) -> Mapping[str, bool]:
        call_id = world.calls.open(opening(world, one, number_id=number))
        with world.database.write() as conn:
            told = world.calls.conditions(conn, call_id)
            ended = {"live": False, "line_state": "ended", "disposition": disposition}
            conn.execute(update(calls).where(calls.c.id == call_id).values(**ended))
        world.clock.advance(timedelta(hours=1))
        return told

    assert not call(case, "NA", case.number_id)["may_leave_message"], "none on the first attempt"
    assert not call(sister, "NA", sister.number_id)["may_leave_message"]
    assert call(case, "AM1", case.number_id)["may_leave_message"]
    assert not call(sister, "NA", sister.number_id)["may_leave_message"], "another claim of the household"
    assert not call(sister, "NA", case.number_id)["may_leave_message"]
    world.clock.advance(timedelta(days=7))
    assert call(sister, "NA", sister.number_id)["may_leave_message"]
