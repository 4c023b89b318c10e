"""A fleet of dialling processes over one PostgreSQL, and the proof of what they left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, func, select

from callflow.clock import SimulatedClock
from callflow.simulation.invariants import Acknowledged, check, lost
from models.database import Database
from models.tables import accounts, calls, campaigns, is_live, metadata, municipalities, phone_numbers, queue_entries
from scheduler import queue
from tests.fleet.dialer import CAMPAIGN, SILENT, START, Dialer
from tests.world import MUNICIPALITY, account, add_case, build

ROOT = Path(__file__).parents[2]


class Host(Protocol):
    """A database server: `url` as it is reached from there."""

    def url(self, host: str = "") -> str: ...

    def start(self) -> None: ...

    def remove(self) -> None: ...


class Fleet:
    """A server, a queue of cases with a number each, and the processes that dial them."""

    def __init__(self, server: Host, cases: int) -> None:
        self.server = server
        self.folder = Path(tempfile.mkdtemp(prefix="callflow-fleet-"))
        (self.folder / "exchange").touch()
        server.start()
        self.database = Database(server.url())
        with self.database.write() as conn:
            metadata.create_all(conn)
        with self.database.write() as conn:
            conn.execute(municipalities.insert().values(id=MUNICIPALITY, code="139999", name="見本区"))
        self.cases = 0
        self.operators = self._furnish()
        self.add(cases)
        self.begun = time.time()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, count: int, *, host: str = "", inside: str = "") -> list[subprocess.Popen[bytes]]:
        made = [self._run("dialer", str(self.operators.pop()), host, inside) for _ in range(count)]
        self.processes += made
        return made

    def start_apart(self, count: int) -> list[subprocess.Popen[bytes]]:
        """Processes that only dial, for the operators that are left."""
        made = [self._run("apart", ",".join(map(str, self.operators))) for _ in range(count)]
        self.processes += made
        return made

    def _run(self, module: str, who: str, host: str = "", inside: str = "") -> subprocess.Popen[bytes]:
        prefix = ["ip", "netns", "exec", inside] if inside else []
        words = [f"tests.fleet.{module}", self.server.url(host), self.folder, who, str(self.begun)]
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", *words], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    def left(self) -> int:
        """Cases that nobody has dialled yet, those that were given back without a call among them. What was in a call
        when its process died waits there for the time-out.
        """
        q = queue_entries.c
        called = select(calls.c.case_id).where(calls.c.municipality_id == MUNICIPALITY)
        dealt = q.state.in_(("ready", "claimed")) & q.case_id.not_in(called.where(is_live))
        given_back = (q.state == "scheduled") & q.case_id.not_in(called)
        waiting = select(func.count()).where(q.municipality_id == MUNICIPALITY, dealt | given_back)
        return int(self.database.transact(lambda conn: conn.execute(waiting).scalar_one(), patience=60))

    def add(self, cases: int) -> None:
        """So many more cases, each with a number of its own, at the end of the queue."""
        first = self.cases + 1
        numbers = range(first, first + cases)

        def work(conn: Connection) -> None:
            made = [add_case(conn, number, instalments=1) for number in numbers]
            entries = [queue.Entry(one.case_id, one.household_id, START, 100) for one in made]
            queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, entries)
            while queue.wake(conn, MUNICIPALITY, START):
                pass

        self.database.transact(work, patience=60)
        self.cases += cases

    def drain(self, patience: float) -> float:
        """Until every case was dialled; returns the seconds that it took."""
        begun = time.monotonic()
        while self.left():
            assert time.monotonic() - begun < patience, f"{self.left()} cases are left"
            time.sleep(0.2)
        return time.monotonic() - begun

    def stop(self) -> None:
        (self.folder / "stop").touch()
        for one in self.processes:
            if one.poll() is None:
                one.wait(90)

    def placed(self) -> Counter[str]:
        return Counter(line.split()[1] for line in (self.folder / "exchange").read_text().splitlines())

    def settle(self) -> None:
        """Three hours later: what nobody ended is ended by its time-out."""
        dialer = Dialer(self.server.url(), self.folder, 0, time.time() - timedelta(hours=3).total_seconds())
        dialer.board.recover(patience=SILENT)
        dialer.database.close()

    def prove(self) -> None:
        """Nobody was dialled twice and every case had its turn: each that was not dialled has a call which says that
        it came to nothing, and waits in the queue. All invariants hold; nothing that was told is missing."""
        self.settle()
        placed = self.placed()
        assert max(placed.values()) == 1
        with self.database.read() as conn:
            assert conn.execute(select(func.count()).where(calls.c.live)).scalar_one() == 0
            rows = conn.execute(
                select(calls.c.case_id, calls.c.disposition, phone_numbers.c.e164).join(phone_numbers)
            ).all()
            assert len({row.case_id for row in rows}) == self.cases
            undialled = {row.case_id for row in rows} - {row.case_id for row in rows if row.e164 in placed}
            assert {row.disposition for row in rows if row.case_id in undialled} <= {"TF", "UD"}
            waiting = queue_entries.c.case_id.in_(undialled) & (queue_entries.c.state != "done")
            assert conn.execute(select(func.count()).where(waiting)).scalar_one() == len(undialled)
            told = [line.split(" ") for file in self.folder.glob("told-*") for line in file.read_text().splitlines()]
            assert told
            acknowledged = [Acknowledged(int(one), int(events), code) for one, events, code in told]
            assert lost(conn, MUNICIPALITY, acknowledged) == []
            assert check(conn) == []

    def remove(self) -> None:
        for one in self.processes:
            if one.poll() is None:
                one.kill()
                one.wait()
        self.database.close()
        self.server.remove()
        shutil.rmtree(self.folder)

    def _furnish(self) -> list[int]:
        world = build(self.database, SimulatedClock(START))
        (self.folder / "supervisor").write_text(str(world.supervisor))
        with self.database.write() as conn:
            organisation = conn.execute(
                select(accounts.c.organisation_id).where(accounts.c.id == world.operator)
            ).scalar_one()
            operators = [account(conn, organisation, f"op{n:02}", f"見本{n}", "operator", START) for n in range(10, 20)]
            conn.execute(
                campaigns.insert().values(
                    municipality_id=MUNICIPALITY, id=CAMPAIGN, name="秋", claim_type="national_health_insurance",
                    script_hash=world.script_hash, state="running", supervisor_id=world.supervisor,
                    created_at=START, created_by=world.supervisor,
                )
            )  # fmt: skip
        return operators
