"""From an operator's key to the next line painted in a browser, while 50 others work.

The browser's own clock measures: from the key's time stamp to the first task after the frame that shows the new screen.
Browser, server and the others' load share the machine, which no real desk does.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.desk import COOKIE, Room, opened
from bench.table import Contenders, Figure, at_most, scratch
from models.database import Database
from models.tables import metadata, municipalities
from tests.world import MUNICIPALITY

OTHERS, KEYS, SECONDS = 50, 60, 60.0
WATCH = """
window.spent = [];
let pressed = 0;
addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
document.addEventListener("htmx:after:swap", () => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => spent.push(performance.now() - pressed);
  port2.postMessage(0);
}));
"""


def pressed(page, keys: int) -> list[float]:  # type: ignore[no-untyped-def]
    """Seconds of each key: an answer and a step back, in turn."""
    rng = random.Random(20261124)
    page.evaluate(WATCH)
    for number in range(keys):
        page.keyboard.press("Backspace" if number % 2 else "1")
        page.wait_for_function("number => spent.length > number", arg=number, polling=50)
        time.sleep(rng.uniform(0.05, 0.4))
    return [each / 1000 for each in page.evaluate("spent")]


def p95(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.95)]


@contextmanager
def _painted() -> Iterator[Contenders]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only with a browser

    with scratch() as folder, sync_playwright() as tools:
        database = Database(f"sqlite:///{folder}/desk.sqlite")
        with database.write() as conn:
            metadata.create_all(conn)
        with database.write() as conn:
            conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
        room = Room(database, operators=OTHERS + 1)
        browser = tools.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        at = f"http://127.0.0.1:{room.port}"
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        context.add_cookies([{"name": COOKIE, "value": room.seats[-1].cookie.partition("=")[2], "url": at}])
        page = context.new_page()

        page.goto(f"{at}/desk")

        def beside_others() -> float:
            work = threading.Thread(target=room.run, args=(lambda seats, _: opened(seats, SECONDS), OTHERS))
            work.start()
            time.sleep(5)  # the others are connected and at work
            found = pressed(page, KEYS)
            assert work.is_alive(), "the others went home early"
            work.join()
            return p95(found)

        yield Contenders(beside_others)
        browser.close()
        room.close()


FIGURES = (Figure("paint", f"key to paint p95, {OTHERS} others at work", "", "s", _painted, at_most(0.1), rounds=3),)
