"""生活状況報告書 in the browser: the list with its batch, and one report with dates, content and decision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select
from starlette.responses import Response

from callflow.access.views import see_case
from callflow.console.i18n import said
from callflow.console.listing import SIZE, Listing, asked
from callflow.console.pages.inbox.desk import (
    file_of,
    ids_of,
    named,
    names_asked,
    rules_for,
    viewer_of,
    waiting,
    who_of,
)
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.followup import history, reports, statement, visits
from callflow.followup.acts import DECISIONS, REPORT_STATES, possible
from callflow.followup.balance import GAPS, balance
from callflow.followup.deadlines import post_by
from callflow.followup.history import Who
from callflow.followup.reference import searched
from callflow.followup.slip_lists import matching
from callflow.followup.statement import FIELDS, SECTIONS, Ratios
from callflow.followup.terms import Rules
from callflow.papers import letters
from models.tables import living_reports
from scheduler.calendar import tokyo_date

FILTERS: Final = ("state", "names")
STATES: Final = {
    "to_post": said("送付・再送付待ち"),
    "late": said("返送期限切れ"),
    "gap": said("収支の差"),
    **REPORT_STATES,
}
BY_THEMSELVES: Final = frozenset({"send", "send_again", "re_request", "escalate"})
"""Acts that come in a batch or by the calendar."""

_r = living_reports.c


def reports_page(visit: Visit) -> Response:
    wanted = asked(visit.query, sorts=("id",), filters=FILTERS)
    site, m, rules = visit.site, visit.site.municipality_id, rules_for(visit)
    state = wanted.filters.get("state", "")
    with site.database.read() as conn:
        sheet, to_post = balance(conn, m, visit.now, rules), reports.waiting(conn, m)
        where = [
            _r.municipality_id == m,
            *_in_state(state, to_post, [gap.report_id for gap in sheet.gaps if gap.report_id], visit.now),
            *matching(m, _r.case_id, searched(wanted.words), (_r.id, _r.case_id), by_name=True),
        ]
        total = int(conn.execute(select(func.count()).select_from(living_reports).where(*where)).scalar_one())
        query = select(living_reports).where(*where).order_by(_r.requested_at.desc(), _r.id.desc())
        rows = [
            _line(row, set(to_post), rules, visit.now) for row in conn.execute(query.limit(SIZE).offset(wanted.offset))
        ]
    return visit.page(
        "inbox/reports.html",
        listing=Listing(wanted, rows, total),
        people=named(visit, wanted, [each["case_id"] for each in rows]),
        names=names_asked(wanted),
        balance=sheet,
        gap_words=GAPS,
        to_post=len(to_post),
        states=STATES,
        state_words=REPORT_STATES,
        decisions=DECISIONS,
        today=tokyo_date(visit.now),
        counts=waiting(visit),
        live=not names_asked(wanted),
    )


def _in_state(state: str, to_post: list[int], gaps: list[int], now: datetime) -> list[ColumnElement[bool]]:
    late = _r.state.in_(("sent", "re_requested", "escalated")) & (_r.due_on < tokyo_date(now))
    special = {"to_post": _r.id.in_(to_post), "late": late, "gap": _r.id.in_(gaps)}
    if state in special:
        return [special[state]]
    return [_r.state == state] if state in REPORT_STATES else []


def _line(row: Any, to_post: set[int], rules: Rules, now: datetime) -> dict[str, Any]:
    today = tokyo_date(now)
    must = post_by(tokyo_date(row.requested_at), rules.calendar, rules.terms)
    out = row.state in ("sent", "re_requested", "escalated")
    return {
        **row._mapping,
        "postable": row.id in to_post,
        "post_by": must if row.state == "requested" else None,
        "post_late": row.state == "requested" and must < today,
        "overdue": out and row.due_on is not None and row.due_on < today,
    }


def send(visit: Visit) -> Response:
    """送付済 of all that were ticked."""
    ticked = ids_of(visit, "report")
    who, rules = who_of(visit), rules_for(visit)
    visit.site.database.transact(lambda conn: reports.send(conn, who, ticked, rules))
    return visit.go("/inbox/reports", said="reports_sent")


def print_letters(visit: Visit) -> Response:
    """Letters and forms of all that were ticked, as one PDF; its record is committed before a byte of it is sent."""
    try:
        day = date.fromisoformat(visit.typed("posted_on")) if visit.typed("posted_on") else None
    except ValueError:
        raise InputError(said("投函する日を読めません"), where=Where(field="posted_on")) from None
    if not (ticked := ids_of(visit, "report")):
        raise InputError(said("報告書が選ばれていません"), mend=said("印刷する報告書に印を付けてください"))
    site = visit.site
    done = letters.printed(
        site.database, site.config, who_of(visit), viewer_of(visit), ticked, visit.typed("purpose"), day
    )
    return file_of(done.paper)


def report_page(visit: Visit, typed: dict[str, str] | None = None, wrong: str = "") -> Response:
    """One report; `typed` and `wrong`: a form that could not be read stands as it was sent."""
    site, m, who = visit.site, visit.site.municipality_id, who_of(visit)
    with site.database.read() as conn:
        row = history.row_of(conn, who, "report", visit.id())
        events = history.told(conn, m, "report", row.id)
    case = see_case(site.database, m, viewer_of(visit), row.case_id, ("party", "identity", "report"), visit.now)
    with site.database.read() as conn:
        content = reports.content_of(conn, m, row.id)
    values = {key: f"{value:,}" if isinstance(value, int) else value for key, value in content.items()}
    may = possible("report", row.state, visit.who.roles)
    return visit.page(
        "inbox/report.html",
        status=400 if wrong else 200,
        report=_line(row, set(), rules_for(visit), visit.now),
        printable=row.state in letters.OUT,
        today=tokyo_date(visit.now),
        case=case,
        claim=site.config.claim(case.claim_type).name,
        events=events,
        acts={name: each for name, each in may.items() if name not in BY_THEMSELVES},
        sections=SECTIONS,
        values=values if typed is None else typed,
        entered=bool(content),
        sums=statement.reckon(content),
        doubts=statement.doubts(content, _ratios(visit)) if content else [],
        state_words=REPORT_STATES,
        decisions=DECISIONS,
        wrong=wrong,
    )


def act(visit: Visit) -> Response:
    one, who, name, note = visit.id(), who_of(visit), visit.typed("act"), visit.typed("note")
    decision = visit.typed("decision")
    acts: dict[str, Callable[[Connection, Who], object]] = {
        "returned": lambda conn, who: reports.returned(conn, who, one),
        "consulted": lambda conn, who: reports.consulted(conn, who, one, note),
        "decide": lambda conn, who: reports.settle(conn, who, one, decision, note),
        "cancel": lambda conn, who: reports.cancel(conn, who, one, note),
        "recall": lambda conn, who: reports.recall(conn, who, one),
        "visit": lambda conn, who: visits.visit_for(conn, who, one),
    }
    if name not in acts:
        raise InputError(said("この操作はありません"))
    visit.site.database.transact(lambda conn: acts[name](conn, who))
    return visit.go(f"/inbox/reports/{one}", said="report_moved")


def enter(visit: Visit) -> Response:
    one, who = visit.id(), who_of(visit)
    typed = {key: visit.typed(key) for key in FIELDS}
    try:
        visit.site.database.transact(lambda conn: reports.enter(conn, who, one, typed))
    except InputError as error:
        return report_page(visit, typed, error.what)
    return visit.go(f"/inbox/reports/{one}", said="content_kept")


def _ratios(visit: Visit) -> Ratios:
    own = visit.site.config.follow_up
    return Ratios(
        housing_percent=own.housing_percent,
        repayment_percent=own.repayment_percent,
        telephone_percent=own.telephone_percent,
    )
