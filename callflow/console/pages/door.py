"""Coming in, going out, locking the screen, and the password."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection
from starlette.responses import Response

from callflow.access import sessions
from callflow.access.accounts import SHORTEST_PASSWORD, Accounts, password_fits
from callflow.access.sessions import Denied
from callflow.console.i18n import LANGUAGES, said
from callflow.console.routes import ANYBODY, SIGNED_IN, Route, allow
from callflow.console.visit import Visit
from callflow.errors import InputError

SAID = {
    "ended": said("操作がない時間が続いたか、別の端末でログインしたため、ログアウトしました。入力は保存されています。"),
    "out": said("ログアウトしました。"),
    "password": said("パスワードを変えました。"),
}
WRONG = said("ログイン名・パスワード・確認コードのどれかが違います。")
WAIT = said("続けて間違えたため、{seconds}秒待ってからもう一度試してください。")


def login(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.go("/")
    return visit.page("door/login.html", login="", wrong="")


def enter(visit: Visit) -> Response:
    """Whoever is wrong learns the same, whether the name exists or not."""
    site, name = visit.site, visit.typed("login")
    with site.database.read() as conn:
        wait = sessions.waits(conn, site.municipality_id, name, visit.terminal, visit.now)
        stored = sessions.stored_password(conn, site.municipality_id, name)
    if wait > timedelta(0):
        return _refused(visit, name, Denied("wait", wait))
    fits = password_fits(stored, str(visit.form.get("password", "")))
    token = site.database.transact(
        lambda conn: sessions.log_in(
            conn, site.municipality_id, name, visit.typed("code"), visit.terminal, visit.now, fits=fits
        )
    )
    return _refused(visit, name, token) if isinstance(token, Denied) else _with_cookie(visit, visit.go("/"), token)


def leave(visit: Visit) -> Response:
    site, who = visit.site, visit.who
    site.database.transact(lambda conn: sessions.end(conn, site.municipality_id, who, visit.now))
    response = visit.go("/login", said="out")
    response.delete_cookie(site.cookie, path="/", secure=site.tls, httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return response


def lock(visit: Visit) -> Response:
    site, who = visit.site, visit.who
    site.database.transact(lambda conn: sessions.lock(conn, site.municipality_id, who, visit.now))
    return visit.go("/locked")


def locked(visit: Visit) -> Response:
    return visit.page("door/locked.html", wrong="") if visit.who.locked else visit.go("/")


def unlock(visit: Visit) -> Response:
    site, who = visit.site, visit.who
    with site.database.read() as conn:
        stored = sessions.stored_password(conn, site.municipality_id, who.login)
    fits = password_fits(stored, str(visit.form.get("password", "")))
    denied = site.database.transact(lambda conn: sessions.unlock(conn, site.municipality_id, who, visit.now, fits=fits))
    if denied is None:
        return visit.go("/")
    return visit.page("door/locked.html", status=422, wrong=_words(visit, denied))


def password(visit: Visit) -> Response:
    return visit.page("door/password.html", wrong="", shortest=SHORTEST_PASSWORD)


def change_password(visit: Visit) -> Response:
    """The new password, with a new session: every other one of this account ends."""
    site, who = visit.site, visit.who
    new, again = (str(visit.form.get(name, "")) for name in ("new", "again"))
    with site.database.read() as conn:
        stored = sessions.stored_password(conn, site.municipality_id, who.login)
    try:
        if not password_fits(stored, str(visit.form.get("old", ""))):
            raise InputError(said("いまのパスワードが違います"))
        if new != again:
            raise InputError(said("二度の入力が違います"))
        if password_fits(stored, new):
            raise InputError(said("いまと同じパスワードは使えません"))
        token = site.database.transact(lambda conn: _renewed(conn, visit, new))
    except InputError as error:
        wrong = " ".join(visit.say(words) for words in (error.what, error.mend) if words)
        return visit.page("door/password.html", status=422, wrong=wrong, shortest=SHORTEST_PASSWORD)
    return _with_cookie(visit, visit.go("/", said="password"), token)


def _renewed(conn: Connection, visit: Visit, new: str) -> str:
    site, who = visit.site, visit.who
    Accounts(conn, site.municipality_id, visit.now).set_password(who.login, new, by=who.account_id)
    return sessions.renew(conn, site.municipality_id, who, visit.now)


def speak(visit: Visit) -> Response:
    site, language = visit.site, visit.typed("language")
    if language in LANGUAGES:
        site.database.transact(lambda conn: sessions.speak(conn, site.municipality_id, visit.who, language))
    return visit.go("/")


def _refused(visit: Visit, name: str, denied: Denied) -> Response:
    return visit.page("door/login.html", status=422, login=name, wrong=_words(visit, denied))


def _words(visit: Visit, denied: Denied) -> str:
    if denied.why == "wait":
        return visit.say(WAIT).format(seconds=int(denied.wait.total_seconds()) + 1)
    return visit.say(WRONG)


def _with_cookie(visit: Visit, response: Response, token: str) -> Response:
    response.set_cookie(visit.site.cookie, token, path="/", httponly=True, samesite="strict", secure=visit.site.tls)
    return response


ROUTES = (
    Route("GET", "/login", login, ANYBODY, said("ログイン"), while_locked=True),
    Route("POST", "/login", enter, allow("anonymous"), said("ログイン"), while_locked=True),
    Route("POST", "/logout", leave, SIGNED_IN, said("ログアウト"), while_locked=True),
    Route("POST", "/lock", lock, SIGNED_IN, said("画面ロック"), while_locked=True),
    Route("GET", "/locked", locked, SIGNED_IN, said("画面ロック"), while_locked=True),
    Route("POST", "/locked", unlock, SIGNED_IN, said("画面ロック"), while_locked=True),
    Route("GET", "/password", password, SIGNED_IN, said("パスワードの変更"), before_password=True),
    Route("POST", "/password", change_password, SIGNED_IN, said("パスワードの変更"), before_password=True),
    Route("POST", "/language", speak, SIGNED_IN, said("言語")),
)
