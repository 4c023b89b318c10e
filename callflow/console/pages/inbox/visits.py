"""訪問催告: which cases the ward's own people are handed, and what they found."""

from __future__ import annotations

from datetime import date
from typing import Final

from starlette.responses import Response

from callflow.console.i18n import said
from callflow.console.listing import Listing, asked
from callflow.console.pages.inbox.desk import named, names_asked, waiting, who_of
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.followup import visits
from callflow.followup.acts import VISIT_REASONS, VISIT_RESULTS, VISIT_STATES
from scheduler.calendar import tokyo_date

FILTERS: Final = ("all", "names")


def visits_page(visit: Visit) -> Response:
    wanted = asked(visit.query, sorts=("id",), filters=FILTERS)
    m = visit.site.municipality_id
    with visit.site.database.read() as conn:
        found = visits.open_visits(conn, m, done=wanted.filters.get("all") == "1")
        rows = found[wanted.offset : wanted.offset + wanted.size]
        past = {row.id: visits.history_of(conn, visit.site.shelf, m, row.case_id) for row in rows}
    return visit.page(
        "inbox/visits.html",
        listing=Listing(wanted, rows, len(found)),
        people=named(visit, wanted, [row.case_id for row in rows]),
        names=names_asked(wanted),
        past=past,
        states=VISIT_STATES,
        reasons=VISIT_REASONS,
        results=VISIT_RESULTS,
        today=tokyo_date(visit.now),
        counts=waiting(visit),
        to_export=any(row.state in visits.OPEN for row in found),
    )


def add(visit: Visit) -> Response:
    case, who = visit.typed("case"), who_of(visit)
    if not case.isdecimal():
        raise InputError(said("案件の番号を読めません"), where=Where(field="case"))
    reason, note = visit.typed("reason"), visit.typed("note")
    visit.site.database.transact(lambda conn: visits.enlist(conn, who, int(case), reason, note))
    return visit.go("/inbox/visits", said="visit_kept")


def export(visit: Visit) -> Response:
    """The list as a file. It is kept by nobody's browser (`no-store`), and its hash is on record."""
    who, purpose, site = who_of(visit), visit.typed("purpose"), visit.site
    claims = site.config.claim_names
    done = site.database.transact(lambda conn: visits.export(conn, who, purpose, site.shelf, claims))
    name = f"visits-{tokyo_date(visit.now):%Y%m%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(done.content, media_type="text/csv; charset=utf-8", headers=headers)


def record(visit: Visit) -> Response:
    one, who, result, note = visit.id(), who_of(visit), visit.typed("result"), visit.typed("note")
    try:
        day = date.fromisoformat(visit.typed("visited_on"))
    except ValueError:
        raise InputError(said("訪問日を読めません"), where=Where(field="visited_on")) from None
    visit.site.database.transact(lambda conn: visits.record(conn, who, one, result, day, note))
    return visit.go("/inbox/visits", said="visit_kept")
