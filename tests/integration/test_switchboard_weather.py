"""Shifts in bad weather: operators, residents, payments, crashes and every fault at random, judged by invariants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import select, update

from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.errors import CallflowError
from callflow.line import is_final
from callflow.playback import verify_all
from callflow.shelf import Shelf
from callflow.switchboard import Switchboard
from callflow.telephony.simulated import Fault, Happening, SimulatedPhone
from models.database import Database
from models.tables import arrears, calls, campaigns, cases, phone_numbers, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, Rules
from scheduler.settings import Policy
from tests.world import DESK, MUNICIPALITY, add_case, build, counted_salt

FAULTS = {
    "place": [
        Fault.REFUSED,
        Fault.TOO_MANY,
        Fault.ERROR_BEFORE,
        Fault.ERROR_AFTER,
        Fault.TIMEOUT_BEFORE,
        Fault.TIMEOUT_AFTER,
        Fault.RESET,
    ],
    "hang_up": [Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER],
    "fetch": [Fault.LOST, Fault.TIMEOUT_BEFORE],
    "poll": [Fault.DUPLICATED, Fault.REORDERED, Fault.LATE, Fault.LOST, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER],
}
POLICY = Policy(no_answer_retry_minutes=60, busy_retry_minutes=5, another_band_within_days=0, fault_retry_minutes=1)
LONGEST = timedelta(seconds=30, minutes=70)


class Weather:
    """The world at random, and what must hold of it at any moment."""

    def __init__(self, database: Database, clock: SimulatedClock, seed: int) -> None:
        self.chance = random.Random(seed)
        self.database, self.clock = database, clock
        self.world = build(database, clock)
        self.operators = [self.world.operator, self.world.supervisor, *self.world.staff]
        self.phone = SimulatedPhone(clock, self.resident)
        self.dialled: list[str] = []
        self._salts = count(1)
        with database.write() as conn:
            for number in range(1, 15):
                case = add_case(conn, number)
                if number % 3 == 0:
                    add_case(conn, number + 20, household=case.household_id)
            conn.execute(
                campaigns.insert().values(
                    municipality_id=MUNICIPALITY,
                    id=1,
                    name="見本の架電",
                    claim_type="national_health_insurance",
                    script_hash=self.world.script_hash,
                    state="running",
                    supervisor_id=self.world.supervisor,
                    created_at=clock.now(),
                    created_by=self.world.supervisor,
                )
            )
            rows = conn.execute(select(cases.c.id, cases.c.household_id)).all()
            queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(c, h, clock.now(), 500) for c, h in rows])
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered but the database and what the telephone does."""
        salt, first = counted_salt(), next(self._salts)
        desk = Calls(
            self.database,
            self.clock,
            Shelf(),
            DESK,
            MUNICIPALITY,
            lambda size: first.to_bytes(2, "big") + salt(size - 2),
        )
        self.desk = desk
        self.board = Switchboard(self.database, self.clock, desk, self.phone, MUNICIPALITY, self.rules)

    @staticmethod
    def rules(campaign_id: int) -> Rules:
        return Rules(campaign_id, POLICY, Calendar())

    def resident(self, attempt: str, e164: str, at: datetime) -> Sequence[Happening]:
        """Judges the dial itself (I2, I9), then behaves at random."""
        assert Calendar().window_at(at) is not None
        with self.database.read() as conn:
            call = conn.execute(select(calls).where(calls.c.attempt_ref == attempt)).one()
            status, number = (
                conn.execute(select(cases.c.status).where(cases.c.id == call.case_id)).scalar_one(),
                conn.execute(select(phone_numbers.c.e164).where(phone_numbers.c.id == call.number_id)).scalar_one(),
            )
        assert (call.line_state, call.live, status, number) == ("placing", True, "open", e164)
        assert attempt not in self.dialled
        self.dialled.append(attempt)
        rings = Happening(timedelta(seconds=2), "ringing")
        end = self.chance.choice(["busy", "no_answer", "answered", "answered", "machine", "failed", "unreachable"])
        return [rings, Happening(timedelta(seconds=self.chance.randint(3, 40)), end)]  # type: ignore[arg-type]

    def step(self) -> None:
        act = self.chance.choices(
            [self.dial, self.listen, self.talk, self.break_something, self.recover, self.pay, self.crash, self.wait],
            [30, 30, 20, 15, 5, 1, 2, 30],
        )[0]
        with suppress(CallflowError):
            act()

    def dial(self) -> None:
        with self.database.write() as conn:
            queue.wake(conn, MUNICIPALITY, self.clock.now())
        operator = self.chance.choice(self.operators)
        dealt = self.board.deal(operator, [1])
        if isinstance(dealt, Deal):
            self.wait()
            if self.chance.random() < 0.2:
                self.settle(dealt.claim.case_id)
            self.board.dial(dealt, operator)

    def listen(self) -> None:
        self.board.listen()

    def talk(self) -> None:
        with self.database.read() as conn:
            row = conn.execute(select(calls).where(calls.c.live, calls.c.talk_state != "")).first()
        if row is None:
            return
        if self.chance.random() < 0.5:
            self.phone.resident_hangs_up(row.attempt_ref)
        standing = self.desk.standing(row.id, row.operator_id)
        self.desk.hang_up(row.id, row.operator_id, standing.step)
        self.board.hang_up(row.id)
        self.board.finish(row.id, f"operator:{row.operator_id}")

    def break_something(self) -> None:
        operation = self.chance.choice(list(FAULTS))
        self.phone.fail_next(operation, self.chance.choice(FAULTS[operation]))  # type: ignore[arg-type]

    def recover(self) -> None:
        self.board.recover()

    def pay(self) -> None:
        with self.database.read() as conn:
            self.settle(self.chance.choice(conn.execute(select(cases.c.id)).scalars().all()))

    def settle(self, case: int) -> None:
        """Everything is paid, at whatever moment."""
        with self.database.write() as conn:
            conn.execute(update(cases).where(cases.c.id == case).values(status="paid"))
            conn.execute(update(arrears).where(arrears.c.case_id == case).values(unpaid=0, paid=12_000))

    def crash(self) -> None:
        self.restart()

    def wait(self) -> None:
        self.clock.advance(timedelta(seconds=self.chance.choice([1, 5, 20, 60, 600])))

    def check(self) -> None:
        """At most one call rings or talks at a number, and what is live with us is what the database allows (I1)."""
        known = self.phone.list_since(datetime.min.replace(tzinfo=UTC))
        attempts = [each.attempt_ref for each in known if not is_final(each.last.kind)]
        with self.database.read() as conn:
            households = (
                conn.execute(select(calls.c.household_id).where(calls.c.attempt_ref.in_(attempts))).scalars().all()
            )
        assert len(households) == len(set(households))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_no_call_is_placed_twice_or_against_the_rules_and_each_comes_to_an_end(
    database: Database, clock: SimulatedClock, seed: int
) -> None:
    weather = Weather(database, clock, seed)
    clock.advance(timedelta(hours=6 * seed))  # the last shift runs into the end of the hours
    for _ in range(120):
        weather.step()
        weather.phone._faults["list"].clear()
        weather.check()
    for faults in weather.phone._faults.values():
        faults.clear()
    clock.advance(LONGEST)
    weather.board.recover()
    clock.advance(timedelta(minutes=16))
    with database.write() as conn:
        queue.expire_leases(conn, MUNICIPALITY, clock.now())
        ended = conn.execute(select(calls)).all()
        states = set(conn.execute(select(queue_entries.c.state)).scalars())
        verdicts = list(verify_all(conn, Shelf(), MUNICIPALITY))
    assert len(weather.dialled) >= 3
    assert not any(row.live for row in ended)
    assert all(row.disposition for row in ended)
    assert "claimed" not in states
    assert len(verdicts) == len(ended)
    assert all(verdict.proved for verdict in verdicts)
    assert date(2026, 11, 24) <= clock.now().date()
