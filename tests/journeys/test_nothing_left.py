"""After a whole shift in a browser that keeps its profile, no file of the profile holds anything of a resident.

The grep is proved by pages that do leak: each of their canaries must be found.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from callflow.console.site import Site
from models.tables import calls, contact_slips, promises
from tests.journeys.conftest import CHROMIUM
from tests.web.conftest import LOGINS, PASSWORD
from tests.web.desktop import Desk
from tests.web.test_canary import CANARIES, people  # noqa: F401  fixture
from tests.web.test_desk import count
from tests.world import World

MEMO, SLIP = "玄関先の柿の木", "夕方は孫の迎え"
SHORT = {"1963", "S38", "66590", "55507"}
LONG = ("1963-10", "1963/10", "1963年", "S38.10", "38.10.16", "0366590001", "0366590002", "+8136659", "0355507777")
SECRETS = (*({each for group in CANARIES.values() for each in group} - SHORT), *LONG, MEMO, SLIP, PASSWORD)
"""Names, readings, numbers, address, birth date, amounts, what was noted, and the operator's password.

What is `SHORT` stands by chance in the moments, hashes and ports that a browser writes down: `LONG` is in its place.
"""

PLANTED = {
    "cached": "庫内の花子",
    "squeezed": "圧縮の次郎",
    "local": "棚上の三吉",
    "session": "一時の四郎",
    "indexed": "索引の五月",
    "title": "題名の六助",
    "number": "36127",
    "typed": "入力の七海",
    "address": "経路の八重",
}
PLACES = {
    "cached": "Cache_Data",
    "squeezed": "Cache_Data",
    "local": "Local Storage",
    "session": "Session Storage",
    "indexed": "IndexedDB",
    "title": "History",
    "number": "Cache_Data",
    "typed": "Sessions",
    "address": "History",
}
"""Where a browser keeps what a page shows, stores, calls itself and has had typed into it."""
LEAK = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<p>{cached}{number}円</p><textarea></textarea><script>
localStorage.setItem("a", "{local}"); sessionStorage.setItem("a", "{session}");
document.querySelector("textarea").value = "{typed}";
const opened = indexedDB.open("a");
opened.onupgradeneeded = () => opened.result.createObjectStore("a").put("{indexed}", 1);
opened.onsuccess = () => fetch("/squeezed").then(() => {{ document.body.id = "done"; }});
</script>"""


class Leaking(BaseHTTPRequestHandler):
    """A console that forgot `no-store` and keeps what it shows."""

    def do_GET(self) -> None:
        squeezed = self.path == "/squeezed"
        body = (
            gzip.compress(("x" * 500 + PLANTED["squeezed"]).encode()) if squeezed else LEAK.format(**PLANTED).encode()
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", str(len(body)))
        if squeezed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


def spellings(word: str) -> Iterator[bytes]:
    """How a browser may write a word down."""
    yield from (word.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
    yield quote(word).encode()
    yield json.dumps(word)[1:-1].encode()


def unpacked(raw: bytes) -> Iterator[bytes]:
    """What gzip streams inside it hold."""
    at = raw.find(b"\x1f\x8b\x08")
    while at >= 0:
        with suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(raw[at:])
        at = raw.find(b"\x1f\x8b\x08", at + 1)


def stands_in(part: bytes, form: bytes) -> bool:
    """Whether the word is there; a number only where it is not a piece of a longer one (a moment in microseconds)."""
    if not form.isdigit():
        return form in part
    return re.search(rb"(?<![0-9])%b(?![0-9])" % form, part) is not None


def left_in(profile: Path, words: tuple[str, ...], server: str = "") -> set[tuple[str, str]]:
    """Each word that some file (or its name) holds, with the file.

    Args:
        profile: The browser's folder.
        words: What to look for.
        server: Whose address is passed over: its port is any number.
    """
    own, found = server.partition("//")[2].encode(), set()
    for path in profile.rglob("*"):
        name = str(path.relative_to(profile))
        raw = b""
        with suppress(FileNotFoundError):  # a browser that runs takes files away
            raw = path.read_bytes() if path.is_file() else b""
        parts = (name.encode(), raw.replace(own, b"") if own else raw, *unpacked(raw))
        found |= {
            (word, name) for word in words for form in spellings(word) if any(stands_in(part, form) for part in parts)
        }
    return found


@contextmanager
def browsing(profile: Path):  # type: ignore[no-untyped-def]
    """A window of a browser that keeps its profile, as an operator's does: nothing of it is private."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only with a browser

    with sync_playwright() as tools:
        context = tools.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],  # a route would stop the cache
            ignore_default_args=["--enable-automation"],  # the password manager and the forms' memory stay on
            viewport={"width": 1366, "height": 768},
        )
        context.set_default_timeout(9000)
        yield context.pages[0]
        context.close()


def work(page, server: str) -> None:  # type: ignore[no-untyped-def]
    """A short shift; in each call the page is loaded again where most is on the screen and in its fields."""

    def press(*keys: str, till: str) -> None:
        """Each key, and the desk that it brings; the last one shows `till`."""
        for key in keys:
            page.evaluate("document.getElementById('desk')?.setAttribute('data-old', '')")
            page.keyboard.press(key)
            page.wait_for_selector("#desk:not([data-old])")
            page.wait_for_load_state()
        page.wait_for_selector(f"text={till} >> visible=true")

    def note(words: str) -> None:
        page.keyboard.press("t")
        with page.expect_response("**/desk/memo"):
            page.keyboard.type(words)
        page.wait_for_timeout(1500)  # so long until a browser notes what stands in fields
        page.reload()
        assert page.input_value("[name=memo]") == words

    def verify() -> None:
        press("Enter", "1", "1", "1", till="お名前をフルネームで、")
        page.focus("[name='i:name']")
        page.keyboard.press(" ")
        page.keyboard.press("Tab")
        page.keyboard.type("S38.10.16")
        press("Enter", "1", till="納付確認ができていません")

    page.goto(f"{server}/login")
    page.keyboard.type(LOGINS["operator"])
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    press("Enter", till="電話をかける")
    press("i", till="どなたからの電話ですか")
    page.keyboard.type("03-6659-0002")
    press("Enter", till="この方の通話を始める")
    assert not page.evaluate("'posted' in document.body.dataset"), "what is sent by a page's own form stands in history"
    page.wait_for_timeout(3000)  # so long until a browser notes what a form had sent
    press("Backspace", till="お名前のカナ")
    page.keyboard.press("Escape")
    press("Backspace", till="電話をかける")
    verify()
    note(MEMO)
    press("1", till="いつごろお支払い")
    press("Enter", "Enter", "Enter", "1", "1", "1", till="PP 納付約束")
    press("Enter", till="電話をかける")
    page.keyboard.press("q")
    page.wait_for_url("**/locked")
    page.wait_for_selector("[name=password]:focus")
    page.keyboard.type(PASSWORD)
    press("Enter", till="電話をかける")
    verify()
    note(SLIP)
    press("r", "3", "1", "1", "1", till="ご都合のよい日と時間帯")
    page.keyboard.press("Escape")
    press("2", "1", "1", "Enter", till="次の案件を待っています")
    page.wait_for_timeout(500)  # the desk asks once more for a case, and would close what is open
    page.keyboard.press("b")
    press("1", till="案件は届きません")
    page.wait_for_timeout(800)  # an Enter right after a page that came by itself is not taken
    press("Enter", till="次の案件を待っています")


def test_after_a_whole_shift_nothing_of_a_resident_is_on_the_disk(  # type: ignore[no-untyped-def]
    tmp_path: Path,
    server: str,
    site: Site,
    people: World,  # noqa: F811
    logged_in,
) -> None:
    Desk(logged_in("operator")).press("Enter")  # the first case is dealt
    profile = tmp_path / "profile"
    with browsing(profile) as page:
        work(page, server)
        assert left_in(profile, SECRETS, server) == set(), "while somebody is logged in"
        with page.expect_response("**/logout") as answer:
            page.eval_on_selector("[action='/logout']", "form => form.requestSubmit()")
        assert answer.value.header_value("clear-site-data") == '"cache", "cookies", "storage"'
        page.wait_for_url("**/login*")
        assert page.context.cookies() == []
    assert left_in(profile, ("/desk/inbound",)), "the profile is that of the shift"
    assert left_in(profile, SECRETS, server) == set()
    assert (count(site, calls), count(site, promises), count(site, contact_slips)) == (2, 1, 1)


def test_the_grep_finds_what_a_leaking_page_leaves(tmp_path: Path) -> None:
    leaking = ThreadingHTTPServer(("127.0.0.1", 0), Leaking)
    threading.Thread(target=leaking.serve_forever, daemon=True).start()
    server, profile = f"http://127.0.0.1:{leaking.server_port}", tmp_path / "profile"
    try:
        with browsing(profile) as page:
            page.goto(f"{server}/{quote(PLANTED['address'])}")
            page.wait_for_selector("#done")
            page.wait_for_timeout(1500)  # the browser notes after a second what stands in fields
    finally:
        leaking.shutdown()
        leaking.server_close()
    found = left_in(profile, tuple(PLANTED.values()))
    missed = {
        kind
        for kind, word in PLANTED.items()
        if not any(each == word and PLACES[kind] in where for each, where in found)
    }
    assert missed == set()
