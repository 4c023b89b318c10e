"""The callbacks that somebody waits for: numbers and times, no names. Missed ones stand first and are never lost."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from callflow import callbacks, strangers
from callflow.access.views import Viewer
from callflow.console.i18n import said
from callflow.console.listing import Listing, asked
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit

QUEUE_WORDS: Final = {
    "scheduled": said("予定"),
    "ready": said("架電待ち"),
    "claimed": said("担当者に割り当て済み"),
    "held": said("保留中"),
    "done": said("終了"),
}


def list_page(visit: Visit) -> Response:
    """Missed first, then by their time."""
    wanted = asked(visit.query, sorts=("at",), filters=("missed",))
    viewer = Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)
    with visit.site.database.read() as conn:
        found = callbacks.waiting(
            conn, visit.site.municipality_id, viewer, missed=wanted.filters.get("missed") == "1", limit=5_000
        )
    found.sort(key=lambda each: (not each.missed, each.at))
    rows = found[wanted.offset : wanted.offset + wanted.size]
    return visit.page(
        "callbacks/list.html",
        live=True,
        listing=Listing(wanted, rows, len(found)),
        missed=sum(each.missed for each in found),
        queue_words=QUEUE_WORDS,
        why=callbacks.reason_words,
    )


def strangers_page(visit: Visit) -> Response:
    """Callers who were not found: the ward calls them back."""
    viewer = Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)
    found = strangers.see_open(visit.site.database, visit.site.municipality_id, viewer, visit.now)
    return visit.page("callbacks/ward.html", found=found)


def called_back(visit: Visit) -> Response:
    strangers.done(visit.site.database, visit.site.municipality_id, visit.who.account_id, visit.id(), visit.now)
    return visit.go("/callbacks/ward", said="called-back")


SAID = {"called-back": said("折返し済みとして記録しました。")}

STAFF = allow("staff")
ROUTES = (
    Route("GET", "/callbacks", list_page, allow("supervisor", "staff"), said("再架電"), menu=True),
    Route(
        "GET",
        "/callbacks/ward",
        strangers_page,
        STAFF,
        said("区からの折返し"),
        shows=frozenset({"party"}),
        menu=True,
        aside=True,
    ),
    Route("POST", "/callbacks/ward/{id}", called_back, STAFF, said("区からの折返し")),
)
