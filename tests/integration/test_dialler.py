"""A process that only dials: for whom, from which campaigns, and beside another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, update

from callflow import attendance
from callflow.cli.main import run
from callflow.clock import SimulatedClock
from callflow.dialler import Dialler
from callflow.switchboard import Switchboard
from callflow.telephony.port import DeskEvent
from callflow.telephony.simulated import SimulatedPhone
from models.database import Database
from models.tables import calls, campaigns, desks, queue_entries
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, Rules
from scheduler.settings import Policy
from tests.world import MUNICIPALITY, SCRIPTS, World, account, add_case, build, running_campaign

PREVIEW, PROGRESSIVE = 1, 2


class House:
    """Two operators at work, a campaign in which cases are looked at first and one in which they are not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.phone = SimulatedPhone(world.clock)
        with world.database.write() as conn:
            other = account(conn, 1, "op02", "見本 二号", "operator", world.clock.now())
            self.operators = [world.operator, other]
            running_campaign(conn, world)
            row = dict(conn.execute(select(campaigns)).one()._mapping)
            conn.execute(insert(campaigns).values({**row, "id": PROGRESSIVE, "name": "次", "mode": "progressive"}))
            conn.execute(update(campaigns).where(campaigns.c.id == PREVIEW).values(mode="preview"))
            for number in range(1, 7):
                case = add_case(conn, number)
                campaign = PREVIEW if number < 3 else PROGRESSIVE
                entry = queue.Entry(case.case_id, case.household_id, world.clock.now(), 1)
                queue.enqueue(conn, MUNICIPALITY, campaign, [entry])
            queue.wake(conn, MUNICIPALITY, world.clock.now())

    def process(self, worker: str, *, attended: bool = False) -> Dialler:
        world = self.world

        def rules(campaign: int) -> Rules:
            return Rules(campaign, Policy(), Calendar())

        lease = timedelta(minutes=1)
        board = Switchboard(
            world.database, world.clock, world.calls, self.phone, MUNICIPALITY, rules, lease=lease
        )  # fmt: skip
        return Dialler(
            world.database, world.clock, board, MUNICIPALITY, rules, worker=worker, attended=attended,
            on_duty=self._on_duty,
        )  # fmt: skip

    def _on_duty(self, conn: Connection, _now: datetime) -> set[int]:
        resting = conn.execute(select(desks.c.account_id).where(desks.c.state == "break")).scalars()
        return set(self.operators) - set(resting)

    def live(self) -> list[tuple[int, int]]:
        with self.world.database.read() as conn:
            found = conn.execute(select(calls.c.campaign_id, calls.c.operator_id).where(calls.c.live))
            return sorted((row.campaign_id, row.operator_id) for row in found)

    @property
    def dialled(self) -> int:
        return len(self.phone.list_since(datetime.min.replace(tzinfo=UTC)))


@pytest.fixture
def house(database: Database, clock: SimulatedClock) -> House:
    return House(build(database, clock))


def test_each_operator_who_is_ready_gets_one_call_whichever_process_dials(house: House) -> None:
    first, second = house.process("a:1"), house.process("b:1")
    assert first.step() + second.step() == 2
    assert house.live() == [(PROGRESSIVE, each) for each in house.operators]
    assert first.step() + second.step() == 0, "nobody is free"
    house.world.clock.advance(timedelta(seconds=31))
    assert second.step() == 2, "nobody answered: the next two"
    assert house.dialled == 4
    house.world.clock.advance(timedelta(seconds=31))
    assert first.step() + second.step() == 0, "what is looked at first is nobody's to dial"
    first.close()
    second.close()


def test_nobody_is_called_for_an_operator_on_a_break_or_without_a_receiver(house: House) -> None:
    plain, attended = house.process("a:1"), house.process("b:1", attended=True)
    assert attended.step() == 0, "no receiver is off the hook"
    now, (one, other) = house.world.clock.now(), house.operators
    with house.world.database.write() as conn:
        name = attendance.call(conn, MUNICIPALITY, one, now)
        conn.execute(insert(desks).values(municipality_id=MUNICIPALITY, account_id=other, state="break", since=now))
    attended.hear_receivers([DeskEvent(name, "there")])
    assert not plain._dial(other, [PROGRESSIVE]), "the break began after the look and before the dial"
    assert house.dialled == 0
    assert attended.step() == 1
    assert plain.step() == 0
    assert house.live() == [(PROGRESSIVE, one)]
    attended.hear_receivers([DeskEvent(name, "gone")])
    attended._board.listen()
    assert house.live() == [], "it would have found nobody"
    plain.close()


def test_what_a_process_had_dealt_itself_when_it_died_comes_back_with_its_lease(house: House) -> None:
    lost = house.process("a:1")
    held = lost._board.deal(house.operators[0], [PROGRESSIVE], worker="dialler:a:1")
    assert isinstance(held, Deal)
    other = house.process("b:1")
    assert other.step() == 2, "its operator waits for nothing"
    house.world.clock.advance(timedelta(minutes=1, seconds=1))
    other._board.recover()
    with house.world.database.write() as conn:
        assert queue.expire_leases(conn, MUNICIPALITY, house.world.clock.now()) == 1
        state = select(queue_entries.c.state).where(queue_entries.c.case_id == held.claim.case_id)
        assert conn.execute(state).scalar_one() == "ready"
    assert other.step() == 2
    assert house.dialled == 4
    for each in (lost, other):
        each.close()


def test_with_desk_phones_there_is_nothing_to_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(SCRIPTS.parent / "config.yaml"))
    assert run(["dial", "run"]) != 0
    assert "発信するのは担当者です" in capsys.readouterr().err
