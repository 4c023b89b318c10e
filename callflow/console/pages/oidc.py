"""The door by the ward's own provider. It is there only where the configuration names one."""

from __future__ import annotations

import secrets
from functools import lru_cache

from starlette.responses import Response

from callflow.access import sessions
from callflow.access.oidc import Attempt, Provider
from callflow.access.sessions import Denied
from callflow.console.i18n import said
from callflow.console.routes import SIGNED_IN, Route, allow
from callflow.console.visit import Visit
from callflow.errors import NotFoundError, RefusedError
from callflow.sections import Oidc

BACK = "/login/oidc/back"
TEN_MINUTES = 600


def leave(visit: Visit) -> Response:
    """To the provider: to log in, or whoever locked the screen to open it."""
    session = visit.session
    return _leave(visit, Attempt(again=session.account_id if session is not None and session.locked else 0))


def prove(visit: Visit) -> Response:
    """To the provider once more, before a script is approved: for this act an open session is not enough."""
    return _leave(visit, Attempt(again=visit.who.account_id, draft=visit.id()))


def _leave(visit: Visit, attempt: Attempt) -> Response:
    """To the provider, with what must come back in a cookie that no script reads."""
    there = _provider(visit).begin(attempt, _back(visit), visit.now)
    response = visit.go("/login")
    response.headers["location"] = there
    response.set_cookie(
        _cookie(visit),
        attempt.text(),
        max_age=TEN_MINUTES,
        path="/",
        httponly=True,
        samesite="lax",  # the provider sends the browser here from another site
        secure=visit.site.tls,
    )
    return response


def come_back(visit: Visit) -> Response:
    """Back from the provider. A page, not a redirect: the session's cookie is not sent on another site's redirect."""
    provider, attempt = _provider(visit), Attempt.read(visit.request.cookies.get(_cookie(visit), ""))
    state = visit.query.get("state", "")
    if attempt is None or not secrets.compare_digest(attempt.state.encode(), state.encode()):
        raise RefusedError(
            said("このログインは、このブラウザーで始めたものではないか、時間が切れています"),
            mend=said("ログインの画面からやり直してください"),
        )
    if "code" not in visit.query:
        raise RefusedError(
            said("認証基盤でのログインが終わりませんでした"), mend=said("ログインの画面からやり直してください")
        )
    found = provider.identity(attempt, visit.query["code"], _back(visit), visit.now)
    site = visit.site
    token = site.database.transact(
        lambda conn: sessions.log_in_by_subject(
            conn,
            site.municipality_id,
            found.subject,
            visit.terminal,
            visit.now,
            mfa=found.mfa,
            again=attempt.again,
            to_act=attempt.draft > 0,
        )
    )
    if token == Denied("other"):
        raise RefusedError(
            said("この画面を使っているのは別の人です"),
            mend=said("本人が認証基盤で確かめるか、ログアウトしてからログインしてください"),
        )
    if isinstance(token, Denied):
        response: Response = visit.page("door/stranger.html", status=403, subject=found.subject)
    else:
        response = visit.page("door/entered.html", onward=f"/script-drafts/{attempt.draft}" if attempt.draft else "/")
        response.set_cookie(site.cookie, token, path="/", httponly=True, samesite="strict", secure=site.tls)
    response.delete_cookie(_cookie(visit), path="/", secure=site.tls, httponly=True, samesite="lax")
    return response


def ask_code(visit: Visit) -> Response:
    return visit.page("door/second.html", wrong="") if visit.who.needs_code else visit.go("/")


def give_code(visit: Visit) -> Response:
    """The second factor of somebody whose provider asked for none."""
    site, code = visit.site, visit.typed("code")
    denied = site.database.transact(
        lambda conn: sessions.second_factor(conn, site.municipality_id, visit.who, code, visit.now)
    )
    if denied is None:
        return visit.go("/")
    wrong = visit.say(said("確認コードが違うか、続けて間違えたため少し待つ必要があります。"))
    return visit.page("door/second.html", status=422, wrong=wrong)


def _provider(visit: Visit) -> Provider:
    given = visit.site.config.oidc
    if not given.issuer:
        raise NotFoundError(said("このページはありません"), mend=said("パスワードでログインしてください"))
    return _made(given)


@lru_cache(maxsize=4)
def _made(given: Oidc) -> Provider:
    """Kept, with what the provider says of itself."""
    return Provider(given)


def _back(visit: Visit) -> str:
    return (visit.site.config.console.public_url or str(visit.request.base_url).rstrip("/")) + BACK


def _cookie(visit: Visit) -> str:
    return f"{visit.site.cookie}-oidc"


ROUTES = (
    Route("GET", "/login/oidc", leave, allow("anonymous"), said("ログイン"), while_locked=True),
    Route("GET", BACK, come_back, allow("anonymous"), said("ログイン"), while_locked=True),
    Route("GET", "/script-drafts/{id}/prove", prove, allow("staff"), said("台本の下書き")),
    Route("GET", "/login/code", ask_code, SIGNED_IN, said("確認コード"), before_code=True),
    Route("POST", "/login/code", give_code, SIGNED_IN, said("確認コード"), before_code=True),
)
