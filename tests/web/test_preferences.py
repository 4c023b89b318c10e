"""One's own preferences: what may be chosen, what is refused with words, and what the pages make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from callflow.access.preferences import LETTERS, Preferences, moved
from callflow.console import rendering
from callflow.errors import InputError
from callflow.script.reader import read
from tests.web.test_desk import desk  # noqa: F401  a fixture
from tests.world import SCRIPTS

DESK = Path(rendering.HERE) / "templates" / "desk"
PLAIN = {letter: letter for letter in LETTERS}


def test_letters_move_to_free_ones_and_may_be_exchanged() -> None:
    assert moved({}, {"h"}) == {}
    assert moved(PLAIN | {"q": "Y "}, {"h"}) == {"q": "y"}
    assert moved(PLAIN | {"q": "a", "a": "q"}, {"h"}) == {"q": "a", "a": "q"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"q": "a"}, "重なっています"),
        ({"q": "h"}, "台本の応答"),
        ({"q": "1"}, "使えません"),
        ({"q": "ab"}, "使えません"),
    ],
)
def test_what_would_collide_is_refused_with_words(change: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        moved(PLAIN | change, {"h"})


def program_keys(*names: str) -> set[str]:
    """The letters that templates of the desk give to buttons of the program's own."""
    text = "".join((DESK / name).read_text(encoding="utf-8") for name in names)
    return set(re.findall(r'(?:data-key="|_\("[^"]*"\)(?: if [^,]*)?, ")([a-z])"', text))


def test_every_letter_of_the_desk_can_be_moved_and_none_is_taken_by_a_script_in_a_call() -> None:
    everywhere = program_keys(*(file.name for file in DESK.glob("*.html")))
    assert everywhere - {"h"} == set(LETTERS)  # h ends a call in every script, and ends the ringing too
    in_calls = program_keys("base.html", "talk.html") - {"z"}  # 終了の取り消し is over before the next talk
    scripts = [read(path) for path in SCRIPTS.glob("*.yaml")]
    taken = {answer.key for script in scripts for state in script.states.values() for answer in state.answers.values()}
    assert {"a", "q", "r", "t"} <= in_calls
    assert not in_calls & taken


def test_the_page_is_told_what_a_pressed_letter_means() -> None:
    assert json.loads(Preferences(keys={"q": "w"}).pressed) == {"q": "", "w": "q"}
    assert json.loads(Preferences(keys={"q": "a", "a": "q"}).pressed) == {"a": "q", "q": "a"}


def test_preferences_are_kept_and_shown(desk, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    operator = logged_in("operator")
    assert "data-theme" not in operator.see("/preferences").text
    wanted = {"theme": "dark", "size": "125", "q": "y"}
    assert operator.submit("/preferences", **wanted, keys_off="1").headers["location"] == "/preferences?said=kept"
    page = operator.see("/preferences").text
    assert '<html lang="ja" data-theme="dark" data-size="125">' in page
    assert 'name="q" value="y"' in page
    assert 'data-keys-off="1"' in operator.see("/desk").text
    for wrong in ({"q": "h"}, {"theme": "pink"}, {"size": "900"}):
        assert operator.submit("/preferences", **(wanted | wrong)).status_code == 422, wrong
    assert 'name="q" value="y"' in operator.see("/preferences").text
