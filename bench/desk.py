"""P1–P3: one answered step as an operator sends it: page, engine, log, commit, and the next screen back.

Both servers are processes of their own (`python -m bench.desk serve …`). The baseline is what any program must do at
least: starlette reads the same form, the driver alone writes the same rows, a held template makes a page of the same
bytes. Under an open loop steps come when operators press keys, whether the last one was answered or not.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from jinja2 import Environment
from sqlalchemy import Connection, bindparam, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bench.engine import open_call
from bench.queue import named, server
from bench.reports import CONFIG, NOW, YEAR, filled
from bench.table import Contenders, Figure, at_least, at_most, scratch, sized
from callflow import logs
from callflow.access.sessions import Limits, find, log_in
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.console.app import create_app, settle_down
from callflow.console.importing import PromptlyWritten, give_way
from callflow.console.site import Site
from callflow.intake.importer import import_file
from callflow.reports import catalogue
from callflow.reports.asking import Ask
from callflow.shelf import Shelf
from callflow.simulation.sample import generate, write
from models.base import Instant
from models.database import Database
from models.ids import SEQUENCES
from models.tables import accounts, metadata, municipalities
from tests.site import site_of
from tests.world import DESK, MUNICIPALITY, account, add_case, build

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
OPERATORS, AT_ONCE, CLOSED_SECONDS, OPEN_SECONDS = 200, 8, 4.0, 12.0
EVERY = 5.0  # seconds between an operator's steps
COOKIE = "callflow"  # of a console without TLS
RAW_TABLES = """
CREATE TABLE IF NOT EXISTS raw_events (c BIGINT, seq INT, at TEXT, kind TEXT, actor TEXT, payload TEXT, salt TEXT,
 k TEXT, h TEXT, PRIMARY KEY (c, seq));
CREATE TABLE IF NOT EXISTS raw_calls (id BIGINT PRIMARY KEY, step INT, n INT, h TEXT, state TEXT);
INSERT INTO raw_calls SELECT id, 0, 0, '', '' FROM calls WHERE disposition IS NULL
"""


class Desk:
    """One operator's browser: a connection that stays open, and the step that its screen shows."""

    def __init__(self, cookie: str, csrf: str, call: int, step: int) -> None:
        self.cookie, self._csrf, self._call, self._step = cookie, csrf, call, step
        self._first = step
        self.page = b""

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._host = f"127.0.0.1:{port}"

    async def press(self) -> None:
        """An answer and a step back, in turn. The page must show the next step: anything else is an error."""
        forth = (self._step - self._first) % 2 == 0
        fields = {"csrf": self._csrf, "call": self._call, "step": self._step} | (
            {"answer": "yes", "memo": ""} if forth else {}
        )
        body = urlencode(fields).encode()
        head = (
            f"POST /desk/{'answer' if forth else 'back'} HTTP/1.1\r\nHost: {self._host}\r\nOrigin: http://{self._host}\r\n"
            f"Cookie: {self.cookie}\r\nHX-Request: true\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._step += 1
        self.page = await self._exchange(head.encode() + body)
        assert b'name="step" value="%d"' % self._step in self.page, self.page[:300]

    async def look(self, path: str) -> None:
        head = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nCookie: {self.cookie}\r\n\r\n"
        self.page = await self._exchange(head.encode())

    async def _exchange(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found, head
        return await self._reader.readexactly(int(found[1]))


async def closed(desks: list[Desk], seconds: float) -> float:
    """Steps a second, each browser pressing as soon as it has its page."""
    end = time.perf_counter() + seconds

    async def press_on(desk: Desk) -> int:
        pressed = 0
        while time.perf_counter() < end:
            await desk.press()
            pressed += 1
        return pressed

    return sum(await asyncio.gather(*map(press_on, desks))) / seconds


async def opened(desks: list[Desk], seconds: float, board: Desk | None = None) -> float:
    """The 99th percentile of a step in seconds, from the moment at which the key was pressed; Poisson arrivals."""
    rng, begun = random.Random(20261124), time.perf_counter()
    spent: list[float] = []

    async def work(desk: Desk, moments: list[float]) -> None:
        for moment in moments:
            await asyncio.sleep(max(0.0, begun + moment - time.perf_counter()))
            await desk.press()
            spent.append(time.perf_counter() - begun - moment)

    async def watch() -> None:
        while board is not None and time.perf_counter() < begun + seconds:
            await board.look("/board")
            await asyncio.sleep(1)

    plans = []
    for _ in desks:
        moments, now = [], rng.expovariate(1 / EVERY)
        while now < seconds:
            moments.append(now)
            now += rng.expovariate(1 / EVERY)
        plans.append(moments)
    await asyncio.gather(watch(), *map(work, desks, plans))
    return sorted(spent)[int(len(spent) * 0.99)]


class Room:
    """A database with `OPERATORS` talks that stand at their first line, and a server before it."""

    def __init__(
        self, database: Database, kind: str = "ours", page: Path | None = None, *, operators: int = OPERATORS
    ) -> None:
        self.url = database.url
        self.seats, self._supervisor = _seats(database, operators)
        database.close()
        self._start(kind, page)

    def _start(self, kind: str, page: Path | None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        words = [sys.executable, "-m", "bench.desk", kind, self.url, str(self.port), str(page or "")]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def run(self, work: Callable[[list[Desk], Desk], object], count: int | None = None) -> object:
        """`work` over the first `count` browsers, connected; the steps go on where the last round left them."""

        async def all_of_it() -> object:
            seats = self.seats[:count]
            for desk in (*seats, self._supervisor):
                await desk.connect(self.port)
            for desk in seats:
                await desk.press()
                await desk.press()
            return await work(seats, self._supervisor)  # type: ignore[misc]

        return asyncio.run(all_of_it())

    def rate(self) -> float:
        return float(self.run(lambda seats, _: closed(seats[:AT_ONCE], CLOSED_SECONDS)))  # type: ignore[arg-type]

    def p99(self) -> float:
        return float(self.run(lambda seats, _: opened(seats, OPEN_SECONDS)))  # type: ignore[arg-type]

    def p99_in_a_crowd(self, folder: Path) -> float:
        """While somebody watches the board, a report over all calls is made and a list comes in, again and again."""
        words = [sys.executable, "-m", "bench.desk", "crowd", self.url, "0", str(folder)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as crowd:
            try:
                time.sleep(3)
                assert crowd.poll() is None, "report and import ended"
                return float(self.run(lambda seats, board: opened(seats, OPEN_SECONDS, board)))  # type: ignore[arg-type]
            finally:
                crowd.kill()

    def page(self) -> bytes:
        self.run(lambda seats, _: seats[0].press())
        self.run(lambda seats, _: seats[0].press())
        return self.seats[0].page

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _seats(database: Database, operators: int) -> tuple[list[Desk], Desk]:
    clock = SimulatedClock(START)
    world = build(database, clock)
    with database.write() as conn:
        cases = [add_case(conn, number + 1) for number in range(operators)]
        people = [account(conn, 1, f"seat{n}", f"見本 {n}番", "operator", clock.now()) for n in range(operators)]
        conn.execute(accounts.update().values(password_once=False))
    standing = [open_call(world, case.case_id, who, case.number_id) for case, who in zip(cases, people, strict=True)]
    with database.write() as conn:
        seats = [Desk(*_session(conn, f"seat{number}"), at.call_id, at.step) for number, at in enumerate(standing)]
        return seats, Desk(*_session(conn, "sv01"), 0, 0)


def _session(conn: Connection, login: str) -> tuple[str, str]:
    """The cookie and the token against forgery of somebody who has just logged in."""
    token = log_in(conn, MUNICIPALITY, login, "", "bench", START, fits=True)
    assert isinstance(token, str)
    found = find(conn, MUNICIPALITY, token, START, Limits())
    assert found is not None
    return f"{COOKIE}={token}", found.csrf


def _site(database: Database) -> Site:
    clock, shelf = SimulatedClock(START), Shelf()
    return site_of(database, clock, shelf, Calls(database, clock, shelf, DESK, MUNICIPALITY))


def raw(url: str, page: str) -> Starlette:
    """A page of the same bytes from a held template, and the rows of a step by the driver alone."""
    database = Database(url)
    connection = database.engine.raw_connection()
    driver, mark = connection.driver_connection, "?" if database.is_sqlite else "%s"
    assert driver is not None
    driver.isolation_level = None  # of sqlite3
    if not database.is_sqlite:
        driver.autocommit = True
    cursor = driver.cursor()
    for statement in RAW_TABLES.split(";"):
        cursor.execute(statement)
    held = Environment(autoescape=True).from_string(Path(page).read_text(encoding="utf-8"))
    began, event, call = (
        "BEGIN IMMEDIATE" if database.is_sqlite else "BEGIN",
        f"INSERT INTO raw_events VALUES ({', '.join([mark] * 9)})",
        f"UPDATE raw_calls SET step={mark}, n={mark}, h={mark}, state={mark} WHERE id={mark}",
    )

    async def step(request: Request) -> Response:
        form = await request.form()
        one, seq = int(str(form["call"])), int(str(form["step"]))
        cursor.execute(began)
        words = ("2026-11-24 01:00:00.000000", "talk:answer", "operator:1", "x" * 420)
        row = (one, seq, *words, "s" * 16, "k" * 32, "h" * 32)
        cursor.execute(event, row)
        cursor.execute(call, (seq, seq, "h" * 32, "party", one))
        cursor.execute("COMMIT")
        return HTMLResponse(held.render(step=seq + 1))

    return Starlette(routes=[Route(path, step, methods=["POST"]) for path in ("/desk/answer", "/desk/back")])


def crowd(url: str, folder: Path) -> None:
    """Reports over every call and lists that come in, until somebody ends it; gives way as the wizard does."""
    database = PromptlyWritten(url)
    give_way()
    for number in count():
        with database.read() as conn:
            assert catalogue.made(catalogue.BY_NAME["monthly"], Ask(conn, 1, YEAR, NOW, CONFIG, "ward", 1)).row_count
        listed = folder / f"crowd{number}.csv"
        write(listed, generate(500, number + 1, date(2026, 11, 20)), encoding="cp932")
        import_file(database, listed, municipality_id=MUNICIPALITY, actor_id=1, now=START)


@contextmanager
def _rooms(folder: Path, *, calls: int = 0, sqlite: bool = True) -> Iterator[tuple[Room, Room]]:
    """Ours, and the raw one, whose page is ours with the step left open."""
    with ExitStack() as left:
        made = None if sqlite else left.enter_context(server())

        def fresh(name: str) -> Database:
            database = named(made, name) if made else Database(f"sqlite:///{folder}/{name}.sqlite")
            if calls:
                _with_calls(database, calls)
            else:
                with database.write() as conn:
                    metadata.create_all(conn)
                with database.write() as conn:
                    conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
            return database

        ours = Room(fresh("ours"))
        left.callback(ours.close)
        seen = re.sub(rb'(name="step" value=")\d+', rb"\1{{ step }}", ours.page())
        page = folder / "page.html"
        page.write_bytes(seen)
        bare = Room(fresh("raw"), "raw", page)
        left.callback(bare.close)
        yield ours, bare


def _with_calls(database: Database, calls: int) -> None:
    filled(database, calls)
    with database.write() as conn:  # the year goes on past the moment at which the operators sit here
        for table, when in (("promises", "made_at"), ("signals", "at"), ("calls", "closed_at")):
            conn.execute(text(f"DELETE FROM {table} WHERE {when} > :now").bindparams(bindparam("now", START, Instant)))
    if database.is_sqlite:
        return
    with database.write() as conn:  # they were written past the sequences that give ids
        for name in SEQUENCES:
            conn.execute(text(f"SELECT setval('{name}_id', (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)"))


@contextmanager
def rates() -> Iterator[Contenders]:
    with scratch() as folder, _rooms(folder) as (ours, bare):
        yield Contenders(ours.rate, bare.rate)


@contextmanager
def patience() -> Iterator[Contenders]:
    with scratch() as folder, _rooms(folder) as (ours, bare):
        yield Contenders(ours.p99, bare.p99)


def _crowded(*, sqlite: bool) -> Figure:
    calls = sized(200_000, 1_000_000)

    @contextmanager
    def contenders() -> Iterator[Contenders]:
        with scratch() as folder, _rooms(folder, calls=calls, sqlite=sqlite) as (ours, _):
            yield Contenders(lambda: ours.p99_in_a_crowd(folder.resolve()), ours.p99)

    what = f"step p99, board, report over {calls:,} calls and import beside ({'SQLite' if sqlite else 'PostgreSQL'})"
    return Figure("P3", what, "P2 alone", "s", contenders, at_most(1.5), rounds=3)


_STEPS = f"answered steps, {AT_ONCE} connections"
_PATIENCE = f"step p99, {OPERATORS} operators, open loop"
FIGURES = (
    Figure("P1", _STEPS, "starlette, driver, held template", "steps/s", rates, at_least(0.5)),
    Figure("P2", _PATIENCE, "the same raw stack", "s", patience, at_most(2), rounds=3),
    _crowded(sqlite=True),
    _crowded(sqlite=False),
)


if __name__ == "__main__":
    kind, url, port, more = sys.argv[1:]
    if kind == "crowd":
        crowd(url, Path(more))
    logs.configure()
    app = raw(url, more) if kind == "raw" else create_app(_site(Database(url)), with_errands=False)
    settle_down()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        timeout_keep_alive=600,
        access_log=False,
        log_level="critical",
        lifespan="off",
    )
