"""Promises held against payments, the second broken one handed to staff; signals read; visits handed over."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from callflow.clock import SimulatedClock
from callflow.errors import InputError, RefusedError, TryLaterError
from callflow.followup import promises as judging
from callflow.followup import signals as reading
from callflow.followup.terms import Rules
from callflow.intake.importer import import_file
from callflow.playback import against_records, verify_call
from callflow.simulation.invariants import check
from models.tables import (
    arrears,
    audit_events,
    calls,
    cases,
    contact_slips,
    debtors,
    follow_up_events,
    payments,
    promises,
    queue_entries,
    signals,
    slip_reasons,
)
from scheduler.calendar import Calendar
from scheduler.ranking import Motive, rank
from scheduler.snapshot import facts_for
from tests.followup.conftest import Said, staff, supervisor
from tests.integration.test_calls import PROMISED, whole
from tests.world import MUNICIPALITY, TestCase, World

Terminal = Callable[..., Said]
OWN = {"municipality_id": MUNICIPALITY}
DUE = date(2026, 12, 4)


@pytest.fixture
def promised(world: World, case: TestCase) -> int:
    """A call in which the householder promised 18,000 yen by 2026-12-04. Returns its id."""
    return whole(world, case, [*PROMISED, ("done", {})]).call_id


def known_until(world: World, day: date) -> None:
    with world.database.write() as conn:
        conn.execute(update(cases).values(payments_as_of=day))


def pay(world: World, amount: int, on: date, number: int = 1) -> None:
    with world.database.write() as conn:
        row = {"arrear_id": 1, "paid_on": on, "amount": amount, "as_of": on, "occurrence": number}
        conn.execute(insert(payments).values(**OWN, id=number, **row))


def duty(world: World, rules: Rules) -> list[str]:
    judging.judge_due(world.database, MUNICIPALITY, world.clock.now(), rules)
    with world.database.read() as conn:
        return list(conn.execute(select(promises.c.state).order_by(promises.c.id)).scalars())


def later(clock: SimulatedClock, days: int) -> None:
    clock.advance(timedelta(days=days))


@pytest.mark.parametrize(("paid", "state"), [(18_000, "kept"), (17_999, "partial"), (0, "broken")])
def test_a_promise_is_held_against_what_came_in(
    world: World, promised: int, rules: Rules, paid: int, state: str
) -> None:
    if paid:
        pay(world, paid - 1, date(2026, 12, 14))
        pay(world, 1, date(2026, 11, 24), 2)  # on the day of the promise
        pay(world, 50_000, date(2026, 11, 23), 3)  # before it
        pay(world, 50_000, date(2026, 12, 15), 4)  # after the grace
    later(world.clock, 21)
    known_until(world, date(2026, 12, 13))
    assert duty(world, rules) == ["kept" if paid == 18_000 else "open"]
    known_until(world, date(2026, 12, 14))
    assert duty(world, rules) == [state]
    assert duty(world, rules) == [state]
    with world.database.read() as conn:
        acts = conn.execute(select(follow_up_events.c.act, follow_up_events.c.after)).all()
        (verdict,) = against_records(conn, MUNICIPALITY, [verify_call(conn, world.shelf, MUNICIPALITY, promised)])
    assert acts == [("judge", state)]
    assert verdict.proved


def test_a_broken_promise_makes_the_case_callable_and_rank(
    world: World, promised: int, case: TestCase, rules: Rules
) -> None:
    later(world.clock, 22)
    known_until(world, date(2026, 12, 15))
    with world.database.write() as conn:
        conn.execute(update(queue_entries).values(state="held"))
    assert duty(world, rules) == ["broken"]
    with world.database.read() as conn:
        facts = facts_for(conn, MUNICIPALITY, case.case_id)
        place = rank(facts.case, facts.numbers, facts.history, Calendar(), world.clock.now())
        assert conn.execute(select(queue_entries.c.state)).scalar_one() == "scheduled"
        assert conn.execute(select(contact_slips.c.id)).all() == []
    assert place.motive is Motive.BROKEN_PROMISE


def test_the_second_broken_promise_is_a_slip_of_the_staff_and_ends_the_calls(
    world: World, promised: int, case: TestCase, rules: Rules, terminal: Terminal
) -> None:
    with world.database.write() as conn:
        old = conn.execute(select(promises)).mappings().one()
        made = old["made_at"] - timedelta(days=60)
        gone = {"id": 9, "state": "broken", "made_at": made, "due_on": date(2026, 9, 30), "judged_at": made}
        other = whole_call(conn, world, case)
        conn.execute(insert(promises).values({**old, **gone, "call_id": other}))
    later(world.clock, 22)
    known_until(world, date(2026, 12, 15))
    assert duty(world, rules) == ["broken", "broken"]
    (slip,) = terminal("ward01", "slip", "list", "--json").data
    assert (slip["reasons"], slip["call_id"], slip["origin"]) == (["broken_promises"], promised, "promise")
    assert terminal("ward01", "slip", "take", str(slip["id"])).code == 0
    refused = terminal("ward01", "dial", "explain", str(case.case_id))
    assert "約束不履行" in refused.out
    with world.database.read() as conn:
        (verdict,) = against_records(conn, MUNICIPALITY, [verify_call(conn, world.shelf, MUNICIPALITY, promised)])
    assert verdict.proved


def whole_call(conn, world: World, case: TestCase) -> int:  # type: ignore[no-untyped-def]
    """Another call of the case, as a row to which an older promise can belong."""
    row = conn.execute(select(calls)).mappings().first()
    conn.execute(insert(calls).values({**row, "id": 9, "attempt_ref": "9" * 32}))
    return 9


HEADER = "科目コード,宛名番号,通知書番号,賦課年度,期別,収納日,収納額,取消区分,収納データ基準日\n"


def test_payments_that_come_in_by_a_file_judge_at_once_and_again_when_they_change(
    world: World, promised: int, rules: Rules, tmp_path: Path
) -> None:
    later(world.clock, 22)

    def imported(*lines: str) -> list[str]:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        file.write_text(HEADER + "".join(lines), encoding="utf-8")
        report = import_file(
            world.database,
            file,
            municipality_id=MUNICIPALITY,
            actor_id=world.staff[0],
            now=world.clock.now(),
            rules=rules,
        )
        assert not report.bad_rows, report.bad_rows
        with world.database.read() as conn:
            return list(conn.execute(select(promises.c.state)).scalars())

    line = "10,0010000001,N0000101,2026,1,2026-12-0{day},{amount},{cancels},2026-12-1{until}\n"
    assert imported(line.format(day=3, amount=8000, cancels=0, until=5)) == ["partial"]
    assert imported(line.format(day=4, amount=10000, cancels=0, until=6)) == ["kept"]
    assert imported(line.format(day=4, amount=10000, cancels=1, until=7)) == ["partial"]


def test_staff_alone_say_whether_a_promise_acknowledges_the_debt(
    world: World, promised: int, terminal: Terminal
) -> None:
    assert "18,000円" in terminal("ward01", "promise", "acknowledge").out
    who, _ = staff(world)
    boss, _ = supervisor(world)
    with world.database.write() as conn:
        for actor, note, error in ((boss, "x", RefusedError), (who, " ", InputError)):
            with pytest.raises(error):
                judging.confirm(conn, actor, 1, note, acknowledged=True)
    assert terminal("ward01", "promise", "acknowledge", "1", "--yes", "--note", "録音で確認").code == 0
    assert terminal("ward02", "promise", "acknowledge", "1", "--no", "--note", "x").code == 5
    assert terminal("ward01", "promise", "acknowledge", "77", "--no", "--note", "x").code == 3
    assert "候補はありません" in terminal("ward01", "promise", "acknowledge").out


def test_a_signal_waits_until_somebody_of_the_ward_has_read_it(world: World, hard: int) -> None:
    (who, eyes), (boss, theirs) = staff(world), supervisor(world)
    with world.database.write() as conn:
        (found,) = reading.some(conn, MUNICIPALITY, eyes, unread=True, limit=9, offset=0)
        assert (found.reason, found.kind, found.reviewed_at) == ("仕事・収入", "signal", None)
        assert reading.count(conn, MUNICIPALITY, theirs, unread=True) == 1
        for actor, words, error in ((boss, "x", RefusedError), (who, "", InputError)):
            with pytest.raises(error):
                reading.review(conn, actor, found.call_id, found.seq, words)
        reading.review(conn, who, found.call_id, found.seq, "連絡票で対応")
        with pytest.raises(TryLaterError):
            reading.review(conn, who, found.call_id, found.seq, "もう一度")
        assert reading.count(conn, MUNICIPALITY, eyes, unread=True) == 0
        (read,) = reading.some(conn, MUNICIPALITY, eyes, unread=False, limit=9, offset=0)
        assert (read.review, read.reviewer) == ("連絡票で対応", "見本 職一")
        assert conn.execute(select(signals.c.reviewed_at)).scalar_one() == who.now
        assert not check(conn, world.shelf)


def test_a_visit_is_listed_handed_over_for_a_purpose_and_has_its_result(
    world: World, promised: int, case: TestCase, terminal: Terminal, tmp_path: Path
) -> None:
    with world.database.write() as conn:
        conn.execute(update(debtors).values(address="=HYPERLINK(1)"))
        conn.execute(update(arrears).values(unpaid=7_000))
    file = tmp_path / "visits.csv"
    assert terminal("ward01", "visit", "export", str(file), "--purpose", "訪問").code == 5
    for login, words, code in (
        ("ward01", ("add", "1", "--reason", "no_contact", "--note", "夜間も不在"), 0),
        ("ward01", ("add", "1", "--reason", "other"), 0),  # it stands there already
        ("ward01", ("add", "9", "--reason", "other"), 3),
        ("ward01", ("add", "1", "--reason", "x"), 1),
        ("sv01", ("export", str(file), "--purpose", "訪問"), 5),
        ("ward01", ("export", str(file), "--purpose", " "), 1),
        ("ward01", ("export", str(file), "--purpose", "12月の訪問"), 0),
        ("ward01", ("export", str(file), "--purpose", "12月の訪問"), 5),
        ("ward01", ("result", "1", "met", "--on", "2026-11-25"), 1),
        ("ward01", ("result", "1", "met", "--on", "きょう"), 1),
        ("ward01", ("result", "1", "met", "--on", "2026-11-24", "--note", "納付書を渡した"), 0),
        ("ward01", ("result", "1", "met", "--on", "2026-11-24"), 5),
    ):
        said = terminal(login, "visit", *words)
        assert said.code == code, (words, said.err)
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(content.decode("utf-8-sig").splitlines())
    assert (row["氏名"], row["住所"], row["未納額"]) == ("試川　1郎", "'=HYPERLINK(1)", "14000")
    assert "2026-11-24 納付約束（PP）" in row["経過"]
    with world.database.read() as conn:
        query = select(audit_events.c.purpose, audit_events.c.fields).where(audit_events.c.verb == "visit:export")
        ((purpose, fields),) = conn.execute(query).all()
        acts = conn.execute(select(follow_up_events.c.act).where(follow_up_events.c.thing == "visit")).scalars().all()
        assert not conn.execute(select(slip_reasons)).all()
    assert purpose == f"12月の訪問（1行、sha256 {hashlib.sha256(content).hexdigest()}）"
    assert fields == "name,kana,address,unpaid,history"
    assert acts == ["list", "hand", "result"]
    assert terminal("ward01", "visit", "list", "--json").data == []
