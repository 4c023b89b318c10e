"""`callflow call show|replay`: the same grounds as the replay page, the purpose on record before anything is shown."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from callflow.clock import SimulatedClock
from callflow.standing import Opening
from models.database import Database
from models.tables import audit_events, households
from tests.unit.cli.conftest import Type
from tests.world import World, account, add_case, build, running_campaign


@pytest.fixture
def called(type_: Type, database: Database, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> World:
    """A call of campaign 1 that has ended, an auditor, and another supervisor."""
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", database.url)
    world = build(database, clock)
    with database.write() as conn:
        add_case(conn)
        running_campaign(conn, world)
        account(conn, 1, "sv02", "見本 別人", "supervisor", clock.now())
        account(conn, 2, "audit01", "見本 監査", "auditor", clock.now())
    opening = Opening(1, world.operator, world.script_hash, {}, number_id=1, campaign_id=1)
    call = world.calls.open(opening)
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call, event)
    standing = world.calls.begin(call, world.operator)
    standing = world.calls.hang_up(call, world.operator, standing.step)
    world.calls.line(call, "hung_up")
    world.calls.close(call, "system")
    return world


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_replay_follows_the_page_s_rules_and_its_purpose_is_on_record(type_: Type, called: World) -> None:
    shown = type_("--as", "sv01", "call", "replay", "1", "--purpose", "complaint")
    assert (shown.code, "試川" in shown.out) == (0, True)
    assert type_("--as", "ward01", "call", "show", "last").code == 0
    with called.database.read() as conn:
        a = audit_events.c
        told = conn.execute(select(a.verb, a.purpose).where(a.object == "call:1").order_by(a.id)).all()
    assert [tuple(row) for row in told] == [
        ("call:open", "complaint"),
        ("call:view", "complaint"),
        ("call:open", "quality"),
        ("call:view", "quality"),
    ]
    assert type_("--as", "op01", "call", "replay", "1").code == 5
    assert type_("--as", "sv02", "call", "replay", "1").code == 3, "of another's campaign it is not there"
    asked = type_("--as", "audit01", "call", "replay", "1")
    assert (asked.code, "申請" in asked.err, asked.out) == (5, True, "")
    wrong = type_("--as", "ward01", "call", "show", "1", "--purpose", "nosy")
    assert (wrong.code, "complaint（苦情" in wrong.err) == (1, True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_protected_household_s_call_waits_for_the_glass(type_: Type, called: World) -> None:
    with called.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    sealed = type_("--as", "ward01", "call", "replay", "1")
    assert (sealed.code, sealed.out) == (5, "")
    assert type_("--as", "sv01", "call", "replay", "1").code == 3
    assert type_("--as", "ward01", "glass", "break", "1", "--reason", "本人からの照会").code == 0
    assert "試川" in type_("--as", "ward01", "call", "replay", "1").out


def test_a_number_that_no_row_can_have_is_not_found(type_: Type, called: World) -> None:
    for words in (
        ("call", "show", "99999999999999999999"),
        ("campaign", "status", "99999999999999999999"),
        ("report", "show", "daily", "--from", "0001-01-01", "--to", "0001-01-02"),
    ):
        said = type_("--as", "ward01", *words)
        assert (said.code, "番号と日付の桁" in said.err) == (3, True), (words, said.err)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_value_that_nobody_can_read_is_told_with_the_way_to_find_it(type_: Type, called: World) -> None:
    with called.database.write() as conn:
        conn.exec_driver_sql("UPDATE calls SET opened_at = 'yesterday'")
    for words in (("call", "list"), ("--as", "sv01", "call", "replay", "1", "--purpose", "complaint")):
        told = type_(*words)
        assert (told.code, "callflow call verify" in told.err) == (1, True), words
    verified = type_("call", "verify")
    assert (verified.code, "読めない値" in verified.out) == (1, True)
