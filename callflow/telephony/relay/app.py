"""The relay over HTTP: one path for the closed side, one for the provider's callbacks, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callflow.errors import TryLaterError
from callflow.telephony.port import DeskEvent, PhoneEvent
from callflow.telephony.relay.exchange import Exchange
from callflow.telephony.relay.wire import LARGEST, PATH, SEAL
from callflow.telephony.webhook import Hook

log = structlog.get_logger("callflow.relay")


def create_app(exchange: Exchange, hook: Hook | None) -> Starlette:
    """The relay's web application."""

    async def exchanged(request: Request) -> Response:
        body = await _body(request, LARGEST)
        answered = await run_in_threadpool(exchange.read, request.headers.get(SEAL, ""), body)
        if answered.reason:
            log.warning("exchange refused", reason=answered.reason, status=answered.status)
        return Response(answered.body, answered.status, {SEAL: answered.seal}, "application/json")

    routes = [Route(PATH, exchanged, methods=["POST"])]
    if hook is not None:
        routes.append(Route(f"{hook.receiver.prefix}{{rest:path}}", _called_back(exchange, hook), methods=["POST"]))
    return Starlette(routes=routes)


def _called_back(exchange: Exchange, hook: Hook) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        body = await _body(request, LARGEST)
        headers = {name.lower(): value for name, value in request.headers.items()}
        told = hook.receiver.read(request.url.path, headers, body)
        if told.reason:
            log.warning("hook refused", reason=told.reason, expected=told.expected, status=told.status)
        elif isinstance(told.event, PhoneEvent | DeskEvent):
            await run_in_threadpool(_take_in, exchange, hook, told.event)
        return Response(status_code=told.status)

    return handle


def _take_in(exchange: Exchange, hook: Hook, event: PhoneEvent | DeskEvent) -> None:
    """Written down before it is answered; what the disk does not take now is asked for again by the closed side."""
    try:
        if isinstance(event, DeskEvent):
            exchange.relay.desk_told(event)
        else:
            hook.phone.arrived(event)
            exchange.relay.news(("", 0))
    except TryLaterError as error:
        log.error("hook", reason=error.what)


async def _body(request: Request, most: int) -> bytes:
    """What was sent; one byte more than `most` of what is longer, which is then refused."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            break
    return bytes(body[: most + 1])
