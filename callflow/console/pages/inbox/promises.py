"""納付約束: what was promised and what became of it, and the promises that may be an acknowledgement."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from callflow.console.i18n import said
from callflow.console.listing import Listing, asked
from callflow.console.pages.inbox.desk import named, names_asked, waiting, who_of
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.followup import promises
from callflow.followup.visits import PROMISE_STATES
from scheduler.calendar import tokyo_date

FILTERS: Final = ("state", "names")


def promises_page(visit: Visit) -> Response:
    """Those that are still to come, or those in the state that is asked for."""
    wanted = asked(visit.query, sorts=("due_on",), filters=FILTERS)
    asked_for = wanted.filters.get("state", "")
    state = asked_for if asked_for in PROMISE_STATES else "open"
    m = visit.site.municipality_id
    with visit.site.database.read() as conn:
        rows, total = promises.listed(conn, m, state, limit=wanted.size, offset=wanted.offset)
        candidates = promises.candidates(conn, m)
    return visit.page(
        "inbox/promises.html",
        listing=Listing(wanted, rows, total),
        people=named(visit, wanted, [row.case_id for row in rows]),
        names=names_asked(wanted),
        candidates=candidates,
        states=PROMISE_STATES,
        state=state,
        today=tokyo_date(visit.now),
        counts=waiting(visit),
    )


def acknowledge(visit: Visit) -> Response:
    one, who, note = visit.id(), who_of(visit), visit.typed("note")
    answer = visit.typed("answer")
    if answer not in ("yes", "no"):
        raise InputError(said("該当するかどうかを選んでください"), where=Where(field="answer"))
    visit.site.database.transact(lambda conn: promises.confirm(conn, who, one, note, acknowledged=answer == "yes"))
    return visit.go("/inbox/promises", said="promise_seen")
