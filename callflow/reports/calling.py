"""Reports over the calls themselves: by day and month, campaign, outcome, hour and weekday, and operator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import distinct, func, select

from callflow.clock import TOKYO
from callflow.outcomes import OUTCOMES
from callflow.reports import tally as tallies
from callflow.reports.asking import Ask, seconds_between, tokyo_day, tokyo_hour
from callflow.reports.figures import Cell, Chart, Column, Rate, Section, Series, Table, said
from callflow.reports.tally import Tally, tally, whole
from models.tables import accounts, calls, campaigns, script_versions
from scheduler.calendar import Band

WEEKDAYS: Final = (said("月"), said("火"), said("水"), said("木"), said("金"), said("土"), said("日"))
_c = calls.c
SUM: Final = said("合計")

COUNTS: Final = (
    Column(said("架電")),
    Column(said("着信")),
    Column(said("応答")),
    Column(said("本人")),
    Column(said("応答率"), "rate"),
    Column(said("本人接触率"), "rate"),
    Column(said("納付約束")),
    Column(said("生活困窮")),
    Column(said("放棄呼")),
    Column(said("処理時間（秒）"), "mean"),
)
COUNTED: Final = said(
    "架電 A = 発信した試行（当方障害を除く）。応答 C = 人が出たもの。本人 R = 本人または話してよい方と話したもの。"
    "応答率 = C ÷ A、本人接触率 = R ÷ A。処理時間 = 応答から後処理の終わりまでの平均（秒）。単位は通話、"
    "期間は発信・着信の日。"
)


def counts(one: Tally) -> tuple[Cell, ...]:
    """A row of `COUNTS`."""
    return (
        *(one.dialled, one.inbound, one.contacts, one.right_party, one.answer_rate, one.right_party_rate),
        *(one.promises, one.hardship, one.abandoned, one.handling),
    )


def counts_table(first: Column, rows: Mapping[Any, Tally]) -> Table:
    """One row a key, and their sum below where there is more than one."""
    lines = [(key, *counts(one)) for key, one in rows.items()]
    if len(lines) > 1:
        lines.append((SUM, *counts(whole(rows.values()))))
    return Table((first, *COUNTS), lines)


def by_day(ask: Ask) -> Section:
    found = tallies.by_day(ask)
    return Section(
        said("日ごとの架電"),
        COUNTED,
        counts_table(Column(said("日"), "date"), found),
        Chart(
            "lines",
            said("日ごとの応答率と本人接触率"),
            [f"{day:%m/%d}" for day in found],
            (
                Series(said("応答率"), [one.answer_rate.share for one in found.values()]),
                Series(said("本人接触率"), [one.right_party_rate.share for one in found.values()]),
            ),
            "%",
        ),
    )


def by_month(ask: Ask) -> Section:
    months = tallies.by_month(ask)
    return Section(
        said("月ごとの架電"),
        COUNTED,
        counts_table(Column(said("月"), "code"), months),
        Chart(
            "bars",
            said("月ごとの架電・応答・本人"),
            list(months),
            (
                Series(said("架電"), [one.dialled for one in months.values()]),
                Series(said("応答"), [one.contacts for one in months.values()]),
                Series(said("本人"), [one.right_party for one in months.values()]),
            ),
            said("通話"),
        ),
    )


def by_hour(ask: Ask) -> Section:
    found = {hour: one for (hour,), one in tally(ask, tokyo_hour(_c.opened_at)).items()}
    return Section(
        said("時刻ごとの架電"),
        COUNTED,
        counts_table(Column(said("時"), "code"), {f"{hour}:00": one for hour, one in found.items()}),
        Chart(
            "bars",
            said("時刻ごとの架電と応答"),
            [f"{hour}" for hour in found],
            (
                Series(said("架電"), [one.dialled for one in found.values()]),
                Series(said("応答"), [one.contacts for one in found.values()]),
            ),
            said("通話"),
        ),
    )


def by_campaign(ask: Ask) -> Iterator[Section]:
    k = campaigns.c
    names = dict(ask.rows(select(k.id, k.name).where(k.municipality_id == ask.municipality_id)))
    found = {
        f"{campaign_id} {names[campaign_id]}" if campaign_id else said("キャンペーンなし（着信など）"): one
        for campaign_id, one in tallies.by_campaign(ask).items()
    }
    yield Section(
        said("キャンペーンごとの架電"),
        COUNTED,
        counts_table(Column(said("キャンペーン"), "text"), found),
        Chart(
            "bars",
            said("キャンペーンごとの応答率と本人接触率"),
            list(found),
            (
                Series(said("応答率"), [one.answer_rate.share for one in found.values()]),
                Series(said("本人接触率"), [one.right_party_rate.share for one in found.values()]),
            ),
            "%",
        ),
    )


def outcome_names(ask: Ask, codes: Sequence[str]) -> dict[str, str]:
    """Every code's name: the common table's, else the published scripts'."""
    names = {code: OUTCOMES[code] for code in codes if code in OUTCOMES}
    if set(codes) <= set(names):
        return names
    v = script_versions.c
    hashes = select(v.hash).where(v.municipality_id == ask.municipality_id).order_by(v.published_at)
    for (content_hash,) in ask.rows(hashes):
        script = ask.shelf.flow(ask.conn, ask.municipality_id, content_hash).script
        names = {code: each.name for code, each in script.dispositions.items()} | names
    return {code: names.get(code, code) for code in codes}


def outcomes(ask: Ask) -> Section:
    """Every outcome with its share of all calls, the most frequent first."""
    counted = func.count()
    found = ask.rows(
        select(_c.disposition, counted, func.count(distinct(_c.case_id)))
        .where(ask.these_calls())
        .group_by(_c.disposition)
        .order_by(counted.desc(), _c.disposition)
    )
    names, total = outcome_names(ask, [row[0] for row in found]), sum(row[1] for row in found)
    return Section(
        said("結果の内訳"),
        said(
            "通話ごとに一つの結果コード。割合 = その結果の通話 ÷ 終わったすべての通話。案件 = "
            "その結果になった案件の数。"
        ),
        Table(
            (
                Column(said("コード"), "code"),
                Column(said("結果"), "text"),
                Column(said("通話")),
                Column(said("案件")),
                Column(said("割合"), "rate"),
            ),
            [(code, names[code], calls_, cases_, Rate(calls_, total)) for code, calls_, cases_ in found],
        ),
        Chart(
            "bars",
            said("結果の内訳"),
            [names[row[0]] for row in found[:20]],
            (Series(said("通話"), [row[1] for row in found[:20]]),),
            said("通話"),
        ),
    )


_BANDS: Final = (Band.MORNING, Band.AFTERNOON, Band.EVENING, Band.REST_DAY)
BAND_WORDS: Final = {
    Band.MORNING: said("午前"),
    Band.AFTERNOON: said("午後"),
    Band.EVENING: said("夜間"),
    Band.REST_DAY: said("休日"),
}


def bands(ask: Ask) -> Iterator[Section]:
    """Answer rate by band × weekday, and by hour × weekday."""
    calendar = ask.config.office_calendar()

    def band(day: date, hour: int) -> tuple[Band, int]:
        moment = datetime(day.year, day.month, day.day, hour, tzinfo=TOKYO)
        return calendar.band_of(moment), day.weekday()

    rows = tallies.counts_by(ask, tokyo_day(_c.opened_at), tokyo_hour(_c.opened_at))
    by_band = defaultdict(Tally, tallies.fold(rows, band, 2))
    by_hour_ = defaultdict(Tally, tallies.fold(rows, lambda day, hour: (hour, day.weekday()), 2))
    hours = sorted({hour for hour, _ in by_hour_})
    used = [band for band in _BANDS if any(each is band for each, _ in by_band)]
    definition = said("応答率 = 応答 C ÷ 架電 A。単位は通話。架電が10件に満たない欄は率を示さない。")
    yield _heat(
        said("時間帯 × 曜日の応答率"), definition, {BAND_WORDS[b]: [by_band[b, d] for d in range(7)] for b in used}
    )
    yield _heat(said("時刻 × 曜日の応答率"), definition, {f"{h}:00": [by_hour_[h, d] for d in range(7)] for h in hours})


def _heat(title: str, definition: str, rows: Mapping[str, Sequence[Tally]]) -> Section:
    columns = (Column("", "text"), *(Column(day, "rate") for day in WEEKDAYS))
    return Section(
        title,
        definition,
        Table(columns, [(name, *(one.answer_rate for one in line)) for name, line in rows.items()]),
        Chart(
            "heat",
            title,
            WEEKDAYS,
            [Series(name, [one.answer_rate.share for one in line]) for name, line in rows.items()],
            "%",
        ),
    )


def operators(ask: Ask) -> Iterator[Section]:
    """By operator, in the order of their logins: a list to help with, never a ranking. Own organisation's alone."""
    a = accounts.c
    own = select(a.organisation_id).where(a.municipality_id == ask.municipality_id, a.id == ask.account_id)
    names = ask.rows(
        select(a.id, a.login, a.display_name)
        .where(a.municipality_id == ask.municipality_id, a.organisation_id.in_(own))
        .order_by(a.login)
    )
    own_calls = {operator: one for (operator,), one in tally(ask, _c.operator_id).items()}
    hours = _hours(ask)
    rows = [
        (
            f"{row.display_name}（{row.login}）",
            *counts(own_calls[row.id]),
            round(own_calls[row.id].dialled / hours[row.id], 1),
        )
        for row in names
        if row.id in own_calls
    ]
    yield Section(
        said("担当者ごとの架電"),
        said(
            "並びはログイン名の順で、順位ではない。一時間あたりの架電 = 架電 ÷ "
            "担当者の時間（日ごとに最初の通話の始まりから"
            "最後の通話の終わりまでの合計）。そのほかの定義は「日ごとの架電」と同じ。"
        ),
        Table((Column(said("担当者"), "text"), *COUNTS, Column(said("一時間あたりの架電"), "number")), rows),
        notes=(said("案件の割当ては機械が決めるため、担当者の違いは時間帯と相手の違いも含みます。"),),
    )


def _hours(ask: Ask) -> dict[int, int]:
    """Hours at work by operator, from each day's first call to its last [O]; whole hours, at least one."""
    day = tokyo_day(_c.opened_at)
    spans = (
        select(_c.operator_id, seconds_between(func.min(_c.opened_at), func.max(_c.closed_at)).label("seconds"))
        .where(ask.these_calls(), _c.closed_at.is_not(None))
        .group_by(_c.operator_id, day)
        .subquery()
    )
    found = ask.rows(select(spans.c.operator_id, func.sum(spans.c.seconds)).group_by(spans.c.operator_id))
    return defaultdict(lambda: 1, {operator: max(1, round(seconds / 3600)) for operator, seconds in found})


def operator_hours(ask: Ask) -> int:
    """All operators' hours at work."""
    return sum(_hours(ask).values())


def daily(ask: Ask) -> Iterator[Section]:
    yield by_hour(ask) if ask.period.days == 1 else by_day(ask)
    yield outcomes(ask)
