"""What programs may ask: alive, ready, and figures without a person in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from callflow.console.app import create_app
from callflow.console.figures import Figures
from callflow.console.site import Site
from callflow.sections import Console
from models.database import Database
from tests.conventions.test_documented import ROOT
from tests.web.conftest import LOGINS, PASSWORD
from tests.world import World, add_case

MONITORING = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
NEAR, FAR = ("127.0.0.1", 50_000), ("10.1.2.3", 50_000)


def near(site: Site, client: tuple[str, int] = NEAR) -> TestClient:
    return TestClient(create_app(site, with_errands=False), client=client, follow_redirects=False)


def test_health_is_one_word(site: Site) -> None:
    for path in ("/health", "/health/live"):
        said = near(site, FAR).get(path)
        assert (said.status_code, said.text) == (200, "ok\n")


def test_without_its_tables_it_is_not_ready_but_alive(site: Site, tmp_path) -> None:  # type: ignore[no-untyped-def]
    other = Database(f"sqlite:///{tmp_path}/empty.sqlite")
    browser = near(replace(site, database=other))
    ready, alive = browser.get("/health"), browser.get("/health/live")
    assert (ready.status_code, ready.text) == (503, "not ok\n")
    assert alive.status_code == 200
    gone = near(replace(site, database=Database(f"sqlite:///{tmp_path}/x/y.sqlite")))
    (tmp_path / "x").rename(tmp_path / "z")
    (tmp_path / "x").write_text("no folder any more")
    assert gone.get("/health").status_code == 503
    assert "callflow_database_up 0.0" in gone.get("/metrics").text


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (NEAR, {}, 200),
        (("::1", 1), {}, 200),
        (FAR, {}, 404),
        (NEAR, {"x-forwarded-for": "10.1.2.3"}, 404),
        (FAR, {"authorization": "Bearer 0123456789abcdef"}, 200),
        (FAR, {"authorization": "Bearer 0123456789abcdee"}, 404),
        (FAR, {"authorization": "Bearer "}, 404),
    ],
)
def test_figures_are_for_this_machine_or_the_token(
    site: Site, client: tuple[str, int], headers: dict[str, str], status: int
) -> None:
    with_token = site.config.model_copy(update={"console": Console(metrics_token="0123456789abcdef")})
    assert near(replace(site, config=with_token), client).get("/metrics", headers=headers).status_code == status


def test_without_a_token_an_empty_one_opens_nothing(site: Site) -> None:
    assert near(site, FAR).get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_figures_count_requests_by_route_and_never_by_what_was_asked(site: Site, world: World) -> None:
    with world.database.write() as conn:
        add_case(conn)
    browser = near(site)
    browser.get("/login?name=試川一郎")
    browser.get("/試川一郎/03-6659-0001")
    browser.request("BREW", "/login")
    browser.post("/login", data={"login": LOGINS["operator"], "password": PASSWORD})
    told = browser.get("/metrics").text
    assert 'callflow_http_requests_total{method="GET",path="/login",status="200"} 1.0' in told
    assert 'path="-"' in told
    assert 'callflow_calls_live{state="placing"} 0.0' in told
    assert 'callflow_queue_entries{state="ready"} 0.0' in told
    names = "\n".join(line.rpartition(" ")[0] for line in told.splitlines())  # a measured value may be any digits
    for canary in ("試川", "3665", "6659", LOGINS["operator"]):
        assert canary not in names


def test_every_figure_is_documented(site: Site) -> None:
    names = {metric.name for metric in Figures(site).collect()} | {
        "callflow_http_requests",
        "callflow_http_request_seconds",
    }
    for name in names:
        assert f"| `{name}" in MONITORING, name
