"""Training: the operator's own desk over invented residents; no row of the installation changes but the score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from callflow.clock import TOKYO
from callflow.console.pages.training import room
from callflow.console.site import Site
from models.tables import metadata, practices
from tests.conftest import MUNICIPALITY
from tests.web.conftest import Browser
from tests.web.desktop import Page
from tests.world import World

OWN = {"sessions"}
"""What being logged in writes."""


@pytest.fixture(autouse=True)
def _no_practice_is_left() -> Iterator[None]:
    yield
    for practice in list(room._now.values()):
        practice.close()
    room._now.clear()


def held(site: Site) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the installation, but for the score and the session."""
    with site.database.read() as conn:
        return {
            name: sorted(
                map(tuple, conn.execute(select(table).where(table.c.municipality_id == MUNICIPALITY))), key=repr
            )
            for name, table in metadata.tables.items()
            if "municipality_id" in table.c and name not in OWN and name != practices.name
        }


def press(browser: Browser, act: str, **fields: str) -> str:
    answer = browser.submit(f"/training/desk/{act}", **fields)
    if answer.status_code == 303:
        return browser.see(answer.headers["location"]).text
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def on_a_weekday(value: str) -> str:
    """Residents also wish for a call on a Saturday, which is refused."""
    try:
        wished = datetime.strptime(value, "%Y-%m-%d %H:%M").replace(tzinfo=TOKYO)
    except ValueError:
        return value
    to_monday = 7 - wished.weekday() if wished.weekday() > 4 else 0
    return f"{wished + timedelta(days=to_monday):%Y-%m-%d %H:%M}"


def answer_as_told(browser: Browser, practice: room.Practice, text: str) -> str:
    """Presses what the resident says, with the values that go with it."""
    page = Page()
    page.feed(text)
    form = dict(page.forms["answers"])
    reply = practice.reply
    assert reply is not None
    with practice._lock:
        resident = practice._residents[int(form["call"])][0]
    fields = {f"f:{name}": on_a_weekday(str(v)) for name, v in resident._told.items() if isinstance(v, str | int)}
    fields |= {f"p:{reply.answer}:{name}": value for name, value in [(k[2:], v) for k, v in fields.items()]}
    identity = resident._told.get("identity")
    if identity:
        fields |= {"identity": "1", "i:name": "1", "i:birth_date": identity.get("birth_date", "")}
    form.pop("memo", None)
    form.pop("csrf", None)
    return press(browser, "answer", **{**form, **fields, "answer": reply.answer})


def test_a_practice_leaves_its_score_and_nothing_else(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("operator")
    before = held(site)
    assert "練習を始める" in browser.see("/training").text
    assert browser.submit("/training/begin", script="nobody/1").status_code == 422
    assert browser.submit("/training/begin", script="nhi-premium/1").headers["location"] == "/training/desk"
    (practice,) = room._now.values()
    text = browser.see("/training/desk").text
    assert "練習 — 相手は架空の住民" in text
    assert 'action="/desk' not in text
    text = press(browser, "next")
    case = re.search(r'name="case" value="(\d+)"', text)
    assert case, text
    press(browser, "dial", case=case[1])
    practice.clock._begun -= 5
    text = browser.see("/training/desk").text
    assert "住民" in text
    assert "見本コールセンター株式会社の" in text
    for _ in range(40):
        if "記録の確認" in text:
            break
        text = answer_as_told(browser, practice, text)
    call = re.search(r'name="call" value="(\d+)"', text)
    assert call
    result = press(browser, "finish", call=call[1])
    fitted = re.search(r"応答: (\d+)のうち (\d+)", result)
    assert fitted
    assert fitted[1] == fitted[2], "what the resident said was pressed each time"
    assert "会社と担当者の名を名乗った" in result
    assert held(site) == before
    page = browser.see("/training").text
    assert f"{fitted[2]}／{fitted[1]}" in page
    assert "続ける" in page
    folder = practice.folder
    assert folder.exists()
    assert browser.submit("/training/end").headers["location"] == "/training?said=practice-ended"
    assert not folder.exists()
    assert browser.submit("/training/desk/next").headers["location"] == "/training"
    supervisor = logged_in("supervisor")
    seen = supervisor.see("/training").text
    assert "op01" in seen
    assert f"{fitted[2]}／{fitted[1]}" not in seen, "that there was a practice, not how it went"
    with site.database.read() as conn:
        row = conn.execute(select(practices).where(practices.c.municipality_id == MUNICIPALITY)).one()
    assert (row.account_id, row.script_name) == (world.operator, "nhi-premium")
    assert set(row._mapping) == {c.name for c in practices.columns}
