"""生活状況報告書 after the call, on both databases: posted, returned, decided, followed up; its balance can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from callflow.clock import SimulatedClock
from callflow.followup import reports
from callflow.followup.balance import Balance, balance
from callflow.followup.terms import Rules
from models.database import Database
from models.tables import (
    audit_events,
    call_events,
    follow_up_events,
    households,
    living_report_links,
    living_reports,
    queue_entries,
    slip_reasons,
)
from tests.crash.points import Points
from tests.followup.conftest import Said, staff
from tests.integration.test_calls import whole
from tests.integration.test_holdings import VERIFIED
from tests.world import MUNICIPALITY, TestCase, World

Terminal = Callable[..., Said]
OWN = {"municipality_id": MUNICIPALITY}


def of(world: World, rules: Rules) -> Balance:
    with world.database.read() as conn:
        return balance(conn, MUNICIPALITY, world.clock.now(), rules)


def state(world: World) -> str:
    with world.database.read() as conn:
        return str(conn.execute(select(living_reports.c.state)).scalar_one())


def test_a_report_is_posted_comes_back_and_is_decided(world: World, hard: int, terminal: Terminal) -> None:
    def balanced() -> dict[str, Any]:
        said = terminal("ward01", "report", "balance", "--json")
        assert (said.code, said.data["gap"]) == (0, 0)
        return {name: said.data[name] for name in ("requested", "slips", "sent", "pending", "returned")}

    assert balanced() == {"requested": 1, "slips": 1, "sent": 0, "pending": 1, "returned": 0}
    assert terminal("ward01", "report", "form", "send", "--dry-run", "--json").data == [1]
    (posted,) = terminal("ward01", "report", "form", "send", "--json").data
    assert posted == {"report_id": 1, "case_id": 1, "due_on": "2026-12-08", "again": False}
    assert balanced() == {"requested": 1, "slips": 1, "sent": 1, "pending": 0, "returned": 0}
    for login, words, code, says in (
        ("ward01", ("send", "1"), 5, "送付待ちではありません"),
        ("ward01", ("send",), 1, "選ばれていません"),
        ("ward01", ("enter", "1", "--field", "income.wages=1"), 5, "返送"),
        ("ward01", ("decide", "1", "unable", "--note", "x"), 5, "送付済"),
        ("sv01", ("returned", "1"), 5, "権限"),
        ("sv01", ("show", "1"), 5, "権限"),
        ("ward01", ("returned", "1"), 0, ""),
        ("ward01", ("enter", "1", "--field", "income.wages=十"), 1, "数ではありません"),
        ("ward01", ("enter", "1", "--field", "income=1"), 2, "--fields"),
        ("ward01", ("enter", "1", "--field", "income.wages=120000", "--field", "expenses.food=100000"), 0, ""),
        ("ward01", ("consulted", "1", "--note", "来庁"), 0, ""),
        ("ward01", ("decide", "1", "sell", "--note", "x"), 1, "unable"),
        ("ward01", ("decide", "1", "unable", "--note", "病気で収入がない"), 0, ""),
    ):
        said = terminal(login, "report", "form", *words)
        assert said.code == code, (words, said.err)
        assert says in said.err
    shown = terminal("ward02", "report", "form", "show", "1", "--json").data
    assert shown["content"] == {"expenses.food": 100_000, "income.wages": 120_000}
    assert (shown["state"], shown["decision"], shown["events"][-1]) == ("reviewed", "unable", "決定")
    assert balanced()["returned"] == 1
    with world.database.read() as conn:
        seen = conn.execute(select(audit_events.c.fields).where(audit_events.c.verb == "case:view")).scalars().all()
    assert seen == ["living_report"]


def test_what_does_not_come_back_is_marked_by_the_calendar_and_followed_up(
    world: World, hard: int, rules: Rules, terminal: Terminal
) -> None:
    assert terminal("ward01", "report", "form", "send").code == 0

    def marked(days: int) -> tuple[int, str]:
        world.clock.advance(timedelta(days=days))
        return reports.mark(world.database, MUNICIPALITY, world.clock.now(), rules), state(world)

    assert marked(20) == (0, "sent")
    assert marked(1) == (1, "re_requested")
    assert marked(30) == (0, "re_requested")  # the second letter was never posted: that is the ward's omission
    (again,) = terminal("ward01", "report", "form", "send", "--json").data
    assert again["again"]
    assert terminal("ward01", "report", "form", "send", "--dry-run", "--json").data == []
    assert marked(0) == (1, "escalated")
    found = of(world, rules)
    assert (found.sent, found.not_returned, found.not_returned_percent, found.overdue) == (1, 1, 100, 1)
    assert (found.again, found.escalated, found.gap) == (1, 1, 0)
    with world.database.write() as conn:
        conn.execute(update(queue_entries).values(state="held"))
    assert terminal("ward01", "report", "form", "follow-up", "1", "recall").code == 0
    assert terminal("ward01", "report", "form", "follow-up", "1", "visit").code == 0
    with world.database.read() as conn:
        assert conn.execute(select(queue_entries.c.state)).scalar_one() == "scheduled"
    (visit,) = terminal("ward01", "visit", "list", "--json").data
    assert (visit["reason"], visit["report_id"]) == ("report_not_returned", 1)
    assert terminal("ward01", "report", "form", "returned", "1").code == 0  # late, and still welcome


def test_a_protected_household_gets_no_letter_by_a_batch(world: World, hard: int, terminal: Terminal) -> None:
    with world.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    assert terminal("ward01", "report", "form", "send", "--dry-run", "--json").data == []
    refused = terminal("ward01", "report", "form", "send", "1")
    assert (refused.code, "支援措置" in refused.err) == (5, True)


def plant_lost_request(conn: Connection) -> None:
    conn.execute(delete(living_report_links))
    conn.execute(delete(living_reports))


def plant_no_slip(conn: Connection) -> None:
    conn.execute(delete(slip_reasons).where(slip_reasons.c.reason == "hardship"))


def plant_unasked(conn: Connection) -> None:
    conn.execute(delete(living_report_links))
    conn.execute(delete(slip_reasons))


def plant_unposted(conn: Connection) -> None:
    conn.execute(update(living_reports).values(state="sent", sent_at=living_reports.c.requested_at))


def plant_unmoved(conn: Connection) -> None:
    event = {"thing": "report", "thing_id": 1, "act": "send", "before": "requested", "after": "sent", "note": ""}
    at = conn.execute(select(living_reports.c.requested_at)).scalar_one()
    conn.execute(insert(follow_up_events).values(**OWN, id=99, at=at, **event))


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (plant_lost_request, {"no_request"}),
        (plant_no_slip, {"no_slip"}),
        (plant_unasked, {"unasked"}),
        (plant_unposted, {"unposted"}),
        (plant_unmoved, {"unmoved"}),
    ],
)
def test_an_omission_shows_with_its_case(
    world: World, hard: int, rules: Rules, terminal: Terminal, plant: Callable[[Connection], None], kinds: set[str]
) -> None:
    assert of(world, rules).gap == 0
    with world.database.write() as conn:
        plant(conn)
    found = of(world, rules)
    assert {gap.kind for gap in found.gaps} == kinds
    assert {gap.case_id for gap in found.gaps} == {1}
    said = terminal("ward01", "report", "balance")
    assert (said.code, "案件 1" in said.out) == (1, True)


@pytest.mark.parametrize("outcome", ["dv", "deceased"])
def test_hardship_in_a_call_whose_outcome_forbids_the_letter_is_no_omission(
    world: World, case: TestCase, rules: Rules, outcome: str
) -> None:
    whole(world, case, [*VERIFIED, ("hardship", {}), (outcome, {}), ("done", {})])
    with world.database.read() as conn:
        assert "hardship" in conn.execute(select(slip_reasons.c.reason)).scalars().all()
    assert (of(world, rules).requested, of(world, rules).slips, of(world, rules).gap) == (0, 0, 0)
    with world.database.write() as conn:  # without the outcome's word for it, it is one
        closing = call_events.c.kind == "call:close"
        said = conn.execute(select(call_events.c.payload).where(closing)).scalar_one()
        spoilt = said.replace("CancelLivingReport", "RaiseTask")
        conn.execute(update(call_events).where(closing).values(payload=spoilt))
    assert {gap.kind for gap in of(world, rules).gaps} == {"no_request"}


def test_what_was_asked_for_in_another_month_is_not_counted(world: World, hard: int, terminal: Terminal) -> None:
    assert terminal("ward01", "report", "balance", "--month", "2026-11", "--json").data["requested"] == 1
    assert terminal("ward01", "report", "balance", "--month", "2026-12", "--json").data["requested"] == 0
    assert terminal("ward01", "report", "balance", "--month", "11").code == 1
    assert terminal("op01", "report", "balance").code == 5


def restored(world: World) -> None:
    """As before the batch."""
    with world.database.write() as conn:
        conn.execute(delete(follow_up_events))
        conn.execute(update(living_reports).values(state="requested", sent_at=None, due_on=None))


def test_a_batch_that_is_killed_anywhere_leaves_no_gap(
    world: World, hard: int, rules: Rules, case: TestCase, clock: SimulatedClock
) -> None:
    url = world.database.engine.url.render_as_string(hide_password=False)
    killed = Database(url)
    points = Points(killed)
    who, _ = staff(world)

    def work() -> None:
        killed.transact(lambda conn: reports.send(conn, who, [1], rules))

    total = points.count(work)
    assert total >= 5
    assert of(world, rules).gap == 0

    def ends() -> Iterator[Balance]:
        for point in range(1, total + 1):
            restored(world)
            assert points.kill_at(point, work)
            killed.engine.dispose()
            yield of(world, rules)

    found = list(ends())
    assert {each.gap for each in found} == {0}
    assert {(each.pending, each.sent) for each in found} == {(1, 0), (0, 1)}
    killed.close()
