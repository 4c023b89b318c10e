"""An ended call is corrected by its campaign's supervisor or the ward's staff, for a purpose that is on record."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from callflow.access import replays
from callflow.console import correcting
from callflow.console.pages.calls.lists import viewer_of
from callflow.console.visit import Visit
from callflow.errors import RefusedError


def amend_page(visit: Visit) -> Response:
    call = _open_call(visit)
    return correcting.form_for(visit, call, f"/calls/{call.id}") if call else visit.go(f"/calls/{visit.id()}")


def amend(visit: Visit) -> Response:
    call = _open_call(visit)
    return correcting.correct(visit, call, f"/calls/{call.id}") if call else visit.go(f"/calls/{visit.id()}")


def _open_call(visit: Visit) -> Any | None:
    """The call, seen for its purpose once more; None while the purpose is not on record.

    Raises NotFoundError, RefusedError for a call that has not ended, SealedError.
    """
    site, m, viewer, call_id = visit.site, visit.site.municipality_id, viewer_of(visit), visit.id()
    with site.database.read() as conn:
        call = replays.call_for(conn, m, viewer, call_id)
        purpose = replays.purpose_of(conn, m, viewer.account_id, call_id, visit.now)
    if call.live:
        raise RefusedError("まだ終わっていない通話は訂正できません", mend="通話が終わってから訂正してください")
    if not purpose:
        return None
    replays.see_call(site.database, m, viewer, call_id, visit.now)
    return call
