"""The gate before the API: a bearer token, its scope, its limit, the size of what is sent. No cookie opens it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callflow.access.auditlog import PROGRAM, Occasion, occasion
from callflow.access.clients import Client, Clients, Refusal
from callflow.console.api.problems import Problem, problem_of
from callflow.console.site import Site

OPEN: Final = "/api/v1/openapi.json"
"""The description alone is there for everybody: it holds nothing of anybody."""
_CLIENT: Final = "callflow.client"
_TOLD: Final[dict[Refusal, tuple[str, str]]] = {
    "unknown": ("この token は使えません", "Authorization: Bearer に callflow client add の token を書く"),
    "expired": ("token の期限が過ぎています", "callflow client rotate で新しい token を作る"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client that may make it."""

    site: Site
    client: Client
    now: datetime


class Gate:
    """Stands around the whole API: what it stops is never read, let alone understood."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            if scope["path"] != OPEN:
                scope[_CLIENT] = await run_in_threadpool(self._admit, Request(scope))
                host = scope["client"][0] if scope.get("client") else ""
                occasion.set(Occasion(host, frozenset({PROGRAM})))
            await self._app(scope, self._limited(receive), sending)
        except Exception as error:
            if not began:  # what the application answered already, its own handler has logged
                await problem_of(error).response()(scope, receive, send)

    def _admit(self, request: Request) -> Client:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        now = self._site.clock.now()

        def work(conn: object) -> Client | Refusal:
            return Clients(conn, self._site.municipality_id, now).admit(token)  # type: ignore[arg-type]

        found = self._site.database.transact(work) if kind.lower() == "bearer" and token else "unknown"
        if isinstance(found, Client):
            return found
        if found == "too often":
            wait = str(60 - now.second)
            mend = "Retry-After の秒数だけ待ってください"
            raise Problem(429, "要求が多すぎます", mend=mend, headers={"Retry-After": wait})
        what, mend = _TOLD[found]
        raise Problem(401, what, where="Authorization", mend=mend, headers={"WWW-Authenticate": "Bearer"})

    def _limited(self, receive: Receive) -> Receive:
        most = self._site.config.api.max_megabytes * 1_000_000
        seen = 0

        async def receiving() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                mend = "分けて送るか、callflow case import で取り込んでください"
                raise Problem(413, f"大きすぎます（{self._site.config.api.max_megabytes} MB まで）", mend=mend)
            return message

        return receiving


_bearer = HTTPBearer(auto_error=False, description="callflow client add の token")


async def asked(request: Request, scopes: SecurityScopes, _token: Annotated[object, Security(_bearer)]) -> Asked:
    """Who asks, once it is sure that the client's scopes include the operation's."""
    client: Client = request.scope[_CLIENT]
    site: Site = request.app.state.site
    missing = [scope for scope in scopes.scopes if scope not in client.scopes]
    if missing:
        mend = f"範囲 {'、'.join(missing)} を持つクライアントを使ってください"
        raise Problem(403, "この token にはこの操作の範囲がありません", where="Authorization", mend=mend)
    return Asked(site, client, site.clock.now())


MayWriteCases = Annotated[Asked, Security(asked, scopes=["cases:write"])]
MayWritePayments = Annotated[Asked, Security(asked, scopes=["payments:write"])]
MayReadRecords = Annotated[Asked, Security(asked, scopes=["records:read"])]
MayReadCalls = Annotated[Asked, Security(asked, scopes=["calls:read"])]
MayReadSlips = Annotated[Asked, Security(asked, scopes=["slips:read"])]
MayManageWebhooks = Annotated[Asked, Security(asked, scopes=["webhooks:manage"])]
