"""A canary in every sensitive field, and every page × role × moment of a call: none sings where it may not.

What may be on a page is read from its route's own rule (`shows`) and the table of sights: new pages join by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from callflow.access.views import RULES
from callflow.console.routes import Route, table
from callflow.console.site import Site
from models.tables import arrears, debtors, households, phone_numbers
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.web.conftest import LOGINS, Browser
from tests.web.desktop import Desk
from tests.world import World, add_case, running_campaign

PAGES = [route for route in table().routes if route.method == "GET" and route.path != "/live"]
CANARIES = {
    "party": ("試川", "タメシガワ", "ためしがわ", "6659-0", "66590"),
    "identity": ("見本町8-17", "1963", "S38", "昭和38", "幸子"),
    "debt": (
        "48,731",
        "48731",
        "四万八千七百三十一",
        "97,462",
        "97462",
        "九万七千四百六十二",
        "納期分保険料の納付確認",
    ),
    "protection": ("秘川", "ヒメカワ", "ひめかわ", "5550-7", "55507", "61,803", "61803"),
}
SPOKEN = frozenset({"party", "debt"})  # a replay shows the lines as they were read
CONTRACTOR = frozenset({"operator", "supervisor"})
Login = Callable[[str], Browser]


@dataclass(frozen=True, slots=True)
class Heard:
    """A canary on a page where it may not be."""

    moment: str
    role: str
    page: str
    group: str
    canary: str


def may_show(route: Route, role: str, group: str) -> bool:
    if group == "protection":
        return role not in CONTRACTOR
    groups = route.shows | (SPOKEN if "replay" in route.shows else frozenset())
    seen = {one for one in ({group, "replay"} if group in SPOKEN else {group}) if one in route.shows}
    return group in groups and any(RULES[one][role] not in ("no", "masked") for one in seen)  # type: ignore[index]


def walk(login: Login, moment: str) -> Iterator[Heard]:
    """Everybody but the operator, whose second login would end the call's own session."""
    for role in sorted(set(LOGINS) - {"operator"}):
        yield from walk_as(login(role), moment, role)


def walk_as(browser: Browser, moment: str, role: str, *, debt_may_be_told: bool = True) -> Iterator[Heard]:
    for route in PAGES:
        for one in ("1", "2") if "{" in route.path else ("",):
            answer = browser.get(re.sub(r"\{[^}]+\}", one, route.path))
            assert answer.status_code < 500, (moment, role, route.path)
            whole = (answer.text + str(answer.headers)).replace(browser.token, "")  # dice may throw a canary's letters
            for group, canaries in CANARIES.items():
                told = debt_may_be_told or group != "debt"
                if told and role in route.allow and may_show(route, role, group):
                    continue
                yield from (Heard(moment, role, route.path, group, each) for each in canaries if each in whole)


@pytest.fixture
def people(world: World) -> World:
    """Two residents in a running campaign, and one who is protected and waits beside them."""
    now = world.clock.now()
    with world.database.write() as conn:
        running_campaign(conn, world)
        made = [add_case(conn, number) for number in (1, 2, 3)]
        conn.execute(update(arrears).values(unpaid=48_731, levied=48_731))
        hidden = made[2]
        conn.execute(update(households).where(households.c.id == hidden.household_id).values(protected=True))
        conn.execute(
            update(debtors)
            .where(debtors.c.household_id == hidden.household_id)
            .values(name="秘川　三郎", kana="ヒメカワ", address="秘密町1", spouse_name="")
        )
        conn.execute(update(phone_numbers).where(phone_numbers.c.id == hidden.number_id).values(e164="+81355507777"))
        conn.execute(update(arrears).where(arrears.c.case_id == hidden.case_id).values(unpaid=61_803))
        for each in made:
            queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(each.case_id, each.household_id, now, each.case_id)])
        queue.wake(conn, MUNICIPALITY, now)
    return world


MOMENTS = (
    ("preview", (), {}),
    ("dialling", ("Enter",), {}),
    ("greeting", ("1",), {}),
    ("identification", ("1", "1"), {}),
    ("refused identification", ("Enter",), {"i__name": "1", "i__birth_date": "S38.10.17"}),
    ("verified", ("Enter",), {"i__name": "1", "i__birth_date": "S38.10.16"}),
    ("hardship", ("1", "3"), {}),
    ("ended", ("1", "1", "1", "2", "1", "1", "Enter"), {}),
)
"""One call, and the keys from each moment to the next."""


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_canary_sings_on_any_page_for_any_role_at_any_moment(people: World, site: Site, logged_in: Login) -> None:
    desk = Desk(logged_in("operator"))
    desk.press("Enter")
    heard: list[Heard] = []
    for moment, keys, typed in MOMENTS:
        if typed:
            desk.type(**typed)
        desk.play(*keys)
        heard += walk_as(desk.browser, moment, "operator", debt_may_be_told=moment in ("verified", "hardship"))
        heard += walk(logged_in, moment)
        desk.look()
    for role in ("supervisor", "staff"):
        browser = logged_in(role)
        browser.see("/calls/1")
        browser.submit("/calls/1/open", purpose="quality")
        film = browser.see("/calls/1").text
        assert "試川" in film, "the canaries are alive"
        assert any(canary in film for canary in CANARIES["debt"])
        heard += walk_as(browser, "replayed", role)
    assert heard == []


def test_a_leak_on_any_page_is_heard() -> None:
    said = "".join(canary for canaries in CANARIES.values() for canary in canaries)
    leaking = SimpleNamespace(token="-", get=lambda _path: SimpleNamespace(status_code=200, text=said, headers={}))
    heard = list(walk_as(leaking, "planted", "operator"))  # type: ignore[arg-type]
    assert {each.page for each in heard} == {route.path for route in PAGES}
    quiet = SimpleNamespace(
        token="-", get=lambda _path: SimpleNamespace(status_code=200, text="", headers={"x": CANARIES["debt"][0]})
    )
    assert {each.group for each in walk_as(quiet, "planted", "admin")} == {"debt"}  # type: ignore[arg-type]
