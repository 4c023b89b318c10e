"""The ward's inbox in a browser: what waits, one slip's acts, the balance, the batch, the form; no way for others."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from callflow.console.site import Site
from callflow.papers import press
from models.tables import (
    audit_events,
    contact_slips,
    follow_up_events,
    households,
    living_report_links,
    living_reports,
    report_contents,
    signals,
    visits,
)
from tests.followup.conftest import SETTLED, case  # noqa: F401  a fixture
from tests.integration.test_calls import PROMISED, whole
from tests.integration.test_holdings import HARD
from tests.world import TestCase, World, add_case


@pytest.fixture
def hard(world: World, case: TestCase) -> int:  # noqa: F811
    call_id = whole(world, case, HARD).call_id
    world.clock.advance(SETTLED)
    return call_id


def viewed(site: Site) -> list[str]:
    with site.database.read() as conn:
        query = select(audit_events.c.fields).where(audit_events.c.verb == "case:view").order_by(audit_events.c.id)
        return list(conn.execute(query).scalars())


def test_the_list_shows_what_waits_and_a_name_only_when_asked_for(hard: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    assert browser.see("/").headers["location"] == "/inbox"
    page = browser.see("/inbox").text
    for words in ("生活困窮", "職員から架電", "連絡票", "送付待ち", "/inbox/slips/1", "data-live"):
        assert words in page, words
    assert "試川" not in page
    assert viewed(site) == []
    for query in ("?names=1", "?q=ためし", "?q=ﾀﾒｼｶﾞﾜ", "?q=試川"):
        page = browser.see(f"/inbox{query}").text
        assert "試川　1郎" in page, query
        assert "data-live" not in page
    assert viewed(site) == ["name,kana,phone"] * 4
    for query in ("?q=ほか", "?state=done", "?urgency=urgent", "?alarm=overdue", "?reason=DA", "?mine=1"):
        page = browser.see(f"/inbox{query}").text
        assert "/inbox/slips/1" not in page, query
        assert "この条件に合う連絡票はありません" in page, query


def test_a_slip_is_worked_with_plain_forms(hard: int, site: Site, logged_in, world: World) -> None:  # type: ignore[no-untyped-def]
    browser, boss = logged_in("staff"), logged_in("supervisor")
    assert browser.submit("/inbox/receive", slip="1").headers["location"] == "/inbox?said=slip_receive"
    assert browser.submit("/inbox/receive").status_code == 422
    page = browser.see("/inbox/slips/1").text
    for words in ("試川　1郎", "03-6659-0001", "見本町8-17-18", "24,000円", "仕事・収入", "/calls/1"):
        assert words in page, words
    call = {"day": "2026-11-25", "from": "10:00", "until": "11:00"}
    assert browser.submit("/inbox/slips/1/call", **call).status_code == 303
    assert "11/25 10:00" in browser.see("/inbox").text
    world.clock.advance(timedelta(days=1, hours=2))
    browser, boss = logged_in("staff"), logged_in("supervisor")
    assert "約束の電話が未了" in browser.see("/inbox?alarm=call_missed").text
    for path, form, status in (
        ("/inbox/slips/1", {"act": "done", "note": "x"}, 409),
        ("/inbox/slips/1/called", {"outcome": "reached"}, 422),
        ("/inbox/slips/1/called", {"outcome": "reached", "note": "来庁の予約"}, 303),
        ("/inbox/slips/1", {"act": "send_back", "note": "番号の確認を"}, 303),
        ("/inbox/slips/1/call", {**call, "day": "x"}, 422),
        ("/inbox/slips/1", {"act": "fly"}, 422),
    ):
        assert browser.submit(path, **form).status_code == status, (path, form)
    seen = boss.see("/inbox").text
    assert "/inbox/slips/1" in seen
    slip = boss.see("/inbox/slips/1").text
    assert "番号の確認を" in slip
    assert "24,000" not in slip  # what is owed is no part of the contractor's view
    assert boss.submit("/inbox/slips/1", act="answer", note="台帳のとおり").status_code == 303
    for form in ({"act": "take"}, {"act": "done", "note": "済"}):
        assert browser.submit("/inbox/slips/1", **form).status_code == 303
    assert "終わっていない連絡票はありません" in browser.see("/inbox").text
    with site.database.read() as conn:
        acts = conn.execute(select(follow_up_events.c.act).order_by(follow_up_events.c.id)).scalars().all()
    assert acts == ["receive", "take", "call_planned", "call_reached", "send_back", "answer", "take", "done"]


def test_slips_are_printed_by_staff_alone_and_that_is_on_record(
    hard: int,
    site: Site,
    logged_in,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: (page.encode(), []))
    browser = logged_in("staff")
    assert 'formaction="/inbox/sheets"' in browser.see("/inbox").text
    assert browser.submit("/inbox/sheets").status_code == 422
    assert browser.submit("/inbox/sheets", slip="99").status_code == 404
    assert browser.submit("/inbox/slips/1", act="take").status_code == 303
    file = browser.submit("/inbox/sheets", slip="1")
    assert file.headers["content-disposition"] == 'attachment; filename="slips_1.pdf"'
    for words in (
        "タメシガワ",
        "試川　1郎",
        "03-6659-0001（この通話の番号）",
        "仕事・収入",
        "24,000円",
        "対応を始める",
    ):
        assert words in file.text, words
    for words in (
        "対応を始める",
        "生活困窮",
        "職員から架電",
        "令和8年11月26日（木）17時",
        "/calls/1",
        "見本 職一（ward01）",
    ):
        assert words in file.text, words
    with site.database.read() as conn:
        a = audit_events.c
        rows = conn.execute(select(a.verb, a.purpose, a.fields).where(a.purpose == "連絡票の印刷").order_by(a.id)).all()
    assert [row.verb for row in rows] == ["case:view", "slip:print"]
    assert rows[1].fields == f"application/pdf,count=1,sha256={hashlib.sha256(file.content).hexdigest()}"
    with site.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    sealed = browser.submit("/inbox/sheets", slip="1")
    assert sealed.headers["location"].startswith("/glass?case=1")
    assert len(viewed(site)) == len([row for row in rows if row.verb == "case:view"])
    for role in ("operator", "supervisor", "auditor", "admin"):
        browser = logged_in(role)
        assert browser.submit("/inbox/sheets", slip="1").status_code == 403, role
        assert browser.get("/inbox/reports/1").status_code == 403, role
        assert browser.submit("/inbox/visits/export", purpose="x").status_code == 403, role
    assert "/inbox" not in logged_in("operator").see("/home").text


def test_reports_are_posted_and_their_content_is_entered_and_reckoned(hard: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    assert "送付待ち" in browser.see("/inbox/reports").text
    for path, form, status in (
        ("/inbox/reports", {}, 422),
        ("/inbox/reports", {"report": "1"}, 303),
        ("/inbox/reports/1", {"act": "returned"}, 303),
        ("/inbox/reports/1", {"act": "send"}, 422),
    ):
        assert browser.submit(path, **form).status_code == status, (path, form)
    wrong = browser.submit("/inbox/reports/1/content", **{"income.wages": "十二万", "expenses.food": "30,000"})
    assert wrong.status_code == 400
    assert "給与・賞与の月割り（手取り）: 十二万 は数ではありません" in wrong.text
    assert 'value="30,000"' in wrong.text
    form = {"income.wages": "120000", "expenses.food": "30,000", "wish.monthly": "100000"}
    assert browser.submit("/inbox/reports/1/content", **form).status_code == 303
    page = browser.see("/inbox/reports/1").text
    for words in ("90,000円", "申し出の額 100,000円 は、計算した余裕 90,000円 を超えます", 'value="120,000"'):
        assert words in page, words
    assert browser.submit("/inbox/reports/1", act="consulted", note="来庁").status_code == 303
    assert browser.submit("/inbox/reports/1", act="decide", note="x", decision="unable").status_code == 303
    assert "納付困難" in browser.see("/inbox/reports?state=reviewed").text
    assert "living_report" in viewed(site)[-1]
    with site.database.read() as conn:
        assert len(conn.execute(select(report_contents.c.id)).all()) == 1


def test_letters_are_printed_for_what_was_ticked_and_are_not_posted_by_it(
    hard: int,
    site: Site,
    logged_in,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: (page.encode(), []))
    browser = logged_in("staff")
    page = browser.see("/inbox/reports").text
    assert 'formaction="/inbox/letters"' in page
    for form, status in (
        ({}, 422),
        ({"report": "1"}, 422),
        ({"report": "1", "purpose": "送付", "posted_on": "x"}, 422),
        ({"report": "99", "purpose": "送付"}, 404),
    ):
        assert browser.submit("/inbox/letters", **form).status_code == status, form
    file = browser.submit("/inbox/letters", report="1", purpose="送付", posted_on="2026-11-25")
    assert (file.status_code, file.headers["content-type"]) == (200, "application/pdf")
    assert file.headers["content-disposition"] == 'attachment; filename="reports_20261125.pdf"'
    assert "試川　1郎 様" in file.text
    with site.database.read() as conn:
        a = audit_events.c
        (act,) = conn.execute(select(a.purpose, a.fields).where(a.verb == "report:print")).all()
        assert conn.execute(select(living_reports.c.state)).scalar_one() == "requested"
    assert (act.purpose, hashlib.sha256(file.content).hexdigest() in act.fields) == ("送付", True)
    assert "手紙と用紙を印刷" in browser.see("/inbox/reports/1").text
    assert "/inbox/reports/1" in browser.see("/inbox/reports?q=S-000001-8").text
    assert browser.see("/inbox/reports?q=S-000001-7").status_code == 422
    for role in ("operator", "supervisor", "auditor", "admin"):
        assert logged_in(role).submit("/inbox/letters", report="1", purpose="x").status_code == 403, role


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_households_evidence_is_given_to_staff_for_a_purpose(
    hard: int,
    site: Site,
    logged_in,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(press, "_typeset", lambda page, _patience: (page.encode(), []))
    browser = logged_in("staff")
    for path in ("/inbox/slips/1", "/inbox/reports/1"):
        assert "/inbox/evidence?case=1" in browser.see(path).text, path
    assert 'name="case" value="1"' in browser.see("/inbox/evidence?case=1").text
    for form, status in (({"case": "1"}, 422), ({"case": "99", "purpose": "審査請求"}, 404)):
        assert browser.submit("/inbox/evidence", **form).status_code == status, form
    file = browser.submit("/inbox/evidence", case="1", purpose="審査請求")
    assert file.headers["content-disposition"] == 'attachment; filename="evidence_household_1.pdf"'
    for words in ("試川　1郎", "督促状", "納付相談", "目的: 審査請求", "証明できました"):
        assert words in file.text, words
    with site.database.read() as conn:
        a = audit_events.c
        rows = conn.execute(select(a.verb, a.object, a.fields).where(a.purpose == "審査請求").order_by(a.id)).all()
    assert [(row.verb, row.object) for row in rows] == [("case:view", "case:1"), ("evidence:export", "household:1")]
    assert hashlib.sha256(file.content).hexdigest() in rows[1].fields
    with site.database.write() as conn:
        conn.execute(update(households).values(protected=True))
    sealed = browser.submit("/inbox/evidence", case="1", purpose="審査請求")
    assert sealed.headers["location"].startswith("/glass?case=1")
    for role in ("operator", "supervisor", "auditor", "admin"):
        assert logged_in(role).submit("/inbox/evidence", case="1", purpose="x").status_code == 403, role


def test_a_gap_in_the_balance_leads_to_its_case(hard: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    assert "収支が合いません" not in browser.see("/inbox").text
    with site.database.write() as conn:
        conn.execute(update(living_reports).values(state="sent"))
    page = browser.see("/inbox").text
    assert "≠" in page
    assert "送付の記録がないのに先へ進んでいる" in page
    assert "/inbox/reports/1" in page
    assert "/inbox/reports/1" in browser.see("/inbox/reports?state=gap").text
    with site.database.write() as conn:
        conn.execute(delete(living_report_links))
        conn.execute(delete(living_reports))
    page = browser.see("/inbox").text
    assert "連絡票があるのに報告書の申出がない" in page
    assert "/inbox/slips/1" in page


def test_signals_wait_to_be_read(hard: int, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    with site.database.read() as conn:
        seq = conn.execute(select(signals.c.seq)).scalar_one()
    assert "仕事・収入" in browser.see("/inbox/signals").text
    assert "仕事・収入" in logged_in("supervisor").see("/inbox/signals").text
    assert browser.submit(f"/inbox/signals/1/{seq}", review="連絡票で対応").status_code == 303
    assert "確認していないシグナルはありません" in browser.see("/inbox/signals").text
    assert "連絡票で対応" in browser.see("/inbox/signals?all=1").text


def test_visits_and_promises(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    with world.database.write() as conn:
        one = add_case(conn)
    whole(world, one, [*PROMISED, ("done", {})])
    browser = logged_in("staff")
    listed = browser.see("/inbox/promises").text
    assert listed.count("18,000円") == 2, "in the list, and as a candidate"
    assert "試川" not in listed
    assert "試川" in browser.see("/inbox/promises?names=1").text
    assert "この状態の約束はありません" in browser.see("/inbox/promises?state=broken").text
    for path, form, status in (
        ("/inbox/promises/1", {"note": "x"}, 422),
        ("/inbox/promises/1", {"note": "録音で確認", "answer": "yes"}, 303),
        ("/inbox/visits", {"case": "x", "reason": "other"}, 422),
        ("/inbox/visits", {"case": "1", "reason": "no_contact"}, 303),
        ("/inbox/visits/1", {"result": "met", "visited_on": "x"}, 422),
    ):
        assert browser.submit(path, **form).status_code == status, (path, form)
    file = browser.submit("/inbox/visits/export", purpose="12月の訪問")
    assert file.headers["content-disposition"] == 'attachment; filename="visits-20261124.csv"'
    assert file.headers["cache-control"] == "no-store"
    handed = file.content.decode("utf-8-sig")
    assert all(each in handed for each in ("試川", "国民健康保険料", "納付約束（PP）")), handed
    assert browser.submit("/inbox/visits/1", result="met", visited_on="2026-11-24").status_code == 303
    assert "面会" in browser.see("/inbox/visits?all=1").text
    assert "試川" not in browser.see("/inbox/visits").text
    with site.database.read() as conn:
        assert conn.execute(select(visits.c.state)).scalar_one() == "visited"


def test_an_empty_inbox_says_why_and_what_comes(logged_in, world: World) -> None:  # type: ignore[no-untyped-def]
    browser = logged_in("staff")
    for path, words in (
        ("/inbox", "終わっていない連絡票はありません"),
        ("/inbox/signals", "確認していないシグナルはありません"),
        ("/inbox/reports", "生活状況報告書の申出はまだありません"),
        ("/inbox/visits", "訪問する案件はありません"),
    ):
        page = browser.see(path)
        assert page.status_code == 200
        assert words in page.text
    with world.database.read() as conn:
        assert not conn.execute(select(contact_slips.c.id)).all()
