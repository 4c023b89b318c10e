"""C3: was a form sent for every wish? The balance of 生活状況報告書, counted from both sides, with its gaps."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.followup.balance import GAPS, balance
from callflow.followup.terms import rules_of
from callflow.reports.aftermath import LivingReports, days
from callflow.reports.asking import Ask
from callflow.reports.council import distribution
from callflow.reports.figures import Column, Section, Table, said


def omissions(ask: Ask) -> Iterator[Section]:
    """C3: the balance sheet, its gaps, and the days from the request to the post."""
    one = balance(
        ask.conn,
        ask.municipality_id,
        ask.now,
        rules_of(ask.config),
        since=ask.period.since,
        until=ask.period.until,
    )
    yield Section(
        said("送付の収支"),
        said(
            "申出 = 送付 + 送付待ち + 取消。申出は通話の側から、そのほかは報告書の側から数え、差は0でなければならない。"
        ),
        Table(
            (
                *(Column(said("申出")), Column(said("連絡票")), Column(said("送付")), Column(said("送付待ち"))),
                *(Column(said("取消")), Column(said("差")), Column(said("送付の遅れ")), Column(said("返送期限切れ"))),
            ),
            [(one.requested, one.slips, one.sent, one.pending, one.cancelled, one.gap, one.late, one.overdue)],
        ),
        notes=() if ask.campaign_id is None else (said("収支はキャンペーンで分けず、すべての申出を数えます。"),),
    )
    if ask.ward:
        yield Section(
            said("差のある案件"),
            said("収支に合わないものの一覧。0件でなければならない。"),
            Table(
                (Column(said("理由"), "text"), Column(said("案件")), Column(said("報告書")), Column(said("連絡票"))),
                [(GAPS[gap.kind], gap.case_id, gap.report_id, gap.slip_id) for gap in one.gaps],
            ),
        )
    took = days((each.requested, each.sent) for each in LivingReports(ask))
    yield distribution(said("申出から送付までの日数"), took, None)
