"""The pages that answer the ward council's questions about 生活状況報告書 (C1–C5) and about the calls (C6–C9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import ColumnElement, and_, func, select

from callflow.followup.acts import DECISIONS
from callflow.followup.terms import rules_of
from callflow.reports.aftermath import LivingReport, LivingReports, days, median_of
from callflow.reports.asking import Ask, counted, tokyo_day, told_field
from callflow.reports.figures import Cell, Chart, Column, Phrase, Rate, Section, Series, Table, said
from callflow.reports.quality import drawn, missed_signals
from callflow.reports.tally import HARDSHIP_CODES, by_month
from callflow.retention.tallies import REASON_FIELD
from models.tables import accounts, call_events, calls, erased_tallies, off_scripts, signals

_c = calls.c


def not_submitted(ask: Ask) -> Iterator[Section]:
    """C1: sent, returned, not returned, overdue by month, and the median of days."""
    found = LivingReports(ask)
    months = found.by_month()
    yield Section(
        said("月ごとの提出状況"),
        said(
            "申出の月ごと。未提出率 = 返送のないもの ÷ 送付したもの。期限切れ = 返送期限を過ぎて返送のないもの。"
            "日数の中央値は送付から返送まで（10件に満たなければ示さない）。単位は報告書。"
        ),
        Table(
            (
                *(Column(said("月"), "code"), Column(said("申出")), Column(said("送付")), Column(said("返送"))),
                *(Column(said("未提出率"), "rate"), Column(said("期限切れ"), "rate")),
                Column(said("返送までの日数（中央値）"), "number"),
            ),
            [(month, *_submission(found, each)) for month, each in _with_sum(months)],
        ),
        Chart(
            "bars",
            said("月ごとの返送と未返送"),
            list(months),
            (
                Series(said("返送"), [sum(e.came_back for e in each if e.sent) for each in months.values()]),
                Series(said("未返送"), [sum(not e.came_back for e in each if e.sent) for each in months.values()]),
            ),
            said("件"),
        ),
    )


def _with_sum(months: dict[str, list[LivingReport]]) -> list[tuple[str, list[LivingReport]]]:
    together = [each for month in months.values() for each in month]
    return [*months.items(), *([(said("合計"), together)] if len(months) > 1 else [])]


def _submission(found: LivingReports, each: Sequence[LivingReport]) -> tuple[Cell, ...]:
    sent = [one for one in each if one.sent is not None]
    back = sum(one.came_back for one in sent)
    late = sum(map(found.overdue, sent))
    took = days((one.sent, one.returned) for one in sent if not one.after_the_second)
    return (len(each), len(sent), back, Rate(len(sent) - back, len(sent)), Rate(late, len(sent)), median_of(took))


def returned(ask: Ask) -> Iterator[Section]:
    """C2: after the first and after the second request."""
    found = LivingReports(ask)
    again = [each for each in found.sent if each.sent_again is not None]
    second = sum(each.after_the_second for each in again)
    first = sum(each.came_back for each in found.sent) - second
    yield Section(
        said("1回目と2回目の返送"),
        said(
            "1回目 = 再送付の前に返送 ÷ 送付、2回目 = 再送付の後に返送 ÷ 再送付。率の補数が返送のないもの。"
            "単位は報告書。"
        ),
        Table(
            (
                *(Column(said("回"), "text"), Column(said("送付")), Column(said("返送"))),
                *(Column(said("返送率"), "rate"), Column(said("未返送率"), "rate")),
            ),
            [
                _return_row(said("1回目"), first, len(found.sent)),
                _return_row(said("2回目"), second, len(again)),
            ],
        ),
        Chart(
            "bars",
            said("1回目と2回目の返送率"),
            [said("1回目"), said("2回目")],
            (Series(said("返送率"), [Rate(first, len(found.sent)).share, Rate(second, len(again)).share]),),
            "%",
        ),
    )


def _return_row(name: str, back: int, sent: int) -> tuple[Cell, ...]:
    return (name, sent, back, Rate(back, sent), Rate(sent - back, sent))


def after_silence(ask: Ask) -> Iterator[Section]:
    """C4: what followed where nothing came back in time."""
    found = LivingReports(ask)
    late = [each for each in found.sent if each.asked_again or each.escalated or found.overdue(each)]
    steps = Counter(_followed(each) for each in late)
    labels = (said("再依頼の後に返送"), said("再依頼した"), said("再架電"), said("訪問"), said("まだ何もしていない"))
    yield Section(
        said("返送がなかったときの対応"),
        said(
            "返送期限を過ぎたもの、または再依頼したものの、いまの段階。割合 = その段階 ÷ それらの合計。単位は報告書。"
        ),
        Table(
            (Column(said("対応"), "text"), Column(said("報告書")), Column(said("割合"), "rate")),
            [(label, steps[label], Rate(steps[label], len(late))) for label in labels],
        ),
        Chart(
            "bars",
            said("返送がなかったときの対応"),
            labels,
            (Series(said("報告書"), [steps[label] for label in labels]),),
            said("件"),
        ),
    )


def _followed(each: LivingReport) -> str:
    if each.came_back:
        return said("再依頼の後に返送")
    if each.next_step == "recall":
        return said("再架電")
    if each.next_step == "visit":
        return said("訪問")
    return said("再依頼した") if each.asked_again else said("まだ何もしていない")


def waiting_times(ask: Ask) -> Iterator[Section]:
    """C5: the configured days against those that really passed."""
    found, terms = LivingReports(ask), rules_of(ask.config).terms
    yield distribution(
        said("返送期限から再依頼までの日数"), days((e.due, e.asked_again) for e in found), terms.ask_again_days
    )
    yield distribution(
        said("返送期限から再架電・訪問までの日数"), days((e.due, e.escalated) for e in found), terms.give_up_days
    )
    yield distribution(said("送付から返送までの日数"), days((e.sent, e.returned) for e in found), terms.return_days)


_STEPS: Final = (0, 1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60)


def distribution(title: str, took: Sequence[int], setting: int | None) -> Section:
    """How often so many days passed; `setting`: what config.yaml has for it."""
    ranges = [(f"{low}" if high == low + 1 else f"{low}\u301c{high - 1}", low, high) for low, high in pairwise(_STEPS)]
    ranges = [("<0", -10_000, 0), *ranges, (f"{_STEPS[-1]}\u301c", _STEPS[-1], 100_000)]
    rows = [(label, sum(low <= each < high for each in took)) for label, low, high in ranges]
    rows = [row for row in rows if row[1] or row[0] != "<0"]
    middle = median_of(took)
    words = {"n": len(took), "median": "—" if middle is None else f"{middle:g}"}
    notes = [Phrase(said("n = {n}、中央値 {median} 日。"), words)]
    if setting is not None:
        notes.append(Phrase(said("設定（config.yaml の follow_up）では {days} 日。"), {"days": setting}))
    return Section(
        title,
        said("暦の日数ごとの件数。単位は報告書、期間は申出の日。"),
        Table((Column(said("日数"), "code"), Column(said("件数"))), rows),
        Chart("bars", title, [row[0] for row in rows], (Series(said("件数"), [row[1] for row in rows]),), said("件")),
        notes,
    )


def off_script(ask: Ask) -> Iterator[Section]:
    """C6: how many calls the script could not handle, and where it ended."""
    rates = {month: one.off_script_rate for month, one in by_month(ask).items()}
    yield Section(
        said("台本で対応できなかった通話"),
        said("台本外の率 = 結果が台本外 OS の通話 ÷ 応答 C。単位は通話。"),
        Table(
            (Column(said("月"), "code"), Column(said("台本外")), Column(said("応答")), Column(said("率"), "rate")),
            [(month, rate.numerator, rate.denominator, rate) for month, rate in rates.items()],
        ),
        Chart("lines", said("台本外の率"), list(rates), (Series(said("率"), [r.share for r in rates.values()]),), "%"),
    )
    o, number = off_scripts.c, func.count()
    states = ask.rows(
        select(o.state, number)
        .where(ask.of_these_calls(off_scripts, o.at))
        .group_by(o.state)
        .order_by(number.desc(), o.state)
    )
    yield Section(
        said("台本が足りなかった場面"),
        said("台本外の用件が記録された場面と回数。ほかの結果で終わった通話も数える。"),
        Table((Column(said("場面"), "code"), Column(said("回数"))), [(name, count) for name, count in states]),
        Chart(
            "bars",
            said("台本が足りなかった場面"),
            [name for name, _ in states[:15]],
            (Series(said("回数"), [count for _, count in states[:15]]),),
            said("回"),
        ),
        notes=(said("用件の言葉は個人の事情を含むため、ここには出しません。通話の再生で、目的を記録して読みます。"),),
    )


def reasons(ask: Ask) -> Iterator[Section]:
    """C7: why residents say that they have not paid, with those of whom nobody knows."""
    e = call_events.c
    told = (
        select(_c.id, told_field(e.payload, REASON_FIELD).label("reason"), e.seq)
        .join(call_events, and_(e.municipality_id == _c.municipality_id, e.call_id == _c.id))
        .where(ask.these_calls(), _c.right_party == 1, e.payload.like(f"%{REASON_FIELD}%"))
        .subquery()
    )
    last = select(told.c.id, func.max(told.c.seq).label("seq")).where(told.c.reason.is_not(None)).group_by(told.c.id)
    final = last.subquery()
    found = ask.rows(
        select(told.c.reason, func.count())
        .join(final, and_(final.c.id == told.c.id, final.c.seq == told.c.seq))
        .group_by(told.c.reason)
    )
    spoken = int(ask.one(select(func.count()).where(ask.these_calls(), _c.right_party == 1))[0])
    by_reason = Counter({str(reason): count for reason, count in found})
    by_reason.update(_erased_reasons(ask))
    unknown = said("不明")
    by_reason[unknown] += spoken - by_reason.total()
    rows = by_reason.most_common()
    yield Section(
        said("納付が遅れた理由"),
        said(
            "本人と話した通話で聞き取った理由（通話の中で最後のもの）。聞かなかった、答えがなかったものは"
            "「不明」。消去した記録は、消去の前に数えたもの。割合 = その理由 ÷ 本人と話した通話 R。"
        ),
        Table(
            (Column(said("理由"), "text"), Column(said("通話")), Column(said("割合"), "rate")),
            [(reason, count, Rate(count, spoken)) for reason, count in rows],
        ),
        Chart(
            "bars",
            said("納付が遅れた理由"),
            [reason for reason, _ in rows],
            (Series(said("通話"), [count for _, count in rows]),),
            said("通話"),
        ),
    )


def _erased_reasons(ask: Ask) -> dict[str, int]:
    """Of the calls whose log was erased by rule, as it was counted then."""
    t, whole = erased_tallies.c, func.sum(erased_tallies.c.count)
    own = [t.municipality_id == ask.municipality_id, t.kind == "reason"]
    own += [t.day >= ask.period.first, t.day <= ask.period.last]
    own += [] if ask.campaign_id is None else [t.campaign_id == ask.campaign_id]
    return dict(map(tuple, ask.rows(select(t.word, whole).where(*own).group_by(t.word))))


def hidden_hardship(ask: Ask) -> Iterator[Section]:
    """C8: from the signal to staff's decision, and what a second look finds that was missed."""
    s, found = signals.c, LivingReports(ask)
    mine = ask.of_these_calls(signals, s.at)
    signalled = int(ask.one(select(func.count(s.case_id.distinct())).where(mine, s.kind == "signal"))[0])
    hard = int(
        ask.one(select(func.count(_c.case_id.distinct())).where(ask.these_calls(), _c.disposition.in_(HARDSHIP_CODES)))[
            0
        ]
    )
    decided = Counter(each.decision for each in found if each.state == "reviewed")
    steps: list[tuple[str, int]] = [
        (said("シグナルのあった案件"), signalled),
        (said("生活困窮の結果（HS・HC・HR）の案件"), hard),
        (said("報告書の申出"), len(found)),
        (said("報告書の送付"), len(found.sent)),
        (said("報告書の返送"), sum(each.came_back for each in found)),
        (said("職員の決定"), decided.total()),
        (said("うち納付困難"), decided["unable"]),
    ]
    yield Section(
        said("シグナルから職員の決定まで"),
        said("段階ごとの数。案件と報告書は単位が違うため、段階の間の率は示さない。"),
        Table((Column(said("段階"), "text"), Column(said("数"))), steps),
        Chart(
            "bars",
            said("シグナルから職員の決定まで"),
            [label for label, _ in steps],
            (Series(said("数"), [count for _, count in steps]),),
            said("件"),
        ),
    )
    yield Section(
        said("職員の決定の内訳"),
        said("返送された報告書についての決定。"),
        Table(
            (Column(said("決定"), "text"), Column(said("報告書"))),
            [(label, decided[key]) for key, label in DECISIONS.items()],
        ),
    )
    missed = missed_signals(ask)
    yield Section(
        said("見逃されたシグナル"),
        said("見逃し率 = 採点で見逃しがあった通話 ÷ 見逃しの有無を採点した通話。95% Wilson 区間。単位は通話。"),
        Table(
            (Column(said("見逃し")), Column(said("採点した通話")), Column(said("見逃し率"), "rate")),
            [(missed.numerator, missed.denominator, missed)],
        ),
        notes=(said("抽出は必ず見る結果を多く含むため、すべての通話の見逃し率とは限りません。"),),
    )
    yield drawn(ask)


def detection(ask: Ask) -> Iterator[Section]:
    """C9: the signal rate before and after a day (the middle of the period, if none is given), and by operator."""
    middle = ask.cut or ask.period.first + timedelta(days=ask.period.days // 2)
    day = tokyo_day(_c.opened_at)
    before = _signal_rate(ask, day < middle)
    after = _signal_rate(ask, day >= middle)
    rows = [
        (Phrase(said("{day} より前"), {"day": middle}), before),
        (Phrase(said("{day} 以後"), {"day": middle}), after),
    ]
    yield Section(
        said("シグナルの率の前後"),
        said("シグナルの率 = シグナルか生活困窮の結果があった通話 ÷ 本人と話した通話 R。95% Wilson 区間。単位は通話。"),
        Table(
            (Column(said("時期"), "text"), Column(said("シグナル")), Column(said("本人")), Column(said("率"), "rate")),
            [(words, rate.numerator, rate.denominator, rate) for words, rate in rows],
        ),
        Chart(
            "bars",
            said("シグナルの率の前後"),
            [str(w) for w, _ in rows],
            (Series(said("率"), [r.share for _, r in rows]),),
            "%",
        ),
        notes=(said("前後の違いは、季節や相手の違いによることもあり、立会いの有無だけの効果を示しません。"),),
    )
    yield _by_operator(ask)


def _signalled(ask: Ask) -> ColumnElement[bool]:
    s = signals.c
    marked = select(s.call_id).where(s.municipality_id == ask.municipality_id, s.kind == "signal")
    return _c.disposition.in_(HARDSHIP_CODES) | _c.id.in_(marked)


def _signal_rate(ask: Ask, days_: ColumnElement[bool]) -> Rate:
    row = ask.one(
        select(counted(days_ & _signalled(ask)), counted(days_)).where(ask.these_calls(), _c.right_party == 1)
    )
    return Rate(row[0], row[1], interval=True)


def _by_operator(ask: Ask) -> Section:
    """For the contractor's supervisor by name; for the ward only how far apart they are (R03)."""
    a = accounts.c
    found = ask.rows(
        select(a.login, counted(_signalled(ask)), func.count())
        .join(accounts, and_(a.municipality_id == _c.municipality_id, a.id == _c.operator_id))
        .where(ask.these_calls(), _c.right_party == 1)
        .group_by(a.login)
        .order_by(a.login)
    )
    rates = [(login, Rate(part, whole, interval=True)) for login, part, whole in found]
    if not ask.ward:
        return Section(
            said("担当者ごとのシグナルの率"),
            said("並びはログイン名の順で、順位ではない。定義は前後の表と同じ。"),
            Table((Column(said("担当者"), "code"), Column(said("率"), "rate")), rates),
        )
    shares = sorted(rate.share for _, rate in rates if rate.share is not None)
    return Section(
        said("担当者の間のシグナルの率の幅"),
        said("本人と10件以上話した担当者の率の、最小・中央・最大。個々の担当者は区には示さない。"),
        Table(
            (
                *(Column(said("担当者の数")), Column(said("最小"), "percent")),
                *(Column(said("中央"), "percent"), Column(said("最大"), "percent")),
            ),
            [(len(shares), shares[0], shares[len(shares) // 2], shares[-1])] if shares else [],
        ),
    )
