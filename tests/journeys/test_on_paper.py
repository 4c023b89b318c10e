"""Nothing of a case leaves the contractor's screens: not on paper, not as a file, not by a button that copies."""

from __future__ import annotations

from pathlib import Path

import pytest

import callflow.console
from callflow.console.routes import table
from tests.web.test_desk import verified

STATIC = Path(callflow.console.__file__).parent / "static"
CONTRACTOR = frozenset({"operator", "supervisor"})
FILES = (".csv", ".pdf", ".xlsx", "/pdf", "/export", "/print")
NOTICE = "この画面は印刷できません。"


def test_on_paper_a_contractors_screen_says_that_it_is_not_printed(desk, logged_in_page, server: str) -> None:  # type: ignore[no-untyped-def]
    verified(desk)
    for role, path, words in (
        ("operator", "/desk", "合計"),
        ("supervisor", "/board", "通話中"),
        ("staff", "/inbox", "受信箱"),
    ):
        page = logged_in_page(role)
        page.goto(server + path)
        assert words in page.inner_text("body")
        page.emulate_media(media="print")
        assert (page.inner_text("body").strip() == NOTICE) == (role in CONTRACTOR), role


def test_no_file_of_cases_is_offered_to_the_contractor() -> None:
    files = [route for route in table().routes if route.path.endswith(FILES)]
    assert len(files) >= 3
    assert [route.path for route in files if set(route.allow) & CONTRACTOR] == []


@pytest.mark.parametrize("word", ["clipboard", "execCommand", "window.print"])
def test_no_script_copies_or_prints(word: str) -> None:
    assert [path.name for path in STATIC.glob("*.js") if word in path.read_text(encoding="utf-8")] == []
