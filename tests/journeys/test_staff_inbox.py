"""Staff at the inbox in a real browser: what comes in appears by itself within a second, and axe finds nothing."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from callflow.followup import reports, visits
from callflow.followup.history import Who
from tests.followup.conftest import SETTLED, case, rules  # noqa: F401  fixtures
from tests.integration.test_calls import PROMISED, whole
from tests.integration.test_holdings import HARD
from tests.journeys.conftest import findings
from tests.world import MUNICIPALITY, World, add_case

PICTURES = os.environ.get("CALLFLOW_PICTURES", "")


@pytest.fixture(params=["light", "dark"])
def office(request: pytest.FixtureRequest, logged_in_page):  # type: ignore[no-untyped-def]
    return logged_in_page("staff", request.param)


def test_the_inbox_follows_by_itself_and_reads_well(office, server: str, world: World, case, rules) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    assert "終わっていない連絡票はありません" in office.inner_text("main")
    office.wait_for_timeout(600)  # the stream is open
    whole(world, case, HARD)
    world.clock.advance(SETTLED)
    with world.database.write() as conn:
        other = add_case(conn, 2)
    office.wait_for_selector('a[href="/inbox/slips/1"]', timeout=5_000)  # within a second, where nothing else runs
    whole(world, other, [*PROMISED, ("done", {})])
    office.goto(f"{server}/inbox/reports")
    assert office.is_visible("[formaction='/inbox/letters']")
    assert findings(office) == [], "to print"
    assert office.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if PICTURES:
        office.screenshot(path=f"{PICTURES}/print.png")
    who = Who(MUNICIPALITY, world.staff[0], world.clock.now())
    with world.database.write() as conn:
        reports.send(conn, who, [1], rules)
        reports.returned(conn, who, 1)
        reports.enter(conn, who, 1, {"income.wages": "120000", "expenses.housing": "80000", "wish.monthly": "50000"})
        visits.enlist(conn, who, other.case_id, "no_contact", "夜間も不在")
    world.clock.advance(timedelta(minutes=1))
    office.goto(f"{server}/inbox/signals")
    office.wait_for_timeout(600)
    office.fill("[name=review]", "確認中")
    with world.database.write() as conn:
        visits.enlist(conn, who, case.case_id, "other")
    office.wait_for_timeout(900)
    assert office.input_value("[name=review]") == "確認中"  # nothing is replaced under somebody's hands
    for name, path in (
        ("list", "/inbox?names=1"),
        ("slip", "/inbox/slips/1"),
        ("signals", "/inbox/signals"),
        ("reports", "/inbox/reports"),
        ("report", "/inbox/reports/1"),
        ("visits", "/inbox/visits"),
        ("evidence", "/inbox/evidence?case=1"),
    ):
        office.goto(server + path)
        assert findings(office) == [], name
        assert office.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        if PICTURES:
            office.screenshot(path=f"{PICTURES}/{name}.png")
