"""The gate before every page: session, lock, role, origin, token, size. What it stops never reaches a view."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import structlog
from anyio import CapacityLimiter, from_thread, to_thread
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from callflow.access import sessions
from callflow.access.auditlog import Occasion, occasion
from callflow.access.sessions import SEEN_EVERY, Session
from callflow.console.failures import answer_to
from callflow.console.i18n import said
from callflow.console.routes import Route, Table
from callflow.console.site import Site
from callflow.console.visit import Visit, swaps
from callflow.errors import CallflowError, InputError, RefusedError
from callflow.oversight import standing_stop

log = structlog.get_logger("callflow.console")

SMALL: Final = 16_384  # bytes of a form

Endpoint = Callable[[Request], Awaitable[Response]]


class NotAllowedError(CallflowError):
    """The person's roles do not include the route's."""


def endpoint(site: Site, table: Table, route: Route, turns: CapacityLimiter | None = None) -> Endpoint:
    """A route behind the gate. `turns`: how many visits of these routes are answered at a time; by rule, as many as
    there are threads.
    """

    async def handle(request: Request) -> Response:
        form = await _small_form(request) if route.method != "GET" else None
        return await to_thread.run_sync(_answered, site, table, route, request, form, limiter=turns)

    return handle


async def _small_form(request: Request) -> FormData | None:
    """What a page's form sent, read before anybody asks who sent it: every step of a talk then goes to a thread and
    back once, not twice. None for what is large, or is no form: that is read, and refused, behind the gate.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > SMALL:
        return None
    with suppress(HTTPException, ClientDisconnect):
        await request.body()  # which the request keeps, should the form be asked for again
        return await request.form()
    return None


async def _large_form(request: Request, largest: int) -> FormData:
    return await request.form(max_part_size=largest)


def _answered(site: Site, table: Table, route: Route, request: Request, form: FormData | None) -> Response:
    visit = _identify(site, table, route, request)
    aside = _sent_elsewhere(visit)
    if aside is not None:
        return aside
    try:
        _may(visit)
        return _act(_with_form(visit, form) if route.method != "GET" else visit)
    except Exception as error:
        return answer_to(visit, error)


def _identify(site: Site, table: Table, route: Route, request: Request) -> Visit:
    now = site.clock.now()
    token = request.cookies.get(site.cookie, "")
    session = stopped = None
    if token:
        with site.database.read() as conn:
            session = sessions.find(conn, site.municipality_id, token, now, site.limits)
            stopped = None if route.passive or swaps(request) else standing_stop(conn, site.municipality_id)
    return Visit(site, request, route, table, session, FormData(), now, stopped)


def _sent_elsewhere(visit: Visit) -> Response | None:
    """To the door without a session, to the lock screen behind a lock, to the new password before the first work."""
    session, route = visit.session, visit.route
    if session is None:
        if "anonymous" in route.allow:
            return None
        response = visit.go("/login", said="ended" if visit.site.cookie in visit.request.cookies else "")
        response.delete_cookie(visit.site.cookie, path="/", secure=visit.site.tls, httponly=True, samesite="strict")
        return response
    if session.needs_code and not (route.before_code or route.path == "/logout"):
        return visit.go("/login/code")
    if session.locked and not route.while_locked:
        return visit.go("/locked")
    if session.password_once and not (route.while_locked or route.before_password):
        return visit.go("/password")
    return None


def _may(visit: Visit) -> None:
    roles = visit.session.roles if visit.session else frozenset({"anonymous"})
    if not visit.route.allow & (roles | {"anonymous"}):
        log.info("refused", path=visit.route.path, account=visit.session and visit.session.account_id)
        raise NotAllowedError(
            said("このページを使う権限がありません"), mend=said("必要なら管理者に役割を確かめてください")
        )


def _with_form(visit: Visit, form: FormData | None) -> Visit:
    """The visit with what was sent, once it is sure that our own page sent it."""
    request = visit.request
    origin = request.headers.get("origin", "")
    if urlsplit(origin).netloc != request.headers.get("host", "") or not origin.startswith(("http://", "https://")):
        raise RefusedError(said("ほかの場所からの操作は受け付けません"), mend=said("この画面を開き直してください"))
    try:
        length = int(request.headers.get("content-length", ""))
    except ValueError:
        raise InputError(said("送信の大きさが分かりません")) from None
    if length > visit.route.largest:
        raise InputError(visit.say("送信が大きすぎます（{n}バイトまで）").format(n=visit.route.largest))
    if form is None:
        form = from_thread.run(_large_form, request, visit.route.largest)
    if visit.session is not None:
        given = form.get("csrf") or request.headers.get("x-csrf-token", "")
        if not secrets.compare_digest(str(given).encode(), visit.session.csrf.encode()):
            raise RefusedError(
                said("この画面は古くなっています。入力は保存していません。"),
                mend=said("画面を開き直して、もう一度送信してください"),
            )
    return replace(visit, form=form)


def _act(visit: Visit) -> Response:
    occasion.set(Occasion(visit.terminal, visit.session.roles if visit.session else frozenset()))
    response = visit.route.view(visit)
    if visit.session is not None and not visit.route.passive and not visit.route.while_locked:
        _note_use(visit, visit.session)
    return response


def _note_use(visit: Visit, session: Session) -> None:
    if visit.now - session.seen_at >= max(SEEN_EVERY, timedelta(0)):
        site = visit.site
        site.database.transact(lambda conn: sessions.seen(conn, site.municipality_id, session, visit.now))
