"""A call against what the database holds of it: on the call itself, and in the case record. Both databases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Table, delete, select, text, update

from callflow import calllog
from callflow.clock import SimulatedClock
from callflow.errors import RefusedError
from callflow.playback import Verdict, against_records, scenes, verify_all, verify_call
from callflow.standing import Opening
from models.database import Database
from models.tables import (
    call_events,
    callbacks,
    calls,
    contact_slips,
    living_report_links,
    negotiation_records,
    off_scripts,
    promises,
    signals,
    slip_reasons,
    suppressions,
    ward_tasks,
)
from tests.integration.test_calls import PROMISED, VERIFIED, whole
from tests.world import MUNICIPALITY, TestCase, World, add_case, build

HARD = [
    *VERIFIED,
    ("signal", {"signal.reason": "仕事・収入"}),
    ("hardship", {}),
    ("goes_on", {}),
    ("goes_on", {}),
    ("staff", {}),
    ("told", {"consultation.at": "2026-12-02 10:00"}),
    ("done", {}),
    ("done", {}),
]
CALLBACK = [
    *VERIFIED[:-1],
    ("no", {}),
    ("told", {"callback.at": "2026-12-01 14:00"}),
    ("this_number", {}),
    ("done", {}),
]
REISSUED = [*PROMISED[:-2], ("none", {}), ("goes_on", {}), ("yes", {}), ("done", {})]
WRITTEN = [*VERIFIED, ("no_phone", {}), ("done", {}), ("done", {})]
PROTECTED = [("yes", {}), ("dv", {}), ("done", {})]
OFF = [*VERIFIED, ("off_script", {"off_script.reason": "（模擬）"}), ("done", {}), ("done", {})]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def case(world: World) -> TestCase:
    with world.database.write() as conn:
        return add_case(conn)


def judged(conn: Connection, world: World, call_id: int) -> Verdict:
    (verdict,) = against_records(conn, MUNICIPALITY, [verify_call(conn, world.shelf, MUNICIPALITY, call_id)])
    return verdict


@pytest.mark.parametrize(
    ("column", "value", "label"),
    [
        ("party", "spouse", "相手"),
        ("operator_id", 2, "担当者"),
        ("number_id", None, "番号"),
        ("direction", "inbound", "向き"),
        ("attempt_ref", "0" * 32, "識別子"),
        ("placed_at", None, "発信時刻"),
        ("answered_at", None, "応答時刻"),
        ("closed_at", None, "終了時刻"),
        ("contact", 0, "数え方"),
        ("talk_state", "party", "場面"),
        ("line_state", "answered", "回線"),
        ("live", True, "通話中とされています"),
        ("event_count", 99, "99 件目を末尾"),
        ("head_hash", b"x" * 32, "末尾とするものと違います"),
    ],
)
def test_a_column_of_the_call_that_its_log_does_not_say_is_named(
    world: World, case: TestCase, column: str, value: object, label: str
) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        assert judged(conn, world, closed.call_id).proved
        conn.execute(update(calls).values({column: value}))
        assert label in judged(conn, world, closed.call_id).fault
        conn.rollback()


@pytest.mark.parametrize(
    ("steps", "table", "change", "label"),
    [
        ([*PROMISED, ("done", {})], promises, {"amount": 1}, "納付約束"),
        ([*PROMISED, ("done", {})], promises, {"promiser": "spouse"}, "納付約束"),
        ([*PROMISED, ("done", {})], promises, {"state": "cancelled"}, "納付約束がありません"),
        ([*PROMISED, ("done", {})], negotiation_records, {"disposition": "RF"}, "交渉経過"),
        ([*PROMISED, ("done", {})], negotiation_records, {"ack_candidate": False}, "交渉経過"),
        (REISSUED, ward_tasks, {"kind": "letter"}, "区への依頼"),
        (HARD, contact_slips, {"urgency": "normal", "text": "x"}, "連絡票"),
        (HARD, slip_reasons, {"reason": "x"}, "連絡票"),
        (HARD, living_report_links, {"kind": "withdrawn"}, "生活状況報告書がありません"),
        (HARD, signals, {"reason": "x"}, "シグナル"),
        (CALLBACK, callbacks, {"phone": "03-0000-0001"}, "かけ直し"),
        (OFF, off_scripts, {"reason": "x"}, "台本外"),
        (WRITTEN, suppressions, {"reason": "DV"}, "架電の停止"),
        (PROTECTED, suppressions, {"reason": "DC"}, "架電の停止"),
    ],
)
def test_a_record_that_the_call_did_not_make_so_is_named(
    world: World, case: TestCase, steps: Any, table: Table, change: Mapping[str, object], label: str
) -> None:
    closed = whole(world, case, steps)
    with world.database.write() as conn:
        assert judged(conn, world, closed.call_id).proved
        rows = [row for row in conn.execute(table.select()).mappings() if row.get("reason") != "hardship"]
        assert rows
        conn.execute(
            update(table).where(*(each == rows[0][each.name] for each in table.primary_key.columns)).values(change)
        )
        assert label in judged(conn, world, closed.call_id).fault
        conn.rollback()


def test_a_lost_record_and_an_added_one_are_named(world: World, case: TestCase) -> None:
    closed = whole(world, case, HARD)
    with world.database.write() as conn:
        conn.execute(delete(signals))
        assert "シグナルがありません" in judged(conn, world, closed.call_id).fault
        conn.rollback()
    with world.database.write() as conn:
        row = conn.execute(contact_slips.select()).mappings().one()
        added = {"municipality_id": MUNICIPALITY, "id": 999, "case_id": row["case_id"], "call_id": closed.call_id}
        conn.execute(ward_tasks.insert().values(**added, kind="form", state="open", created_at=row["raised_at"]))
        assert "記録にない区への依頼" in judged(conn, world, closed.call_id).fault
        conn.rollback()


def test_a_suppression_that_staff_lifted_was_made_all_the_same(world: World, case: TestCase) -> None:
    closed = whole(world, case, WRITTEN)
    with world.database.write() as conn:
        conn.execute(update(suppressions).values(lifted_at=world.clock.now()))
        assert judged(conn, world, closed.call_id).proved


def test_a_record_moved_to_another_case_is_named(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        other = add_case(conn, 7)
        conn.execute(update(negotiation_records).values(case_id=other.case_id))
        assert "交渉経過" in judged(conn, world, closed.call_id).fault
        conn.rollback()


def test_what_is_not_erased_is_not_passed_by_as_erased(world: World, case: TestCase) -> None:
    closed = whole(world, case, [*PROMISED, ("done", {})])
    with world.database.write() as conn:
        conn.execute(update(call_events).where(call_events.c.seq == 7).values(erased_under="x"))
        verdict = judged(conn, world, closed.call_id)
        assert (verdict.seq, verdict.erased, "消去の印" in verdict.fault) == (7, "", True)
        conn.rollback()


@pytest.mark.parametrize(
    ("column", "said"),
    [("call_events.at", "連鎖が切れています"), ("calls.opened_at", "読めない値"), ("promises.due_on", "読めない値")],
)
def test_a_day_that_cannot_be_read_is_of_one_call_alone(world: World, case: TestCase, column: str, said: str) -> None:
    if not world.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such value")
    spoilt, kept = (whole(world, case, steps) for steps in ([*PROMISED, ("done", {})], [("hang_up", {})]))
    table, name = column.split(".")
    key = "id" if table == "calls" else "call_id"
    with world.database.write() as conn:
        conn.execute(text(f"UPDATE {table} SET {name} = '2026-13-99' WHERE {key} = {spoilt.call_id}"))
        told = against_records(conn, MUNICIPALITY, verify_all(conn, world.shelf, MUNICIPALITY))
        verdicts = {each.call_id: each for each in told}
        assert said in verdicts[spoilt.call_id].fault
        assert verdicts[kept.call_id].proved
        conn.rollback()


def test_a_call_whose_whole_log_is_gone_is_named(world: World, case: TestCase) -> None:
    kept, emptied = (whole(world, case, [("hang_up", {})]) for _ in range(2))
    with world.database.write() as conn:
        conn.execute(delete(call_events).where(call_events.c.call_id == emptied.call_id))
        verdicts = {each.call_id: each for each in verify_all(conn, world.shelf, MUNICIPALITY)}
        assert verdicts[kept.call_id].proved
        assert verdicts[emptied.call_id].fault == "記録がありません"
        conn.rollback()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", b"\x00"),
        ("payload", 5),
        ("salt", "x"),
        ("salt", 7),
        ("commitment", 7),
        ("hash", "x"),
        ("actor", b"x"),
    ],
)
def test_a_column_of_another_type_is_a_fault_of_its_call_and_stops_no_proof(
    world: World, case: TestCase, column: str, value: object
) -> None:
    if not world.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such value")
    spoilt, kept = (whole(world, case, steps) for steps in ([*PROMISED, ("done", {})], [("hang_up", {})]))
    with world.database.write() as conn:
        here = "WHERE call_id = ? AND seq = 3"
        conn.exec_driver_sql(f"UPDATE call_events SET {column} = ? {here}", (value, spoilt.call_id))
        verdicts = {each.call_id: each for each in verify_all(conn, world.shelf, MUNICIPALITY)}
        assert (verdicts[spoilt.call_id].proved, verdicts[spoilt.call_id].seq) == (False, 3)
        assert verdicts[kept.call_id].proved
        conn.rollback()


def test_whom_a_call_that_nobody_answered_belongs_to_is_proved_too(world: World, case: TestCase) -> None:
    call = world.calls.open(Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id))
    for event in ("placing", "ringing", "no_answer"):
        world.calls.line(call, event)
    world.calls.close(call, "system")
    with world.database.write() as conn:
        assert judged(conn, world, call).proved
        conn.execute(update(calls).values(operator_id=world.supervisor))
        assert "担当者" in judged(conn, world, call).fault
        conn.rollback()


def test_a_count_of_another_type_stops_no_proof(world: World, case: TestCase) -> None:
    if not world.database.is_sqlite:
        pytest.skip("PostgreSQL takes no such value")
    closed = whole(world, case, [("hang_up", {})])
    with world.database.write() as conn:
        conn.exec_driver_sql("UPDATE calls SET event_count = 'many'")
        assert "many 件目を末尾" in judged(conn, world, closed.call_id).fault
        conn.rollback()


def test_a_log_that_was_chained_anew_without_its_form_is_a_fault_and_no_crash(world: World, case: TestCase) -> None:
    """Each key of each event left out, and each payload of another shape: whoever can write the tables can do it."""
    closed = whole(world, case, HARD)
    with world.database.write() as conn:
        events = list(conn.execute(select(call_events).where(call_events.c.call_id == closed.call_id)))
        for event in events:
            told = json.loads(event.payload)
            shapes = [{key: told[key] for key in told if key != gone} for gone in told]
            for shape in (*shapes, [], 5, "x", None, dict.fromkeys(told), dict.fromkeys(told, "x")):
                chain_anew(conn, events, event.seq, json.dumps(shape))
                for states_only in (True, False):
                    verdict = verify_call(conn, world.shelf, MUNICIPALITY, closed.call_id, states_only=states_only)
                    assert "連鎖" not in verdict.fault
                if shape in ([], 5, "x", None):
                    assert not verdict.proved, (event.seq, shape)
                    with pytest.raises(RefusedError):
                        scenes(conn, world.shelf, MUNICIPALITY, closed.call_id)
        conn.rollback()


def chain_anew(conn: Connection, events: list[Any], seq: int, payload: str) -> None:
    """The log with another payload at `seq`, every hash behind it and the call's head made to match."""
    head = calllog.GENESIS
    for row in events:
        text_ = payload if row.seq == seq else row.payload
        held = calllog.commit_to(text_.encode(), row.salt)
        stamp = calllog.stamp(row.at)
        head = calllog.link(head, MUNICIPALITY, row.call_id, row.seq, stamp, row.kind, row.actor, held)
        here = (call_events.c.call_id == row.call_id, call_events.c.seq == row.seq)
        conn.execute(update(call_events).where(*here).values(payload=text_, commitment=held, hash=head))
    conn.execute(update(calls).where(calls.c.id == events[0].call_id).values(head_hash=head))
