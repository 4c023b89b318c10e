"""One dialling process of a fleet: `python -m tests.fleet.dialer URL FOLDER OPERATOR BEGUN`.

Deals, dials, talks and ends calls until FOLDER/stop exists, whatever happens to its database. The telephone is a file
that all processes share, as a provider's exchange is; what was acknowledged is written to FOLDER/told-OPERATOR.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from callflow.calls import Calls
from callflow.corrections import Corrections
from callflow.errors import CallflowError
from callflow.line import LineEvent
from callflow.openlines import Heard
from callflow.shelf import Shelf
from callflow.standing import Standing
from callflow.switchboard import Switchboard
from callflow.telephony.port import KnownCall, PhoneEvent, Placed, Trace
from models.database import Database
from models.tables import calls, is_live
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import NothingNow, Rules
from scheduler.settings import Policy
from tests.world import DESK, MUNICIPALITY

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
CAMPAIGN = 1
LEASE = timedelta(seconds=4)
SILENT = timedelta(seconds=3)


class Wall:
    """The same simulated time in every process, running as the world's does."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def now(self) -> datetime:
        return START + timedelta(seconds=time.time() - self._begun)

    def jumped(self) -> timedelta:
        return timedelta(0)


def rules_of(campaign: int) -> Rules:
    return Rules(campaign, Policy(), Calendar())


class Exchange:
    """A `Phone` that everybody shares: two of three calls are answered, and what was placed is on file."""

    def __init__(self, folder: Path, clock: Wall) -> None:
        self._file, self._clock = folder / "exchange", clock
        self._news: list[PhoneEvent] = []

    def place(self, attempt_ref: str, e164: str, *_limits: int, **_named: object) -> Placed:
        line = f"{attempt_ref} {e164} {self._clock.now().isoformat()}\n"
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line.encode())
        os.close(handle)
        kind = "answered" if int(attempt_ref, 16) % 3 else "no_answer"
        event = LineEvent(kind, self._clock.now(), f"x:{attempt_ref}")  # type: ignore[arg-type]
        self._news.append(PhoneEvent(attempt_ref, event))
        return Placed(f"x:{attempt_ref}")

    def hang_up(self, provider_ref: str) -> None:
        """The other side notices."""

    def fetch(self, attempt_ref: str, _trace: Trace | None = None) -> tuple[KnownCall, ...]:
        found = [line.split() for line in self._file.read_text().splitlines() if line.startswith(attempt_ref)]
        return tuple(
            KnownCall(ref, f"x:{ref}", datetime.fromisoformat(at), LineEvent("ended", self._clock.now(), f"x:{ref}"))
            for ref, _, at in found
        )

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        return ()

    def poll(self) -> Sequence[PhoneEvent]:
        news, self._news = self._news, []
        return news


class Dialer:
    def __init__(self, url: str, folder: Path, operator: int, begun: float) -> None:
        self.database, self.folder, self.operator = Database(url), folder, operator
        self.clock = Wall(begun)
        self.calls = Calls(self.database, self.clock, Shelf(), DESK, MUNICIPALITY)
        self.phone = Exchange(folder, self.clock)
        self.board = Switchboard(
            self.database,
            self.clock,
            self.calls,
            self.phone,
            MUNICIPALITY,
            rules_of,
            lease=LEASE,
        )
        self.corrections = Corrections(self.database, self.clock, Shelf(), MUNICIPALITY)
        self.supervisor = int((folder / "supervisor").read_text())
        self._told = (folder / f"told-{operator}").open("a", buffering=1)
        self._looked_after = 0.0

    def work(self) -> None:
        while not (self.folder / "stop").exists():
            try:
                self._look_after()
                self._once()
            except (DBAPIError, CallflowError):
                time.sleep(0.1)  # the operator presses again

    def _look_after(self) -> None:
        """What `callflow work` does, in every process, so that any of them may die."""
        if time.monotonic() - self._looked_after < 1:
            return
        self._looked_after = time.monotonic()
        now = self.clock.now()
        self.database.transact(lambda conn: queue.wake(conn, MUNICIPALITY, now))
        self.database.transact(lambda conn: queue.expire_leases(conn, MUNICIPALITY, now))
        self.board.recover(patience=SILENT)

    def _once(self) -> None:
        with self.database.read() as conn:
            mine = (calls.c.municipality_id == MUNICIPALITY, calls.c.operator_id == self.operator, is_live)
            row = conn.execute(
                select(calls.c.id, calls.c.talk_state, calls.c.line_state, calls.c.attempt_ref).where(*mine)
            ).one_or_none()
        if row is not None:
            if row.line_state == "needs_review":  # the supervisor asks the exchange, as a person would
                found = "answered" if self.phone.fetch(row.attempt_ref) else "not-placed"
                self.corrections.resolve(self.calls, row.id, self.supervisor, found, "交換機の記録")
            elif row.talk_state:  # the page was loaded again after the trouble: the call goes on where it was
                self._talk(self.calls.standing(row.id, self.operator))
            else:
                time.sleep(0.2)
            return
        dealt = self.board.deal(self.operator, [CAMPAIGN])
        if isinstance(dealt, NothingNow):
            time.sleep(0.05)
            return
        heard = self.board.dial(dealt, self.operator)
        self._tell(heard.call_id, 2)
        self._hear(heard)

    def attend(self, operators: Sequence[int]) -> None:
        """What these operators and the periodic work do where another process dials."""
        self._look_after()
        mine = (calls.c.municipality_id == MUNICIPALITY, calls.c.operator_id.in_(operators), is_live)
        with self.database.read() as conn:
            rows = conn.execute(select(calls.c.id, calls.c.operator_id).where(*mine, calls.c.talk_state != "")).all()
        for row in rows:
            self.operator = row.operator_id
            self._talk(self.calls.standing(row.id, row.operator_id))

    def _hear(self, heard: Heard) -> None:
        for one in (heard, *self.board.listen()):
            if one.standing is not None:
                self._talk(one.standing)

    def _talk(self, standing: Standing) -> None:
        while not standing.talk_ended:
            standing = self.calls.hang_up(standing.call_id, self.operator, standing.step)
            self._tell(standing.call_id, 4)
        closed = self.board.finish(standing.call_id, f"operator:{self.operator}")
        self._tell(standing.call_id, 5, closed.disposition)

    def _tell(self, call_id: int, events: int, disposition: str = "") -> None:
        self._told.write(f"{call_id} {events} {disposition}\n")


if __name__ == "__main__":
    Dialer(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])).work()
