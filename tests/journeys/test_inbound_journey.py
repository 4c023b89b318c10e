"""A resident calls back, by the keyboard alone; each screen looked at by axe, in both themes."""

from __future__ import annotations

from tests.journeys.test_operator import press


def test_a_resident_calls_back(desk, page) -> None:  # type: ignore[no-untyped-def]
    press(page, "i", "どなたからの電話ですか")
    page.keyboard.type("03-6659-9999")
    press(page, "Enter", "区からの折返しを頼む")
    page.keyboard.press("Escape")
    press(page, "Backspace", "お名前のカナ（フルネーム）")
    page.keyboard.press("Escape")
    press(page, "Backspace", "電話をかける")
    press(page, "i", "どなたからの電話ですか")
    page.keyboard.type("03-6659-0003")
    press(page, "Enter", "この方の通話を始める")
    press(page, "Enter", "折り返しのお電話でしょうか")
    press(page, "1", "お名前をフルネームで、")
    press(page, "h", "結果: HU0")
