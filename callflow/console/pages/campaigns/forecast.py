"""When a campaign will be finished and how many it will reach, worked out in the background and kept while it holds."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, func, select
from starlette.responses import Response

from callflow.campaigns import Campaigns
from callflow.console.forecasting import RUNS, Forecaster
from callflow.console.i18n import said
from callflow.console.pages.campaigns.screens import rules_now
from callflow.console.visit import Visit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.simulation.planner.chart import chart
from callflow.simulation.planner.forecast import Forecast, Scenario, moment
from callflow.simulation.planner.hours import hours_of
from callflow.simulation.planner.reading import read_history, read_list
from callflow.simulation.planner.run import Setup
from models.tables import calls
from scheduler.budgets import CallingDays
from scheduler.calendar import tokyo_midnight
from scheduler.settings import HARD_CAP

USUAL = "6"
MOST_SEATS, MOST_SCENARIOS = 500, 4
WITHOUT_DAYS: Final = timedelta(days=90)
PATIENCE = 0.5
"""Seconds that the page waits; a small list is there by then."""

FORECASTER: Final = Forecaster()


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario in the words of the page. Days are Tokyo's; None: not before the days end."""

    operators: int
    finished: date | None
    earliest: date | None
    latest: date | None
    in_time: float
    reached: int
    least: int
    most: int
    calls: int
    days: int


def forecast_page(visit: Visit) -> Response:
    """The words and the chart; while they are worked out, the page asks again."""
    row, seats = _campaign(visit), _seats(visit.query.get("operators", USUAL))
    key, listed, held = _asked(visit, row, seats)
    found = FORECASTER.answer(key, PATIENCE) if listed else []
    return visit.page(
        "campaigns/forecast.html",
        campaign=row,
        operators=",".join(map(str, seats)),
        listed=listed,
        held=held,
        runs=RUNS,
        told=None if found is None else [_told(each) for each in found],
    )


def chart_file(visit: Visit) -> Response:
    """The chart as SVG, once it is worked out."""
    row, seats = _campaign(visit), _seats(visit.query.get("operators", USUAL))
    key, listed, _held = _asked(visit, row, seats)
    found = FORECASTER.answer(key, PATIENCE) if listed else None
    if not found:
        raise NotFoundError(said("見通しはまだできていません。"), mend=said("少し待って開き直してください。"))
    note = visit.say("{runs}通りの試算。納付・担当者の休み・連絡先の更新は見込んでいません。").format(runs=RUNS)
    drawn = chart(found, visit.say("見通し: {name}").format(name=row.name), note)
    return Response(drawn, media_type="image/svg+xml")


def _campaign(visit: Visit) -> Row[Any]:
    with visit.site.database.read() as conn:
        row = Campaigns(conn, visit.site.municipality_id, visit.now).get(visit.id())
    if row.state == "stopped":
        raise RefusedError(said("終えたキャンペーンの見通しはありません。"))
    return row


def _asked(visit: Visit, row: Row[Any], seats: list[int]) -> tuple[Hashable, int, int]:
    """The key of the question, with how many cases it is about and how many are held. Asks it if it is new.

    A forecast holds for the hour and until another call is placed.
    """
    site, m, now = visit.site, visit.site.municipality_id, visit.now
    with site.database.read() as conn:
        last = conn.execute(
            select(func.max(calls.c.placed_at)).where(calls.c.municipality_id == m, calls.c.campaign_id == row.id)
        ).scalar()
        hour = now.replace(minute=0, second=0, microsecond=0)
        key: Hashable = (site.database.url, m, row.id, row.plan, row.days, tuple(seats), hour, last)
        cases, held = read_list(conn, m, row.id, now)
        rules = rules_now(site, row)
        history = read_history(conn, m, row.claim_type, rules.calendar, now)
    if cases:
        hours = hours_of(rules.calendar, now, _end(row, now), rules.policy.promise_grace_days)
        if not hours.opens:
            raise RefusedError(
                said("これから架電できる日がありません。"), mend=said("架電日を加えた計画を作ってください。")
            )
        setup = Setup(cases, 1, "progressive", rules.policy, hours, HARD_CAP)
        FORECASTER.ask(key, setup, history, [Scenario(each) for each in seats])
    return key, len(cases), held


def _end(row: Row[Any], now: datetime) -> datetime:
    """The end of its last calling day; of a campaign without days of its own, three months on."""
    if not row.days:
        return now + WITHOUT_DAYS
    last = max(CallingDays.from_data(json.loads(row.days)).of_kind("days"))
    return max(tokyo_midnight(last + timedelta(days=1)), now + timedelta(days=1))


def _seats(text: str) -> list[int]:
    words = [word.strip() for word in text.replace("、", ",").split(",")]
    if not words or len(words) > MOST_SCENARIOS or not all(each.isdecimal() for each in words):
        found = []
    else:
        found = [each for each in map(int, words) if 1 <= each <= MOST_SEATS]
    if len(found) != len(words):
        raise InputError(
            said("担当者の数が読めません。"),
            where=Where(field="operators"),
            mend=said("6 のように書きます。比べるなら 3,6,9（4つまで、それぞれ500人まで）。"),
        )
    return list(dict.fromkeys(found))


def _told(each: Forecast) -> Told:
    early, late = each.finished.intervals[0.8]
    least, most = each.reached.intervals[0.8]
    return Told(
        operators=each.scenario.operators,
        finished=_day(each.finished.middle),
        earliest=_day(early),
        latest=_day(late),
        in_time=each.in_time,
        reached=int(each.reached.middle or 0),
        least=int(least or 0),
        most=int(most or 0),
        calls=int(each.calls.middle or 0),
        days=int(each.days.middle or 0),
    )


def _day(seconds: float | None) -> date | None:
    found = moment(seconds)
    return found.date() if found else None
