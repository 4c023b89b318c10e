"""Supervisors' shifts and the stop of everything, on both databases: what another connection sees at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from callflow.campaigns import Campaigns
from callflow.clock import SimulatedClock
from callflow.errors import InputError, RefusedError
from callflow.oversight import SHIFT_ENDED, Oversight
from models.database import Database
from models.tables import accounts, audit_events, campaign_holdouts, campaigns, queue_entries, shifts
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, NothingNow, Rules, deal
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.snapshot import facts_for
from scheduler.verdict import Allowed, Reason, Refused
from tests.world import MUNICIPALITY, World, account, add_case, build

CAMPAIGN = 1
RULES = Rules(CAMPAIGN, Policy(), Calendar())


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    """A running campaign with one case that is ready; its supervisor is on shift until 17:00 JST."""
    made = build(database, clock)
    with database.write() as conn:
        conn.execute(update(shifts).values(until=clock.now() + timedelta(hours=7)))
        case = add_case(conn)
        conn.execute(
            insert(campaigns).values(
                municipality_id=MUNICIPALITY,
                id=CAMPAIGN,
                name="11月",
                claim_type="national_health_insurance",
                script_hash=made.script_hash,
                state="running",
                supervisor_id=made.supervisor,
                created_at=clock.now(),
                created_by=made.supervisor,
            )
        )
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(case.case_id, case.household_id, clock.now(), 5)])
        queue.wake(conn, MUNICIPALITY, clock.now())
    return made


def dealt(world: World) -> bool:
    with world.database.write() as conn:
        found = deal(conn, MUNICIPALITY, world.clock.now(), [RULES], worker="w", lease=timedelta(minutes=5))
        if isinstance(found, Deal):
            queue.release(conn, found.claim, world.clock.now())
            queue.wake(conn, MUNICIPALITY, world.clock.now())
        else:
            assert isinstance(found, NothingNow)
        return isinstance(found, Deal)


def reasons(world: World) -> tuple[Reason, ...]:
    with world.database.read() as conn:
        facts = facts_for(conn, MUNICIPALITY, 1, campaign_id=CAMPAIGN)
    verdict = judge(facts.case, facts.numbers[0], facts.history, RULES.policy, RULES.calendar, world.clock.now())
    return verdict.reasons if isinstance(verdict, Refused) else ()


def desk(world: World, conn: object) -> Oversight:
    return Oversight(conn, MUNICIPALITY, world.clock.now())  # type: ignore[arg-type]


def test_a_case_is_dealt_while_its_supervisor_is_on_shift(world: World) -> None:
    assert (dealt(world), reasons(world)) == (True, ())


def test_the_end_of_the_shift_pauses_the_campaign_with_its_reason(world: World) -> None:
    with world.database.write() as conn:
        assert desk(world, conn).end_shift(world.supervisor, world.supervisor) == [CAMPAIGN]
    with world.database.read() as conn:
        row = conn.execute(select(campaigns.c.state, campaigns.c.state_reason)).one()
        verbs = conn.execute(select(audit_events.c.verb).order_by(audit_events.c.id)).scalars().all()
    assert tuple(row) == ("paused", SHIFT_ENDED)
    assert verbs[-2:] == ["shift:end", "campaign:pause"]
    assert not dealt(world)
    assert reasons(world) == (Reason.CAMPAIGN_NOT_RUNNING, Reason.NO_SUPERVISOR)


def test_a_forgotten_shift_counts_no_more_at_its_end_and_is_put_on_record(world: World) -> None:
    world.clock.advance(timedelta(hours=6, minutes=49))
    assert dealt(world)
    with world.database.write() as conn:
        conn.execute(update(shifts).values(until=world.clock.now()))
    assert not dealt(world)
    assert Reason.NO_SUPERVISOR in reasons(world)
    with world.database.write() as conn:
        assert desk(world, conn).end_overdue() == [CAMPAIGN]
        assert desk(world, conn).end_overdue() == []
        assert desk(world, conn).on_shift() == []


def test_a_closed_account_is_not_on_shift(world: World) -> None:
    with world.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.id == world.supervisor).values(disabled_at=world.clock.now()))
    assert not dealt(world)
    assert reasons(world) == (Reason.NO_SUPERVISOR,)


def test_another_supervisors_shift_does_not_count_until_the_campaign_is_handed_over(world: World) -> None:
    with world.database.write() as conn:
        other = account(conn, 1, "sv02", "見本 責二", "supervisor", world.clock.now())
        over = Oversight(conn, MUNICIPALITY, world.clock.now())
        over.begin_shift(other, world.clock.now() + timedelta(hours=2), other)
        conn.execute(update(shifts).where(shifts.c.account_id == world.supervisor).values(ended_at=world.clock.now()))
    assert not dealt(world)
    with world.database.write() as conn:
        Campaigns(conn, MUNICIPALITY, world.clock.now()).hand_over(CAMPAIGN, other, other)
    assert dealt(world)


def test_only_a_supervisor_begins_a_shift_and_only_once(world: World) -> None:
    later = world.clock.now() + timedelta(hours=1)
    with world.database.write() as conn:
        for who, error in ((world.operator, RefusedError), (world.supervisor, RefusedError)):
            with pytest.raises(error):
                desk(world, conn).begin_shift(who, later, who)
        with pytest.raises(InputError):
            desk(world, conn).begin_shift(world.supervisor, world.clock.now(), world.supervisor)


def test_the_stop_is_seen_by_every_connection_at_its_next_judgement(world: World) -> None:
    with world.database.write() as conn:
        desk(world, conn).stop_all("地震のため", world.staff[0])
    elsewhere = Database(world.database.url)
    with elsewhere.write() as conn:
        found = deal(conn, MUNICIPALITY, world.clock.now(), [RULES], worker="w2", lease=timedelta(minutes=5))
    elsewhere.close()
    assert found == NothingNow()
    assert reasons(world) == (Reason.DISASTER_STOP,)
    with world.database.write() as conn:
        with pytest.raises(RefusedError, match="すでに"):
            desk(world, conn).stop_all("二度目", world.staff[0])
        with pytest.raises(RefusedError, match="区の職員"):
            desk(world, conn).lift_stop(world.supervisor)
        desk(world, conn).lift_stop(world.staff[0])
        with pytest.raises(RefusedError, match="かかって"):
            desk(world, conn).lift_stop(world.staff[0])
        verbs = conn.execute(select(audit_events.c.verb, audit_events.c.purpose).order_by(audit_events.c.id)).all()
    assert [tuple(each) for each in verbs] == [("dialling:stop", "地震のため"), ("dialling:lift", "")]
    assert dealt(world)


def test_a_held_out_case_is_refused_even_where_it_got_into_the_queue(world: World) -> None:
    with world.database.write() as conn:
        conn.execute(
            insert(campaign_holdouts).values(
                municipality_id=MUNICIPALITY, campaign_id=CAMPAIGN, case_id=1, unpaid=1, drawn_at=world.clock.now()
            )
        )
    assert reasons(world) == (Reason.HELD_OUT,)
    assert not dealt(world)
    with world.database.read() as conn:
        assert conn.execute(select(queue_entries.c.state, queue_entries.c.reason)).one()[1] == "held_out"
        elsewhere = facts_for(conn, MUNICIPALITY, 1)
    verdict = judge(elsewhere.case, elsewhere.numbers[0], elsewhere.history, Policy(), Calendar(), world.clock.now())
    assert isinstance(verdict, Allowed)
