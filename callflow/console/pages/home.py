"""Where a person lands after the login: the operator at the desk, everybody else at what they may do."""

from __future__ import annotations

from starlette.responses import Response

from callflow.access.accounts import ROLE_WORDS
from callflow.console.i18n import said
from callflow.console.routes import SIGNED_IN, Route
from callflow.console.visit import Visit

FIRST = {"operator": "/desk", "supervisor": "/board", "staff": "/inbox", "auditor": "/audit", "admin": "/accounts"}
"""The page where each role works, once there is one."""


def home(visit: Visit) -> Response:
    there = {route.path for route in visit.places}
    for role, path in FIRST.items():
        if role in visit.who.roles and path in there:
            return visit.go(path, **({"said": visit.query["said"]} if "said" in visit.query else {}))
    return welcome(visit)


def welcome(visit: Visit) -> Response:
    roles = [visit.say(ROLE_WORDS[role]) for role in ROLE_WORDS if role in visit.who.roles]
    return visit.page("home.html", roles=roles, pages=[route for route in visit.places if route.path != "/home"])


ROUTES = (
    Route("GET", "/", home, SIGNED_IN, said("ホーム")),
    Route("GET", "/home", welcome, SIGNED_IN, said("ホーム"), menu=True),
)
