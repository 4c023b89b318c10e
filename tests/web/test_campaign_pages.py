"""Campaigns in the browser: counted, spread over the days, saved, approved, run; with the words of every refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from callflow.console.forecasting import Forecaster
from callflow.console.pages.campaigns import forecast
from callflow.console.pages.campaigns.calendar import months
from callflow.console.site import Site
from callflow.dayplan import Ledger
from callflow.simulation.planner.forecast import Forecast, Scenario
from callflow.simulation.planner.forecast import forecast as foresee
from callflow.simulation.planner.hours import hours_of
from callflow.simulation.planner.rates import History
from callflow.simulation.planner.run import Listed, Setup
from models.tables import account_roles, accounts, campaigns, debtors, households, queue_entries
from scheduler.budgets import NO_DAYS, CallingDays, DayBudget
from scheduler.calendar import Calendar
from scheduler.settings import Policy
from tests.conftest import MUNICIPALITY, START
from tests.web.conftest import Browser
from tests.world import World, add_case

PLAN = {"name": "12月の架電", "claim_type": "national_health_insurance", "script": "nhi-premium", "which": "all"}
SOME = {"which": "some", "first": "2026-12-01", "last": "2026-12-25", "count_days": "5"}


@pytest.fixture
def listed(world: World) -> World:
    """Six cases: one protected, one without a usable number, one in another town."""
    with world.database.write() as conn:
        made = [add_case(conn, number, instalments=number % 3 + 1) for number in range(1, 7)]
        h, d = households.c, debtors.c
        conn.execute(
            update(households)
            .where(h.municipality_id == MUNICIPALITY, h.id == made[0].household_id)
            .values(protected=True)
        )
        elsewhere = (d.municipality_id == MUNICIPALITY, d.household_id == made[1].household_id)
        conn.execute(update(debtors).where(*elsewhere).values(address="試験町1-1", is_corporate=True))
    return world


@pytest.fixture
def supervisor(listed: World, logged_in) -> Browser:  # type: ignore[no-untyped-def]
    return logged_in("supervisor")


def states(site: Site) -> list[tuple[str, str]]:
    with site.database.read() as conn:
        c = campaigns.c
        found = conn.execute(select(c.name, c.state).where(c.municipality_id == MUNICIPALITY).order_by(c.id))
        return [(row.name, row.state) for row in found]


def test_counting_saves_nothing_and_says_why_cases_are_left_out(supervisor: Browser, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    page = supervisor.submit("/campaigns/new", **PLAN, do="count").text
    assert "まだ保存していません" in page
    assert "除外: 法人" in page
    assert "架電できない世帯・案件" in page
    assert "支援措置" not in page, "the contractor is not told protection from suppression"
    assert states(site) == []
    ward = logged_in("staff")
    assert "支援措置など" in ward.submit("/campaigns/new", **PLAN, do="count").text
    narrowed = supervisor.submit(
        "/campaigns/new", **PLAN, instalments_from="３", areas="見本町", contact="never", do="count"
    ).text
    assert "選択の条件に合わない" in narrowed
    assert 'value="３"' in narrowed


WRONG = (
    ({"name": "", "do": "save"}, "キャンペーンの名前がありません"),
    ({"script": "no-such"}, "公開された台本 no-such はありません"),
    ({"claim_type": "resident_tax"}, "台本の債権区分が違います"),
    ({"claim_type": "<b>"}, "債権区分を選んでください"),
    ({"amount_from": "たくさん"}, "数として読めません"),
    ({"amount_from": "9", "amount_to": "1"}, "小さいほうを先に"),
    ({"holdout": "80"}, "対照群の割合は"),
    ({**SOME, "first": "12/1"}, "日付として読めません"),
    ({**SOME, "count_days": "", "count_evenings": "2"}, "内数です"),
    ({"which": "some", "first": "2026-12-01", "last": "2027-05-01"}, "年度をまたぎます"),
    ({"which": "some", "day": "2026-12-05"}, "架電できない日"),
    ({"which": "some", "day": "2026-11-02"}, "過ぎた日"),
)


def test_what_cannot_be_planned_comes_back_with_its_reason(supervisor: Browser, site: Site) -> None:
    for sent, words in WRONG:
        answer = supervisor.submit("/campaigns/new", **{**PLAN, "do": "count", **sent})
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert "まだ何も保存していません" in answer.text
    assert states(site) == []


def test_mode_rules_and_script_settings_are_chosen_and_shown_back(supervisor: Browser, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    own = {"policy_quiet_days": "１０", "policy_attempts_per_day": "2", "set_opening": "minimal"}
    chosen = {**PLAN, **own, "mode": "preview"}
    page = supervisor.submit("/campaigns/new", **chosen, do="count").text
    for words in (
        "ご本人と話した後 10日（ふだんは 7日）",
        "名乗り: 用件名を言わない",
        "確認してから発信",
        'value="１０"',
    ):
        assert words in page, words
    assert "1日の架電 2" not in page, "what is as usual is no change"
    for field, value, words in (
        ("policy_quiet_days", "6", "6日 は、ふだんの 7日 より緩くなります"),
        ("policy_ring_seconds", "x", "数として読めません"),
        ("mode", "turbo", "この発信方式はありません"),
        ("set_opening", "loud", "台本にこの設定はありません"),
    ):
        answer = supervisor.submit("/campaigns/new", **{**chosen, field: value, "do": "save"})
        assert (answer.status_code, words in answer.text) == (422, True), words
        assert f'id="wrong-{field}"' in answer.text
    staff = logged_in("staff")
    refused = staff.submit("/campaigns/new", **chosen, do="count")
    assert (refused.status_code, "業務責任者だけです" in refused.text) == (422, True)
    supervisor.submit("/campaigns/new", **chosen, do="save")
    with site.database.read() as conn:
        c = campaigns.c
        row = conn.execute(select(c.mode, c.policy, c.settings).where(c.municipality_id == MUNICIPALITY)).one()
    assert row.mode == "preview"
    assert json.loads(row.policy) == {"quiet_days": 10, "attempts_per_day": 2}
    assert json.loads(row.settings)["opening"] == "minimal"
    assert "ご本人と話した後 10日（ふだんは 7日）" in staff.see("/campaigns/1").text


def test_days_are_spread_then_changed_one_by_one(supervisor: Browser, site: Site) -> None:
    page = supervisor.submit("/campaigns/new", **PLAN | SOME, do="spread").text
    chosen = re.findall(r'name="day" value="([\d-]+)" checked', page)
    assert len(chosen) == 5
    assert "2026-12-05" not in re.findall(r'name="\w+" value="([\d-]+)"', page), "a Saturday without hours"
    changed = {**PLAN, **SOME, "day": [*chosen[:2], "2026-12-24"]}
    supervisor.post(
        "/campaigns/new",
        data={"csrf": supervisor.token, **changed, "do": "save"},
        headers={"origin": "http://testserver"},
    )
    with site.database.read() as conn:
        days = conn.execute(select(campaigns.c.days).where(campaigns.c.municipality_id == MUNICIPALITY)).scalar_one()
    assert set(re.findall(r"\d{4}-\d\d-\d\d", days)) == {*chosen[:2], "2026-12-24"}


def test_a_campaign_from_the_plan_to_its_end(supervisor: Browser, site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    assert "キャンペーンはまだありません" in supervisor.see("/campaigns").text
    made = supervisor.submit("/campaigns/new", **PLAN, holdout="", do="save")
    assert made.headers["location"] == "/campaigns/1?said=campaign-planned"
    page = supervisor.see("/campaigns/1").text
    assert "区の職員の承認を待っています" in page
    early = supervisor.submit("/campaigns/1/start")
    assert (early.status_code, "下書きのキャンペーンは開始できません" in early.text) == (409, True)
    assert supervisor.submit("/campaigns/1/approve").status_code == 403
    staff = logged_in("staff")
    assert "承認する" in staff.see("/campaigns/1").text
    staff.submit("/campaigns/1/approve")
    assert "承認済" in staff.see("/campaigns/1").text
    for act in ("start", "resume", "hand-over"):
        assert staff.submit(f"/campaigns/1/{act}").status_code == 403, "running it is the contractor's"
    supervisor.submit("/campaigns/1/start")
    assert "sv01、" in supervisor.see("/campaigns/1").text
    supervisor.submit("/campaigns/1/pause", reason="点検")
    assert "点検" in staff.see("/campaigns/1").text
    supervisor.submit("/campaigns/1/resume")
    with world.database.write() as conn:
        other = {
            "municipality_id": MUNICIPALITY,
            "id": 90,
            "organisation_id": 1,
            "login": "sv02",
            "display_name": "見本 次席",
        }
        conn.execute(insert(accounts).values(**other, created_at=world.clock.now()))
        conn.execute(insert(account_roles).values(municipality_id=MUNICIPALITY, account_id=90, role="supervisor"))
    off = supervisor.submit("/campaigns/1/hand-over", supervisor="90")
    assert (off.status_code, "sv02 は勤務中ではありません" in off.text) == (409, True)
    assert supervisor.submit("/campaigns/1/hand-over", supervisor="").status_code == 422
    supervisor.submit("/campaigns/1/replan")
    assert "まだ終えていません" in supervisor.submit("/campaigns/1/stop", reason="済").text
    supervisor.submit("/campaigns/1/stop", reason="済", sure="1")
    assert states(site) == [("12月の架電", "stopped")]
    over = supervisor.submit("/campaigns/1/resume")
    assert (over.status_code, "終了のキャンペーンは再開できません" in over.text) == (409, True)
    assert "12月の架電" in supervisor.see("/campaigns?state=stopped").text
    assert "この条件に合うキャンペーンはありません" in supervisor.see("/campaigns?state=running").text


def test_excluded_cases_are_listed_by_number_for_whom_they_are_for(supervisor: Browser, logged_in) -> None:  # type: ignore[no-untyped-def]
    supervisor.submit("/campaigns/new", **PLAN, areas="見本町", do="save")
    page = supervisor.see("/campaigns/1").text
    assert "why=outside" not in page
    assert "why=suppressed" not in page
    for why in ("outside", "protected", "suppressed", "", "nonsense"):
        assert supervisor.get(f"/campaigns/1/cases?why={why}").status_code == 404, why
    staff = logged_in("staff")
    assert "why=protected" in staff.see("/campaigns/1").text
    assert "<li>1</li>" in staff.see("/campaigns/1/cases?why=protected").text
    assert "<li>2</li>" in staff.see("/campaigns/1/cases?why=outside").text
    assert "いまはありません" in staff.see("/campaigns/1/cases?why=paid").text
    assert "試川" not in staff.see("/campaigns/1/cases?why=protected").text


@pytest.fixture
def work_out_now(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forecasts without a process of their own: they are worked out when the test says so."""
    asked: dict[object, tuple[Any, ...]] = {}
    done: dict[object, list[Forecast]] = {}
    monkeypatch.setattr(forecast.FORECASTER, "ask", lambda key, *question: asked.setdefault(key, question))
    monkeypatch.setattr(forecast.FORECASTER, "answer", lambda key, _wait=0.0: done.get(key))

    def work() -> None:
        for key, (setup, history, scenarios) in asked.items():
            done[key] = [foresee(setup, history, each, runs=3, seed=1) for each in scenarios]

    return work


def test_the_forecast_is_worked_out_aside_and_then_shown(
    supervisor: Browser, work_out_now: Callable[[], None], site: Site
) -> None:
    supervisor.submit("/campaigns/new", **PLAN, do="save")
    page = supervisor.see("/campaigns/1/forecast?operators=2,3").text
    assert "4件の一覧で試算しています" in page
    assert "every 2s" in page
    assert supervisor.get("/campaigns/1/forecast.svg?operators=2,3").status_code == 404
    work_out_now()
    page = supervisor.see("/campaigns/1/forecast?operators=2,3").text
    assert "80％の予測区間" in page
    assert "every 2s" not in page
    assert page.count("〜 2026-") == 2
    drawn = supervisor.get("/campaigns/1/forecast.svg?operators=2,3")
    assert (drawn.headers["content-type"], drawn.text[:4]) == ("image/svg+xml", "<svg")
    for wrong in ("x", "0", "501", "1,2,3,4,5", ""):
        answer = supervisor.get(f"/campaigns/1/forecast?operators={wrong}")
        assert (answer.status_code, "担当者の数が読めません" in answer.text) == (422, True), wrong
    with site.database.write() as conn:
        q = queue_entries.c
        conn.execute(update(queue_entries).where(q.municipality_id == MUNICIPALITY).values(state="done"))
    assert "これから架電する案件がありません" in supervisor.see("/campaigns/1/forecast").text


def test_the_calendar_offers_what_the_claim_type_opens_and_marks_what_is_taken() -> None:
    today = date(2026, 12, 1)
    taken = CallingDays(days=frozenset({date(2026, 12, 3)}))
    year = Ledger("resident_tax", 2026, DayBudget(110, 4, 5), NO_DAYS, taken)
    chosen = CallingDays(days=frozenset({date(2026, 12, 2)}), evenings=frozenset({date(2026, 12, 2)}))
    found = months(Calendar(days=frozenset()), year, chosen, today, today + timedelta(days=45), today)
    cells = {cell.day: cell for month in found for week in month.weeks for cell in week if cell}
    assert [len(week) for month in found for week in month.weeks] == [7] * sum(len(month.weeks) for month in found)
    assert [(slot.kind, slot.chosen) for slot in cells[date(2026, 12, 2)].slots] == [("day", True), ("evening", True)]
    assert [slot.kind for slot in cells[date(2026, 12, 6)].slots] == ["rest_day"]
    assert (cells[date(2026, 12, 3)].taken, cells[date(2026, 12, 2)].taken) == (True, False)
    assert cells[date(2026, 12, 30)].slots == ()
    assert cells[date(2027, 1, 20)].slots == ()


def test_the_year_of_a_claim_type_with_a_budget_stands_beside_its_days(supervisor: Browser) -> None:
    page = supervisor.submit("/campaigns/new", **PLAN | {"claim_type": "resident_tax", "do": "count"}).text
    assert re.search(r"年間110日: 残110\s*／日曜 残4\s*／夜間 残5", page)
    assert "すべての開庁日" not in page


def test_a_process_of_its_own_works_out_a_forecast() -> None:
    forecaster, calendar, policy = Forecaster(), Calendar(), Policy(limitation_years={"national_health_insurance": 2})
    hours = hours_of(calendar, START, START + timedelta(days=20), policy.promise_grace_days)
    cases = [Listed(one, one, START.timestamp(), 100, 1, 0, 0, 0, (), False, False) for one in range(1, 9)]
    assert forecaster.answer("a") is None
    for _ in range(2):
        forecaster.ask("a", Setup(cases, 1, "progressive", policy, hours, 0.03), History(), [Scenario(2)])
    found = forecaster.answer("a", 60)
    forecaster.close()
    assert found is not None
    assert (len(found), found[0].runs) == (1, 20)
    assert forecaster.answer("a") is found
