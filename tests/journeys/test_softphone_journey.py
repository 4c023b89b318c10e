"""The telephone in the browser by the keyboard, over an SDK that is played: asked for, taken, taken up again, lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import uvicorn
from sqlalchemy import update

from callflow.console.app import create_app
from callflow.console.site import Site
from models.tables import campaigns, receivers
from tests.journeys.conftest import findings
from tests.peers.twilio_peer import CALLER_ID, TwilioPeer
from tests.web.test_hooks import peer, room  # noqa: F401  fixtures
from tests.web.test_softphone import PHONE

SDK = """
globalThis.Twilio = { Device: class {
  static isSupported = true;
  constructor(token, options) { globalThis.sdk = Object.assign(this, { token, options, heard: {} }); }
  on(name, act) { this.heard[name] = act; }
  async register() {}
  destroy() { this.destroyed = true; }
  ring(From) {
    const call = { parameters: { From }, heard: {}, on(name, act) { this.heard[name] = act; },
      accept() { this.fate = "accepted"; this.heard.accept(); }, reject() { this.fate = "rejected"; } };
    this.heard.incoming(call);
    return globalThis.ringing = call;
  }
} };
globalThis.asked = 0;
navigator.mediaDevices.getUserMedia = async () => {
  globalThis.asked++;
  if (globalThis.refuses) throw new DOMException("", "NotAllowedError");
  return { getTracks: () => [] };
};
"""


@pytest.fixture
def server(room: Site, peer: TwilioPeer) -> Iterator[str]:  # noqa: F811
    """A console where the switch is on and nothing is to be dialled, and whom Twilio tells of it."""
    with room.database.write() as conn:
        conn.execute(update(campaigns).values(state="paused"))
        conn.execute(update(receivers).values(state="gone"))
    config = uvicorn.Config(create_app(replace(room, softphone=PHONE)), port=0, log_config=None, lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    peer.tell = lambda told: httpx.post(f"{url}{told.path}", content=told.body, headers=dict(told.headers))
    yield url
    running.should_exit = running.force_exit = True
    thread.join()


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_the_browser_becomes_the_telephone_and_comes_back_after_a_reload(page, server, peer) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    context = page.context
    context.grant_permissions(["microphone"], origin=server)
    context.route(
        "**/vendor/twilio-voice.min.js*", lambda route: route.fulfill(body=SDK, content_type="text/javascript")
    )
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{server}/desk")
    says = page.locator("#softphone")
    assert not says.is_visible()
    assert page.evaluate("[asked, typeof sdk, document.featurePolicy.allowsFeature('microphone')]") == [
        0,
        "undefined",
        True,
    ]

    page.evaluate("refuses = true")
    page.keyboard.press("v")
    says.get_by_text("マイクを使えません").wait_for()
    before = len(peer.calls)
    page.evaluate("refuses = false")
    with page.expect_response("**/desk/receiver"):
        page.keyboard.press("v")
    assert [each.to for each in list(peer.calls.values())[before:]] == [PHONE.address(1, 1)]
    assert page.evaluate("[asked, sdk.options.publishEvents, sdk.options.edge]") == [2, False, "tokyo"]
    assert page.evaluate("sdk.ring('+819000000000').fate") == "rejected"
    assert page.evaluate(f"sdk.ring('{CALLER_ID}').fate") == "accepted"
    says.get_by_text("ブラウザーの電話がつながっています").wait_for()
    assert page.evaluate(f"[sdk.ring('{CALLER_ID}').fate, location.href]") == ["rejected", f"{server}/desk"]
    assert findings(page) == []

    with page.expect_response("**/desk/receiver"):
        page.reload()
    assert len(peer.calls) == before + 2, "the line is taken up again"
    assert page.evaluate(f"sdk.ring('{CALLER_ID}').fate") == "accepted"
    page.evaluate("ringing.heard.disconnect()")
    says.get_by_text("ブラウザーの電話が切れました").wait_for()
    assert page.evaluate("sdk.destroyed")
    page.reload()
    assert page.evaluate("[asked, localStorage.length, sessionStorage.length]") == [0, 0, 0]
    assert wrong == []
