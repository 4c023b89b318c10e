"""Reports in the browser: what each role is offered, a report with its definition, and the file that is on record."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from sqlalchemy import select

from callflow.console.site import Site
from callflow.reports.catalogue import KINDS
from models.tables import audit_events
from tests.reports.conftest import at, campaign, cases, ended
from tests.world import World

NAMED = "?from=2026-11-24&to=2026-11-24"


@pytest.fixture
def dialled(world: World) -> World:
    them = cases(world, 12)
    campaign(world, "十一月<&", them)
    with world.database.write() as conn:
        for number, case in enumerate(them):
            ended(conn, world, case, "PP" if number < 4 else "NA", at(10, number))
    return world


def test_each_role_is_offered_its_reports_and_each_page_opens(dialled: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    for role in ("supervisor", "staff", "auditor"):
        browser = logged_in(role)
        offered = set(re.findall(r'href="/reports/([\w-]+)"', browser.see("/reports").text))
        assert offered == {kind.name for kind in KINDS if role in kind.roles}
        for kind in KINDS if role == "staff" else ():
            answer = browser.get(f"/reports/{kind.name}{NAMED}")
            assert answer.status_code == (200 if role in kind.roles else 409), kind.name
    assert logged_in("supervisor").get("/reports/operators").status_code == 200
    assert logged_in("operator").get("/reports").status_code == 403


def test_a_report_has_its_figures_definition_chart_and_choices(dialled: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    page = browser.see(f"/reports/campaigns{NAMED}").text
    assert "33.3%<small>4/12</small>" in page
    assert "応答率 = C ÷ A" in page
    assert "十一月&lt;&amp;" in page
    drawn = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert drawn
    assert "十一月" in "".join(ElementTree.fromstring(drawn[0]).itertext())
    assert "style=" not in page
    other = browser.see(f"/reports/campaigns{NAMED}&campaign=1").text
    assert '<option value="1" selected>' in other
    for wrong in ("?from=x", "?campaign=-1", "?cut=x", "?from=2026-11-24&to=2026-11-01"):
        assert browser.get(f"/reports/c9{wrong}").status_code == 422, wrong
    assert browser.get("/reports/none").status_code == 404


def test_in_english(dialled: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    browser.see("/reports")
    browser.submit("/language", language="en")
    page = browser.see(f"/reports/c16{NAMED}").text
    assert "Did collection improve?" in page
    assert "within 7 days" in page
    assert "The hold-out is drawn by lot" in page


def test_only_staff_take_a_file_and_only_with_a_reason(dialled: World, logged_in, site: Site) -> None:  # type: ignore[no-untyped-def]
    supervisor = logged_in("supervisor")
    assert "ファイルにする" not in supervisor.see("/reports/daily").text
    assert supervisor.submit("/reports/daily/file", format="csv", reason="x").status_code == 403
    browser = logged_in("staff")
    browser.see("/reports/daily")
    given = {"from": "2026-11-24", "to": "2026-11-24", "campaign": "1", "cut": ""}
    assert browser.submit("/reports/daily/file", format="csv", reason=" ", **given).status_code == 422
    assert browser.submit("/reports/daily/file", format="exe", reason="x", **given).status_code == 422
    answer = browser.submit("/reports/daily/file", format="csv-cp932", reason="議会への提出", **given)
    assert answer.headers["content-disposition"] == 'attachment; filename="daily_2026-11-24_2026-11-24.csv"'
    assert "応答率,0.33" in answer.content.decode("cp932")
    with site.database.read() as conn:
        a = audit_events.c
        rows = conn.execute(select(a.object, a.purpose).where(a.verb == "report:export")).all()
    assert [tuple(row) for row in rows] == [("report:daily", "議会への提出")]
