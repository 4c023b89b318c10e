"""Reports over what calls left behind: promises and whether they were kept, 連絡票 in time, 生活状況報告書."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache, cached_property
from statistics import median
from typing import Any, Final

from sqlalchemy import and_, func, select

from callflow.followup.deadlines import CLOSES, due_at
from callflow.followup.slip_lists import REASONS, URGENCIES
from callflow.followup.terms import Rules, rules_of
from callflow.reports.asking import Ask, tokyo_day
from callflow.reports.figures import Cell, Chart, Column, Phrase, Rate, Section, Series, Table, month_of, said
from models.tables import calls, contact_slips, living_reports, promises, slip_reasons, staff_calls
from scheduler.calendar import TOKYO, tokyo_date

_p, _s, _r, _t = promises.c, contact_slips.c, living_reports.c, staff_calls.c
JUDGED: Final = ("kept", "partial", "broken")
CAME_BACK: Final = ("returned", "reviewed")


def kept_rate(states: Counter[str]) -> Rate:
    """KEPT ÷ (KEPT + PARTIAL + BROKEN): judged promises alone."""
    return Rate(states["kept"], sum(states[each] for each in JUDGED))


def promise_states(ask: Ask) -> dict[str, Counter[str]]:
    """How many promises of each month of making are in which state now; `yen` is what was promised in all."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    day = tokyo_day(_p.made_at)
    query = (
        select(day, _p.state, func.count(), func.sum(_p.amount), func.coalesce(func.sum(_p.paid), 0))
        .where(ask.of_these_calls(promises, _p.made_at))
        .group_by(day, _p.state)
        .order_by(day)
    )
    for made, state, count, amount, paid in ask.rows(query):
        month = found[f"{month_of(made).first:%Y-%m}"]
        month[state] += count
        if state != "cancelled":
            month["made"] += count
            month["yen"] += int(amount)
        month["paid"] += int(paid)
    return dict(found)


def kept(ask: Ask) -> Iterator[Section]:
    months = promise_states(ask)
    total: Counter[str] = sum(months.values(), Counter())
    rows: list[tuple[Cell, ...]] = [(month, *_promise_row(states)) for month, states in months.items()]
    if len(rows) > 1:
        rows.append((said("合計"), *_promise_row(total)))
    yield Section(
        said("守られた約束"),
        said(
            "約束を受けた月ごと。履行率 = 履行 ÷（履行 + 一部 + 不履行）、判定の済んだものだけ。"
            "期限に猶予日数を足した日までに"
            "約束の額の100%以上が入れば履行、1〜99%は一部、0%は不履行。取消は数えない。単位は約束、金額は円。"
        ),
        Table(
            (
                *(Column(said("月"), "code"), Column(said("約束")), Column(said("約束の額"), "yen")),
                *(Column(said("判定前")), Column(said("履行")), Column(said("一部")), Column(said("不履行"))),
                *(Column(said("差替え")), Column(said("履行率"), "rate"), Column(said("判定時の入金"), "yen")),
            ),
            rows,
        ),
        Chart(
            "bars",
            said("月ごとの約束"),
            list(months),
            [
                Series(label, [months[month][state] for month in months])
                for state, label in (
                    ("kept", said("履行")),
                    ("partial", said("一部")),
                    ("broken", said("不履行")),
                    ("open", said("判定前")),
                )
            ],
            said("件"),
        ),
    )


def _promise_row(states: Counter[str]) -> tuple[Cell, ...]:
    counted = (states[each] for each in ("open", *JUDGED, "replaced"))
    return (states["made"], states["yen"], *counted, kept_rate(states), states["paid"])


@dataclass(frozen=True, slots=True)
class SlipTimes:
    """Slips by urgency: raised, taken up in time, taken up or overdue (the whole of the rate), and still waiting."""

    raised: Counter[str]
    in_time: Counter[str]
    judged: Counter[str]

    def rate(self, urgency: str | None = None) -> Rate:
        if urgency is None:
            return Rate(self.in_time.total(), self.judged.total())
        return Rate(self.in_time[urgency], self.judged[urgency])


def slip_times(ask: Ask) -> SlipTimes:
    """Judged is a slip that was taken up, or whose term is over."""
    due, raised, in_time, judged = _terms(rules_of(ask.config)), Counter[str](), Counter[str](), Counter[str]()
    query = select(_s.urgency, _s.raised_at, _s.taken_at).where(
        ask.of_these_calls(contact_slips, _s.raised_at), _s.state != "cancelled"
    )
    for urgency, raised_at, taken_at in ask.rows(query):
        raised[urgency] += 1
        until = due(urgency, raised_at)
        if taken_at is not None or until <= ask.now:
            judged[urgency] += 1
            in_time[urgency] += taken_at is not None and taken_at <= until
    return SlipTimes(raised, in_time, judged)


def _terms(rules: Rules) -> Any:
    """`due_at` by these rules; but for urgent slips it depends on the day and on whether the office had closed."""

    @cache
    def by_day(urgency: str, day: date, closed: bool) -> datetime:
        moment = datetime.combine(day, CLOSES if closed else time(), TOKYO).astimezone(UTC)
        return due_at(urgency, moment, rules.calendar, rules.terms)

    def due(urgency: str, raised_at: datetime) -> datetime:
        if urgency == "urgent":
            return due_at(urgency, raised_at, rules.calendar, rules.terms)
        local = raised_at.astimezone(TOKYO)
        return by_day(urgency, local.date(), local.time() >= CLOSES)

    return due


def slips(ask: Ask) -> Iterator[Section]:
    times = slip_times(ask)
    yield Section(
        said("連絡票の受理"),
        said(
            "期限内率 = 期限までに受理か対応された連絡票 ÷（受理されたもの + 期限を過ぎたもの）。取消は数えない。"
            "単位は連絡票、期間は起票の日。"
        ),
        Table(
            (Column(said("緊急度"), "text"), Column(said("連絡票")), Column(said("期限内率"), "rate")),
            [
                *((words, times.raised[each], times.rate(each)) for each, words in URGENCIES.items()),
                (said("合計"), times.raised.total(), times.rate()),
            ],
        ),
    )
    reasons = _slip_reasons(ask)
    yield Section(
        said("連絡票の理由"),
        said("一枚の連絡票が複数の理由を持つことがある。取消は数えない。"),
        Table((Column(said("理由"), "text"), Column(said("連絡票"))), list(reasons.items())),
        Chart(
            "bars", said("連絡票の理由"), list(reasons), (Series(said("連絡票"), list(reasons.values())),), said("枚")
        ),
    )
    yield _calls_by_staff(ask)


def _slip_reasons(ask: Ask) -> dict[str, int]:
    q = slip_reasons.c
    counted = func.count()
    query = (
        select(q.reason, counted)
        .join(contact_slips, and_(_s.municipality_id == q.municipality_id, _s.id == q.slip_id))
        .where(
            q.municipality_id == ask.municipality_id,
            ask.of_these_calls(contact_slips, _s.raised_at),
            _s.state != "cancelled",
        )
        .group_by(q.reason)
        .order_by(counted.desc(), q.reason)
    )
    return {REASONS.get(reason, reason): count for reason, count in ask.rows(query)}


def staff_call_defaults(ask: Ask) -> tuple[Counter[str], Rate]:
    """Staff's own calls that were planned to end in the period, by state; and those that were not made in time."""
    late = and_(_t.state == "open", _t.until_at <= ask.now)
    query = select(_t.state, func.count(), func.count().filter(late)).where(
        _t.municipality_id == ask.municipality_id, ask.within(_t.until_at)
    )
    states, overdue = Counter[str](), 0
    for state, count, late_count in ask.rows(query.group_by(_t.state)):
        states[state] += count
        overdue += late_count
    whole = states["reached"] + states["missed"] + overdue
    return states, Rate(states["missed"] + overdue, whole)


def _calls_by_staff(ask: Ask) -> Section:
    states, defaults = staff_call_defaults(ask)
    labels = (
        ("open", said("これから")),
        ("reached", said("話せた")),
        ("missed", said("話せなかった")),
        ("cancelled", said("取りやめ")),
    )
    return Section(
        said("職員からの折返し"),
        said(
            "未了率 =（話せなかった + 時間帯を過ぎても記録がない）÷（話せた + 話せなかった + 記録がない）。"
            "単位は予定した電話。"
        ),
        Table(
            (*(Column(label) for _, label in labels), Column(said("未了率"), "rate")),
            [(*(states[state] for state, _ in labels), defaults)],
        ),
    )


@dataclass(frozen=True, slots=True)
class LivingReport:
    """One 生活状況報告書 by its dates in Tokyo."""

    state: str
    requested: date
    sent: date | None
    returned: date | None
    due: date | None
    asked_again: date | None
    sent_again: date | None
    escalated: date | None
    next_step: str
    decision: str

    @property
    def came_back(self) -> bool:
        return self.state in CAME_BACK

    @property
    def after_the_second(self) -> bool:
        """It came back only after the second letter."""
        return self.came_back and self.sent_again is not None and (self.returned or self.sent_again) >= self.sent_again


class LivingReports(Sequence[LivingReport]):
    """Those that were asked for in the period; with a campaign, by its cases."""

    def __init__(self, ask: Ask) -> None:
        wanted = [_r.municipality_id == ask.municipality_id, ask.within(_r.requested_at)]
        if ask.campaign_id is not None:
            c = calls.c
            wanted.append(
                _r.case_id.in_(
                    select(c.case_id).where(c.municipality_id == ask.municipality_id, c.campaign_id == ask.campaign_id)
                )
            )
        query = select(
            *(_r.state, _r.requested_at, _r.sent_at, _r.returned_at, _r.due_on, _r.re_requested_at, _r.re_sent_at),
            *(_r.escalated_at, _r.next_step, _r.decision),
        ).where(*wanted)
        self._rows = [
            LivingReport(
                state=row.state,
                requested=tokyo_date(row.requested_at),
                sent=_date(row.sent_at),
                returned=_date(row.returned_at),
                due=row.due_on,
                asked_again=_date(row.re_requested_at),
                sent_again=_date(row.re_sent_at),
                escalated=_date(row.escalated_at),
                next_step=row.next_step,
                decision=row.decision,
            )
            for row in ask.rows(query.order_by(_r.requested_at, _r.id))
        ]
        self.today = tokyo_date(ask.now)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def sent(self) -> list[LivingReport]:
        return [each for each in self._rows if each.sent is not None]

    @property
    def return_rate(self) -> Rate:
        return Rate(sum(each.came_back for each in self.sent), len(self.sent))

    @property
    def first_return_rate(self) -> Rate:
        """Returned before a second letter went out ÷ sent."""
        return Rate(sum(each.came_back and not each.after_the_second for each in self.sent), len(self.sent))

    @property
    def second_return_rate(self) -> Rate:
        """Returned after the second letter ÷ sent twice."""
        again = [each for each in self.sent if each.sent_again is not None]
        return Rate(sum(each.after_the_second for each in again), len(again))

    @property
    def not_returned_rate(self) -> Rate:
        back = self.return_rate
        return Rate(back.denominator - back.numerator, back.denominator)

    def overdue(self, each: LivingReport) -> bool:
        return (
            each.sent is not None and not each.came_back and each.state != "cancelled" and _past(each.due, self.today)
        )

    def by_month(self) -> dict[str, list[LivingReport]]:
        found: defaultdict[str, list[LivingReport]] = defaultdict(list)
        for each in self._rows:
            found[f"{each.requested:%Y-%m}"].append(each)
        return dict(found)


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else tokyo_date(moment)


def _past(day: date | None, today: date) -> bool:
    return day is not None and day < today


def days(pairs: Iterable[tuple[date | None, date | None]]) -> list[int]:
    """Days between two dates that are both there."""
    return [(later - earlier).days for earlier, later in pairs if earlier is not None and later is not None]


def median_of(values: Sequence[int]) -> float | None:
    """Suppressed for fewer than ten, like a rate."""
    return float(median(values)) if len(values) >= 10 else None


def handed_over(ask: Ask) -> Iterator[Section]:
    """連絡票 and 生活状況報告書 side by side."""
    yield from slips(ask)
    found = LivingReports(ask)
    yield Section(
        said("生活状況報告書"),
        said(
            "申出のあった報告書。返送率 = 返送 ÷ 送付、1回目は再送付の前の返送 ÷ 送付、2回目は再送付の後の返送 ÷ "
            "再送付。"
        ),
        Table(
            (
                *(Column(said("申出")), Column(said("送付")), Column(said("返送率"), "rate")),
                *(Column(said("1回目の返送率"), "rate"), Column(said("2回目の返送率"), "rate")),
                *(Column(said("未返送率"), "rate"), Column(said("返送期限切れ"))),
            ),
            [
                (
                    *(len(found), len(found.sent), found.return_rate, found.first_return_rate),
                    *(found.second_return_rate, found.not_returned_rate, sum(map(found.overdue, found))),
                )
            ],
        ),
        notes=(Phrase(said("期間は申出の日で、状態は {at} のものです。"), {"at": found.today}),),
    )
