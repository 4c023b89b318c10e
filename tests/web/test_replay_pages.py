"""Calls afterwards: who may know of one, the purpose before the replay, the film, the card, comments, the sample."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from callflow.access import replays
from callflow.access.views import Viewer
from callflow.console.site import Site
from callflow.errors import RefusedError
from callflow.playback import scenes
from callflow.quality import Rule, Talk, sample
from callflow.scorecard import CARD, score
from models.tables import audit_events, call_comments, call_events, calls, campaigns, households, promises, scorecards
from tests.conftest import MUNICIPALITY
from tests.web.desktop import Desk
from tests.web.test_desk import BORN, desk, verified  # noqa: F401  a fixture
from tests.world import World

YES = {line.key: "yes" for line in CARD}


def paced(desk: Desk, world: World, *keys: str) -> None:  # noqa: F811
    """Keys at the pace of somebody who reads the lines."""
    for key in keys:
        world.clock.advance(timedelta(seconds=8))
        desk.press(key)


@pytest.fixture
def promised(desk: Desk, world: World) -> int:  # noqa: F811
    """A call that ended in a promise, with one step back on its way, and a pause of 40 s."""
    paced(desk, world, "Enter", "1", "1", "1")
    desk.type(**BORN)
    world.clock.advance(timedelta(seconds=40))
    paced(desk, world, "Enter", "1", "Backspace", "1", "1", "Enter", "Enter", "Enter", "1", "1", "1")
    world.clock.advance(timedelta(seconds=9))
    desk.press("Enter")
    return 1


def open_call(browser, call: int = 1):  # type: ignore[no-untyped-def]
    browser.see(f"/calls/{call}")
    browser.submit(f"/calls/{call}/open", purpose="quality", more="月次")
    return browser.see(f"/calls/{call}")


def events(site: Site, verb: str) -> list[str]:
    with site.database.read() as conn:
        found = select(audit_events.c.purpose).where(audit_events.c.verb == verb).order_by(audit_events.c.id)
        return list(conn.execute(found).scalars())


def test_the_list_holds_numbers_and_outcomes_and_no_name(promised: int, logged_in) -> None:  # type: ignore[no-untyped-def]
    for role in ("supervisor", "staff", "auditor"):
        page = logged_in(role).see("/calls").text
        assert "納付約束" in page
        assert "/calls/1" in page
        assert "試川" not in page
        assert "12,000" not in page


def test_the_list_is_narrowed_by_every_filter_and_by_wide_digits(promised: int, logged_in, world: World) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    there = ("?q=１", "?day=2026-11-24", "?outcome=PP", f"?operator={world.operator}", "?campaign=1", "?state=unscored")
    for query in there:
        assert "/calls/1" in browser.see(f"/calls{query}").text, query
    for query in ("?q=試川", "?q=77", "?day=2026-11-23", "?outcome=NA", "?operator=99", "?campaign=9", "?state=live"):
        page = browser.see(f"/calls{query}").text
        assert "/calls/1" not in page, query
        assert "この条件に合う通話はありません" in page, query


def test_nothing_is_shown_before_the_purpose_is_on_record(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    before = browser.see("/calls/1").text
    assert "何のために再生しますか" in before
    assert "試川" not in before
    assert events(site, "call:view") == []
    assert browser.submit("/calls/1/open", purpose="curiosity").status_code == 422
    page = open_call(browser).text
    assert "証明できました" in page
    assert "試川" in page
    assert events(site, "call:open") == ["quality: 月次"]
    assert events(site, "call:view") == ["quality: 月次"]


def test_a_purpose_holds_for_one_call_and_half_an_hour(promised: int, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    open_call(browser)
    for _ in range(8):
        assert "証明できました" in browser.see("/calls/1").text
        world.clock.advance(timedelta(minutes=4))
    assert "何のために再生しますか" in browser.see("/calls/1").text


def test_the_film_shows_lines_choices_fields_corrections_and_silence(promised: int, logged_in) -> None:  # type: ignore[no-untyped-def]
    page = open_call(logged_in("supervisor")).text
    assert "秒の無音を省略" in page
    assert "ひとつ戻った" in page
    assert "「はい」を選んだ" in page
    assert "納付の予定日" in page
    assert "照合した（値は記録しない）" in page
    assert "S38" not in page
    assert len(re.findall(r'<article class="frame', page)) == len(re.findall(r"<li data-seq", page))
    assert "選んだ</span>" in page


def test_an_altered_log_is_named(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    with site.database.write() as conn:
        own = (call_events.c.municipality_id == MUNICIPALITY) & (call_events.c.call_id == 1) & (call_events.c.seq == 7)
        payload = conn.execute(select(call_events.c.payload).where(own)).scalar_one()
        conn.execute(update(call_events).where(own).values(payload=payload.replace('"to"', '"to" ')))
    assert "証明できません。通番7" in open_call(logged_in("supervisor")).text


def test_an_erased_call_says_under_which_rule(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    with site.database.write() as conn:
        own = (call_events.c.municipality_id == MUNICIPALITY) & (call_events.c.call_id == 1)
        conn.execute(update(call_events).where(own).values(payload=None, salt=None, erased_under="5年"))
    page = open_call(logged_in("staff")).text
    assert "内容は規則 5年 により消去済みです。連鎖は切れていません" in page
    assert "試川" not in page


def test_a_supervisor_sees_own_campaigns_and_nobody_under_protection(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    with site.database.write() as conn:
        conn.execute(update(households).where(households.c.municipality_id == MUNICIPALITY).values(protected=True))
    assert browser.see("/calls/1").status_code == 404
    assert "/calls/1" not in browser.see("/calls").text
    assert "/calls/1" in logged_in("staff").see("/calls").text
    with site.database.write() as conn:
        conn.execute(update(households).where(households.c.municipality_id == MUNICIPALITY).values(protected=False))
        staff = select(calls.c.operator_id).where(calls.c.municipality_id == MUNICIPALITY).scalar_subquery()
        mine = campaigns.c.municipality_id == MUNICIPALITY
        conn.execute(update(campaigns).where(mine).values(supervisor_id=staff, created_by=staff))
    assert browser.see("/calls/1").status_code == 404
    assert browser.submit("/calls/1/open", purpose="quality").status_code == 404


def test_the_ward_does_not_listen_in(desk: Desk, logged_in) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    desk.play("Enter", "1")
    for role in ("staff", "auditor"):
        browser = logged_in(role)
        assert "お宅でしょうか" not in browser.see("/calls/1").text
        assert browser.submit("/calls/1/open", purpose="audit").status_code == 409
    assert "お宅でしょうか" in open_call(logged_in("supervisor")).text


def test_an_auditor_replays_on_a_granted_request_only(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    auditor = logged_in("auditor")
    assert "承認が要ります" in auditor.see("/calls/1").text
    assert auditor.submit("/calls/1/open", purpose="audit").status_code == 409
    assert auditor.submit("/calls/1/ask", reason=" ").status_code == 422
    auditor.submit("/calls/1/ask", reason="苦情の確認")
    assert auditor.submit("/calls/1/ask", reason="もう一度").status_code == 409
    staff = logged_in("staff")
    assert "苦情の確認" in staff.see("/calls/1").text
    assert auditor.submit("/replay-requests/1", grant="1").status_code == 403
    staff.submit("/replay-requests/1", grant="1")
    assert staff.submit("/replay-requests/1", grant="1").status_code == 404
    assert "証明できました" in open_call(logged_in("auditor")).text
    assert logged_in("auditor").submit("/calls/1/card", **YES).status_code == 403


def test_a_refused_request_opens_nothing(promised: int, logged_in) -> None:  # type: ignore[no-untyped-def]
    logged_in("auditor").submit("/calls/1/ask", reason="念のため")
    logged_in("staff").submit("/replay-requests/1", grant="0")
    auditor = logged_in("auditor")
    assert "前の申請は承認されませんでした" in auditor.see("/calls/1").text
    assert auditor.submit("/calls/1/open", purpose="audit").status_code == 409


def test_the_card_is_scored_from_the_log_and_the_latest_counts(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    with site.database.read() as conn:
        found = scenes(conn, site.shelf, MUNICIPALITY, 1)
        row = conn.execute(select(calls.c.script_hash).where(calls.c.municipality_id == MUNICIPALITY)).scalar_one()
        card = {each.key: each.answer for each in score(site.shelf.flow(conn, MUNICIPALITY, row).script, found)}
    assert card == {
        "named": "yes",
        "party": "yes",
        "identified": "yes",
        "read": "yes",
        "read_back": "yes",
        "hardship": "none",
        "missed": "",
        "thanks": "yes",
    }
    browser = logged_in("supervisor")
    assert browser.submit("/calls/1/card", **YES).status_code == 409  # not opened
    open_call(browser)
    assert browser.submit("/calls/1/card", **{**YES, "missed": ""}).status_code == 422
    browser.submit("/calls/1/card", **YES)
    browser.submit("/calls/1/card", **{**YES, "thanks": "no"})
    page = browser.see("/calls/1").text
    assert re.search(r'name="thanks" value="no" required checked', page)
    assert "2件目" in page
    with site.database.read() as conn:
        assert len(conn.execute(select(scorecards.c.id)).all()) == 2
    assert "/calls/1" in browser.see("/calls?state=scored").text


def test_a_line_that_was_left_at_once_was_not_read(desk: Desk, site: Site) -> None:  # noqa: F811
    verified(desk)
    desk.play("h", "Enter")
    with site.database.read() as conn:
        found = scenes(conn, site.shelf, MUNICIPALITY, 1)
        row = conn.execute(select(calls.c.script_hash).where(calls.c.municipality_id == MUNICIPALITY)).scalar_one()
        card = {each.key: each for each in score(site.shelf.flow(conn, MUNICIPALITY, row).script, found)}
    assert card["read"].answer == "no"
    assert found[card["read"].seq - 1].told.line.startswith("こちらは")
    assert card["thanks"].answer == "none"


def test_a_comment_stands_at_its_step(promised: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    open_call(browser)
    assert browser.submit("/calls/1/comments", seq="5", text=" ").status_code == 422
    assert browser.submit("/calls/1/comments", seq="500", text="x").status_code == 404
    browser.submit("/calls/1/comments", seq="5", text="<b>間が短い</b>")
    page = browser.see("/calls/1").text
    assert "&lt;b&gt;間が短い" in page
    with site.database.read() as conn:
        assert conn.execute(select(call_comments.c.seq)).scalars().all() == [5]


def talk(number: int, *, operator: int = 1, code: str = "PP") -> Talk:
    return Talk(number, operator, code, f"ref{number}", datetime(2026, 11, 24, tzinfo=UTC))


def test_the_sample_is_the_share_the_least_number_and_every_grave_outcome() -> None:
    rule = Rule(5, 10, frozenset({"HS", "RF", "HU1"}))
    many = [talk(n, code="HS" if n % 100 == 0 else "PP") for n in range(1, 1001)]
    drawn = sample(many, rule)
    assert {each.talk.call_id for each in drawn if each.why == "outcome"} == set(range(100, 1001, 100))
    assert 49 <= len([each for each in drawn if each.why == "share"]) <= 50
    assert sample(reversed(many), rule) == drawn
    few = sample([talk(n, operator=2) for n in range(1, 31)], rule)
    assert (len(few), sum(each.why == "least" for each in few)) == (10, 8)
    assert len(sample([talk(n) for n in range(1, 5)], rule)) == 4
    assert sample([], rule) == []


def test_the_sample_has_a_page(promised: int, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    page = browser.see("/quality").text
    assert "1件の通話から 1件を抽出、うち採点済み 0件" in page
    assert "抽出（割合）" in page
    assert "この月に話した通話はまだありません" in browser.see("/quality?month=2026-10").text
    assert "/calls/1" not in browser.see("/quality?state=scored").text


def test_without_its_access_event_no_log_is_read(promised: int, site: Site, logged_in, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("supervisor")
    open_call(browser)

    def broken(*_args: object, **_more: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(replays, "record", broken)
    page = browser.see("/calls/1")
    assert page.status_code == 500
    assert "試川" not in page.text


def test_operators_replay_no_real_call(promised: int, site: Site, world: World) -> None:
    viewer = Viewer(world.operator, frozenset({"operator"}), "contractor")
    with site.database.read() as conn:
        call = conn.execute(select(calls).where(calls.c.municipality_id == MUNICIPALITY)).one()
        assert not replays.may_replay(conn, MUNICIPALITY, viewer, call, site.clock.now())


def test_no_log_is_read_without_a_purpose_on_record(promised: int, site: Site, world: World) -> None:
    viewer = Viewer(world.staff[0], frozenset({"staff"}), "ward")
    with pytest.raises(RefusedError, match="目的"):
        replays.see_call(site.database, MUNICIPALITY, viewer, 1, site.clock.now())
    replays.give_purpose(site.database, MUNICIPALITY, viewer, 1, "audit", "", site.clock.now())
    assert replays.see_call(site.database, MUNICIPALITY, viewer, 1, site.clock.now()) == "audit"


def test_nobody_grants_a_request_of_their_own(promised: int, site: Site, world: World) -> None:
    """Who is both auditor and staff still needs somebody else."""
    own, other = (Viewer(one, frozenset({"staff", "auditor"}), "ward") for one in world.staff[:2])
    replays.ask(site.database, MUNICIPALITY, own, 1, "月次の監査", site.clock.now())
    with pytest.raises(RefusedError, match="自分の申請"):
        replays.decide(site.database, MUNICIPALITY, own, 1, grant=True, now=site.clock.now())
    assert replays.decide(site.database, MUNICIPALITY, other, 1, grant=True, now=site.clock.now()) == 1


@pytest.mark.parametrize("role", ["supervisor", "staff"])
def test_a_call_is_corrected_from_its_replay_and_shown_before_it_is_recorded(  # type: ignore[no-untyped-def]
    promised: int, site: Site, logged_in, role: str
) -> None:
    browser = logged_in(role)
    assert browser.get("/calls/1/correct").headers["location"] == "/calls/1", "the purpose comes first"
    assert "/calls/1/correct" in open_call(browser).text
    assert "納付の予定日" in browser.see("/calls/1/correct").text
    wish = {"reason": "日付の聞き違い", "f:promise.due": "R8.12.1"}
    assert browser.submit("/calls/1/correct", **{**wish, "reason": ""}).status_code == 422
    assert browser.submit("/calls/1/correct", **{**wish, "f:promise.due": "きのう"}).status_code == 422
    tried = browser.submit("/calls/1/correct", **wish, act="try")
    assert (tried.status_code, "こう変わります" in tried.text) == (200, True)
    assert due_days(site) == {"open": ["2026-11-30"]} or len(due_days(site)) == 1
    assert browser.submit("/calls/1/correct", **wish, act="record").headers["location"] == "/calls/1?said=corrected"
    assert "2026-12-01" in due_days(site)["open"]
    page = browser.see("/calls/1").text
    assert "日付の聞き違い" in page
    assert "証明できました" in page


def due_days(site: Site) -> dict[str, list[str]]:
    """The days that were promised, by the promises' states."""
    found: dict[str, list[str]] = {}
    with site.database.read() as conn:
        for state, day in conn.execute(select(promises.c.state, promises.c.due_on)):
            found.setdefault(state, []).append(day.isoformat())
    return found


def test_a_call_of_another_campaign_or_one_that_goes_on_is_not_corrected(  # type: ignore[no-untyped-def]
    promised: int, site: Site, logged_in
) -> None:
    browser = logged_in("supervisor")
    open_call(browser)
    with site.database.write() as conn:
        conn.execute(update(campaigns).values(supervisor_id=3, created_by=3))
    assert browser.get("/calls/1/correct").status_code == 404
    with site.database.write() as conn:
        conn.execute(update(campaigns).values(supervisor_id=2, created_by=2))
        conn.execute(update(calls).values(live=True))
    assert browser.get("/calls/1/correct").status_code in (409, 422)


def test_who_only_planned_the_campaign_replays_a_call_and_is_shown_no_correction(  # type: ignore[no-untyped-def]
    promised: int, site: Site, logged_in
) -> None:
    browser = logged_in("supervisor")
    assert "/calls/1/correct" in open_call(browser).text
    with site.database.write() as conn:
        conn.execute(update(campaigns).values(supervisor_id=3, created_by=2))
    assert "/calls/1/correct" not in browser.see("/calls/1").text
