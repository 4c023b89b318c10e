"""C16: did collection improve? What came in after contact, and what the difference to those not called amounts to.

Two questions, never mixed. What was paid after contact only describes: many would have paid anyway. The comparison
counts from one moment for both groups and keeps everybody in the group to which the plan gave them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, distinct, func, literal, select, union_all

from callflow.reports.asking import Ask, counted, days_between, tokyo_day
from callflow.reports.figures import Cell, Chart, Column, Difference, Phrase, Rate, Section, Series, Table, said
from models.tables import arrears, calls, campaign_holdouts, campaigns, cases, payments, queue_entries
from scheduler.calendar import tokyo_date

WITHIN: Final = (7, 14, 30)
_c, _k = calls.c, cases.c


def effect(ask: Ask) -> Iterator[Section]:
    yield _after_contact(ask)
    compared = list(_comparisons(ask))
    yield _against(compared)


def _received(ask: Ask) -> Select[Any]:
    """What came in by case and day, without what was cancelled again."""
    p, a = payments.c, arrears.c
    return (
        select(a.case_id, p.paid_on, func.sum(p.amount).label("amount"))
        .join(arrears, and_(a.municipality_id == p.municipality_id, a.id == p.arrear_id))
        .where(p.municipality_id == ask.municipality_id, p.cancelled_as_of.is_(None))
        .group_by(a.case_id, p.paid_on)
    )


def _after_contact(ask: Ask) -> Section:
    """Each payment belongs to the last contact before it; a case counts once its payment data cover the days."""
    contacts = (
        select(_c.case_id, tokyo_day(_c.opened_at).label("day"))
        .where(ask.these_calls(), _c.right_party == 1)
        .distinct()
        .subquery()
    )
    ripe = (
        select(contacts.c.case_id, func.max(contacts.c.day).label("last"), _k.payments_as_of)
        .join(cases, and_(_k.municipality_id == ask.municipality_id, _k.id == contacts.c.case_id))
        .group_by(contacts.c.case_id, _k.payments_as_of)
        .subquery()
    )
    received = _received(ask).subquery()
    attributed = (
        select(
            received.c.case_id,
            received.c.amount,
            days_between(func.max(contacts.c.day), received.c.paid_on).label("days"),
        )
        .join(contacts, and_(contacts.c.case_id == received.c.case_id, contacts.c.day <= received.c.paid_on))
        .group_by(received.c.case_id, received.c.paid_on, received.c.amount)
        .subquery()
    )
    rows: list[tuple[Cell, ...]] = []
    for within in WITHIN:
        covered = days_between(ripe.c.last, ripe.c.payments_as_of) >= within
        whole = int(ask.one(select(func.count()).select_from(ripe).where(covered))[0])
        paid = ask.one(
            select(func.count(distinct(attributed.c.case_id)), func.coalesce(func.sum(attributed.c.amount), 0))
            .join(ripe, ripe.c.case_id == attributed.c.case_id)
            .where(covered, attributed.c.days <= within)
        )
        rows.append((Phrase(said("{n}日以内"), {"n": within}), Rate(paid[0], whole, interval=True), int(paid[1])))
    return Section(
        said("接触の後の入金"),
        said(
            "入金した案件の率 = 本人との接触の後、その日数のうちに入金のあった案件 ÷ "
            "接触した案件（収納データがその日数を覆うもの）。"
            "入金は直前の接触に数える。95% Wilson 区間。単位は案件、金額は円。"
        ),
        Table(
            (Column(said("期間"), "text"), Column(said("入金した案件の率"), "rate"), Column(said("入金額"), "yen")),
            rows,
        ),
        Chart(
            "bars",
            said("接触の後に入金した案件の率"),
            [f"{within}" for within in WITHIN],
            (Series(said("率"), [row[1].share for row in rows]),),  # type: ignore[union-attr]
            "%",
        ),
        notes=(
            said(
                "これは接触の後に入金があったことだけを示します。電話がなくても納めた人を含み、"
                "電話の効果ではありません。"
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """One campaign: cases that were called against those that were not, both counted from `since`."""

    campaign: str
    since: date
    held_out: bool
    called: dict[int, Rate]
    others: dict[int, Rate]


def _comparisons(ask: Ask) -> Iterator[Compared]:
    """The campaigns of the period: against the hold-out where one was drawn, else against those not called."""
    g, h, q = campaigns.c, campaign_holdouts.c, queue_entries.c
    m = ask.municipality_id
    drawn = (
        select(h.campaign_id, func.min(h.drawn_at).label("at")).where(h.municipality_id == m).group_by(h.campaign_id)
    )
    first = (
        select(_c.campaign_id, func.min(_c.placed_at).label("at"))
        .where(_c.municipality_id == m, _c.campaign_id.is_not(None))
        .group_by(_c.campaign_id)
    )
    d, f = drawn.subquery(), first.subquery()
    chosen = select(g.id, g.name, d.c.at, f.c.at).outerjoin(d, d.c.campaign_id == g.id).join(f, f.c.campaign_id == g.id)
    wanted = [g.municipality_id == m, f.c.at < ask.period.until, f.c.at >= ask.period.since]
    if ask.campaign_id is not None:
        wanted = [g.municipality_id == m, g.id == ask.campaign_id]
    for campaign_id, name, drawn_at, first_at in ask.rows(chosen.where(*wanted).order_by(g.id)):
        begun = first_at if drawn_at is None else min(drawn_at, first_at)
        since = tokyo_date(begun)
        dialled = select(_c.id).where(
            _c.municipality_id == m, _c.campaign_id == campaign_id, _c.case_id == q.case_id, _c.placed_at.is_not(None)
        )
        queued = select(q.case_id, case((dialled.exists(), 1), else_=0).label("called")).where(
            q.municipality_id == m, q.campaign_id == campaign_id
        )
        group: Any = queued
        if drawn_at is not None:  # by intention: everybody in the queue, dialled or not, against those drawn out of it
            planned = select(q.case_id, literal(1).label("called")).where(
                q.municipality_id == m, q.campaign_id == campaign_id
            )
            held = select(h.case_id, literal(0).label("called")).where(
                h.municipality_id == m, h.campaign_id == campaign_id
            )
            group = union_all(planned, held)
        called, others = _paid_within(ask, group.subquery(), since)
        yield Compared(f"{campaign_id} {name}", since, drawn_at is not None, called, others)


def _paid_within(ask: Ask, group: Any, since: date) -> tuple[dict[int, Rate], dict[int, Rate]]:
    """Of each group, the cases in which something came in within so many days ÷ those whose data cover them."""
    received = _received(ask).subquery()
    first = (
        select(received.c.case_id, func.min(received.c.paid_on).label("day"))
        .where(received.c.paid_on >= since)
        .group_by(received.c.case_id)
        .subquery()
    )
    covered, paid = days_between(literal(since), _k.payments_as_of), days_between(literal(since), first.c.day)
    columns: list[ColumnElement[Any]] = []
    for within in WITHIN:
        columns += [counted(and_(covered >= within, paid <= within)), counted(covered >= within)]
    query = (
        select(group.c.called, *columns)
        .join(cases, and_(_k.municipality_id == ask.municipality_id, _k.id == group.c.case_id))
        .outerjoin(first, first.c.case_id == group.c.case_id)
        .group_by(group.c.called)
    )
    found: defaultdict[int, dict[int, Rate]] = defaultdict(lambda: dict.fromkeys(WITHIN, Rate(0, 0)))
    for called, *counts in ask.rows(query):
        found[called] = {
            within: Rate(counts[2 * place], counts[2 * place + 1], interval=True) for place, within in enumerate(WITHIN)
        }
    return found[1], found[0]


def _against(compared: list[Compared]) -> Section:
    rows: list[tuple[Cell, ...]] = [
        (
            *(one.campaign, said("対照群") if one.held_out else said("架電しなかった案件"), one.since),
            *(Phrase(said("{n}日以内"), {"n": within}), one.called[within], one.others[within]),
            Difference(one.called[within], one.others[within]),
        )
        for one in compared
        for within in WITHIN
    ]
    month = [(one, one.called[WITHIN[-1]], one.others[WITHIN[-1]]) for one in compared]
    return Section(
        said("架電した群としなかった群"),
        said(
            "起点の日（対照群を引いた日、なければ最初の架電の日）から、その日数のうちに入金のあった案件 ÷ "
            "収納データがその日数を覆う案件。"
            "差は百分率の点、95% Newcombe 区間。対照群があれば、計画に入ったすべての案件と比べる。単位は案件。"
        ),
        Table(
            (
                *(
                    Column(said("キャンペーン"), "text"),
                    Column(said("比べる相手"), "text"),
                    Column(said("起点"), "date"),
                ),
                *(
                    Column(said("期間"), "text"),
                    Column(said("架電した群"), "rate"),
                    Column(said("しなかった群"), "rate"),
                ),
                Column(said("差"), "difference"),
            ),
            rows,
        ),
        Chart(
            "bars",
            said("30日以内に入金した案件の率"),
            [one.campaign for one, _, _ in month],
            (
                Series(said("架電した群"), [each.share for _, each, _ in month]),
                Series(said("しなかった群"), [each.share for _, _, each in month]),
            ),
            "%",
        ),
        notes=(
            said(
                "対照群はくじで選ばれているので、その差は計画に入ったことの効果と読めます。区間が0を含むなら、"
                "効果があったともなかったとも"
                "言えません。"
            ),
            said(
                "「架電しなかった案件」との差は効果を示しません。先に納めた人は架電されず、"
                "電話の通じる人ははじめから違うかもしれないからです。"
            ),
            said("金額の多い人、期間の後の入金、ほかの催告（文書・訪問）の効果は、この表から分かりません。"),
        ),
    )
