"""The board's page, and the part of it that follows the room."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from starlette.responses import Response

from callflow.access.views import Viewer
from callflow.campaigns import STATE_WORDS
from callflow.clock import TOKYO
from callflow.console.pages.board.room import look
from callflow.console.visit import Visit
from callflow.incidents import CAUSE_WORDS, abandoned
from callflow.standstill import ENDS

USUAL_END = time(17, 30)
LATEST_END = time(21)


def board_page(visit: Visit) -> Response:
    """Everything; its live part asks `/board/now` again at each change, and every second as a fall-back."""
    with visit.site.database.read() as conn:
        incidents = abandoned(conn, visit.site.municipality_id)
    return visit.page("board/board.html", live=True, incidents=incidents, causes=CAUSE_WORDS, **_names(visit))


def board_now(visit: Visit) -> Response:
    """The live part; nothing where it is still as it was seen."""
    names = _names(visit)
    if visit.query.get("seen") == names["room"].stamp:
        return Response(status_code=204)
    return visit.page("board/now.html", **names)


def _names(visit: Visit) -> dict[str, Any]:
    who = visit.who
    room = look(visit.site, Viewer(who.account_id, who.roles, who.kind), visit.say, visit.now)
    return {
        "room": room,
        "runs": "supervisor" in who.roles,
        "lifts": "staff" in who.roles,
        "own_shift": next((each for each in room.shifts if each.account_id == who.account_id), None),
        "until": _usual_end(visit.now),
        "states": STATE_WORDS,
        "ends": ENDS,
    }


def _usual_end(now: datetime) -> str:
    return f"{USUAL_END if now.astimezone(TOKYO).time() < USUAL_END else LATEST_END:%H:%M}"
