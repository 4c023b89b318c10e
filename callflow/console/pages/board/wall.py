"""The board on a wall: figures and how many operators are in which state, no name, nothing to press.

A session that nobody touches locks after five minutes, and a board that is only watched is no use of a terminal. So a
display on the wall has no session: it has the token of `console.wall_token` in its address, and without one there is no
such page.
"""

from __future__ import annotations

import secrets
from collections import Counter

from starlette.responses import Response

from callflow.board import board
from callflow.console.i18n import said
from callflow.console.pages.board.room import STATE_LOOKS, figures
from callflow.console.visit import Visit
from callflow.errors import NotFoundError
from callflow.oversight import standing_stop

LOOKS = {**STATE_LOOKS, "call": ("●", said("通話中・発信中"))}


def wall_page(visit: Visit) -> Response:
    site, given = visit.site, visit.query.get("key", "")
    token = site.config.console.wall_token
    if not token or not secrets.compare_digest(given.encode(), token.encode()):
        raise NotFoundError("このページはありません")
    with site.database.read() as conn:
        found = board(conn, site.municipality_id, visit.now, site.rules_of)
        stopped = standing_stop(conn, site.municipality_id)
    return visit.page(
        "board/wall.html",
        figures=figures(found, site.config.radar, visit.say, visit.now),
        states={LOOKS[state]: n for state, n in sorted(Counter(each.state for each in found.operators).items())},
        stopped=stopped,
        key=given,
    )
