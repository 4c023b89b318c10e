"""What the telephone's provider calls: no page, no session, no form of ours. It is judged before it has any effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callflow.console import receivers
from callflow.console.site import Site
from callflow.errors import CallflowError
from callflow.recordings.shelf import heard_of
from callflow.telephony.port import DeskEvent, RecordingReady
from callflow.telephony.webhook import LARGEST, Hook, Told

log = structlog.get_logger("callflow.console")


def hooks(site: Site) -> list[Route]:
    """The one route of the site's hook; none where nobody calls us back."""
    if site.hook is None:
        return []
    return [Route(f"{site.hook.receiver.prefix}{{rest:path}}", _endpoint(site, site.hook), methods=["POST"])]


def _endpoint(site: Site, hook: Hook) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return Response(status_code=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = hook.receiver.read(request.url.path, headers, bytes(body))
        if told.reason:
            log.warning("hook refused", reason=told.reason, expected=told.expected, status=told.status)
        elif told.event is not None:
            await run_in_threadpool(_take_in, site, hook, told)
        return Response(status_code=told.status)

    return handle


def _take_in(site: Site, hook: Hook, told: Told) -> None:
    """Committed before it is answered. What cannot be now is asked for again by `recover`."""
    try:
        if isinstance(told.event, DeskEvent):
            receivers.take_in(site, told.event)
        elif isinstance(told.event, RecordingReady):
            ready = told.event
            site.database.transact(lambda conn: heard_of(conn, site.municipality_id, ready, site.clock.now()))
        elif told.event is not None:
            hook.phone.arrived(told.event)
            site.switchboard.listen()
    except CallflowError as error:
        log.warning("hook", kind=type(error).__name__)
    except Exception as error:
        log.error("hook", kind=type(error).__name__)
