"""A recorded call in a browser: heard only behind a purpose, and the sound goes where the film goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from callflow.console.site import Site
from tests.journeys.conftest import findings, serving
from tests.peers.twilio_peer import TwilioPeer
from tests.web import test_recordings
from tests.web.test_hooks import peer, room, row  # noqa: F401  fixtures
from tests.web.test_recordings import recorded  # noqa: F401  a fixture

FRAME = bytes.fromhex("fffb9000") + bytes(413)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 26 ms of silence
SOUND = FRAME * 460  # 12 seconds


@pytest.fixture(autouse=True)
def _heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_recordings, "SOUND", SOUND)


@pytest.fixture
def server(_heard: None, recorded: Site, peer: TwilioPeer) -> Iterator[str]:  # noqa: F811
    test_recordings._collect(recorded, peer)
    with serving(recorded) as address:
        yield address


def test_a_supervisor_hears_a_call_and_the_sound_follows_the_film(  # type: ignore[no-untyped-def]
    recorded: Site,  # noqa: F811
    server: str,
    logged_in_page,
) -> None:
    page = logged_in_page("supervisor")
    page.goto(f"{server}/calls/{row(recorded).id}")
    assert page.locator("audio").count() == 0  # no purpose yet
    page.get_by_label("苦情・問い合わせへの対応").check()
    page.get_by_role("button", name="記録して再生する").click()
    sound = page.locator("audio")
    sound.wait_for()
    assert findings(page) == []
    sound.focus()
    page.keyboard.press("Space")
    _until(page, lambda: sound.evaluate("each => each.currentTime") > 0.2)
    assert sound.evaluate("each => each.error") is None
    assert round(sound.evaluate("each => each.duration")) == 12
    page.locator('[data-do="next"]').click()
    sound.evaluate("each => { each.currentTime = 9; }")
    page.locator('[data-do="back"]').click()
    _until(page, lambda: sound.evaluate("each => each.currentTime") < 5)


def _until(page, holds: Callable[[], bool]) -> None:  # type: ignore[no-untyped-def]
    """Within five seconds; the page's own policy forbids the browser to wait for an expression."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(50)
    pytest.fail("it did not come to hold")
