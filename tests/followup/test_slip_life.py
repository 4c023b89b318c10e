"""連絡票 after the call, on both databases and from the command line: its acts, its guard, its alarms, who sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from callflow.errors import CallflowError, NotFoundError, RefusedError, TryLaterError
from callflow.followup import history, slip_lists, slips
from callflow.followup.slip_lists import REASONS, Question
from callflow.followup.terms import Rules
from callflow.playback import against_records, verify_call
from models.tables import audit_events, contact_slips, follow_up_events, households, slip_reasons
from tests.followup.conftest import Said, staff, supervisor
from tests.world import MUNICIPALITY, World, proved

Terminal = Callable[..., Said]


def test_a_slip_goes_from_hand_to_hand_and_every_step_is_on_record(world: World, hard: int, terminal: Terminal) -> None:
    (listed,) = terminal("ward01", "slip", "list", "--json").data
    assert (listed["state"], listed["reasons"], listed["consultation_label"]) == (
        "raised",
        ["HC", "hardship", "signal"],
        "職員から電話",
    )
    assert datetime.fromisoformat(listed["due"]).isoformat() == "2026-11-26T08:00:00+00:00"
    for words in (
        ("ward01", "take", "1"),
        ("ward01", "send-back", "1", "--note", "電話番号が読めません"),
        ("sv01", "answer", "1", "--note", "録音で確かめました"),
        ("ward02", "take", "1"),
        ("ward02", "call-back", "1", "--from", "2026-11-25 10:00", "--until", "11:00"),
        ("ward02", "call-back", "1", "--outcome", "missed"),
        ("ward02", "call-back", "1", "--from", "2026-11-26 10:00", "--until", "11:00"),
        ("ward02", "call-back", "1", "--outcome", "reached", "--note", "12月に来庁"),
        ("ward02", "done", "1", "--note", "来庁の予約"),
    ):
        said = terminal(words[0], "slip", *words[1:])
        assert said.code == 0, (words, said.err)
    shown = terminal("ward01", "slip", "show", "1", "--json").data
    assert [(e["act"], e["before"], e["after"], e["actor"]) for e in shown["events"]] == [
        ("take", "raised", "in_work", "見本 職一"),
        ("send_back", "in_work", "sent_back", "見本 職一"),
        ("answer", "sent_back", "received", "見本 責任"),
        ("take", "received", "in_work", "見本 職二"),
        ("call_planned", "in_work", "in_work", "見本 職二"),
        ("call_missed", "in_work", "in_work", "見本 職二"),
        ("call_planned", "in_work", "in_work", "見本 職二"),
        ("call_reached", "in_work", "in_work", "見本 職二"),
        ("done", "in_work", "done", "見本 職二"),
    ]
    assert shown["name"] == "試川　1郎"
    assert terminal("ward01", "slip", "list", "--json").data == []
    with world.database.read() as conn:
        seen = conn.execute(select(audit_events.c.fields).where(audit_events.c.verb == "case:view")).scalars().all()
        organisations = conn.execute(select(follow_up_events.c.organisation_id)).scalars().all()
        (verdict,) = against_records(conn, MUNICIPALITY, [verify_call(conn, world.shelf, MUNICIPALITY, hard)])
    assert seen == ["name,kana,phone,promises,slips"]
    assert set(organisations) == {1, 2}
    assert verdict.proved


@pytest.mark.parametrize(
    ("login", "words", "code", "says"),
    [
        ("ward01", ("done", "1", "--note", "x"), 5, "未受理"),
        ("ward01", ("answer", "1", "--note", "x"), 5, "権限"),
        ("sv01", ("take", "1"), 5, "権限"),
        ("op01", ("list",), 5, "権限"),
        ("ward01", ("send-back", "1"), 1, "内容が要ります"),
        ("ward01", ("take", "99"), 3, "ありません"),
        ("ward01", ("call-back", "1", "--outcome", "reached", "--note", "x"), 5, "予定された電話"),
        ("ward01", ("call-back", "1", "--from", "2026-11-26 10:00", "--until", "09:00"), 1, "時間帯"),
        ("ward01", ("call-back", "1", "--from", "明日", "--until", "09:00"), 1, "--from"),
        ("ward01", ("call-back", "1"), 2, "--outcome"),
        ("ward01", ("list", "--urgency", "x"), 2, "normal"),
    ],
)
def test_what_may_not_be_is_refused_in_words(
    hard: int, terminal: Terminal, login: str, words: tuple[str, ...], code: int, says: str
) -> None:
    said = terminal(login, "slip", *words)
    assert said.code == code
    assert says in said.err
    assert "Traceback" not in said.err


def test_of_two_who_take_a_slip_at_once_one_does(world: World, hard: int) -> None:
    who, viewer = staff(world)
    with world.database.write() as conn:
        row = history.row_of(conn, who, "slip", 1)
        slips.act(conn, who, viewer, 1, "take")
        with pytest.raises(TryLaterError):
            history.change(conn, who, "slip", row, slips_move("take"))
    done: list[str] = []

    def finish(which: int) -> None:
        one, eyes = staff(world, which)
        try:
            world.database.transact(lambda conn: slips.act(conn, one, eyes, 1, "done", "済"))
            done.append("done")
        except CallflowError as error:
            done.append(type(error).__name__)

    threads = [threading.Thread(target=finish, args=(which,)) for which in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert done.count("done") == 1
    with world.database.read() as conn:
        acts = conn.execute(select(follow_up_events.c.act).order_by(follow_up_events.c.id)).scalars().all()
    assert acts == ["take", "done"]


def slips_move(name: str):  # type: ignore[no-untyped-def]
    return history.decide("slip", name, "raised", frozenset({"staff"}), "")


def test_a_slip_is_not_there_before_it_has_settled_nor_for_whom_it_is_not(
    world: World, hard: int, rules: Rules
) -> None:
    who, viewer = staff(world)
    with world.database.write() as conn:
        conn.execute(update(contact_slips).values(visible_at=world.clock.now() + timedelta(seconds=1)))
        with pytest.raises(NotFoundError):
            slips.act(conn, who, viewer, 1, "take")
        conn.execute(update(contact_slips).values(visible_at=world.clock.now()))
        slips.act(conn, who, viewer, 1, "take")
        conn.execute(update(households).values(protected=True))
        slips.act(conn, who, viewer, 1, "send_back", "x")
        boss, eyes = supervisor(world)
        with pytest.raises(NotFoundError):
            slips.act(conn, boss, eyes, 1, "answer", "x")
        asked = Question(state="open")
        assert slip_lists.count(conn, MUNICIPALITY, viewer, asked, rules, who.now) == 1
        assert slip_lists.count(conn, MUNICIPALITY, eyes, asked, rules, who.now) == 0


def test_a_slip_with_a_promised_call_is_not_done_before_its_outcome(world: World, hard: int) -> None:
    who, viewer = staff(world)
    with world.database.write() as conn:
        slips.plan_call(conn, who, viewer, 1, who.now + timedelta(hours=1), who.now + timedelta(hours=2))
        for name in ("done", "send_back"):
            with pytest.raises(RefusedError):
                slips.act(conn, who, viewer, 1, name, "x")
        with pytest.raises(RefusedError):
            slips.plan_call(conn, who, viewer, 1, who.now, who.now + timedelta(hours=2))
        slips.close_call(conn, who, viewer, 1, "cancelled")
        slips.act(conn, who, viewer, 1, "done", "x")


def test_lists_find_by_state_reason_alarm_number_and_by_name_in_any_width(
    world: World, hard: int, rules: Rules
) -> None:
    who, viewer = staff(world)

    def found(now: datetime = who.now, **asked: object) -> int:
        with world.database.read() as conn:
            question = Question(**asked)  # type: ignore[arg-type]
            rows = slip_lists.some(conn, MUNICIPALITY, viewer, question, rules, now, limit=50, offset=0)
            assert len(rows) == slip_lists.count(conn, MUNICIPALITY, viewer, question, rules, now)
        return len(rows)

    for words in ("ためし", "ﾀﾒｼｶﾞﾜ", "タメシ", "試川", "試川1郎", "１"):
        assert found(words=words, by_name=True) == 1, words
    for words in ("ベツ", "%", "_", "9"):
        assert found(words=words, by_name=True) == 0, words
    assert found(words="タメシ") == 0
    assert (found(reason="hardship"), found(reason="DA"), found(urgency="urgent"), found(state="done")) == (1, 0, 0, 0)
    assert found(alarm="overdue") == 0
    late = who.now + timedelta(days=2, hours=7)
    assert found(late, alarm="overdue") == 1
    with world.database.write() as conn:
        slips.plan_call(conn, who, viewer, 1, who.now + timedelta(hours=1), who.now + timedelta(hours=2))
    assert found(late, alarm="overdue") == 0
    assert found(late, alarm="call_missed") == 1
    with world.database.read() as conn:
        assert slip_lists.alarms(conn, MUNICIPALITY, viewer, rules, late) == {
            "open": 1,
            "overdue": 0,
            "call_missed": 1,
        }


def test_every_outcome_that_makes_a_slip_has_its_word() -> None:
    from tests.world import SCRIPTS  # noqa: PLC0415

    codes = {
        code
        for path in SCRIPTS.glob("*.yaml")
        for code, each in proved(path)[0].dispositions.items()
        if "contact_slip" in each.makes
    }
    assert codes
    assert codes <= set(REASONS)


def test_urgent_ones_come_first(world: World, hard: int, rules: Rules) -> None:
    who, viewer = staff(world)
    with world.database.write() as conn:
        row = conn.execute(select(contact_slips)).mappings().one()
        more = {"id": 2, "urgency": "urgent", "origin": "promise", "raised_at": who.now, "visible_at": who.now}
        conn.execute(insert(contact_slips).values({**row, **more}))
        conn.execute(insert(slip_reasons).values(municipality_id=MUNICIPALITY, slip_id=2, reason="emergency"))
        page = slip_lists.some(conn, MUNICIPALITY, viewer, Question(), rules, who.now, limit=50, offset=0)
    assert [each.id for each in page] == [2, 1]
