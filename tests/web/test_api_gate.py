"""The gate of the API: tokens, scopes, expiry, limits; nothing else opens it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from callflow.access.clients import SCOPES, Clients
from callflow.console.api import lists
from callflow.console.api.app import create_api, operations
from callflow.console.site import Site
from models.tables import api_clients, audit_events
from tests.conftest import MUNICIPALITY
from tests.web.apiclient import ADMIN, let_in, program

PROBLEM = "application/problem+json"


def needs(site: Site) -> list[tuple[str, str, str]]:
    """Every operation: method, path, the one scope that it needs."""
    described, found = create_api(site).openapi()["paths"], []
    for route in operations():
        (method,) = route.methods
        (needed,) = described[route.path][method.lower()]["security"]
        ((scope,),) = needed.values()
        found.append((method, route.path, scope))
    return found


def test_every_operation_needs_its_scope_and_no_other_opens_it(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    there = needs(site)
    assert {scope for _, _, scope in there} >= {"cases:write", "payments:write"}
    for scope in SCOPES:
        one = program(app, let_in(site, scope.replace(":", "-"), {scope}))
        for method, path, needed in there:
            answer = one.request(method, path.replace("{id}", "999").replace("{delivery}", "1").lstrip("/"))
            assert (answer.status_code == 403) == (needed != scope), (method, path, scope, answer.text)
            assert answer.status_code < 500, (method, path, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == PROBLEM


def test_no_token_no_cookie_and_no_worn_out_token_opens_it(site: Site, app, logged_in) -> None:  # type: ignore[no-untyped-def]
    token = let_in(site)
    staff = logged_in("staff")
    assert staff.get("/api/v1/campaigns").status_code == 401
    with site.database.read() as conn:
        assert token not in str(conn.execute(select(api_clients)).all())
    for given in ("", "Bearer", "Bearer x", f"Basic {token}", f"Bearer {token}x", "Bearer é"):
        answer = TestClient(app).get("/api/v1/campaigns", headers={"authorization": given.encode()})
        assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM), given
        assert answer.json()["mend"]
    assert TestClient(app).get("/api/v1/openapi.json").status_code == 200
    assert program(app, token).post("nothing").status_code == 404
    with site.database.write() as conn:
        fresh = Clients(conn, MUNICIPALITY, site.clock.now()).rotate("tainou", days=1, by=1)
    assert program(app, token).get("campaigns").status_code == 401
    assert program(app, fresh).get("nothing").status_code == 404
    site.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    worn = program(app, fresh).get("nothing")
    assert (worn.status_code, "期限" in worn.json()["detail"]) == (401, True)


def test_a_disabled_client_is_out_at_once(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    token = let_in(site)
    assert program(app, token).get("nothing").status_code == 404
    with site.database.write() as conn:
        Clients(conn, MUNICIPALITY, site.clock.now()).disable("tainou", by=ADMIN)
    assert program(app, token).get("nothing").status_code == 401
    with site.database.read() as conn:
        verbs = list(conn.execute(select(audit_events.c.verb).order_by(audit_events.c.id)).scalars())
    assert verbs[-2:] == ["client:add", "user:disable"]


def test_too_many_requests_of_a_minute_wait_for_the_next(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site, per_minute=3))
    assert [one.get("nothing").status_code for _ in range(5)] == [404, 404, 404, 429, 429]
    assert int(one.get("nothing").headers["retry-after"]) <= 60
    site.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    assert one.get("nothing").status_code == 404
    with site.database.read() as conn:
        assert conn.execute(select(api_clients.c.last_used_at)).scalar_one() == site.clock.now()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_requests_are_counted_by_operation_and_errors_say_nothing_of_the_inside(
    site: Site,
    app,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = program(app, let_in(site))
    monkeypatch.setattr(lists, "open_source", lambda *_: 1 / 0)
    answer = one.post("cases", content=b"a", headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, PROBLEM)
    assert "division" not in answer.text + capsys.readouterr().out
    counted = {"method": "POST", "path": "/api/v1/cases", "status": "500"}
    assert app.state.collectors.get_sample_value("callflow_http_requests_total", counted) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_too_large_is_not_read_to_its_end(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    one = program(app, let_in(site))
    large = b"x" * (site.config.api.max_megabytes * 1_000_000 + 1)
    answer = one.post("cases", content=large, headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_an_address_with_a_line_break_is_answered_like_any_other(site: Site, app) -> None:  # type: ignore[no-untyped-def]
    answer = program(app, let_in(site)).post("webhooks/a%0Ab/deliveries/1/replay")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert program(app, "").get("http://testserver/nowhere").headers["content-type"].startswith("text/plain")
