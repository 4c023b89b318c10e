"""The pictures of the docs, made of one invented morning, and a fast test that fails when one no longer shows its page.

`make pictures` makes those anew that are stale. A picture is stale when the HTML of its page, or the stylesheets that
the page names by their digest, are others than those it was taken of; nothing compares pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from callflow.console.site import Site
from tests.web.conftest import Browser
from tests.web.desktop import Desk
from tests.web.test_canary import people  # noqa: F401  fixture
from tests.world import World

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TAKEN_OF = IMAGES / "taken-of.json"
LARGEST = 150_000  # bytes
UPDATE = "CALLFLOW_PICTURES"
PASSING = re.compile(r'<script.*?</script>|name="csrf" value="[^"]*"', re.DOTALL)
BORN = {"i__name": "1", "i__birth_date": "S38.10.16"}
ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass(frozen=True, slots=True)
class View:
    """A page at a moment of the morning, and the browser that sees it."""

    name: str
    browser: Browser
    path: str

    def digest(self) -> str:
        page = self.browser.get(self.path)
        assert page.status_code == 200, self.path
        return hashlib.sha256(PASSING.sub("", page.text).encode()).hexdigest()[:16]


def morning(world: World, logged_in) -> Iterator[View]:  # type: ignore[no-untyped-def]
    """An operator calls two residents while the supervisor and the ward look on; each view as it comes."""
    desk = Desk(logged_in("operator"))
    supervisor, staff = logged_in("supervisor"), logged_in("staff")
    desk.play("Enter", "Enter", "1", "1")
    yield View("desk-party", desk.browser, "/desk")
    world.clock.advance(timedelta(seconds=24))
    desk.press("1")
    desk.type(**BORN)
    desk.press("Enter")
    desk.press("1")
    yield View("desk-verified", desk.browser, "/desk")
    desk.press("a")
    yield View("board", supervisor, "/board")
    desk.press("a")
    for key in ("3", "1", "1", "1", "2", "1", "1"):
        world.clock.advance(timedelta(seconds=17))
        desk.press(key)
    desk.press("Enter")
    world.clock.advance(timedelta(minutes=1))
    yield View("inbox", staff, "/inbox")
    yield View("slip", staff, "/inbox/slips/1")
    yield View("script", supervisor, "/scripts/nhi-premium/1")
    supervisor.see("/calls/1")
    supervisor.submit("/calls/1/open", purpose="quality")
    yield View("replay", supervisor, "/calls/1#step-9")


@ONE_DATABASE
def test_every_picture_of_the_docs_shows_its_page_as_it_is(people: World, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    taken = json.loads(TAKEN_OF.read_text(encoding="utf-8"))
    stale = [view.name for view in morning(people, logged_in) if taken.pop(view.name, "") != view.digest()]
    assert stale == [], "make pictures"
    assert taken == {}, "pictures of nothing"
    assert {path.stem for path in IMAGES.glob("*.png")} == set(json.loads(TAKEN_OF.read_text(encoding="utf-8")))
    assert max(path.stat().st_size for path in IMAGES.glob("*.png")) <= LARGEST
    texts = "".join(
        path.read_text(encoding="utf-8") for path in (*IMAGES.parent.glob("*.md"), *IMAGES.parents[1].glob("README*"))
    )
    assert [path.name for path in IMAGES.glob("*.png") if f"images/{path.name}" not in texts] == [], "shown nowhere"


@pytest.mark.skipif(not os.environ.get(UPDATE), reason="make pictures")
def test_take_the_pictures(people: World, site: Site, logged_in, chromium, server: str) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    from PIL import Image  # noqa: PLC0415  only where pictures are taken

    IMAGES.mkdir(exist_ok=True)
    taken = json.loads(TAKEN_OF.read_text(encoding="utf-8")) if TAKEN_OF.exists() else {}
    for view in morning(people, logged_in):
        digest = view.digest()
        if taken.get(view.name) == digest:
            continue
        context = chromium.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce", locale="ja-JP")
        token = view.browser.cookies.get(site.cookie)
        context.add_cookies([{"name": site.cookie, "value": token, "url": server}])
        page = context.new_page()
        page.route("**/live", lambda route: route.abort())  # nothing moves while it is taken
        page.goto(server + view.path)
        page.evaluate("document.fonts.ready")
        page.evaluate("document.activeElement?.blur()")
        shot = Image.open(io.BytesIO(page.screenshot())).quantize(64)
        context.close()
        shot.save(IMAGES / f"{view.name}.png", optimize=True)
        taken[view.name] = digest
    TAKEN_OF.write_text(json.dumps(taken, indent=1, sort_keys=True) + "\n", encoding="utf-8")
