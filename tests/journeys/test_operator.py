"""A call by the keyboard alone: an input method that composes, and every screen looked at by axe, in both themes."""

from __future__ import annotations

import pytest

from callflow.access.preferences import Preferences, keep
from callflow.console.site import Site
from tests.conftest import MUNICIPALITY
from tests.journeys.conftest import findings
from tests.web.test_desk import last_code
from tests.world import World


def press(page, key: str, words: str) -> None:  # type: ignore[no-untyped-def]
    """A key, the screen that it must lead to, and what axe says of that screen."""
    page.keyboard.press(key)
    page.wait_for_selector(f"text={words}")
    page.wait_for_load_state("domcontentloaded")  # of a whole page the words are there before its keys are
    assert findings(page) == [], words
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), f"{words}: scrolls"


def test_a_promise_by_keys_alone(desk, page, site: Site) -> None:  # type: ignore[no-untyped-def]
    press(page, "Enter", "卓上の電話でおかけください")
    press(page, "1", "お宅でしょうか")
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: '3', isComposing: true, bubbles: true}))")
    press(page, "1", "お電話口の方は")
    press(page, "1", "お名前をフルネームで、")
    page.keyboard.press("?")
    page.wait_for_selector("[data-keys-here] dt")
    listed = page.locator("[data-keys-here] dt").all_inner_texts()
    shown = page.locator("#desk [data-key]:visible").evaluate_all("all => all.map(each => each.dataset.key)")
    assert sorted(listed) == sorted(shown)
    assert {"1", "h", "s", "e", "a", "q", "r", "t", "?", "Backspace"} <= set(listed)
    assert findings(page) == []
    page.keyboard.press("Escape")
    press(page, "s", "食事・光熱費")
    page.keyboard.press("Escape")
    page.focus("[name='i:name']")
    page.keyboard.press(" ")
    page.keyboard.press("Tab")
    page.keyboard.type("S38.10.16")
    press(page, "Enter", "お時間をいただけますでしょうか")
    press(page, "1", "納付確認ができていません")
    press(page, "1", "いつごろお支払い")
    press(page, "Enter", "納期分の")
    press(page, "Enter", "どちらをご利用")
    press(page, "Enter", "納付書はございますでしょうか")
    press(page, "1", "復唱いたします")
    press(page, "Backspace", "納付書はございますでしょうか")
    press(page, "1", "復唱いたします")
    press(page, "1", "ありがとうございます")
    press(page, "1", "PP 納付約束")
    press(page, "Enter", "電話をかける")
    assert last_code(site) == "PP"
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_keys_are_those_that_the_person_chose(desk, page, site: Site, world: World) -> None:  # type: ignore[no-untyped-def]
    def prefer(wanted: Preferences) -> None:
        site.database.transact(lambda conn: keep(conn, MUNICIPALITY, world.operator, wanted))
        page.reload()

    prefer(Preferences(keys={"q": "y"}, theme="dark", size=125))
    assert page.inner_text("[data-key=q] kbd") == "y"
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "20px"
    page.keyboard.press("q")
    page.wait_for_timeout(200)
    assert page.url.endswith("/desk")
    prefer(Preferences(keys_off=True))
    page.keyboard.press("q")
    page.wait_for_timeout(200)
    assert page.url.endswith("/desk")
    prefer(Preferences(keys={"q": "y"}))
    page.keyboard.press("y")
    page.wait_for_url("**/locked")
