"""The auditor and the administrator at their pages: each opens where the role works, and axe finds nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from callflow.access import alarms
from callflow.access.alarms import Thresholds
from callflow.access.auditlog import Occasion, audit, occasion
from callflow.console.site import Site
from tests.conftest import MUNICIPALITY
from tests.journeys.conftest import findings
from tests.world import World, add_case

PAGES = {
    "auditor": ("/audit", "/audit/household?case=1", "/audit/beyond", "/audit/alerts", "/audit/proof"),
    "admin": ("/accounts", "/accounts/1", "/code"),
}


@pytest.fixture
def acted(site: Site, world: World) -> None:
    occasion.set(Occasion("10.0.0.7", frozenset({"operator"})))

    def work(conn: Connection) -> None:
        case = add_case(conn).case_id
        for _ in range(4):
            audit(
                conn,
                MUNICIPALITY,
                world.clock.now(),
                world.operator,
                "case:view",
                f"case:{case}",
                purpose="call",
                fields="name,kana,phone",
            )

    site.database.transact(work)
    occasion.set(Occasion())
    alarms.watch(site.database, MUNICIPALITY, Thresholds(), world.clock.now())


@pytest.mark.usefixtures("acted")
def test_pages_of_the_record_and_of_accounts(logged_in_page, server: str) -> None:  # type: ignore[no-untyped-def]
    for role, paths in PAGES.items():
        page = logged_in_page(role)
        assert page.url.split("?")[0] == server + paths[0]  # where the role works
        for path in paths:
            page.goto(server + path)
            assert findings(page) == [], path
        page.emulate_media(color_scheme="dark")
        assert findings(page) == []
