"""The operator's telephone in the browser: its token. The page `/desk` alone may load it, and only while it is on."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from callflow.console.visit import Visit
from callflow.errors import NotFoundError


def token(visit: Visit) -> Response:
    """A token for whoever asks, and nobody else. Raises NotFoundError where the switch is off."""
    site, phone = visit.site, visit.site.softphone
    if phone is None:
        raise NotFoundError("このページはありません")
    return JSONResponse({"token": phone.token(site.municipality_id, visit.who.account_id, visit.now)})
