"""A process killed at every point of a call, on both databases, and what is left after each way to go on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import Any

import pytest
from sqlalchemy import ColumnElement, select, update

from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.errors import RefusedError
from callflow.script.model import END
from callflow.shelf import Shelf
from callflow.simulation.invariants import Acknowledged, check, lost
from callflow.switchboard import Switchboard
from callflow.telephony.simulated import Happening, SimulatedPhone
from models.database import Database
from models.tables import calls, campaigns, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, Rules
from scheduler.settings import Policy
from tests.crash.points import Points
from tests.world import DESK, IDENTITY, MUNICIPALITY, World, add_case, build

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 JST, a Tuesday
CAMPAIGN = 1
LONGEST = timedelta(seconds=30, minutes=70)
LEASE_OVER = timedelta(minutes=16)
Steps = Sequence[tuple[str, Mapping[str, Any]]]
VERIFIED: Steps = [("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY}), ("yes", {})]
TALKS: dict[str, Steps] = {
    "hardship": [*VERIFIED, ("hardship", {}), ("signal", {"signal.reason": "病気・障害"}), ("hang_up", {})],
    "promise": [
        *VERIFIED,
        ("pays", {}),
        ("told", {"promise.due": "R8.12.4"}),
        ("told", {"promise.amount": "18000"}),
        ("told", {"promise.place": "金融機関"}),
        ("have", {}),
        ("yes", {}),
        ("done", {}),
    ],
    "nobody": [],
}
WAYS = ("given up", "resumed", "killed again")


@dataclass
class Attempt:
    """One case, called once by a process that may be killed, and by those that come after it."""

    place: Place
    number: int
    talk: str
    clock: SimulatedClock = field(init=False)
    phone: SimulatedPhone = field(init=False)
    told: list[Acknowledged] = field(default_factory=list)
    case_id: int = 0

    def __post_init__(self) -> None:
        self.clock = SimulatedClock(START)
        happenings = [Happening(timedelta(seconds=2), "ringing"), Happening(timedelta(seconds=8), "answered")]
        self.phone = SimulatedPhone(self.clock, lambda *_: happenings if TALKS[self.talk] else happenings[:1])
        with self.place.aside.write() as conn:
            case = add_case(conn, self.number)
            entry = queue.Entry(case.case_id, case.household_id, START, priority=500)
            queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [entry])
            queue.wake(conn, MUNICIPALITY, START)
        self.case_id = case.case_id

    def process(self) -> tuple[Calls, Switchboard]:
        """A new process: it knows nothing but the database and the telephone."""
        salt = random.Random(f"{self.number} {self.talk} {len(self.told)} {self.clock.now()}").randbytes
        desk = Calls(self.place.database, self.clock, self.place.shelf, DESK, MUNICIPALITY, salt)
        board = Switchboard(self.place.database, self.clock, desk, self.phone, MUNICIPALITY, _rules)
        return desk, board

    def acknowledge(self, call_id: int) -> None:
        """What the process said is done, as anybody else can read it at this moment."""
        with self.place.aside.read() as conn:
            row = conn.execute(select(calls).where(calls.c.id == call_id)).one()
        self.told.append(Acknowledged(call_id, row.event_count, row.disposition or ""))

    def work(self) -> None:
        """A whole call: dealt, opened, placed, answered, talked, closed."""
        desk, board = self.process()
        dealt = board.deal(self.place.operator, [CAMPAIGN])
        assert isinstance(dealt, Deal)
        call_id = board.dial(dealt, self.place.operator).call_id
        self.acknowledge(call_id)
        self.clock.advance(timedelta(seconds=10 if TALKS[self.talk] else 31))
        if board.listen():
            self.acknowledge(call_id)
        if TALKS[self.talk]:
            self.converse(desk, board, call_id)

    def converse(self, desk: Calls, board: Switchboard, call_id: int) -> None:
        """The talk from wherever it stands to its end; each step of it is told to the operator."""
        standing = desk.begin(call_id, self.place.operator)
        for name, fields in TALKS[self.talk][standing.step - 1 :]:
            self.clock.advance(timedelta(seconds=7))
            standing = desk.answer(call_id, self.place.operator, standing.step, name, fields=fields)
            assert not standing.refused
            self.acknowledge(call_id)
        assert standing.state == END
        board.finish(call_id, f"operator:{self.place.operator}")
        self.acknowledge(call_id)

    def go_on(self, way: str) -> None:
        """What happens after the crash, until nothing more can."""
        if way == "resumed":
            self.resume()
        if way == "killed again":
            self.place.points.kill_at(1 + self.number % 9, self.settle)
        self.settle()
        self.clock.advance(LONGEST)
        self.settle()
        _, board = self.process()
        assert board.recover() == type(board.recover())()

    def settle(self) -> None:
        _, board = self.process()
        self.clock.advance(timedelta(seconds=61))
        board.listen()
        board.recover()

    def resume(self) -> None:
        """The operator logs in again at once: the server held the call, and shows the same step."""
        desk, board = self.process()
        self.clock.advance(timedelta(seconds=9))
        board.recover(patience=timedelta(0))
        board.listen()
        row = self.row()
        if row is None or not row.live or row.line_state != "answered":
            return
        if row.talk_state:
            assert desk.standing(row.id, self.place.operator).step == row.step
        self.converse(desk, board, row.id)

    def row(self) -> Any:
        with self.place.aside.read() as conn:
            return conn.execute(select(calls).where(calls.c.case_id == self.case_id)).one_or_none()

    def judge(self, way: str) -> None:
        """What must hold of this one call; the invariants over all calls are checked once at the end."""
        row, known = self.row(), self.phone.list_since(START)
        assert len(known) <= 1
        assert [one.attempt_ref for one in known] in ([], [row.attempt_ref] if row else [])
        if row is not None:
            assert not row.live
            assert row.disposition
        if way == "resumed" and row is not None and row.talk_state == END:
            assert row.disposition == self.place.codes[self.talk]
        with self.place.aside.read() as conn:
            assert lost(conn, MUNICIPALITY, self.told) == []
        mine = (queue_entries.c.municipality_id == MUNICIPALITY) & (queue_entries.c.case_id == self.case_id)
        ends = time.monotonic() + 5
        while self.queued_as(mine) == "claimed":  # a server lets go of a dead connection's locks a moment later
            assert time.monotonic() < ends
            time.sleep(0.01)
        assert self.queued_as(mine) in ("ready", "scheduled", "held", "done")
        with self.place.aside.write() as conn:
            conn.execute(update(queue_entries).where(mine).values(state="done"))

    def queued_as(self, mine: ColumnElement[bool]) -> str:
        """Where the case stands in the queue once every lease is over."""
        with self.place.aside.write() as conn:
            queue.expire_leases(conn, MUNICIPALITY, self.clock.now() + LEASE_OVER)
            return str(conn.execute(select(queue_entries.c.state).where(mine)).scalar_one())


@dataclass
class Place:
    """A database whose processes can be killed, and a second way into it for those who look on."""

    database: Database
    aside: Database
    operator: int
    shelf: Shelf
    points: Points
    codes: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def attempt(self, talk: str) -> Attempt:
        return Attempt(self, next(self.numbers), talk)

    def whole(self, talk: str) -> int:
        """A call that nobody disturbs: its points, a few of them for what is read once and then kept, and its outcome,
        to which a resumed call must come as well."""
        attempt = self.attempt(talk)
        points = self.points.count(attempt.work)
        self.codes[talk] = attempt.row().disposition
        attempt.go_on("given up")
        attempt.judge("given up")
        return points

    def survive(self, talk: str, point: int, way: str) -> bool:
        """A call killed at `point`. False: it has not so many points."""
        attempt = self.attempt(talk)
        killed = self.points.kill_at(point, attempt.work)
        try:
            attempt.go_on(way)
            attempt.judge(way)
        except (AssertionError, RefusedError) as error:
            raise AssertionError(f"{talk}, killed at point {point}, {way}") from error
        return killed

    def violations(self) -> list[str]:
        with self.aside.read() as conn:
            return [str(one) for one in check(conn)]


def _rules(campaign_id: int) -> Rules:
    return Rules(campaign_id, Policy(), Calendar())


@pytest.fixture
def place(database: Database) -> Iterator[Place]:
    world: World = build(database, SimulatedClock(START))
    with database.write() as conn:
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=CAMPAIGN,
                name="見本の架電",
                claim_type="national_health_insurance",
                script_hash=world.script_hash,
                state="running",
                supervisor_id=world.supervisor,
                created_at=START,
                created_by=world.supervisor,
            )
        )
    aside = Database(database.url)
    yield Place(database, aside, world.operator, world.shelf, Points(database))
    aside.close()


@pytest.mark.parametrize(
    ("talk", "code", "stride"),
    [("hardship", "HU1", 1), ("promise", "PP", 10), ("nobody", "NA", 4)],
)
def test_a_call_killed_anywhere_ends_with_everything_that_was_acknowledged(
    place: Place, talk: str, code: str, stride: int
) -> None:
    """Every point of one talk, each followed by one of the ways on; `test_every_point` takes all of all."""
    points = place.whole(talk)
    assert place.codes[talk] == code
    ways = cycle(WAYS)
    killed = [place.survive(talk, point, next(ways)) for point in range(1, points, stride)]
    assert sum(killed) > 0.9 * len(killed) > 3
    assert place.violations() == []


@pytest.mark.deep
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("talk", TALKS)
def test_every_point(place: Place, talk: str, way: str) -> None:
    place.whole(talk)
    points = next(point for point in count(1) if not place.survive(talk, point, way)) - 1
    assert place.violations() == []
    print(f"\n{talk}, {way}: {points} points")
