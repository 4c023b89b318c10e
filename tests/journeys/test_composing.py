"""A whole call while an input method composes: what is being composed never answers, what was committed does."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from callflow.console.site import Site
from models.tables import promises
from tests.journeys.test_operator import press

PROCESSED = 229  # the key code of everything that an input method takes for itself


class InputMethod:
    """Keys that it swallows, what it shows as composed, and what it commits, as the browser hears them."""

    def __init__(self, page) -> None:  # type: ignore[no-untyped-def]
        self._page, self._asked = page, []
        self._browser = page.context.new_cdp_session(page)
        page.on("request", self._heard)

    def _heard(self, request) -> None:  # type: ignore[no-untyped-def]
        """What a key asks for; not fonts, and not the memo, which is saved while it is typed."""
        if (request.method == "POST" and not request.url.endswith("/memo")) or request.is_navigation_request():
            self._asked.append(request.url)

    def key(self, *keys: str) -> None:
        """None of them may ask anything of the server or move to another field."""
        before = len(self._asked), self._page.evaluate("document.activeElement.outerHTML")
        for key in keys:
            event = {"key": key, "windowsVirtualKeyCode": PROCESSED}
            self._browser.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
            self._browser.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
        assert (len(self._asked), self._page.evaluate("document.activeElement.outerHTML")) == before, keys

    def compose(self, text: str, *keys: str) -> None:
        """Under the composed text, these keys are pressed: digits, letters, Enter that takes a candidate."""
        place = {"selectionStart": len(text), "selectionEnd": len(text)}
        self._browser.send("Input.imeSetComposition", {"text": text, **place})
        self.key(*keys)

    def commit(self, text: str) -> None:
        self._browser.send("Input.insertText", {"text": text})


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_a_promise_with_an_input_method_that_composes(desk, page, site: Site) -> None:  # type: ignore[no-untyped-def]
    method = InputMethod(page)
    method.key("Enter", "i", "q", "b")
    press(page, "i", "どなたからの電話ですか")
    method.compose("０３－６", "6", "Enter", "Escape", "Backspace")
    method.commit("０３－６６５９－０００２")
    press(page, "Enter", "この方の通話を始める")
    press(page, "Backspace", "お名前のカナ（フルネーム）")
    page.keyboard.press("Escape")
    press(page, "Backspace", "電話をかける")
    press(page, "Enter", "卓上の電話でおかけください")
    method.key("1", "2", "3")
    press(page, "1", "お宅でしょうか")
    method.key("1", "3", "h", "s", "q", "Backspace", "Enter")
    press(page, "1", "お電話口の方は")
    press(page, "1", "お名前をフルネームで、")
    page.focus("[name='i:name']")
    page.keyboard.press(" ")
    page.keyboard.press("Tab")
    method.compose("しょうわ３８", "1", "h", "Enter", "Escape")
    method.commit("昭和３８年１０月１６日")
    press(page, "Enter", "お時間をいただけますでしょうか")
    press(page, "1", "納付確認ができていません")
    page.keyboard.press("t")
    method.compose("ゆうがた３じ", "3", "q", "Enter", "Escape")
    with page.expect_response("**/desk/memo"):
        method.commit("夕方３時")
    assert page.input_value("[name=memo]") == "夕方３時"
    page.keyboard.press("Escape")
    press(page, "1", "いつごろお支払い")
    press(page, "Enter", "納期分の")
    page.keyboard.press("Control+a")
    method.compose("９せん", "9", "Enter", "Escape")
    method.commit("９０００")
    press(page, "Enter", "どちらをご利用")
    press(page, "Enter", "納付書はございますでしょうか")
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: '１', bubbles: true}))")  # of full width
    page.wait_for_selector("text=復唱いたします")
    press(page, "1", "ありがとうございます")
    press(page, "1", "PP 納付約束")
    press(page, "Enter", "電話をかける")
    with site.database.read() as conn:
        assert conn.execute(select(promises.c.amount)).scalars().all() == [9_000]
