"""The queue on both databases: nothing is claimed twice, nothing is lost, and a claim is one probe of an index."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Update, func, select, text

from callflow.clock import SimulatedClock
from callflow.standing import Opening
from models.database import Database
from models.tables import campaigns, cases, debtors, queue_entries
from scheduler import queue
from scheduler.queue import Claim, Entry
from tests.conftest import MUNICIPALITY, START
from tests.integration import claimants
from tests.world import World, add_case, build

LEASE = timedelta(minutes=15)
CLAIMANT = Path(claimants.__file__)


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    world = build(database, clock)
    with database.write() as conn:
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=claimants.CAMPAIGN,
                name="秋",
                claim_type="national_health_insurance",
                script_hash=world.script_hash,
                state="running",
                supervisor_id=world.supervisor,
                created_at=START,
                created_by=world.supervisor,
            )
        )
    return world


def fill(conn: Connection, count: int, *, state: str = "ready", due_at: datetime = START) -> None:
    """`count` cases of one debtor's; they differ by nothing that the queue looks at but their priority."""
    first = add_case(conn)
    row = conn.execute(select(cases).where(cases.c.municipality_id == MUNICIPALITY)).one()._asdict()
    debtor = conn.execute(select(debtors).where(debtors.c.municipality_id == MUNICIPALITY)).one()._asdict()
    ids = [first.case_id + number for number in range(count)]
    people = [debtor["id"] + number for number in range(count)]
    if count > 1:
        conn.execute(debtors.insert(), [{**debtor, "id": one, "addressee_no": f"{one:010}"} for one in people[1:]])
        conn.execute(
            cases.insert(), [{**row, "id": one, "debtor_id": who} for one, who in zip(ids[1:], people[1:], strict=True)]
        )
    conn.execute(
        queue_entries.insert(),
        [
            {
                "municipality_id": MUNICIPALITY,
                "campaign_id": claimants.CAMPAIGN,
                "case_id": case_id,
                "household_id": first.household_id,
                "state": state,
                "due_at": due_at,
                "priority": 100 + case_id % 7,
            }
            for case_id in ids
        ],
    )


def claim(database: Database, worker: str = "operator:1", now: datetime = START) -> Claim | None:
    with database.write() as conn:
        return queue.claim(conn, MUNICIPALITY, [claimants.CAMPAIGN], worker=worker, lease_until=now + LEASE)


def state_of(database: Database, case_id: int) -> str:
    with database.read() as conn:
        return str(conn.execute(select(queue_entries.c.state).where(queue_entries.c.case_id == case_id)).scalar_one())


def race(database: Database, processes: int, way: str) -> Counter[int]:
    """How often each case was claimed by several processes that start at once."""
    running = [
        subprocess.Popen(
            [sys.executable, str(CLAIMANT), database.engine.url.render_as_string(False), f"operator:{number}", way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CLAIMANT.parents[2],
            env={"PYTHONPATH": str(CLAIMANT.parents[2])},
        )
        for number in range(processes)
    ]
    for one in running:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    taken: Counter[int] = Counter()
    for one in running:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in running:
        out, _ = one.communicate(timeout=200)
        assert one.returncode == 0
        taken.update(int(line) for line in out.split())
    return taken


def test_several_processes_claim_every_case_once(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 300)
    taken = race(world.database, 4, "ours")
    assert len(taken) == 300
    assert set(taken.values()) == {1}


def test_looking_before_taking_would_claim_twice(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 300)
    assert max(race(world.database, 4, "naive").values()) > 1


@pytest.mark.deep
@pytest.mark.timeout(3000)
def test_eight_processes_claim_a_hundred_thousand_cases_once(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 100_000)
    taken = race(world.database, 8, "ours")
    assert len(taken) == 100_000
    assert set(taken.values()) == {1}


def test_a_claim_that_is_not_yet_committed_is_passed_by(world: World) -> None:
    if world.database.is_sqlite:
        pytest.skip("one writer at a time: there is no other")
    with world.database.write() as conn:
        fill(conn, 2)
    with world.database.write() as slow, world.database.write() as quick:
        quick.execute(text("SET LOCAL lock_timeout = '2s'"))
        first, second = (
            queue.claim(each, MUNICIPALITY, [claimants.CAMPAIGN], worker="operator:1", lease_until=START + LEASE)
            for each in (slow, quick)
        )
        assert first
        assert second
        assert first.case_id != second.case_id


def test_claims_come_in_order_of_priority_then_of_their_moment(world: World) -> None:
    with world.database.write() as conn:
        made = [add_case(conn, number) for number in range(1, 5)]
        ranks = [(200, 0), (100, 5), (100, 1), (300, 0)]
        entries = [
            Entry(case.case_id, case.household_id, START - timedelta(minutes=ago), priority)
            for case, (priority, ago) in zip(made, ranks, strict=True)
        ]
        assert queue.enqueue(conn, MUNICIPALITY, claimants.CAMPAIGN, entries) == 4
        assert queue.wake(conn, MUNICIPALITY, START) == 4
    order = [held.case_id for _ in range(4) if (held := claim(world.database))]
    assert order == [made[index].case_id for index in (1, 2, 0, 3)]
    assert claim(world.database) is None


def test_what_is_not_due_is_not_in_the_way(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 3, state="scheduled", due_at=START + timedelta(minutes=1))
        assert queue.wake(conn, MUNICIPALITY, START) == 0
    assert claim(world.database) is None
    with world.database.write() as conn:
        assert queue.wake(conn, MUNICIPALITY, START + timedelta(minutes=1), limit=2) == 2
        assert queue.wake(conn, MUNICIPALITY, START + timedelta(minutes=1), limit=2) == 1
    assert claim(world.database) is not None


def test_an_expired_lease_frees_the_case_and_its_old_holder_changes_nothing(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 1)
    stale = claim(world.database)
    assert stale
    with world.database.write() as conn:
        assert queue.expire_leases(conn, MUNICIPALITY, START + LEASE) == 0
        assert queue.expire_leases(conn, MUNICIPALITY, START + LEASE + timedelta(seconds=1)) == 1
    fresh = claim(world.database, "operator:2", START + LEASE)
    assert fresh
    assert (fresh.case_id, fresh.fence) == (stale.case_id, stale.fence + 1)
    with world.database.write() as conn:
        assert not queue.holds(conn, stale)
        assert not queue.extend(conn, stale, START + 9 * LEASE)
        assert not queue.finish(conn, stale, "done")
        assert not queue.release(conn, stale, START)
        assert queue.holds(conn, fresh)
    assert state_of(world.database, fresh.case_id) == "claimed"


def test_a_case_with_a_live_call_outlives_its_lease(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 1)
    held = claim(world.database)
    assert held
    world.calls.open(Opening(held.case_id, world.operator, world.script_hash, {}, campaign_id=held.campaign_id))
    with world.database.write() as conn:
        assert queue.expire_leases(conn, MUNICIPALITY, START + 9 * LEASE) == 0


def test_a_case_given_back_is_due_when_it_was_told_or_held_until_reconsidered(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 1)
    held = claim(world.database)
    assert held
    with world.database.write() as conn:
        assert queue.release(conn, held, None, reason="payments_stale")
    assert state_of(world.database, held.case_id) == "held"
    with world.database.write() as conn:
        assert queue.wake(conn, MUNICIPALITY, START + timedelta(days=400)) == 0
        assert queue.reconsider(conn, MUNICIPALITY, [held.case_id], START) == 1
        assert queue.wake(conn, MUNICIPALITY, START) == 1
    again = claim(world.database)
    assert again
    with world.database.write() as conn:
        assert queue.finish(conn, again, "nothing_owed")
        assert queue.counts(conn, MUNICIPALITY, claimants.CAMPAIGN) == {"done": 1}


def test_planning_again_leaves_alone_what_a_worker_holds(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 1)
    held = claim(world.database)
    assert held
    with world.database.write() as conn:
        queue.enqueue(
            conn, MUNICIPALITY, claimants.CAMPAIGN, [Entry(held.case_id, held.household_id, START, priority=1)]
        )
        assert queue.holds(conn, held)


def test_a_claim_is_one_probe_of_the_partial_index(world: World) -> None:
    """Also after ANALYZE over a queue that makes other ways look cheap: all rows alike, and none of them ready."""
    with world.database.write() as conn:
        fill(conn, 400, state="scheduled")
        conn.execute(text("ANALYZE"))
        conn.execute(text("UPDATE queue_entries SET state = 'ready'"))
    with world.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(queue_entries)).scalar() == 400
        plans = [_plan(conn, queue.CLAIM), _plan(conn, queue.CLAIM_MANY)]
    for plan in plans:
        assert "ix_queue_ready" in plan
        assert "TEMP B-TREE FOR ORDER" not in plan
        assert "Sort" not in plan


def test_a_batch_is_what_single_claims_would_have_been(world: World) -> None:
    with world.database.write() as conn:
        fill(conn, 30)
    with world.database.write() as conn:
        taken = queue.claim_many(conn, MUNICIPALITY, claimants.CAMPAIGN, 20, worker="pacer", lease_until=START + LEASE)
        assert all(queue.holds(conn, held) for held in taken)
    rest = [held for _ in range(30) if (held := claim(world.database))]
    order = sorted(range(1, 31), key=lambda case_id: (100 + case_id % 7, case_id))
    assert [held.case_id for held in (*taken, *rest)] == order
    with world.database.write() as conn:
        assert queue.claim_many(conn, MUNICIPALITY, claimants.CAMPAIGN, 5, worker="pacer", lease_until=START) == []


def _plan(conn: Connection, statement: Update) -> str:
    bound = statement.compile(dialect=conn.dialect)
    given = bound.construct_params(
        {"m": MUNICIPALITY, "campaign": claimants.CAMPAIGN, "worker": "operator:1", "until": START, "count": 20}
    )
    if conn.dialect.name == "postgresql":
        rows = conn.exec_driver_sql(f"EXPLAIN {bound}", given).all()
        return "\n".join(str(row[0]) for row in rows)
    values = tuple(_bare(given[name]) for name in bound.positiontup or ())
    return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {bound}", values))


def _bare(value: object) -> object:
    return value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value
