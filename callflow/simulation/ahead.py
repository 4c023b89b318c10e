"""A room of operators who talk only to whom the dialler puts through: the real engine, invented lines and talks.

What a talk is about is no matter here: it lasts as long as it was drawn to, then the resident hangs up.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from callflow.ahead import DiallerAhead
from callflow.calllog import by_operator
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.switchboard import Switchboard
from callflow.telephony.simulated import Happening, SimulatedPhone
from models.database import Database
from models.tables import calls, holds_operator, is_live
from scheduler.dealing import Rules

NO_ANSWER = 25.0
"""Seconds that a line rings where nobody answers."""
TICK = timedelta(milliseconds=250)
LOOK_AGAIN = timedelta(seconds=5)


@dataclass(slots=True)
class RoomAhead:
    """`answer_rate`: of the lines; `talk` and `ring`: means in seconds, the first wrap-up and all. `worker` names the
    dialler's process."""

    database: Database
    clock: SimulatedClock
    calls: Calls
    municipality_id: int
    rules: Rules
    operators: Sequence[int]
    answer_rate: float = 0.3
    talk: float = 180.0
    ring: float = 18.0
    seed: int = 1
    phone: SimulatedPhone = field(init=False)
    board: Switchboard = field(init=False)
    dialler: DiallerAhead = field(init=False)
    talked: float = 0.0  # seconds of operators in talks, of those that are over
    _ends: list[tuple[datetime, int, int]] = field(default_factory=list)
    _talking: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.phone = SimulatedPhone(self.clock, self._behaviour)
        self.board = Switchboard(
            self.database,
            self.clock,
            self.calls,
            self.phone,
            self.municipality_id,
            lambda _campaign: self.rules,
            on_duty=lambda _conn, _now: self.operators,
        )
        self.restart("first")

    def restart(self, worker: str) -> None:
        """Another process opens the lines from now on; nobody tells it what the one before was at."""
        self.dialler = DiallerAhead(
            self.database,
            self.clock,
            self.board,
            self.municipality_id,
            lambda _campaign: self.rules,
            worker=worker,
            on_duty=lambda _conn, _now: self.operators,
            solve_aside=False,
        )

    def run(self, until: datetime) -> None:
        """Works until `until`; calls that are live then stay so."""
        while self.clock.now() < until:
            self.board.listen()
            self.dialler.step()
            waiting = self._hear_talks()
            moments = [self.clock.now() + (TICK if waiting else LOOK_AGAIN), until]
            coming = self.phone.next_at()
            moments += [coming] if coming is not None else []
            moments += [self._ends[0][0]] if self._ends else []
            self.clock.advance_to(max(min(moments), self.clock.now() + timedelta(milliseconds=1)))
            self._end_talks()

    def _hear_talks(self) -> bool:
        """Notes when each new talk will end. Whether somebody waits to be put through."""
        c = calls.c
        query = select(c.id, c.operator_id, c.unattended, c.answered_at).where(
            c.municipality_id == self.municipality_id, is_live, c.line_state == "answered"
        )
        with self.database.read() as conn:
            rows = conn.execute(query.where(holds_operator | c.unattended)).all()
        for row in rows:
            if not row.unattended and row.id not in self._talking:
                self._talking.add(row.id)
                lasts = random.Random(f"{self.seed}:{row.id}").lognormvariate(math.log(self.talk) - 0.18, 0.6)
                self.talked += lasts
                heapq.heappush(self._ends, (self.clock.now() + timedelta(seconds=lasts), row.id, row.operator_id))
        return any(row.unattended for row in rows)

    def _end_talks(self) -> None:
        while self._ends and self._ends[0][0] <= self.clock.now():
            _, call_id, operator_id = heapq.heappop(self._ends)
            standing = self.calls.standing(call_id, operator_id)
            if not standing.talk_ended:
                self.calls.hang_up(call_id, operator_id, standing.step)
            self.board.hang_up(call_id)
            self.board.finish(call_id, by_operator(operator_id))

    def _behaviour(self, _attempt_ref: str, e164: str, at: datetime) -> Sequence[Happening]:
        chance = random.Random(f"{self.seed}:{e164}:{at.isoformat()}")
        if chance.random() >= self.answer_rate:
            return (Happening(timedelta(seconds=NO_ANSWER), "no_answer"),)
        soon = (self.ring - (1 - self.answer_rate) * NO_ANSWER) / self.answer_rate
        return (Happening(timedelta(seconds=chance.expovariate(1 / soon)), "answered"),)
