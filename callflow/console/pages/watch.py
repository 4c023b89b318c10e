"""For programs that watch over callflow: is it alive, can it work, and its figures. No personal data, no detail."""

from __future__ import annotations

import ipaddress
import secrets

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from callflow.console.i18n import said
from callflow.console.routes import ANYBODY, Route
from callflow.console.visit import Visit
from models.migrate import HEAD, current

FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded")


def alive(_visit: Visit) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


def health(visit: Visit) -> Response:
    """The database answers, and its tables are this program's."""
    try:
        ready = current(visit.site.database) == HEAD
    except Exception:
        ready = False
    return PlainTextResponse("ok\n" if ready else "not ok\n", status_code=200 if ready else 503)


def metrics(visit: Visit) -> Response:
    """On this machine, or with the token of `console.metrics_token`; to everybody else there is no such page."""
    if not _may(visit):
        return PlainTextResponse("このページはありません / no such page", status_code=404)
    return Response(generate_latest(visit.request.app.state.collectors), media_type=CONTENT_TYPE_LATEST)


def _may(visit: Visit) -> bool:
    token = visit.site.config.console.metrics_token
    given = visit.request.headers.get("authorization", "").removeprefix("Bearer ")
    if token and secrets.compare_digest(given.encode(), token.encode()):
        return True
    through_a_proxy = any(name in visit.request.headers for name in FORWARDED)
    return not through_a_proxy and _is_loopback(visit.terminal)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


ROUTES = (
    Route("GET", "/health", health, ANYBODY, said("稼働の確認"), passive=True, while_locked=True),
    Route("GET", "/health/live", alive, ANYBODY, said("稼働の確認"), passive=True, while_locked=True),
    Route("GET", "/metrics", metrics, ANYBODY, said("稼働の確認"), passive=True, while_locked=True),
)
