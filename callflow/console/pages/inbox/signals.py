"""シグナル: a queue that is read to its end."""

from __future__ import annotations

from starlette.responses import Response

from callflow.console.listing import SIZE, Listing, asked
from callflow.console.pages.inbox.desk import viewer_of, waiting, who_of
from callflow.console.visit import Visit
from callflow.followup import signals
from callflow.followup.signals import KINDS


def signals_page(visit: Visit) -> Response:
    wanted = asked(visit.query, sorts=("at",), filters=("all",))
    m, viewer, unread = visit.site.municipality_id, viewer_of(visit), wanted.filters.get("all") != "1"
    with visit.site.database.read() as conn:
        total = signals.count(conn, m, viewer, unread=unread)
        rows = signals.some(conn, m, viewer, unread=unread, limit=SIZE, offset=wanted.offset)
    return visit.page(
        "inbox/signals.html",
        listing=Listing(wanted, rows, total),
        kinds=KINDS,
        unread=unread,
        counts=waiting(visit),
        staff="staff" in visit.who.roles,
        live=True,
    )


def review(visit: Visit) -> Response:
    call_id, seq, words, who = visit.id(), visit.id("seq"), visit.typed("review"), who_of(visit)
    visit.site.database.transact(lambda conn: signals.review(conn, who, call_id, seq, words))
    return visit.go("/inbox/signals", said="signal_read")
