"""The operator's desk by its keys: whole calls within their budgets, nothing lost, nothing said too early."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from callflow.console.pages.desk.place import last_answer
from callflow.console.site import Site
from models.tables import audit_events, calls, contact_slips, living_reports, memos, promises
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.web.desktop import Desk
from tests.world import World, add_case, running_campaign

BORN = {"i__name": "1", "i__birth_date": "S38.10.16"}
CANARIES = (
    "12,000",
    "24,000",
    "12000",
    "納期分",
    "2026-07-28",
    "1963",
    "S38",
    "見本町8-17-18",
    "8-17-18",
    "試川　幸子",
)
"""What the residents of `tests.world` owe and are, in the forms in which a page could show it."""


@pytest.fixture
def desk(world: World, site: Site, logged_in) -> Desk:  # type: ignore[no-untyped-def]
    """An operator with three cases in a running campaign, on a desk phone."""
    now = world.clock.now()
    with world.database.write() as conn:
        running_campaign(conn, world)
        for number in range(1, 4):
            case = add_case(conn, number)
            queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(case.case_id, case.household_id, now, number)])
        queue.wake(conn, MUNICIPALITY, now)
    desk = Desk(logged_in("operator"))
    desk.press("Enter")
    desk.presses = 0
    return desk


def count(site: Site, table) -> int:  # type: ignore[no-untyped-def]
    with site.database.read() as conn:
        return len(conn.execute(select(table)).all())


def last_code(site: Site) -> str:
    with site.database.read() as conn:
        return str(conn.execute(select(calls.c.disposition).order_by(calls.c.id.desc()).limit(1)).scalar())


def verified(desk: Desk) -> None:
    """From the preview to 本人確認 and past it."""
    desk.play("Enter", "1", "1", "1")
    desk.type(**BORN)
    desk.press("Enter")


def test_nobody_answers_in_two_keys(desk: Desk, site: Site) -> None:
    text = desk.play("Enter", "2")
    assert desk.presses == 2
    assert last_code(site) == "NA"
    assert "電話をかける" in text  # the next case stands there already


def test_a_child_answers_in_five_keys(desk: Desk, site: Site) -> None:
    text = desk.play("Enter", "1", "3", "1", "Enter")
    assert desk.presses == 5
    assert last_code(site) == "CH"
    assert "電話をかける" in text


def test_a_promise_in_fourteen_keys_with_defaults_that_enter_accepts(desk: Desk, site: Site) -> None:
    verified(desk)
    desk.play("1", "1", "Enter", "Enter", "Enter", "1", "1", "1", "Enter")
    assert desk.presses <= 14
    assert last_code(site) == "PP"
    with site.database.read() as conn:
        made = conn.execute(select(promises.c.due_on, promises.c.amount, promises.c.place)).one()
    assert (str(made.due_on), made.amount, made.place) == ("2026-12-01", 12_000, "コンビニエンスストア")


def test_hardship_makes_its_three_records_without_a_skipped_line(desk: Desk, site: Site) -> None:
    verified(desk)
    desk.play("1", "3", "1", "1", "1")
    assert 'name="f:consultation.at"' in desk.text
    assert "autofocus" not in desk.text  # 2, いつでもよい, must not be typed into the field
    desk.play("2", "1", "Enter")  # every documented line was on the screen before its key
    assert last_code(site) == "HC"
    assert "電話をかける" in desk.text
    assert (count(site, contact_slips), count(site, living_reports)) == (1, 1)
    form = desk.browser.see("/desk/mine/1").text
    assert 'value="hardship"> 生活が苦しいという申出' in form
    assert "HC 生活困窮・職員から架電" in form
    assert desk.presses == 13


def test_before_verification_no_byte_holds_the_debt_or_the_identity(desk: Desk) -> None:
    pages = [desk.text, desk.press("Enter"), desk.press("1"), desk.press("1"), desk.press("1")]
    desk.type(i__name="1", i__birth_date="S38.10.17")
    pages.append(desk.press("Enter"))  # 不一致
    for text in pages:
        assert not [canary for canary in CANARIES if canary in text.replace("S38.10.17", "")]
    assert "試川" in pages[0]
    desk.type(**BORN)
    desk.press("Enter")
    assert "12,000" in desk.look()


def test_a_new_voice_hides_the_debt_again(desk: Desk) -> None:
    verified(desk)
    assert "12,000" in desk.text
    assert not [canary for canary in CANARIES if canary in desk.press("v")]


def test_a_stale_tab_a_double_click_and_the_back_button_change_nothing(desk: Desk, site: Site) -> None:
    desk.play("Enter", "1")
    before = desk.text
    desk.press("1")
    true_step = desk.page.forms["answers"]["step"]
    desk.text = before
    desk.press("5")
    assert desk.page.forms["answers"]["step"] == true_step
    assert "画面が古くなっていました" in desk.text
    assert count(site, calls) == 1


def test_a_reload_a_lock_and_another_login_come_back_to_the_same_step(desk: Desk, logged_in) -> None:  # type: ignore[no-untyped-def]
    desk.play("Enter", "1", "1")
    step = desk.page.forms["answers"]["step"]
    desk.look()
    assert desk.page.forms["answers"]["step"] == step
    elsewhere = Desk(logged_in("operator"))
    assert elsewhere.page.forms["answers"]["step"] == step
    assert desk.browser.get("/desk").status_code == 303


def test_backspace_goes_one_answer_back_and_names_it(desk: Desk) -> None:
    desk.play("Enter", "1", "1")
    assert "「はい」" in desk.text
    assert "お電話口の方は" in desk.text
    assert "さまのお宅でしょうか" in desk.press("Backspace").replace("</ruby>", "")


def test_what_stepping_back_would_take_back_is_read_as_one_event(desk: Desk, site: Site) -> None:
    desk.play("Enter", "1", "1", "1")
    read: list[str] = []
    event.listen(site.database.engine, "before_cursor_execute", lambda *args: read.append(args[2]))
    with site.database.read() as conn:
        found = last_answer(conn, MUNICIPALITY, 1)
        read_back = [each for each in read if "call_events" in each]
    assert found
    assert found[0] == "party"
    assert len(read_back) == 1
    assert "LIMIT" in read_back[0]


def test_what_cannot_be_read_comes_back_with_its_reason_and_stays_typed(desk: Desk) -> None:
    verified(desk)
    desk.play("1", "1")
    desk.type(f__promise_dot_due="31/31")
    text = desk.press("Enter")
    assert "日付として読めません" in text
    assert 'value="31/31"' in text


def test_the_memo_survives_a_reload_and_goes_with_the_call(desk: Desk, site: Site) -> None:
    desk.play("Enter", "1")
    call = desk.page.forms["answers"]["call"]
    desk.browser.submit("/desk/memo", call=call, memo="折返し希望らしい")
    assert "折返し希望らしい" in desk.look()
    desk.play("h", "Enter")
    assert count(site, memos) == 0


def test_a_memo_that_comes_with_an_answer_stays_on_the_next_screens(desk: Desk, site: Site) -> None:
    desk.play("Enter", "1")
    desk.type(memo="折返し希望らしい")
    assert ">折返し希望らしい</textarea>" in desk.press("1")
    desk.type(memo="折返し希望らしい")  # as the browser sends what stands there
    assert ">折返し希望らしい</textarea>" in desk.press("1")
    assert ">折返し希望らしい</textarea>" in desk.press("Backspace")
    with site.database.read() as conn:
        assert conn.execute(select(memos.c.text)).scalars().all() == ["折返し希望らしい"]


def test_the_last_answer_confirms_at_once_unless_a_memo_would_be_lost(desk: Desk, site: Site) -> None:
    desk.play("Enter", "1", "3")
    before = desk.text
    stale = {**desk.page.forms["answers"], "step": "1", "answer": "done"}
    assert "画面が古くなっていました" in desk.browser.submit("/desk/finish", **stale).text
    desk.text = before
    desk.type(memo="折返し希望らしい")
    assert "折返し希望らしい" in desk.press("Enter")
    assert "記録の確認" in desk.text
    assert "電話をかける" in desk.press("Enter")
    assert last_code(site) == "CH"


def test_an_end_is_taken_back_within_ten_seconds_and_not_later(desk: Desk, world: World) -> None:
    desk.play("Enter", "1", "3", "1", "Enter")
    assert "記録の確認" in desk.press("z")
    desk.press("Enter")
    world.clock.advance(timedelta(seconds=11))
    assert "z" not in Desk(desk.browser).page.keys


def test_a_break_has_a_reason_and_gives_the_case_back(desk: Desk) -> None:
    assert "昼食" in desk.press("2")
    assert "電話をかける" in desk.press("Enter")


def test_the_access_event_stands_before_the_name_and_before_the_debt(desk: Desk, site: Site) -> None:
    verified(desk)
    with site.database.read() as conn:
        events = conn.execute(select(audit_events.c.fields).where(audit_events.c.verb == "case:view")).scalars().all()
    assert events == ["name,kana,phone", "name,kana,phone", "name,kana,phone,instalments,contacts"]
    for _ in range(3):
        desk.look()
    with site.database.read() as conn:
        again = conn.execute(select(audit_events.c.id).where(audit_events.c.verb == "case:view")).all()
    assert len(again) == len(events)


def test_outside_the_hours_the_desk_says_when(desk: Desk, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    world.clock.advance(timedelta(hours=7, minutes=30))
    assert "次に発信できるのは 11月25日(水) 09:00" in Desk(logged_in("operator")).text
