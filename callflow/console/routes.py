"""The one table of routes. A page that does not stand here does not exist; a route without a rule cannot be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal

from starlette.responses import Response

from callflow.console.visit import Visit
from models.people import ROLES

ANYBODY: Final = frozenset({"anonymous", *ROLES})
SIGNED_IN: Final = frozenset(ROLES)

PAGES: Final = (
    "door",
    "oidc",
    "home",
    "desk",
    "training",
    "board",
    "inbox",
    "campaigns",
    "calls",
    "reports",
    "callbacks",
    "accounts",
    "glass",
    "audit",
    "inspections",
    "retention",
    "scripts",
    "code",
    "preferences",
    "imports",
    "settings",
    "streams",
    "watch",
)
"""The modules of `callflow.console.pages`, in menu order. Each has `ROUTES`, and `SAID` if it says things."""

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that a browser may ask for.

    `allow`: the roles that may; `anonymous` is who has not logged in. `shows`: the groups of personal fields on the
    page (`callflow.access.views`). `title` is also its word in the menu, where `menu` is true; `aside`: not needed
    every day, so it gives way where the bar is full. `while_locked`: also behind the lock screen; `before_password`,
    `before_code`: also before the one-time password is changed, before the second factor. `passive`: asked for by the
    page itself, no sign of a person at the terminal. `in_turn`: only writes to the database, so that threads would
    but fight for it. `largest`: bytes of a request's body.
    """

    method: Method
    path: str
    view: Callable[[Visit], Response]
    allow: frozenset[str]
    title: str
    shows: frozenset[str] = frozenset()
    menu: bool = False
    aside: bool = False
    while_locked: bool = False
    before_password: bool = False
    before_code: bool = False
    passive: bool = False
    in_turn: bool = False
    largest: int = 64 * 1024

    def __post_init__(self) -> None:
        unknown = self.allow - ANYBODY
        if not self.allow or unknown:
            raise ValueError(f"{self.method} {self.path}: allow must name roles, not {sorted(unknown)}")


def allow(*roles: str) -> frozenset[str]:
    """The roles that may use a route."""
    return frozenset(roles)


@dataclass(frozen=True, slots=True)
class Table:
    """Every route, and what pages may say after an act, by the code that stands in the URL."""

    routes: tuple[Route, ...]
    said: Mapping[str, str]


def table() -> Table:
    """The whole console, from its page modules."""
    modules = [import_module(f"callflow.console.pages.{name}") for name in PAGES]
    return Table(
        tuple(route for module in modules for route in module.ROUTES),
        {code: words for module in modules for code, words in getattr(module, "SAID", {}).items()},
    )
