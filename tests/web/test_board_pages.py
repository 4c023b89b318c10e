"""The board: who sees what, the radar and the tiles, the acts with their words, and what other processes do."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update
from starlette.testclient import TestClient

from callflow.access.views import Viewer
from callflow.console.app import create_app
from callflow.console.pages.board.room import look
from callflow.console.site import Site
from models.live import Live
from models.tables import abandonments, audit_events, calls, campaigns, desks, dial_stops, households
from tests.conftest import MUNICIPALITY, START
from tests.web.conftest import Browser
from tests.web.desktop import Desk
from tests.web.test_desk import desk  # noqa: F401  a fixture
from tests.world import World


@pytest.fixture
def talking(desk: Desk, world: World) -> Desk:  # noqa: F811
    """An operator in a call, asked who is on the phone."""
    desk.play("Enter", "1", "1")
    world.clock.advance(timedelta(seconds=20))
    return desk


def verbs(site: Site, verb: str) -> list[str]:
    with site.database.read() as conn:
        a = audit_events.c
        query = select(a.purpose).where(a.municipality_id == MUNICIPALITY, a.verb == verb).order_by(a.id)
        return list(conn.execute(query).scalars())


def test_a_supervisor_sees_operators_and_no_resident(talking: Desk, logged_in) -> None:  # type: ignore[no-untyped-def]
    page = logged_in("supervisor").see("/board").text
    assert "見本 一号" in page
    assert "通話中" in page
    assert "2/6 宅・相手の確認" in page
    assert "いま人の手が要る通話はありません" in page
    assert page.count('<li class="') - page.count('class="asks"') <= 6
    assert "試川" not in page
    assert "6659" not in page


def test_the_ward_sees_figures_and_no_operator(talking: Desk, logged_in) -> None:  # type: ignore[no-untyped-def]
    talking.press("a")
    browser = logged_in("staff")
    for path in ("/board", "/board/now"):
        page = browser.see(path).text
        assert "放棄呼" in page
        assert "見本 一号" not in page
        assert "op01" not in page
        assert "支援のために見る" not in page
    assert browser.submit("/board/help", operator="1").status_code == 403
    assert browser.submit("/board/calls/1").status_code == 403


def test_the_radar_puts_a_call_first_with_its_reason(talking: Desk, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    world.clock.advance(timedelta(seconds=100))
    assert "同じ段階が続いている" in browser.see("/board/now").text
    talking.look()
    talking.press("e")
    page = browser.see("/board/now").text
    assert '<li class="emergency">' in page
    assert page.index("緊急（生命・健康）") < page.index('<ul class="operators">')


def test_the_live_part_is_sent_only_when_it_changed(talking: Desk, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    part = browser.see("/board").text.partition("/board/now?seen=")[2][:16]
    world.clock.advance(timedelta(seconds=1))
    assert browser.get(f"/board/now?seen={part}").status_code == 204
    talking.press("1")
    fresh = browser.get(f"/board/now?seen={part}")
    assert fresh.status_code == 200
    assert "3/6 本人確認" in fresh.text


def test_help_is_asked_for_acknowledged_and_told_to_the_operator(
    talking: Desk, site: Site, world: World, logged_in
) -> None:  # type: ignore[no-untyped-def]
    talking.press("a")
    browser = logged_in("supervisor")
    page = browser.see("/board").text
    assert "⚠ 支援要請" in page
    answer = browser.submit("/board/help", operator=str(world.operator))
    assert answer.headers["location"].startswith("/board")
    assert "支援要請を確認済み" in browser.see("/board").text
    assert "責任者が確認しました" in talking.look()
    assert len(verbs(site, "help:seen")) == 1
    talking.press("a")
    assert browser.submit("/board/help", operator=str(world.operator)).status_code == 404
    talking.press("a")
    assert "⚠ 支援要請" in browser.see("/board").text, "a new request is not yet acknowledged"


def test_a_shift_is_begun_and_ended_and_pauses_its_campaign(desk: Desk, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    browser = logged_in("supervisor")
    browser.submit("/board/shift", do="end")
    page = browser.see("/board").text
    assert "一時停止" in page
    assert "勤務を始める" in page
    refused = browser.submit("/campaigns/1/resume", back="board")
    assert refused.status_code == 409
    assert "勤務中ではありません" in refused.text
    for until, words in (("25:99", "時刻ではありません"), ("09:00", "いまより前")):
        wrong = browser.submit("/board/shift", do="begin", until=until)
        assert (wrong.status_code, words in wrong.text) == (422, True)
    browser.submit("/board/shift", do="begin", until="17:30")
    browser.submit("/campaigns/1/resume", back="board")
    assert "17:30 まで勤務中" in browser.see("/board").text
    assert "稼働中" in browser.see("/board").text


def test_a_pause_has_a_reason_and_says_it(desk: Desk, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    browser = logged_in("supervisor")
    assert browser.submit("/campaigns/1/pause", reason=" ").status_code == 422
    browser.submit("/campaigns/1/pause", reason="機器の点検", back="board")
    assert "機器の点検" in browser.see("/board").text
    again = browser.submit("/campaigns/1/pause", reason="もう一度")
    assert (again.status_code, "一時停止できません" in again.text) == (409, True)


def test_a_display_on_the_wall_needs_no_login_but_its_token_and_shows_no_name(desk: Desk, site: Site) -> None:  # noqa: F811
    console = site.config.console.model_copy(update={"wall_token": "0123456789abcdef"})
    open_site = replace(site, config=site.config.model_copy(update={"console": console}))
    wall = TestClient(create_app(open_site, with_errands=False))
    assert TestClient(create_app(site, with_errands=False)).get("/wall?key=").status_code == 404
    assert wall.get("/wall?key=0123456789abcdeX").status_code == 404
    desk.press("Enter")
    page = wall.get("/wall?key=0123456789abcdef").text
    assert "結果の確認待ち" in page
    assert "通話中・発信中 <b>1</b>" in page
    for name in ("試川", "見本 一号", "op01", "<form"):
        assert name not in page


def test_everything_stops_when_confirmed_and_only_the_ward_lifts(desk: Desk, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    browser = logged_in("supervisor")
    assert "まだ止めていません" in browser.submit("/board/stop", reason="地震").text
    assert browser.submit("/board/stop", reason="", sure="1").status_code == 422
    browser.submit("/board/stop", reason="地震", sure="1")
    with site.database.read() as conn:
        assert conn.execute(select(dial_stops.c.reason)).scalars().all() == ["地震"]
    page = browser.see("/board").text
    assert "すべての架電を止めています: 地震" in page
    assert "全停止する" not in page
    assert page.count("すべての架電を止めています") == 1
    assert "すべての架電を止めています: 地震" in browser.see("/campaigns").text  # a band above every page
    assert "すべての架電を止めています: 地震" in desk.look()
    assert browser.submit("/board/lift").status_code == 403
    staff = logged_in("staff")
    staff.submit("/board/lift")
    assert "全停止する" in staff.see("/board").text


def test_a_call_is_followed_for_a_purpose_on_record(talking: Desk, site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser: Browser = logged_in("supervisor")
    before = browser.see("/board/calls/1").text
    assert "支援のために見る" in before
    assert "試川" not in before
    assert browser.get("/board/calls/1/now").status_code == 409
    assert verbs(site, "call:view") == []
    browser.submit("/board/calls/1")
    page = browser.see("/board/calls/1").text
    assert "ご本人でいらっしゃいますか" in page
    assert (verbs(site, "call:open"), verbs(site, "call:view")) == (["support"], ["support"])
    seen = page.partition("now?seen=")[2][:16]
    assert browser.get(f"/board/calls/1/now?seen={seen}").status_code == 204
    talking.look()
    talking.press("1")
    assert "お名前をフルネームで" in browser.get(f"/board/calls/1/now?seen={seen}").text
    assert len(verbs(site, "call:view")) == 1, "one event for each purpose, not for each second"
    world.clock.advance(timedelta(minutes=31))
    browser = logged_in("supervisor")
    assert browser.get("/board/calls/1/now").status_code == 409


def test_neither_another_campaigns_call_nor_a_protected_one_is_followed(talking: Desk, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    browser.submit("/board/calls/1")
    with site.database.write() as conn:
        conn.execute(update(households).where(households.c.municipality_id == MUNICIPALITY).values(protected=True))
    assert "支援のために見る" not in browser.see("/board").text
    assert browser.get("/board/calls/1").status_code == 404
    assert browser.get("/board/calls/1/now").status_code == 404
    with site.database.write() as conn:
        conn.execute(update(households).where(households.c.municipality_id == MUNICIPALITY).values(protected=False))
        c = campaigns.c
        other = {"supervisor_id": None, "created_by": 3}
        conn.execute(update(campaigns).where(c.municipality_id == MUNICIPALITY).values(other))
    assert "支援のために見る" not in browser.see("/board").text
    assert browser.get("/board/calls/1/now").status_code == 404


def test_what_another_process_does_is_heard_and_seen_within_a_second(talking: Desk, site: Site) -> None:
    viewer = Viewer(0, frozenset({"supervisor"}), "contractor")
    before = look(site, viewer, str, START)
    code = (
        "import sys; from sqlalchemy import update; from models.database import Database; "
        "from models.live import announce; from models.tables import desks; import datetime as d\n"
        "base = Database(sys.argv[1])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "with base.write() as conn:\n"
        "    conn.execute(desks.insert().values(municipality_id=1, account_id=int(sys.argv[2]), state='ready',"
        " since=d.datetime(2026, 11, 24, 1, tzinfo=d.UTC), help_since=d.datetime(2026, 11, 24, 1, tzinfo=d.UTC)))\n"
        "    announce(conn, 1, 'desk', 1)\n"
        "print('done', flush=True); sys.stdin.readline()\n"
    )
    with site.database.write() as conn:
        conn.execute(desks.delete().where(desks.c.municipality_id == MUNICIPALITY))
    ear = Live(site.database)
    url = site.database.engine.url.render_as_string(hide_password=False)
    with (
        ear.subscribe(MUNICIPALITY) as changes,
        subprocess.Popen(
            [sys.executable, "-c", code, url, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        while changes.wait(0.6):
            pass
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        committed = time.monotonic()
        assert changes.wait(5)
        after = look(site, viewer, str, START)
        took = time.monotonic() - committed
        other.stdin.write("\n")
    ear.close()
    assert after.stamp != before.stamp
    assert [each.reasons[0].need.name for each in after.alarms] == ["HELP"]
    assert took < 1.5, f"{took:.2f} s on a busy machine"


def test_an_abandoned_call_stands_on_the_board_until_a_supervisor_says_what_was_found(
    talking: Desk,
    site: Site,
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    with site.database.write() as conn:
        call_id = conn.execute(select(calls.c.id)).scalars().first()
        mine = {"municipality_id": MUNICIPALITY, "call_id": call_id, "campaign_id": 1}
        conn.execute(insert(abandonments).values(**mine, at=site.clock.now(), cause="operator_left"))
    staff, lead = logged_in("staff"), logged_in("supervisor")
    assert "担当者の電話が切れていた" in staff.see("/board").text
    assert staff.submit("/board/abandoned", call=str(call_id), note="x").status_code == 403
    lead.see("/board")
    assert lead.submit("/board/abandoned", call=str(call_id), note="").status_code == 422
    assert lead.submit("/board/abandoned", call="9999", note="x").status_code == 404
    lead.submit("/board/abandoned", call=str(call_id), note="席を離れていた")
    assert "担当者の電話が切れていた" not in lead.see("/board").text
