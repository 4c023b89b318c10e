"""A real browser over a real server, with the network closed but for that server, and the mouse out of reach."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from callflow.console.app import create_app
from callflow.console.pages.home import FIRST
from callflow.console.site import Site
from models.database import Database
from tests.web.conftest import LOGINS, PASSWORD, app, browser, logged_in, site, world  # noqa: F401  fixtures
from tests.web.test_desk import desk  # noqa: F401

AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def database(furnished_file: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone: the browser's tests are of the screens."""
    one = Database(f"sqlite:///{shutil.copyfile(furnished_file, tmp_path / 'callflow.sqlite')}")
    yield one
    one.close()


@contextmanager
def serving(site: Site) -> Iterator[str]:  # noqa: F811
    """Where a site's console listens, until the block ends."""
    config = uvicorn.Config(create_app(site), port=0, log_config=None, timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def server(site: Site) -> Iterator[str]:  # noqa: F811
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")  # not the session: its event loop would be in the way of other tests
def chromium():  # type: ignore[no-untyped-def]
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only with a browser

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def logged_in_page(chromium, server: str):  # type: ignore[no-untyped-def]
    """Opens a page where somebody of a role has logged in by hand, and landed where the role works."""
    contexts = []

    def enter(role: str, scheme: str = "light", login: str = ""):  # type: ignore[no-untyped-def]
        size = {"width": 1366, "height": 768}
        context = chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        context.route(lambda url: not url.startswith(server), lambda route: route.abort())
        page = context.new_page()
        page.goto(f"{server}/login")
        page.keyboard.type(login or LOGINS[role])
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{FIRST[role]}*")
        return page

    yield enter
    for context in contexts:
        context.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, logged_in_page):  # type: ignore[no-untyped-def]
    """The operator's, without a mouse."""
    one = logged_in_page("operator", request.param)
    one.mouse.click = one.mouse.down = lambda *_args, **_more: pytest.fail("the operator has no mouse")
    return one


FINDINGS = """async rules => {
  const only = rules.length ? { runOnly: rules } : {};
  const found = await axe.run({ ...only, resultTypes: ["violations"] });
  return found.violations.flatMap(each => each.nodes.map(node => `${each.id}: ${node.html.slice(0, 120)}`));
}"""


def findings(page, *rules: str) -> list[str]:  # type: ignore[no-untyped-def]
    """What axe-core finds on the page as it stands; by these rules alone, if any are named."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    return list(page.evaluate(FINDINGS, list(rules)))
