"""Addresses and forms as people and scanners send them: whatever stands in them is answered, never by a failure."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from callflow.console.routes import Route, table
from tests.web.conftest import LOGINS, Browser
from tests.web.desktop import Desk
from tests.web.test_canary import MOMENTS, people  # noqa: F401  a fixture
from tests.world import World

NUMBERS = ("0", "-1", "99999999999999999999", "3000000000", "abc", "１", "𠮷")
NAMES = (
    "alarm", "answer", "all", "begins", "campaign", "case", "code", "cut", "day", "desc", "due", "ends", "first",
    "format", "from", "household", "key", "kind", "last", "mine", "month", "n", "name", "names", "number", "object",
    "operator", "page", "path", "purpose", "q", "reason", "role", "scored", "seen", "sort", "state", "status", "to",
    "until", "urgency", "verb", "view", "which", "who",
)  # fmt: skip
VALUES = (
    *NUMBERS, "1e9", "2026-13-99", "0001-01-01", "9999-12-31", "'; DROP TABLE calls; --", "𠮷野😀", "\x00", "a" * 5_000,
    "<script>", "ｶﾅ", "NULL", "../../etc/passwd", "1,2,3", "true", "[]", "\u202e",
)  # fmt: skip
STREAMS = re.compile(r"/(live|events)$")
TEMPLATES = Path(__file__).parents[2] / "callflow" / "console" / "templates"
FIELDS = sorted(
    {
        name
        for file in TEMPLATES.rglob("*.html")
        for name in re.findall(r'name="([A-Za-z_:]+)"', file.read_text("utf-8"))
    }
    - {"csrf", "path"}
)
USUAL = (
    "1", "2026-11-24", "10:00", "理由", "quality", "householder", "NA", "PP", "yes", "approve", "case", "12000",
    "ward01", "2026-12", "csv", "complaint", "kept",
)  # fmt: skip
THE_DOOR = {"/logout", "/lock", "/locked", "/password", "/login", "/code"}
"""Forms that end the session that the others need."""


def addresses(route: Route, chance: random.Random) -> list[str]:
    """The route's with every odd number in its path, and with odd values in its query, alone and together."""
    within = [re.sub(r"\{[^}]+\}", quote(number), route.path) for number in NUMBERS] if "{" in route.path else []
    plain = re.sub(r"\{[^}]+\}", "1", route.path)
    asked = [chance.sample(NAMES, count) for count in (1, 1, 1, 4, 4)]
    queries = ["&".join(f"{name}={quote(chance.choice(VALUES))}" for name in names) for names in asked]
    return [*within, plain, *(f"{plain}?{query}" for query in queries)]


@pytest.fixture
def browsers(people: World, logged_in) -> dict[str, Browser]:  # type: ignore[no-untyped-def]  # noqa: F811
    """One of each role, over a call that went through hardship to its end."""
    desk = Desk(logged_in("operator"))
    desk.press("Enter")
    for _, keys, typed in MOMENTS:
        desk.type(**typed)
        desk.play(*keys)
    return {role: desk.browser if role == "operator" else logged_in(role) for role in LOGINS}


def test_every_address_is_answered_whatever_is_typed(browsers: dict[str, Browser]) -> None:
    chance = random.Random(20261126)
    failed = [
        (role, address[:200], status)
        for route in table().routes
        if route.method == "GET" and not STREAMS.search(route.path)
        for role in sorted(route.allow & set(LOGINS))[:1]
        for address in addresses(route, chance)
        if (status := browsers[role].get(address).status_code) >= 500
    ]
    assert failed == []


def test_every_form_is_answered_whatever_is_sent(browsers: dict[str, Browser]) -> None:
    chance = random.Random(20261126)
    failed = []
    for route in table().routes:
        if route.method != "POST" or route.path in THE_DOOR:
            continue
        for role, _ in itertools.product(sorted(route.allow & set(LOGINS))[:1], range(5)):
            address = re.sub(r"\{[^}]+\}", quote(chance.choice(("1", "1", "2", *NUMBERS))), route.path)
            names = chance.sample(FIELDS, chance.choice((10, 50)))
            sent = {name: chance.choice((*VALUES, *USUAL)) for name in names}
            if (status := browsers[role].submit(address, **sent).status_code) >= 500:
                failed.append((role, address, status, sent))
    assert failed == []


def test_what_no_row_can_have_is_not_found(people: World, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    supervisor = logged_in("supervisor")
    for address in ("/calls/99999999999999999999", "/calls?day=0001-01-01", "/scripts/nhi-premium/3000000000"):
        answer = supervisor.get(address)
        assert (answer.status_code, "思わぬ" in answer.text) == (404, False), address
