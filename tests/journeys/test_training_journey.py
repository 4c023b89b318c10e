"""An operator practises: by keys alone, at the desk that the work is done at, to the score of the call."""

from __future__ import annotations

import pytest

from callflow.console.pages.training import room
from callflow.console.pages.training.room import Practice
from tests.journeys.conftest import findings
from tests.web.test_training import _no_practice_is_left  # noqa: F401  a fixture


def tab_to(page, words: str) -> None:  # type: ignore[no-untyped-def]
    for _ in range(30):
        page.keyboard.press("Tab")
        if words in page.evaluate(
            "document.activeElement.matches('a, button') ? document.activeElement.textContent : ''"
        ):
            return
    pytest.fail(f"no way to {words} by Tab")


def look(page, words: str) -> None:  # type: ignore[no-untyped-def]
    page.wait_for_selector(f"text={words} >> visible=true")
    page.wait_for_load_state("domcontentloaded")
    assert findings(page) == [], words
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), f"{words}: scrolls"


def answered(page, practice: Practice) -> None:  # type: ignore[no-untyped-def]
    """The resident takes up the phone or does not; the next case until somebody does."""
    for _ in range(10):
        look(page, "電話をかける")  # the desk looks for a case by itself
        page.wait_for_timeout(800)  # an Enter that comes sooner meant the page before
        page.keyboard.press("Enter")
        look(page, "呼び出し")
        practice.clock._begun -= 60  # the ringing, without the waiting
        page.wait_for_selector("text=/【読む】|記録の確認/ >> visible=true", timeout=20_000)
        if page.is_visible("text=【読む】"):
            return
        page.keyboard.press("Enter")
        page.wait_for_url("**/training/result")
        tab_to(page, "次の通話を練習する")
        page.keyboard.press("Enter")
        page.wait_for_url("**/training/desk")
    pytest.fail("nobody was at home")


def test_a_practice_by_keys_to_its_score(page, server: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(f"{server}/home")
    tab_to(page, "練習")
    page.keyboard.press("Enter")
    look(page, "練習する台本")
    tab_to(page, "練習を始める")
    page.keyboard.press("Enter")
    page.wait_for_url("**/training/desk")
    look(page, "練習 — 相手は架空の住民")
    (practice,) = room._now.values()
    answered(page, practice)
    look(page, "住民")
    page.keyboard.press("h")
    look(page, "記録の確認")
    page.keyboard.press("Enter")
    page.wait_for_url("**/training/result")
    look(page, "点検の項目")
    tab_to(page, "練習を終える")
    page.keyboard.press("Enter")
    look(page, "練習を終えました")
    assert page.locator("main tbody tr").count() >= 1
    assert "架空" not in page.goto(f"{server}/desk").text(), "the desk is the real one again"
