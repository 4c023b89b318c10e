"""R45: requested = sent + pending + cancelled, counted from both sides, so that an omission shows (seed, line 141).

What was asked for is counted from the calls: each call's link to its household's report, and each call's 連絡票 with
生活困窮. What became of it is counted from the reports, and what was sent from the events of those who posted it. The
sides share no column, so a report that was lost, invented, or moved on without being posted is a gap with its case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, select

from callflow import calllog
from callflow.effects import CancelLivingReport
from callflow.followup.deadlines import post_by
from callflow.followup.terms import Rules
from models.tables import contact_slips, follow_up_events, living_report_links, living_reports, slip_reasons
from scheduler.calendar import tokyo_date

GapKind = Literal["no_slip", "no_request", "unasked", "unposted", "unmoved"]
GAPS: Final[dict[GapKind, str]] = {
    "no_slip": "申出があるのに連絡票がない",
    "no_request": "連絡票があるのに報告書の申出がない",
    "unasked": "申出のない報告書がある",
    "unposted": "送付の記録がないのに先へ進んでいる",
    "unmoved": "送付の記録があるのに送付待ちのまま",
}
CAME_BACK: Final = ("returned", "reviewed")


@dataclass(frozen=True, slots=True)
class Gap:
    """What does not fit, and whose it is. `report_id` or `slip_id` is None where there is none."""

    kind: GapKind
    case_id: int
    report_id: int | None
    slip_id: int | None


@dataclass(frozen=True, slots=True)
class Balance:
    """Reports, by count. `requested` and `slips` are the calls' side, the rest the ward's. `late`: pending beyond the
    days in which a form must be posted. `overdue`: not returned by their day."""

    requested: int
    slips: int
    sent: int
    pending: int
    cancelled: int
    returned: int
    late: int
    overdue: int
    again: int
    escalated: int
    gaps: tuple[Gap, ...]

    @property
    def gap(self) -> int:
        """0, or something was lost."""
        return len(self.gaps)

    @property
    def not_returned(self) -> int:
        return self.sent - self.returned

    @property
    def not_returned_percent(self) -> int | None:
        """Of those sent; None where none was."""
        return round(100 * self.not_returned / self.sent) if self.sent else None

    def as_data(self) -> dict[str, Any]:
        words = {"gap": self.gap, "not_returned": self.not_returned, "not_returned_percent": self.not_returned_percent}
        return {**asdict(self), **words}


_r, _l, _s, _q, _e = living_reports.c, living_report_links.c, contact_slips.c, slip_reasons.c, follow_up_events.c


def balance(
    conn: Connection,
    m: int,
    now: datetime,
    rules: Rules,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Balance:
    """The balance of the reports that were asked for in `[since, until)`; of all, where both are None."""
    rows = conn.execute(_reports(m, _between(_r.requested_at, since, until))).all()
    slips = conn.execute(_lone_slips(m, _between(_s.raised_at, since, until))).all()
    lone = [row for row in slips if not _was_cancelled(conn, m, row.call_id)]
    posted = [row for row in rows if row.posted]
    cancelled = [row for row in rows if row.state == "cancelled" and not row.posted]
    pending = [row for row in rows if row.state == "requested"]
    today = tokyo_date(now)
    return Balance(
        requested=sum(bool(row.asked) for row in rows),
        slips=sum(bool(row.slipped) for row in rows) + len(lone),
        sent=len(posted),
        pending=len(pending),
        cancelled=len(cancelled),
        returned=sum(row.state in CAME_BACK for row in posted),
        late=sum(post_by(tokyo_date(row.requested_at), rules.calendar, rules.terms) < today for row in pending),
        overdue=sum(_is_overdue(row, today) for row in posted),
        again=sum(row.re_requested_at is not None for row in rows),
        escalated=sum(row.escalated_at is not None for row in rows),
        gaps=(*_gaps(rows), *(Gap("no_request", row.case_id, None, row.id) for row in lone)),
    )


def _is_overdue(row: Any, today: date) -> bool:
    return row.state in ("sent", "re_requested", "escalated") and row.due_on is not None and row.due_on < today


def _gaps(rows: Iterable[Any]) -> Iterable[Gap]:
    for row in rows:
        if not row.asked:
            yield Gap("unasked", row.case_id, row.id, None)
        elif not row.slipped:
            yield Gap("no_slip", row.case_id, row.id, None)
        if not row.posted and row.state not in ("requested", "cancelled"):
            yield Gap("unposted", row.case_id, row.id, None)
        if row.posted and row.state == "requested":
            yield Gap("unmoved", row.case_id, row.id, None)


def _reports(m: int, period: list[ColumnElement[bool]]) -> Select[Any]:
    asked = exists().where(_l.municipality_id == m, _l.report_id == _r.id, _l.kind != "cancelled")
    hardship = and_(_q.municipality_id == _s.municipality_id, _q.slip_id == _s.id, _q.reason == "hardship")
    slipped = exists(
        select(_l.id)
        .join(contact_slips, and_(_s.municipality_id == _l.municipality_id, _s.call_id == _l.call_id))
        .join(slip_reasons, hardship)
        .where(_l.municipality_id == m, _l.report_id == _r.id)
    )
    posted = exists().where(
        _e.municipality_id == m, _e.thing == "report", _e.thing_id == _r.id, _e.act == "send", _e.after == "sent"
    )
    return select(
        *(_r.id, _r.case_id, _r.state, _r.requested_at, _r.due_on, _r.re_requested_at, _r.escalated_at),
        *(asked.label("asked"), slipped.label("slipped"), posted.label("posted")),
    ).where(_r.municipality_id == m, *period)


def _lone_slips(m: int, period: list[ColumnElement[bool]]) -> Select[Any]:
    """Standing slips in hardship whose call stands in no link to a report."""
    linked = exists().where(_l.municipality_id == m, _l.call_id == _s.call_id)
    hard = exists().where(_q.municipality_id == m, _q.slip_id == _s.id, _q.reason == "hardship")
    return (
        select(_s.id, _s.case_id, _s.call_id)
        .where(_s.municipality_id == m, _s.state != "cancelled", _s.origin == "call", hard, ~linked, *period)
        .order_by(_s.id)
    )


def _was_cancelled(conn: Connection, m: int, call_id: int) -> bool:
    """Whether a call's outcome forbids the report that its hardship would have asked for: nothing is posted to a
    household under protection (支援措置), whatever else was said."""
    settled = [event.payload for event in calllog.read(conn, m, call_id) if event.kind in _SETTLES and event.payload]
    return bool(settled) and any(effect["effect"] == CancelLivingReport.__name__ for effect in settled[-1]["effects"])


_SETTLES: Final = (calllog.CLOSE, calllog.CORRECT)


def _between(column: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    return [*([column >= since] if since else []), *([column < until] if until else [])]
