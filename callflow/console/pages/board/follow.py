"""What a call is doing now, for the supervisor who is about to help: the line on the operator's screen and the steps.

Nobody listens in: there is no sound here. What is read is on the access record, with its purpose, before it is shown.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from callflow.access import replays
from callflow.access.views import Viewer
from callflow.console.pages.board.room import limits_of
from callflow.console.pages.calls.frames import frames
from callflow.console.visit import Visit
from callflow.errors import RefusedError
from callflow.playback import scenes
from callflow.radar import Glance, needs
from callflow.sightings import steps_of
from models.tables import accounts

PURPOSE = "support"
STEPS_SHOWN = 12


def give_purpose(visit: Visit) -> Response:
    """The button says for what: so the purpose is on record with one key."""
    call_id = visit.id()
    replays.give_purpose(
        visit.site.database, visit.site.municipality_id, _viewer(visit), call_id, PURPOSE, "", visit.now
    )
    return visit.go(f"/board/calls/{call_id}")


def page(visit: Visit) -> Response:
    """The call as it stands; without a purpose on record, the question for it."""
    try:
        return visit.page("board/follow.html", live=True, **_names(visit))
    except RefusedError:
        with visit.site.database.read() as conn:
            replays.call_for(conn, visit.site.municipality_id, _viewer(visit), visit.id())
        return visit.page("board/follow_purpose.html", call_id=visit.id())


def now(visit: Visit) -> Response:
    """The part that follows; nothing where it is still as it was seen."""
    names = _names(visit)
    if visit.query.get("seen") == names["stamp"]:
        return Response(status_code=204)
    return visit.page("board/follow_now.html", **names)


def _names(visit: Visit) -> dict[str, Any]:
    site, m, call_id = visit.site, visit.site.municipality_id, visit.id()
    call = replays.follow_call(site.database, m, _viewer(visit), call_id, visit.now)
    with site.database.read() as conn:
        script = site.shelf.flow(conn, m, call.script_hash).script
        found = scenes(conn, site.shelf, m, call_id)
        a = accounts.c
        who = conn.execute(
            select(a.display_name, a.login).where(a.municipality_id == m, a.id == call.operator_id)
        ).one()
    film = frames(script, found, {}, visit.say)
    steps = steps_of(scene.event for scene in found)
    reasons = needs(Glance(call.operator_id, script, steps), limits_of(site.config.radar), visit.now)
    shown = [frame for frame in film if frame.sentences]
    return {
        "call_id": call_id,
        "operator": f"{who.display_name}（{who.login}）",
        "live_call": call.live,
        "current": shown[-1] if shown else None,
        "steps": film[-STEPS_SHOWN:],
        "reasons": reasons if call.live else (),
        "stamp": hashlib.sha256(repr((call.live, len(film), reasons)).encode()).hexdigest()[:16],
    }


def _viewer(visit: Visit) -> Viewer:
    return Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)
