"""Campaigns: planned, approved by the ward, run by a supervisor on shift, and what came of them."""

from __future__ import annotations

from callflow.console.i18n import said
from callflow.console.pages.campaigns import acts, cases, forecast, plan, screens
from callflow.console.routes import Route, allow

SEES = allow("supervisor", "staff")
RUNS = allow("supervisor")
CAMPAIGN = said("キャンペーン")

SAID = {
    "campaign-planned": said("下書きにしました。次は区の職員の承認です。"),
    "campaign-approved": said("承認しました。業務責任者が勤務を始めると、架電を始められます。"),
    "campaign-started": said("架電を始めました。"),
    "campaign-paused": said("一時停止しました。つながっている通話は続きます。"),
    "campaign-resumed": said("再開しました。"),
    "campaign-handed-over": said("引き継ぎました。"),
    "campaign-ended": said("キャンペーンを終えました。"),
    "campaign-replanned": said("数え直し、新しく架電できるようになった案件を加えました。"),
}

ROUTES = (
    Route("GET", "/campaigns", screens.campaigns_page, SEES, CAMPAIGN, menu=True),
    Route("GET", "/campaigns/new", plan.new, SEES, said("キャンペーンの計画")),
    Route("POST", "/campaigns/new", plan.work_out, SEES, said("キャンペーンの計画")),
    Route("GET", "/campaigns/{id}", screens.campaign_page, SEES, CAMPAIGN),
    Route("GET", "/campaigns/{id}/cases", cases.cases_page, SEES, said("除外した案件")),
    Route("GET", "/campaigns/{id}/forecast", forecast.forecast_page, SEES, said("見通し")),
    Route("GET", "/campaigns/{id}/forecast.svg", forecast.chart_file, SEES, said("見通し")),
    Route("POST", "/campaigns/{id}/approve", acts.approve, allow("staff"), CAMPAIGN),
    Route("POST", "/campaigns/{id}/start", acts.start, RUNS, CAMPAIGN),
    Route("POST", "/campaigns/{id}/pause", acts.pause, SEES, CAMPAIGN),
    Route("POST", "/campaigns/{id}/resume", acts.resume, RUNS, CAMPAIGN),
    Route("POST", "/campaigns/{id}/hand-over", acts.hand_over, RUNS, CAMPAIGN),
    Route("POST", "/campaigns/{id}/stop", acts.stop, SEES, CAMPAIGN),
    Route("POST", "/campaigns/{id}/replan", acts.replan, SEES, CAMPAIGN),
)
