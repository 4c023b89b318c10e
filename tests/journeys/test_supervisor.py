"""A supervisor's morning in a real browser: the shift, a plan, the ward's approval, the start, a call, help
and a pause. Each page is looked at by axe, in both themes."""

from __future__ import annotations

import pytest

from callflow.console.site import Site
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.journeys.conftest import findings
from tests.web.desktop import Desk
from tests.world import World, add_case


@pytest.fixture(params=["light", "dark"])
def board(request: pytest.FixtureRequest, logged_in_page):  # type: ignore[no-untyped-def]
    return logged_in_page("supervisor", request.param)


def wait(page, words: str) -> None:  # type: ignore[no-untyped-def]
    page.wait_for_selector(f"text={words} >> visible=true")


def look(page, words: str) -> None:  # type: ignore[no-untyped-def]
    wait(page, words)
    assert findings(page) == [], words


def test_a_morning(board, server: str, site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    page = board
    with world.database.write() as conn:
        for number in range(1, 4):
            add_case(conn, number)
    page.click("text=勤務を終える")
    look(page, "いま席についている担当者はいません")
    page.fill("[name=until]", "17:30")
    page.click("text=勤務を始める")
    wait(page, "17:30 まで勤務中です")
    page.click("text=計画する")
    wait(page, "キャンペーンはまだありません")
    page.click("text=新しく計画する")
    page.fill("[name=name]", "12月の架電")
    page.check("[name=which][value=some]")
    page.fill("[name=first]", "2026-11-24")
    page.fill("[name=last]", "2026-12-11")
    page.click("text=均等に割り振る")
    look(page, "数えた結果")
    page.uncheck("[name=day][value='2026-12-11']")
    page.click("text=下書きにして、承認を待つ")
    wait(page, "区の職員の承認を待っています")
    logged_in("staff").submit("/campaigns/1/approve")
    page.reload()
    page.click("text=架電を始める")
    look(page, "稼働中")
    page.goto(f"{server}/board")
    with world.database.write() as conn:
        queue.wake(conn, MUNICIPALITY, world.clock.now())
    desk = Desk(logged_in("operator"))
    desk.play("Enter", "Enter", "1", "1")
    wait(page, "● 通話中")
    desk.press("a")
    look(page, "⚠ 支援要請")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the board scrolls"
    page.focus("#help-tile-1")
    desk.press("1")
    wait(page, "3/6 本人確認")
    assert page.evaluate("document.activeElement.id") == "help-tile-1", "what is swapped keeps the focus"
    page.keyboard.press("Enter")
    wait(page, "支援要請を確認済み")
    page.click("text=支援のために見る >> nth=0")
    look(page, "ここまでの動き")
    desk.press("Backspace")
    wait(page, "ひとつ戻った")
    page.goto(f"{server}/board")
    page.fill("[name=reason] >> nth=0", "機器の点検")
    page.click("button:text('一時停止')")
    look(page, "機器の点検")
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
