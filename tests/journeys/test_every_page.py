"""Every page of every role as a browser draws it: axe-core finds nothing in light and dark, and no page is too wide.

The pages are those of the route table over a room with a call behind it, so new pages join by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert

from callflow.console.pages.scripts.editions import PROVER
from callflow.console.routes import table
from callflow.console.site import Site
from callflow.retention import erasing, requests
from models.tables import practices
from tests.conftest import MUNICIPALITY
from tests.integration.test_import import ROW
from tests.journeys.conftest import FIRST, findings
from tests.web.conftest import LOGINS
from tests.web.desktop import Desk
from tests.web.test_canary import MOMENTS, people  # noqa: F401  fixture
from tests.web.test_import_pages import attend, content, send, site  # noqa: F401  a fixture
from tests.web.test_script_pages import NEW, OLD, files, form_of
from tests.world import World

NO_PAGES = re.compile(r"^/(live|metrics|health.*|locked|login)$|/(now|pdf|recordings/1)$|\.(svg|csv|pdf|json)$")
NAMED = {
    "/campaigns/{id}/cases": ["/campaigns/1/cases?why=paid"],
    "/reports/{name}": [f"/reports/{name}" for name in ("outcomes", "daily", "bands", "promises", "c1")],
    "/review/{id}": ["/review/2"],
    "/scripts/{name}": ["/scripts/nhi-premium"],
    "/scripts/{name}/{version}": ["/scripts/nhi-premium/1"],
}
"""What is named otherwise than by the number 1."""
PATHS = [
    path
    for route in table().routes
    if route.method == "GET"
    for path in NAMED.get(route.path, [re.sub(r"\{[^}]+\}", "1", route.path)])
    if not NO_PAGES.search(path)
]
ELSEWHERE = {
    "/": "leads on",
    "/login/code": "leads on without a login under way",
    "/login/oidc": "no provider",
    "/login/oidc/back": "no provider",
    "/script-drafts/1/prove": "no provider",
    "/wall": "opened by its token",
    "/training/desk": "leads on without a practice",
    "/training/result": "leads on without a practice",
}
"""What is nobody's page in the room, and why."""
pytestmark = pytest.mark.timeout(900)  # some eighty pages, each drawn twice
ROWS = "Math.round(document.querySelector('header.top').offsetHeight / 42)"
WIDE = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture
def room(people: World, site: Site, logged_in, monkeypatch: pytest.MonkeyPatch) -> World:  # type: ignore[no-untyped-def]  # noqa: F811
    """One call through hardship to its end, with its slip and report, one of unknown fate, a draft of the script.

    Old scores of a practice are erased and certified, a list waits for its confirmation, and the supervisor and the
    staff have said why they look at the call.
    """
    monkeypatch.setattr(PROVER, "report", lambda _stored, wait: None)  # it is under way
    desk = Desk(logged_in("operator"))
    desk.press("Enter")
    for _, keys, typed in MOMENTS:
        if typed:
            desk.type(**typed)
        desk.play(*keys)
    desk.press("Enter")
    people.calls.line(2, "unknown", cause="制限時間を過ぎました")
    changed = {name: text.replace(OLD, NEW) for name, text in files(site).items()}
    logged_in("supervisor").submit("/script-drafts/new", **form_of(changed, note="言い方を丁寧に"))
    _erased(site, people)
    staff = logged_in("staff")
    send(staff, content(ROW, ROW | {"通知書番号": "N2", "未納額": "六千円"}))
    attend(site)
    for one in (staff, logged_in("supervisor")):
        assert one.submit("/calls/1/open", purpose="quality").status_code == 303
    people.clock.advance(timedelta(minutes=1))
    return people


def _erased(site: Site, world: World) -> None:  # noqa: F811
    now = world.clock.now()
    who = {"municipality_id": MUNICIPALITY, "id": 1, "account_id": world.operator, "at": now - timedelta(days=2_000)}
    with site.database.write() as conn:
        conn.execute(insert(practices).values(**who, script_name="x", card="{}", fitting=1, answers=1))
        one, other = world.staff
        number = requests.ask(conn, MUNICIPALITY, ["training"], {"training": now}, "満了", one, now)
        requests.decide(conn, MUNICIPALITY, number, other, now, approve=True)
    erasing.run(site.database, MUNICIPALITY, number, one, world.clock)


def test_every_path_is_a_page_of_somebody_or_has_its_reason(room, logged_in) -> None:  # type: ignore[no-untyped-def]
    roles = [logged_in(role) for role in sorted(LOGINS)]
    nobodys = {path for path in PATHS if not any(role.get(path).status_code == 200 for role in roles)}
    assert nobodys == set(ELSEWHERE)


VARIES = re.compile(r'name="csrf" value="[^"]*"|\d+')


def test_axe_finds_nothing_on_any_page_of_any_role_in_light_and_dark(room, logged_in_page, server: str) -> None:  # type: ignore[no-untyped-def]
    judged: set[tuple[str, str]] = set()
    wrong = [f"{role}: {finding}" for role in FIRST for finding in on_pages_of(logged_in_page(role), server, judged)]
    assert wrong == []


def on_pages_of(tab, server: str, judged: set[tuple[str, str]]) -> Iterator[str]:  # type: ignore[no-untyped-def]
    """What is wrong on a role's pages, but for those that another role was shown alike (`judged`)."""
    seen = 0
    for path in sorted(PATHS):
        answer = tab.request.get(server + path)
        seen += answer.status == 200
        shown = path if answer.status == 200 else "a refusal", VARIES.sub("", answer.text().partition("<main")[2])
        if shown in judged:
            continue
        judged.add(shown)
        tab.goto(server + path, wait_until="domcontentloaded")
        if tab.evaluate(WIDE):
            yield f"{path}: too wide"
        yield from in_both_lights(tab, path)
    assert seen >= 3
    tab.goto(f"{server}/home")
    yield from in_both_lights(tab, "/home with this role's menu")
    for language in ("English", "日本語"):  # in Japanese, then in English
        assert tab.evaluate(ROWS) == 1
        tab.click(f"header button:text('{language}')")
        tab.goto(f"{server}/home")


def in_both_lights(tab, path: str) -> Iterator[str]:  # type: ignore[no-untyped-def]
    tab.emulate_media(color_scheme="light")
    yield from (f"{path}: {finding}" for finding in findings(tab))
    tab.emulate_media(color_scheme="dark")
    yield from (f"{path} in the dark: {finding}" for finding in findings(tab, "color-contrast"))
