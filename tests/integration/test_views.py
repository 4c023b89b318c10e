"""Who sees which field, and the event that stands before it: both ways, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from callflow.access import views
from callflow.access.glass import SealedError, break_glass
from callflow.access.views import MASK, RULES, SHOWN_TO, Sight, Situation, Viewer, see_case, sight
from callflow.clock import SimulatedClock
from callflow.errors import NotFoundError
from callflow.standing import Opening
from models.database import Database
from models.people import ROLES
from models.tables import audit_events, campaigns, households
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.world import IDENTITY, TestCase, World, add_case, build

EVERY = tuple(RULES)


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def case(world: World) -> TestCase:
    with world.database.write() as conn:
        return add_case(conn)


def look(world: World, account: int, role: str, case: TestCase) -> views.CaseView:
    kind = "ward" if role in ("staff", "auditor") else "contractor"
    viewer = Viewer(account, frozenset({role}), kind)
    return see_case(world.database, MUNICIPALITY, viewer, case.case_id, EVERY, world.clock.now())


def recorded(world: World) -> list[tuple[int, str, str, str]]:
    a = audit_events.c
    with world.database.read() as conn:
        rows = conn.execute(select(a.actor_id, a.verb, a.object, a.fields).where(a.verb == "case:view").order_by(a.id))
        return [tuple(row) for row in rows]


def test_every_group_has_a_rule_for_every_role() -> None:
    assert all(set(rules) == set(ROLES) for rules in RULES.values())
    assert set(SHOWN_TO) == set(RULES)
    assert sight("party", ("king",), Situation(current_call=True)) is Sight.NO


def test_staff_see_the_case_and_the_event_names_the_fields(world: World, case: TestCase) -> None:
    seen = look(world, world.staff[0], "staff", case)
    assert (seen.name, seen.birth_date, seen.protected) == ("試川　1郎", "1963-10-16", False)
    assert len(seen.instalments or ()) == 2
    fields = ",".join(SHOWN_TO.values())
    assert recorded(world) == [(world.staff[0], "case:view", f"case:{case.case_id}", fields)]


def test_an_operator_sees_a_case_only_in_a_call_and_the_debt_only_after_verification(
    world: World, case: TestCase
) -> None:
    before = look(world, world.operator, "operator", case)
    assert before.name is before.phones is before.instalments is before.address is None
    assert recorded(world) == []
    opening = Opening(case.case_id, world.operator, world.script_hash, {}, case.number_id)
    call_id = world.calls.open(opening)
    for kind in ("placing", "answered"):
        world.calls.line(call_id, kind)
    standing = world.calls.begin(call_id, world.operator)
    in_call = look(world, world.operator, "operator", case)
    assert in_call.name == "試川　1郎"
    assert in_call.instalments is in_call.birth_date is in_call.protected is None
    for name, fields in (("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY})):
        standing = world.calls.answer(call_id, world.operator, standing.step, name, fields=fields)
    verified = look(world, world.operator, "operator", case)
    assert verified.instalments
    assert verified.address is None
    assert [row[3] for row in recorded(world)] == [
        "name,kana,phone,promises,slips",
        "name,kana,phone,promises,slips,instalments,contacts",
    ]


def test_auditors_see_masks_and_administrators_nothing(world: World, case: TestCase) -> None:
    assert look(world, world.staff[1], "auditor", case).name == MASK
    assert look(world, world.staff[1], "admin", case).name is None
    assert recorded(world) == []


def test_a_protected_household_is_not_there_for_the_contractor(world: World, case: TestCase) -> None:
    with world.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    for account, role in ((world.operator, "operator"), (world.supervisor, "supervisor"), (world.supervisor, "admin")):
        with pytest.raises(NotFoundError, match="ありません"):
            look(world, account, role, case)
    with pytest.raises(SealedError):
        look(world, world.staff[0], "staff", case)
    assert recorded(world) == []


def test_the_ward_sees_a_protected_household_once_the_glass_is_broken_and_the_rest_is_masked(
    world: World, case: TestCase
) -> None:
    with world.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    staff = Viewer(world.staff[0], frozenset({"staff"}), "ward")
    listed = views.see_cases(world.database, MUNICIPALITY, staff, [case.case_id], EVERY, world.clock.now())
    only = listed[case.case_id]
    assert (only.name, only.address, only.phones, only.instalments) == (MASK, MASK, None, None)
    assert (only.protected, only.sealed) == (True, True)
    break_glass(world.database, MUNICIPALITY, staff, case.case_id, "納付相談に答えるため", world.clock.now())
    assert look(world, world.staff[0], "staff", case).name == "試川　1郎"
    with pytest.raises(SealedError):
        look(world, world.staff[1], "staff", case)  # opened for one person
    world.clock.advance(timedelta(minutes=15))
    with pytest.raises(SealedError):
        look(world, world.staff[0], "staff", case)


def test_where_the_event_cannot_be_written_nothing_is_shown(
    world: World, case: TestCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_more: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(views, "audit", full)
    with pytest.raises(OSError, match="disk full"):
        look(world, world.staff[0], "staff", case)


def test_a_lease_that_ran_out_shows_nothing(world: World, case: TestCase) -> None:
    def fill(conn: Connection) -> None:
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=1,
                name="見本",
                claim_type="national_health_insurance",
                script_hash=world.script_hash,
                state="running",
                supervisor_id=world.supervisor,
                created_at=world.clock.now(),
                created_by=world.supervisor,
            )
        )
        entry = queue.Entry(case.case_id, case.household_id, world.clock.now(), 1)
        queue.enqueue(conn, MUNICIPALITY, 1, [entry])
        queue.wake(conn, MUNICIPALITY, world.clock.now())
        until = world.clock.now() + timedelta(minutes=15)
        queue.claim(conn, MUNICIPALITY, [1], worker=f"operator:{world.operator}", lease_until=until)

    world.database.transact(fill)
    assert look(world, world.operator, "operator", case).name == "試川　1郎"
    assert look(world, world.supervisor, "supervisor", case).name == "試川　1郎"
    world.clock.advance(timedelta(minutes=16))
    assert look(world, world.operator, "operator", case).name is None
