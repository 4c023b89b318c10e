"""What is known of requests from outside: one line and a few figures each, by route, never by what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("callflow.console")

EVERY_FEW_SECONDS = frozenset({"/health", "/health/live", "/metrics", "/static"})
NOWHERE = "-"  # no route of ours: what stood in the path may be anything


class Watching:
    """The outermost layer. `paths`: the route's path by its endpoint; a request that met none is logged without."""

    def __init__(self, app: ASGIApp, *, paths: Mapping[Callable[..., Any], str], collectors: CollectorRegistry) -> None:
        self._app, self._paths = app, paths
        names = ("method", "path", "status")
        self._count = Counter("callflow_http_requests", "Requests answered", names, registry=collectors)
        self._took = Histogram(
            "callflow_http_request_seconds", "Until the answer began", ("path",), registry=collectors
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        told: list[int] = []

        async def listening(message: Message) -> None:
            if message["type"] == "http.response.start" and not told:
                told.append(message["status"])
                self._tell(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, listening)
        except BaseException:
            if not told:
                self._tell(scope, 500, time.perf_counter() - began)
            raise

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        path = "/static" if scope["path"].startswith("/static/") else NOWHERE
        if "endpoint" in scope:
            path = self._paths.get(scope["endpoint"], path)
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else NOWHERE
        self._count.labels(method, path, str(status)).inc()
        self._took.labels(path).observe(seconds)
        tell = log.debug if path in EVERY_FEW_SECONDS and status < 400 else log.info
        tell("request", method=method, path=path, status=status, milliseconds=round(seconds * 1000, 1))
