"""The KPIs of domain.md: each with its numerator, denominator, unit and definition, over one period."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import distinct, func, or_, select

from callflow.reports import aftermath, breaches
from callflow.reports.asking import Ask
from callflow.reports.calling import operator_hours
from callflow.reports.figures import Cell, Column, Phrase, Rate, Section, Table, said
from callflow.reports.quality import missed_signals
from callflow.reports.tally import HARDSHIP_CODES, reach, total
from models.tables import calls, signals

CALL, CASE, PROMISE, SLIP = said("通話"), said("案件"), said("約束"), said("連絡票")


@dataclass(frozen=True, slots=True)
class Kpi:
    """`key`: as programs know it. `cell`: a rate, a mean, or a count that must be 0."""

    key: str
    label: str
    cell: Cell
    unit: str
    definition: str


def signal_rate(ask: Ask) -> Rate:
    """Cases with a signal or an outcome of hardship ÷ cases whose right party was spoken with."""
    c = calls.c
    s = signals.c
    signalled = select(s.call_id).where(s.municipality_id == ask.municipality_id, s.kind == "signal")
    shown = or_(c.disposition.in_(HARDSHIP_CODES), c.id.in_(signalled))
    row = ask.one(
        select(func.count(distinct(c.case_id)).filter(shown), func.count(distinct(c.case_id))).where(
            ask.these_calls(), c.right_party == 1
        )
    )
    return Rate(row[0], row[1])


def kpis(ask: Ask) -> list[Kpi]:
    """Every KPI that is counted from calls and what came of them; paid after contact is a report of its own."""
    one, cases = total(ask), reach(ask)
    promised: Counter[str] = sum(aftermath.promise_states(ask).values(), Counter())
    reports, hours = aftermath.LivingReports(ask), operator_hours(ask)
    per_hour = round(one.dialled / hours, 1) if hours else None
    broken = breaches.count(ask)
    return [
        Kpi("answer", said("応答率"), one.answer_rate, CALL, said("応答 C ÷ 架電 A")),
        Kpi("right_party", said("本人接触率"), one.right_party_rate, CALL, said("本人 R ÷ 架電 A")),
        Kpi("penetration", said("架電した案件の率"), cases.penetration, CASE, said("架電した案件 ÷ 計画した案件")),
        Kpi("promise", said("約束率"), cases.promise_rate, CASE, said("納付約束 PP の案件 ÷ 本人と話した案件")),
        Kpi(
            "kept", said("約束の履行率"), aftermath.kept_rate(promised), PROMISE, said("履行 ÷（履行 + 一部 + 不履行）")
        ),
        Kpi(
            "signal",
            said("生活困窮の把握率"),
            signal_rate(ask),
            CASE,
            said("シグナルか HS・HC・HR の案件 ÷ 本人と話した案件"),
        ),
        Kpi(
            "missed_signal",
            said("シグナルの見逃し率"),
            missed_signals(ask),
            CALL,
            said("見逃しと採点された通話 ÷ 採点した通話（95% Wilson）"),
        ),
        Kpi("returned", said("報告書の返送率"), reports.return_rate, said("報告書"), said("返送 ÷ 送付")),
        Kpi(
            "returned_first",
            said("1回目の返送率"),
            reports.first_return_rate,
            said("報告書"),
            said("再送付の前の返送 ÷ 送付"),
        ),
        Kpi(
            "returned_second",
            said("2回目の返送率"),
            reports.second_return_rate,
            said("報告書"),
            said("再送付の後の返送 ÷ 再送付"),
        ),
        Kpi(
            "not_returned",
            said("報告書の未返送率"),
            reports.not_returned_rate,
            said("報告書"),
            said("返送のないもの ÷ 送付"),
        ),
        Kpi(
            "slip_in_time",
            said("連絡票の期限内率"),
            aftermath.slip_times(ask).rate(),
            SLIP,
            said("期限内の受理 ÷（受理 + 期限切れ）"),
        ),
        Kpi(
            "staff_call_default",
            said("折返しの未了率"),
            aftermath.staff_call_defaults(ask)[1],
            said("折返し"),
            said("時間帯に話せなかったもの ÷ 結果の出たもの"),
        ),
        Kpi("off_script", said("台本外の率"), one.off_script_rate, CALL, said("台本外 OS ÷ 応答 C")),
        Kpi(
            "unverified",
            said("本人確認の不成立率"),
            Rate(one.unverified, one.contacts),
            CALL,
            said("（VD + VF）÷ 応答 C"),
        ),
        Kpi(
            "wrong_number",
            said("番号違いの率"),
            Rate(one.wrong_number, one.contacts),
            CALL,
            said("番号違い WN ÷ 応答 C"),
        ),
        Kpi(
            "third_party", said("本人以外の率"), Rate(one.third_party, one.contacts), CALL, said("（TP + CH）÷ 応答 C")
        ),
        Kpi("abandoned", said("放棄呼の率"), one.abandoned_rate, CALL, said("放棄呼 AB ÷（AB + 対応した通話）")),
        Kpi(
            "breaches",
            said("規則に反する発信"),
            broken.total(),
            CALL,
            said("時間外 + 一日の上限を超えた + 停止中の発信。0 でなければならない"),
        ),
        Kpi(
            "handling",
            said("平均処理時間（秒）"),
            one.handling,
            CALL,
            said("応答から後処理の終わりまで ÷ 対応した通話"),
        ),
        Kpi(
            "per_hour",
            said("一時間あたりの架電"),
            per_hour,
            said("担当者の時間"),
            said("架電 A ÷ 担当者の時間（日ごとに最初の通話から最後の通話まで）"),
        ),
    ]


def section(ask: Ask) -> Section:
    """The KPIs as one table."""
    return Section(
        said("指標"),
        said("各行に分子 ÷ 分母と単位を示す。n が10に満たない率は示さない（—）。"),
        Table(
            (
                Column(said("指標"), "text"),
                Column(said("値"), "figure"),
                Column(said("単位"), "text"),
                Column(said("定義"), "text"),
            ),
            [(each.label, each.cell, each.unit, each.definition) for each in kpis(ask)],
        ),
        notes=(Phrase(said("期間 {period} に始まった通話と、その期間に生じたもの。"), {"period": ask.period}),),
    )
