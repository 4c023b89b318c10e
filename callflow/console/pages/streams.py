"""The stream that tells a page that something changed."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from callflow.console.i18n import said
from callflow.console.live import stream
from callflow.console.routes import SIGNED_IN, Route
from callflow.console.visit import Visit


def live(visit: Visit) -> Response:
    return StreamingResponse(
        stream(visit.site.live, visit.site.municipality_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


ROUTES = (Route("GET", "/live", live, SIGNED_IN, said("更新の知らせ"), passive=True),)
