"""The desk looks for the next case by itself; a key that comes meanwhile is not lost."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from callflow.console.site import Site
from models.tables import campaigns
from tests.world import World


@pytest.mark.parametrize("page", ["light"], indirect=True)
@pytest.mark.parametrize(("key", "brings"), [("b", "#desk details.ask[open] [data-key='1']"), ("i", "[name=kana]")])
def test_a_key_during_the_look_counts_on_the_screen_that_it_brings(  # type: ignore[no-untyped-def]
    world: World, site: Site, page, server: str, key: str, brings: str
) -> None:
    with site.database.write() as conn:
        conn.execute(update(campaigns).values(state="paused"))
    page.goto(f"{server}/desk")
    page.wait_for_selector("form[data-again]")
    looks: list = []  # type: ignore[type-arg]
    page.route("**/desk/next", lambda route: looks.append(route))  # noqa: PLW0108  the tool wants a function
    page.evaluate("document.getElementById('desk').setAttribute('data-old', '')")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('changed', { detail: ['queue:1'] }))")
    while not looks:
        page.wait_for_timeout(10)
    page.keyboard.press(key)
    looks[0].continue_()
    if key == "b":
        page.wait_for_selector("#desk:not([data-old])")
    page.wait_for_selector(brings)
