"""Dials in a process of its own: for operators who are ready, and ahead of them where that is asked.

Any number of such processes may run on any number of hosts. For an operator who is ready nobody holds a lease: each
process deals itself a case and opens the call, and the database lets one of them have the operator. What a process that
died had dealt itself comes back with its lease; what it had placed is asked about by `Switchboard.recover`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from zlib import crc32

from sqlalchemy import Connection, Integer, bindparam, select

from callflow import attendance, floor
from callflow.ahead import DiallerAhead
from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.switchboard import Switchboard
from callflow.telephony.port import DeskEvent, PhoneUnavailableError
from models.database import Database
from models.tables import campaigns
from scheduler.dealing import NothingNow, Rules

_c = campaigns.c
_AT_ONCE = (
    select(_c.id, _c.mode)
    .where(
        _c.municipality_id == bindparam("m", type_=Integer),
        _c.state == "running",
        _c.mode.in_(("progressive", "predictive")),
    )
    .order_by(_c.id)
)


class Dialler:
    """The dialling of one municipality in one process. `worker` names the process. `attended`: the telephone calls
    operators first, so that a resident is called only for one whose receiver is off the hook.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switchboard: Switchboard,
        municipality_id: int,
        rules_of: Callable[[int], Rules],
        *,
        worker: str,
        attended: bool,
        on_duty: Callable[[Connection, datetime], Collection[int]] | None = None,
    ) -> None:
        self._database, self._clock, self._board = database, clock, switchboard
        self._municipality_id, self._attended, self._worker = municipality_id, attended, f"dialler:{worker}"[:64]
        self._on_duty = on_duty or (lambda conn, now: floor.on_duty(conn, municipality_id, now))
        self._ahead: DiallerAhead | None = None
        if not attended:
            self._ahead = DiallerAhead(
                database, clock, switchboard, municipality_id, rules_of, worker=worker, on_duty=on_duty
            )

    def close(self) -> None:
        """Dials nothing more."""
        if self._ahead is not None:
            self._ahead.close()

    def step(self) -> int:
        """Hears the telephone, opens lines ahead, and dials for who is ready. To be repeated several times a second.
        How many it dialled for operators who were ready.

        Raises TryLaterError while the clock or the telephone cannot be relied on.
        """
        self._board.listen()
        if self._ahead is not None:
            self._ahead.step()
        with self._database.read() as conn:
            running = conn.execute(_AT_ONCE, {"m": self._municipality_id}).all()
            ready = self._ready(conn) if running else []
        wanted = [each.id for each in running if self._attended or each.mode == "progressive"]
        ready.sort(key=lambda each: crc32(f"{self._worker} {each}".encode()))  # each process begins with another one
        return sum(self._dial(each, wanted) for each in ready) if wanted else 0

    def hear_receivers(self, told: Sequence[DeskEvent]) -> None:
        """Takes in what became of operators' receivers, where this process is the one that is told."""
        for event in told:
            whose = self._database.transact(partial(self._take_in, event))
            if whose is not None and event.state == "gone":
                with suppress(PhoneUnavailableError):  # it is cut by its limit
                    self._board.receiver_is_gone(whose)

    def _take_in(self, event: DeskEvent, conn: Connection) -> int | None:
        return attendance.heard(conn, self._municipality_id, event, self._clock.now())

    def _ready(self, conn: Connection) -> list[int]:
        now = self._clock.now()
        free = floor.free_operators(conn, self._municipality_id, now, self._on_duty(conn, now))
        if not self._attended:
            return free
        there = attendance.there(conn, self._municipality_id)
        return [each for each in free if each in there]

    def _dial(self, operator_id: int, wanted: list[int]) -> bool:
        dealt = self._board.deal(operator_id, wanted, worker=self._worker)
        if isinstance(dealt, NothingNow):
            return False
        try:
            self._board.dial(dealt, operator_id, guard=partial(self._guard, operator_id))
        except RefusedError:
            return False  # it is back in the queue with its next moment
        return True

    def _guard(self, operator_id: int, conn: Connection) -> None:
        """Inside the transaction that opens the call: nobody is called for who went on a break meanwhile."""
        if operator_id not in self._ready(conn):
            raise RefusedError("この担当者は、いま応対できません")
