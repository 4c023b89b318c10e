"""Every route × method × role, and those who may do nothing: anonymous, disabled, expired, locked, one-time password.

New routes join by themselves. What must hold of each is read from its own rule.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from datetime import timedelta

import pytest
from httpx import Response
from sqlalchemy import update
from starlette.testclient import TestClient

from callflow.access.accounts import Accounts
from callflow.console.routes import SIGNED_IN, Route, allow, table
from callflow.console.site import Site
from models.tables import accounts, calls, campaigns, households
from tests.conftest import MUNICIPALITY
from tests.web.conftest import LOGINS, Browser
from tests.web.test_desk import desk  # noqa: F401  a fixture
from tests.web.test_replay_pages import promised  # noqa: F401
from tests.world import World, account

ROUTES = table().routes
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STREAMS = {"/live"}
GUARDED = [route for route in ROUTES if "anonymous" not in route.allow]


def path_of(route: Route) -> str:
    return re.sub(r"\{[^}]+\}", "999999", route.path)


def ask(browser: Browser, route: Route) -> Response:
    """A request that is in order but for the person."""
    return browser.get(path_of(route)) if route.method == "GET" else browser.submit(path_of(route))


def turns(routes: Iterable[Route]) -> Iterable[tuple[str, Route]]:
    """Each route with one of the roles, which take turns: what is asked does not depend on the role."""
    return zip(itertools.cycle(sorted(LOGINS)), routes, strict=False)


def test_paths_are_given_once_and_every_rule_names_roles() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert all(route.title and route.allow for route in ROUTES)
    with pytest.raises(ValueError):
        Route("GET", "/x", lambda visit: visit.go("/"), frozenset(), "x")
    with pytest.raises(ValueError):
        Route("GET", "/x", lambda visit: visit.go("/"), allow("king"), "x")


def test_a_role_gets_what_its_rule_says_and_nothing_else(logged_in) -> None:  # type: ignore[no-untyped-def]
    for role in sorted(LOGINS):
        browser = logged_in(role)
        for route in ROUTES:
            if route.path in STREAMS or route.path == "/logout":
                continue
            status = ask(browser, route).status_code
            if role in route.allow or "anonymous" in route.allow:
                assert status not in (401, 403, 405), f"{role}: {route.method} {route.path}: {status}"
                assert status < 500, f"{role}: {route.method} {route.path}: {status}"
            else:
                assert status == 403, f"{role}: {route.method} {route.path}: {status}"
            if route.path == "/lock":
                browser = logged_in(role)


def test_nobody_is_sent_to_the_door(browser) -> None:  # type: ignore[no-untyped-def]
    one = browser()
    for route in GUARDED:
        answer = ask(one, route)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login"), route.path


@pytest.mark.parametrize("end", ["disabled", "expired", "another login"])
def test_an_ended_session_opens_nothing(site: Site, logged_in, end: str) -> None:  # type: ignore[no-untyped-def]
    """The cookie is sent again for every route, as a browser does that has not looked. The roles take turns."""
    browsers = {role: logged_in(role) for role in sorted(LOGINS)}
    cookies = {role: browser.cookies[site.cookie] for role, browser in browsers.items()}
    if end == "expired":
        site.clock.advance(timedelta(minutes=16))  # type: ignore[attr-defined]
    for role in browsers:
        if end == "disabled":
            with site.database.write() as conn:
                desk = Accounts(conn, MUNICIPALITY, site.clock.now())
                desk._change(desk.named(LOGINS[role]).id, disabled_at=site.clock.now())
        elif end == "another login":
            logged_in(role)
    for role, route in turns(GUARDED):
        browsers[role].cookies.clear()
        browsers[role].cookies.set(site.cookie, cookies[role], domain="testserver.local", path="/")
        assert ask(browsers[role], route).headers.get("location") == "/login?said=ended", f"{role}: {route.path}"


@pytest.mark.parametrize("behind", ["/locked", "/password"])
def test_behind_the_lock_or_a_one_time_password_only_its_own_screen_answers(
    site: Site,
    logged_in,  # type: ignore[no-untyped-def]
    behind: str,
) -> None:
    browsers = {role: logged_in(role) for role in sorted(LOGINS)}
    for browser in browsers.values():
        if behind == "/locked":
            browser.submit("/lock")
    if behind == "/password":
        with site.database.write() as conn:
            conn.execute(update(accounts).values(password_once=True))
    for role, route in turns(ROUTES):
        open_ = route.while_locked or (behind == "/password" and route.before_password)
        if not open_ and route.path not in STREAMS:
            assert ask(browsers[role], route).headers.get("location") == behind, f"{role}: {route.path}"


def test_the_matrix_has_a_thousand_cells() -> None:
    """Every role; nobody, three kinds of ended sessions, the lock and the one-time password."""
    assert len(GUARDED) * (len(LOGINS) + 1 + 3 + 2) >= 1_000


def test_another_campaigns_things_are_not_there_for_the_contractor(
    promised: int,  # noqa: F811
    site: Site,
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    """A call, its case, its slip: of a campaign that somebody else supervises, and later of a protected household."""
    with site.database.write() as conn:
        other = account(conn, 1, "sv02", "見本 責任二", "supervisor", site.clock.now())
        conn.execute(update(campaigns).values(supervisor_id=other, created_by=other))
        conn.execute(update(calls).where(calls.c.id == promised).values(operator_id=other))
    for protected in (False, True):
        with site.database.write() as conn:
            conn.execute(update(households).values(protected=protected))
        for role in ("operator", "supervisor"):
            browser = logged_in(role)
            for route in GUARDED:
                if "{" in route.path and role in route.allow:
                    path = re.sub(r"\{[^}]+\}", str(promised), route.path)
                    answer = browser.get(path) if route.method == "GET" else browser.submit(path)
                    assert answer.status_code < 500, path
                    assert "試川" not in answer.text, path
                    assert not re.search(r"12,000円|36,000円", answer.text), path


def test_every_method_that_is_not_in_the_table_is_refused(app) -> None:  # type: ignore[no-untyped-def]
    there = {(route.method, route.path) for route in ROUTES}
    browser = TestClient(app, follow_redirects=False)
    for path in {route.path for route in ROUTES}:
        for method in METHODS:
            if (method, path) not in there:
                answer = browser.request(method, re.sub(r"\{[^}]+\}", "1", path))
                assert answer.status_code == 405, f"{method} {path}"


def test_a_form_of_another_place_changes_nothing(logged_in) -> None:  # type: ignore[no-untyped-def]
    browsers = {role: logged_in(role) for role in LOGINS}
    for route in ROUTES:
        if route.method == "GET":
            continue
        browser = browsers[next((role for role in LOGINS if role in route.allow), "operator")]
        for origin in ("http://evil.example", "null", ""):
            headers = {"origin": origin} if origin else {}
            answer = browser.post(path_of(route), data={"csrf": browser.token}, headers=headers)
            assert answer.status_code == 409, (route.path, origin)
        for token in ("", "x" * 32) if route.path != "/login" else ():
            answer = browser.post(path_of(route), data={"csrf": token}, headers={"origin": "http://testserver"})
            assert answer.status_code == 409, (route.path, token)


def test_all_roles_are_walked() -> None:
    assert set(LOGINS) == SIGNED_IN


def test_the_menu_says_where_one_is_on_the_pages_below_it_too(logged_in) -> None:  # type: ignore[no-untyped-def]
    staff = logged_in("staff")

    def here(path: str) -> list[str]:
        return re.findall(r'<a href="([^"]+)" aria-current="(?:page|true)">', menu_of(staff.see(path).text))

    def menu_of(page: str) -> str:
        return page[page.index('<header class="top">') : page.index("</header>")]

    assert here("/inbox") == here("/inbox/visits") == here("/inbox/reports") == ["/inbox"]
    assert here("/reports/daily") == ["/reports"]
    assert here("/callbacks/ward") == ["/callbacks/ward"]  # a place of its own, not under its neighbour
