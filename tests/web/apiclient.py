"""A program of the ward that uses the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from callflow.access.clients import SCOPES, Clients
from callflow.console.site import Site
from tests.conftest import MUNICIPALITY

ADMIN = 6
"""The account of the ward's administrator in `tests.web.conftest`."""


def let_in(site: Site, name: str = "tainou", scopes: Collection[str] = tuple(SCOPES), **options: Any) -> str:
    """A client's token."""
    given = {"days": 30, "per_minute": 10_000, "by": ADMIN} | options
    with site.database.write() as conn:
        return Clients(conn, MUNICIPALITY, site.clock.now()).add(name, scopes, **given)


def program(app: ASGIApp, token: str) -> TestClient:
    """Asks under `/api/v1`."""
    return TestClient(app, base_url="http://testserver/api/v1/", headers={"authorization": f"Bearer {token}"})
