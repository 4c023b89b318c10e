"""A room of simulated operators over the real engine: only clock, telephone and people are invented.

Each operator is a generator that yields until when it waits; one loop wakes them in the order of time and moves
the simulated clock. Everything follows from the seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from callflow.calllog import by_operator
from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.script.fields import told_anew
from callflow.script.model import Script
from callflow.shelf import Shelf
from callflow.simulation.plans import passing, ways
from callflow.simulation.residents import SIGNAL_WORDS, Knowledge, Resident, reason_of
from callflow.standing import Standing
from callflow.switchboard import DialRefusedError, Switchboard
from callflow.telephony.simulated import Happening, SimulatedPhone
from models.database import Database
from models.tables import arrears, cases, debtors, queue_entries
from scheduler import queue
from scheduler.dealing import Deal, NothingNow, Rules

VARIANTS = 4  # of each way through a script, so that not all residents take the same one
IDLE = timedelta(minutes=5)

_oldest = (
    select(arrears.c.unpaid)
    .where(arrears.c.municipality_id == cases.c.municipality_id, arrears.c.case_id == cases.c.id, arrears.c.unpaid > 0)
    .order_by(arrears.c.due_on)
    .limit(1)
    .scalar_subquery()
)
_KNOWLEDGE = (
    select(debtors.c.birth_date, debtors.c.address, _oldest.label("oldest"))
    .join(cases, (cases.c.municipality_id == debtors.c.municipality_id) & (cases.c.debtor_id == debtors.c.id))
    .where(cases.c.municipality_id == bindparam("m"), cases.c.id == bindparam("case"))
)
_NEXT_DUE = select(func.min(queue_entries.c.due_at)).where(
    queue_entries.c.municipality_id == bindparam("m"),
    queue_entries.c.campaign_id == bindparam("campaign"),
    queue_entries.c.state == "scheduled",
)

Waiting = Generator[datetime, None, None]


def resident_of(conn: Connection, municipality_id: int, seed: int, case_id: int, call_id: int) -> Resident:
    """Who answers in that call of that case, in the run with this seed."""
    row = conn.execute(_KNOWLEDGE, {"m": municipality_id, "case": case_id}).one()
    born = row.birth_date.isoformat() if row.birth_date else ""
    known = Knowledge(born, row.address, row.oldest or 0)
    return Resident(random.Random(f"{seed}:{case_id}:{call_id}"), known, reason_of(seed, case_id))


@dataclass(slots=True)
class Room:
    """Operators at work in one campaign until a moment comes. `told` is called with each moment reached."""

    database: Database
    clock: SimulatedClock
    calls: Calls
    shelf: Shelf
    municipality_id: int
    campaign_id: int
    script_hash: str
    rules: Rules
    operators: Sequence[int]
    seed: int = 1
    told: Callable[[datetime], None] = lambda _moment: None
    phone: SimulatedPhone = field(init=False)
    switchboard: Switchboard = field(init=False)
    _heard: dict[int, Any] = field(default_factory=dict, init=False)
    _woken: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.phone = SimulatedPhone(self.clock, self._behaviour)
        self.switchboard = Switchboard(
            self.database, self.clock, self.calls, self.phone, self.municipality_id, lambda _campaign: self.rules
        )

    def run(self, until: datetime) -> None:
        """Lets everybody work until `until`; calls that are live then are talked to their end."""
        order = count()
        start = self.clock.now()
        waiting = [
            (start + timedelta(seconds=17 * number), next(order), self._operator(one, until))
            for number, one in enumerate(self.operators)
        ]
        heapq.heapify(waiting)
        while waiting:
            moment, _, operator = heapq.heappop(waiting)
            if moment > self.clock.now():
                self.clock.advance_to(moment)
                self.told(moment)
            try:
                heapq.heappush(waiting, (next(operator), next(order), operator))
            except StopIteration:
                continue

    def _operator(self, operator: int, until: datetime) -> Waiting:
        while self.clock.now() < until:
            self._wake()
            dealt = self.switchboard.deal(operator, [self.campaign_id])
            if isinstance(dealt, NothingNow):
                if not dealt.more:
                    yield self._next_work(until)
                continue
            yield self._after(4, 0.4)  # a look at the next case
            try:
                heard = self.switchboard.dial(dealt, operator)
            except DialRefusedError:
                continue
            yield from self._call(dealt, operator, heard.call_id)

    def _call(self, dealt: Deal, operator: int, call_id: int) -> Waiting:
        while True:
            for each in self.switchboard.listen():
                if each.standing is not None or each.closed is not None:
                    self._heard[each.call_id] = each
            if call_id in self._heard:
                break
            coming = self.phone.next_at()
            yield max(coming or self.clock.now(), self.clock.now() + timedelta(milliseconds=200))
        heard = self._heard.pop(call_id)
        if heard.closed is None and heard.standing is not None:
            yield from self._talk(dealt, operator, heard.standing)
        yield self._after(12, 0.5)  # wrap-up

    def _talk(self, dealt: Deal, operator: int, standing: Standing) -> Waiting:
        with self.database.read() as conn:
            resident = resident_of(conn, self.municipality_id, self.seed, dealt.claim.case_id, standing.call_id)
            flow = self.shelf.flow(conn, self.municipality_id, self.script_hash)
            told = self.calls.conditions(conn, standing.call_id)
        fixed = {name for name, kind in flow.script.conditions.items() if kind == "call"}
        conditions = {name: told.get(name, False) for name in sorted(fixed)}
        variant = self.seed + resident.chance.randrange(VARIANTS)
        possible, by_state = (search(flow.script, "outbound", conditions, variant) for search in (ways, passing))
        by = resident.wandering(by_state)
        steps = list(by_state[by] if by else possible[resident.intent(possible)])
        taken = 0
        while not standing.talk_ended:
            yield self._after(3 + len(standing.line) / 7, 0.35)  # about seven characters a second
            between = resident.interruption()
            if between == "signal":
                reason = resident.chance.choice(SIGNAL_WORDS)
                standing = self._signal(standing, operator, reason)
            elif between == "back" and taken:
                back = self.calls.back(standing.call_id, operator, standing.step)
                taken, standing = (taken if back.refused else taken - 1), back
            elif between == "hang_up" or taken >= len(steps):
                standing = self.calls.hang_up(standing.call_id, operator, standing.step)
            else:
                standing = self._answer(standing, operator, steps[taken], resident, flow.script)
                taken += 1
        self.switchboard.hang_up(standing.call_id)
        self.switchboard.finish(standing.call_id, by_operator(operator))

    def _signal(self, standing: Standing, operator: int, reason: str) -> Standing:
        if not any(answer.name == "signal" for answer in standing.answers):
            return standing
        return self.calls.signal(standing.call_id, operator, standing.step, reason)

    def _answer(self, standing: Standing, operator: int, name: str, resident: Resident, script: Script) -> Standing:
        """The next answer of the way; where an interruption has led elsewhere, the resident hangs up."""
        answer = next((one for one in standing.answers if one.name == name), None)
        if answer is not None:
            anew = told_anew(script.states[standing.state], answer)
            typed = resident.says(answer, script.fields, self.clock.now(), standing.asks, anew)
            after = self.calls.answer(standing.call_id, operator, standing.step, name, fields=typed)
            if not after.refused:
                return after
        return self.calls.hang_up(standing.call_id, operator, standing.step)

    def _behaviour(self, _attempt_ref: str, e164: str, at: datetime) -> Sequence[Happening]:
        chance = random.Random(f"{self.seed}:{e164}:{at.isoformat()}")
        kind = Resident(chance, Knowledge("", "", 0)).line()
        ringing = Happening(timedelta(seconds=2), "ringing")
        if kind == "no_answer":
            return (ringing,)
        after = timedelta(seconds=chance.uniform(4, 20))
        return (ringing, Happening(after, kind))  # type: ignore[arg-type]

    def _wake(self) -> None:
        """The periodic work of a real installation, once a simulated minute."""
        now = self.clock.now()
        if self._woken is None or now - self._woken >= timedelta(minutes=1):
            self._woken = now
            with self.database.write() as conn:
                while queue.wake(conn, self.municipality_id, now):
                    pass
                queue.expire_leases(conn, self.municipality_id, now)

    def _next_work(self, until: datetime) -> datetime:
        """When it makes sense to ask again: when a case falls due or the hours begin."""
        now = self.clock.now()
        opening = self.rules.calendar.next_opening(now)
        if opening is None or opening > until:
            return until
        if opening > now:
            return opening
        with self.database.read() as conn:
            first = conn.execute(_NEXT_DUE, {"m": self.municipality_id, "campaign": self.campaign_id}).scalar()
        return min(max(first or until, now + IDLE), until)

    def _after(self, seconds: float, spread: float) -> datetime:
        """Log-normal, as people's times are."""
        chance = random.Random(f"{self.seed}:{self.clock.now().isoformat()}:{seconds}")
        return self.clock.now() + timedelta(seconds=round(seconds * chance.lognormvariate(0, spread), 3))
