"""The script viewer: reading, traffic, differences, trial calls; drafts and their approval by two of the ward."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import cache

import pytest
from sqlalchemy import func, select

from callflow.access.sessions import log_in
from callflow.console.pages.scripts.editions import PROVER
from callflow.console.proving import proved
from callflow.console.site import Site
from callflow.script.diagram import svg
from callflow.traffic import traffic
from models.tables import audit_events, metadata, script_drafts, script_versions
from tests.conftest import MUNICIPALITY
from tests.web.conftest import PASSWORD, Browser
from tests.web.desktop import Desk
from tests.web.test_desk import desk  # noqa: F401
from tests.world import SCRIPTS, World

OLD = "{{ debtor }}さまのお電話でしょうか。"
NEW = "{{ debtor }}さまのお電話でよろしいでしょうか。"


def files(site: Site) -> dict[str, str]:
    with site.database.read() as conn:
        query = select(script_versions.c.sources).where(script_versions.c.municipality_id == MUNICIPALITY)
        found: dict[str, str] = json.loads(conn.execute(query).scalar_one())
    return found


proof = cache(proved)
"""Once for both databases: it takes seconds."""


def form_of(sources: dict[str, str], **more: str) -> dict[str, str]:
    return {f"file:{name}": text for name, text in sources.items()} | more


def second_staff(site: Site, browser) -> Browser:  # type: ignore[no-untyped-def]
    with site.database.write() as conn:
        token = log_in(conn, MUNICIPALITY, "ward02", "", "testclient", site.clock.now(), fits=True)
    one: Browser = browser()
    one.cookies.set(site.cookie, str(token), domain="testserver.local", path="/")
    one.see("/home")
    return one


def rows(site: Site) -> dict[str, int]:
    """How many rows each table has, but for those that looking at a page itself writes."""
    with site.database.read() as conn:
        return {
            name: conn.execute(select(func.count()).where(table.c.municipality_id == MUNICIPALITY)).scalar_one()
            for name, table in metadata.tables.items()
            if name != "sessions" and "municipality_id" in table.c
        }


def test_every_view_of_a_version_opens_for_its_readers(world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    for role in ("operator", "supervisor", "auditor"):
        browser = logged_in(role)
        assert 'href="/scripts/nhi-premium/1"' in browser.see("/scripts").text
        assert ("この版から下書きを作る" in browser.see("/scripts/nhi-premium/1").text) is (role == "supervisor")
    page = browser.see("/scripts/nhi-premium/1").text
    assert "<mark>お名前</mark>さまのお宅でしょうか？" in page
    assert "shared/identification.yaml:" in page
    table = browser.see("/scripts/nhi-premium/1?view=table").text
    assert re.search(r'greeting</a></th><td><kbd>1</kbd></td><td>はい</td><td><a href="[^"]*#party">', table)
    assert "比べる版がありません" in browser.see("/scripts/nhi-premium/1?view=changes").text
    assert browser.see("/scripts/nhi-premium/2").status_code == 404
    assert browser.see("/scripts/nobody").status_code == 404
    picture = browser.see("/scripts/nhi-premium/1/picture.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert 'id="greeting"' in picture.text


def test_traffic_counts_the_last_week_of_this_version(desk: Desk, site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    desk.play("Enter", "1", "1")
    with site.database.read() as conn:
        found = traffic(conn, MUNICIPALITY, world.script_hash, world.clock.now())
        later = traffic(conn, MUNICIPALITY, world.script_hash, world.clock.now() + timedelta(days=8))
        other = traffic(conn, MUNICIPALITY, "0" * 64, world.clock.now())
        script = world.shelf.flow(conn, MUNICIPALITY, world.script_hash).script
    assert dict(found.ways) == {("greeting", "yes", "party"): 1}
    assert (found.calls, later.calls, other.calls) == (1, 0, 0)
    plain, busy = svg(script), svg(script, found.ways)
    assert ("1回" in plain, "1回" in busy) == (False, True)
    browser = logged_in("supervisor")
    assert "1回" in browser.see("/scripts/nhi-premium/1/picture.svg").text
    assert "数えた通話: 1件" in browser.see("/scripts/nhi-premium/1?view=table").text


def test_a_trial_call_is_walked_to_its_end_and_leaves_nothing(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("operator")
    before = rows(site)
    base, path = "/scripts/nhi-premium/1?view=trial&begun=1&if:may_leave_message=1", ""
    assert "試川" in browser.see("/scripts/nhi-premium/1?view=trial").text
    for answer, words in (
        ("yes", "お電話口の方は"),
        ("yes", "お名前をフルネームで"),
        ("-", "お電話口の方は"),
        ("yes", "お名前をフルネームで"),
        ("match", "お時間をいただけますでしょうか"),
        ("yes", "納付確認ができていません"),
        ("hang_up", "通話が終わりました"),
    ):
        page = browser.see(f"{base}&path={path}&answer={answer}").text
        assert words in page, answer
        path = re.search(r'name="path" value="([^"]*)"', page)[1]  # type: ignore[index]
    assert "HU1" in page
    assert rows(site) == before
    wrong = browser.see(f"{base}&path=yes,deceased,nonsense")
    assert (wrong.status_code, "nonsense は選べません" in wrong.text) == (422, True)
    assert browser.see(f"{base}&path={','.join(['yes'] * 201)}").status_code == 422
    assert browser.see(f"{base}&opening=nothing").status_code == 422


def test_a_draft_is_published_by_two_with_their_passwords(
    world: World, site: Site, logged_in, browser, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(PROVER, "report", lambda stored, wait: proof(stored) if wait else None)
    supervisor = logged_in("supervisor")
    sources = files(site)
    assert NEW not in "".join(sources.values())
    same = supervisor.submit("/script-drafts/new", **form_of(sources))
    assert (same.status_code, "第1版と同じ中身です" in same.text) == (409, True)
    changed = {name: text.replace(OLD, NEW).replace("\n", "\r\n") for name, text in sources.items()}
    answer = supervisor.submit("/script-drafts/new", **form_of(changed, note="言い方を丁寧に"))
    base = answer.headers["location"].partition("?")[0]
    assert base == "/script-drafts/1"
    assert supervisor.submit("/script-drafts/new", **form_of(changed)).headers["location"].startswith(base)
    assert "証明できました" in supervisor.see(f"{base}?view=findings").text
    changes = supervisor.see(f"{base}?view=changes").text
    assert f"<ins>{NEW}</ins>" in changes
    assert f"<del>{OLD}</del>" in changes
    assert supervisor.submit(f"{base}/approve", password=PASSWORD).status_code == 403
    staff = logged_in("staff")
    assert "言い方を丁寧に" in staff.see("/scripts").text
    assert "パスワードが違う" in staff.submit(f"{base}/approve", password="wrong").text
    assert staff.submit(f"{base}/approve", password=PASSWORD).status_code == 303
    assert "あなたは承認済みです" in staff.see(base).text
    twice = staff.submit(f"{base}/approve", password=PASSWORD)
    assert (twice.status_code, "別の二人" in twice.text) == (409, True)
    done = second_staff(site, browser).submit(f"{base}/approve", password=PASSWORD)
    assert done.headers["location"] == "/scripts/nhi-premium/2?said=script-published"
    staff = logged_in("staff")
    assert "第2版" in staff.see("/scripts").text
    assert f"<ins>{NEW}</ins>" in staff.see("/scripts/nhi-premium/2?view=changes").text
    assert staff.submit(f"{base}/withdraw").status_code == 409
    with site.database.read() as conn:
        verbs = select(audit_events.c.verb).where(
            audit_events.c.municipality_id == MUNICIPALITY, audit_events.c.verb.like("script:%")
        )
        assert sorted(conn.execute(verbs).scalars()) == sorted(
            ["script:draft", "script:approve", "script:approve", "script:publish"]
        )


def test_what_cannot_be_read_comes_back_whole_with_its_places(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    sources = files(site)
    main = next(iter(sources))
    broken = sources | {main: sources[main].replace("starts: {outbound: greeting", "stars: {outbound: greeting")}
    page = browser.submit("/script-drafts/new", **form_of(broken, note="試す"))
    assert page.status_code == 422
    assert f"{main}:" in page.text
    assert "starts のことですか" in page.text
    assert "stars: {outbound" in page.text
    assert 'value="試す"' in page.text
    assert browser.submit("/script-drafts/new").status_code == 422
    latin = browser.post(
        "/script-drafts/new",
        data={"csrf": browser.token},
        files={"files": ("script.yaml", "script: é".encode("latin-1"))},
        headers={"origin": "http://testserver"},
    )
    assert (latin.status_code, "UTF-8" in latin.text) == (422, True)
    with site.database.read() as conn:
        drafts = select(script_drafts.c.id).where(script_drafts.c.municipality_id == MUNICIPALITY)
        assert conn.execute(drafts).first() is None


def test_a_draft_that_is_not_proved_cannot_be_approved(
    world: World, site: Site, logged_in, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(PROVER, "report", lambda stored, wait: proof(stored) if wait else None)
    browser = logged_in("staff")
    upload = SCRIPTS / "nhi-premium.yaml"
    unsafe = upload.read_text(encoding="utf-8").replace("minimal: name}", "minimal: nothing}")
    sources = {f"file:{name}": text for name, text in files(site).items()}
    browser.post(
        "/script-drafts/new",
        data={"csrf": browser.token, **sources},
        files={"files": ("nhi-premium.yaml", unsafe.encode())},
        headers={"origin": "http://testserver"},
    )
    page = browser.see("/script-drafts/1?view=findings").text
    assert "件の誤りがあります" in page
    assert "nhi-premium.yaml:" in page
    refused = browser.submit("/script-drafts/1/approve", password=PASSWORD)
    assert (refused.status_code, "検査に合格していません" in refused.text) == (422, True)
    monkeypatch.setattr(PROVER, "report", lambda _stored, _wait: None)
    assert "検査しています" in browser.see("/script-drafts/1?view=findings").text
    assert browser.submit("/script-drafts/1/approve", password=PASSWORD).status_code == 503
    browser.submit("/script-drafts/1/withdraw")
    assert "下書き 1" not in browser.see("/scripts").text
    with site.database.read() as conn:
        states = select(script_drafts.c.state).where(script_drafts.c.municipality_id == MUNICIPALITY)
        assert conn.execute(states).scalars().all() == ["withdrawn"]
