"""A console over a small invented municipality, and browsers that behave: cookies, Origin, tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from alembic import command
from argon2 import PasswordHasher
from sqlalchemy import update
from starlette.testclient import TestClient

from callflow.access.sessions import log_in
from callflow.clock import SimulatedClock
from callflow.console.app import create_app
from callflow.console.site import Site
from models.database import Database
from models.migrate import config as alembic_config
from models.tables import accounts
from tests.conftest import MUNICIPALITY
from tests.site import site_of
from tests.world import World, account, build

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
LOGINS = {"operator": "op01", "supervisor": "sv01", "staff": "ward01", "auditor": "audit01", "admin": "admin01"}


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    """`tests.world` with an account of every role, each with a password."""
    world = build(database, clock)
    with database.write() as conn:
        ward = 2
        for login, role in (("audit01", "auditor"), ("admin01", "admin")):
            account(conn, ward, login, "見本 ほか", role, clock.now())
        conn.execute(update(accounts).values(password_hash=_hashed(), password_once=False))
    return world


@cache
def _hashed() -> str:
    """Once for all tests: hashing is slow by intent."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def site(world: World) -> Site:
    with world.database.write() as conn:
        command.stamp(alembic_config(conn), "head")
    return site_of(world.database, world.clock, world.shelf, world.calls)


class Browser(TestClient):
    """Sends what a browser sends, and the token of the page that it last saw."""

    token = ""

    def submit(self, path: str, **fields: str):  # type: ignore[no-untyped-def]
        """A form of our own page."""
        return self.post(path, data={"csrf": self.token, **fields}, headers={"origin": "http://testserver"})

    def see(self, path: str):  # type: ignore[no-untyped-def]
        """A page, whose token is remembered."""
        page = self.get(path)
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        if found:
            self.token = found[1]
        return page


@pytest.fixture
def app(site: Site):  # type: ignore[no-untyped-def]
    return create_app(site, with_errands=False)


@pytest.fixture
def browser(app) -> Callable[[], Browser]:  # type: ignore[no-untyped-def]
    """A browser where nobody has logged in."""
    return lambda: Browser(app, follow_redirects=False)


@pytest.fixture
def logged_in(site: Site, browser: Callable[[], Browser]) -> Callable[[str], Browser]:
    """A browser of a role's account."""

    def enter(role: str) -> Browser:
        with site.database.write() as conn:
            token = log_in(conn, MUNICIPALITY, LOGINS[role], "", "testclient", site.clock.now(), fits=True)
        assert isinstance(token, str)
        one = browser()
        one.cookies.set(site.cookie, token, domain="testserver.local", path="/")
        one.see("/home")
        return one

    return enter
