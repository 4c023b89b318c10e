"""Accounts: who may work here, in which roles. A one-time password is shown once, on the page that made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.responses import Response

from callflow.access.accounts import ROLE_WORDS, ROLES_OF, Account, Accounts, one_time_password
from callflow.console.i18n import said
from callflow.console.listing import asked, listed
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit
from callflow.errors import NotFoundError, RefusedError

ADMIN = allow("admin")

SAID = {
    "disabled": said("無効にしました。ログイン中だった画面は、すぐに使えなくなりました。"),
    "enabled": said("使えるようにしました。"),
    "roles": said("役割を変えました。次のログインから使えます。"),
    "subject": said("認証基盤の識別子を変えました。"),
    "code_reset": said("確認コードの設定を消しました。次はパスワードだけでログインできます。"),
}


@dataclass(frozen=True, slots=True)
class Once:
    """A password to be told to a person now; it is stored as a hash only."""

    login: str
    password: str


def accounts_page(visit: Visit, once: Once | None = None) -> Response:
    """Everybody, by login, the disabled last."""
    site = visit.site
    wanted = asked(visit.query, sorts=("login", "name", "organisation"))
    with site.database.read() as conn:
        desk = Accounts(conn, site.municipality_id, visit.now)
        found, organisations = desk.all(), desk.organisations()
    listing = listed(found, wanted, words=lambda each: f"{each.login} {each.name} {each.organisation}")
    return visit.page(
        "accounts/list.html",
        listing=listing,
        once=once,
        words=ROLE_WORDS,
        organisations=[(name, kind, ROLES_OF[kind]) for name, kind in organisations],
    )


def account_page(visit: Visit, once: Once | None = None) -> Response:
    account = _account(visit)
    return visit.page(
        "accounts/one.html",
        account=account,
        oidc=visit.site.config.oidc,
        once=once,
        words=ROLE_WORDS,
        possible=ROLES_OF[account.kind],
    )


def add(visit: Visit) -> Response:
    login, password, by = visit.typed("login"), one_time_password(), visit.who.account_id

    def act(desk: Accounts) -> None:
        desk.add(login, visit.typed("name"), _roles(visit), visit.typed("organisation"), by=by)
        desk.set_password(login, password, by=by, once=True)

    _in_desk(visit, act)
    return accounts_page(visit, Once(login, password))


def new_password(visit: Visit) -> Response:
    account, password, by = _account(visit), one_time_password(), visit.who.account_id
    if account.id == by:
        raise RefusedError(
            said("自分のパスワードはここでは変えません"), mend=said("右上の「パスワード」から変えてください")
        )
    _in_desk(visit, lambda desk: desk.set_password(account.login, password, by=by, once=True))
    return account_page(visit, Once(account.login, password))


def set_roles(visit: Visit) -> Response:
    return _done(visit, "roles", lambda desk, login, by: desk.set_roles(login, _roles(visit), by=by))


def disable(visit: Visit) -> Response:
    return _done(visit, "disabled", lambda desk, login, by: desk.disable(login, by=by))


def enable(visit: Visit) -> Response:
    return _done(visit, "enabled", lambda desk, login, by: desk.enable(login, by=by))


def set_subject(visit: Visit) -> Response:
    return _done(visit, "subject", lambda desk, login, by: desk.set_subject(login, visit.typed("subject"), by=by))


def reset_code(visit: Visit) -> Response:
    return _done(visit, "code_reset", lambda desk, login, by: desk.reset_code(login, by=by))


def _done(visit: Visit, code: str, act: Callable[[Accounts, str, int], None]) -> Response:
    account = _account(visit)
    _in_desk(visit, lambda desk: act(desk, account.login, visit.who.account_id))
    return visit.go(f"/accounts/{account.id}", said=code)


def _in_desk(visit: Visit, act: Callable[[Accounts], None]) -> None:
    site = visit.site
    site.database.transact(lambda conn: act(Accounts(conn, site.municipality_id, visit.now)))


def _account(visit: Visit) -> Account:
    one, site = visit.id(), visit.site
    with site.database.read() as conn:
        found = [each for each in Accounts(conn, site.municipality_id, visit.now).all() if each.id == one]
    if not found:
        raise NotFoundError(said("この利用者はいません"), mend=said("利用者の一覧から選んでください"))
    return found[0]


def _roles(visit: Visit) -> tuple[str, ...]:
    return tuple(value for value in visit.form.getlist("role") if not isinstance(value, UploadFile))


ROUTES = (
    Route("GET", "/accounts", accounts_page, ADMIN, said("利用者"), menu=True),
    Route("POST", "/accounts", add, ADMIN, said("利用者")),
    Route("GET", "/accounts/{id}", account_page, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/password", new_password, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/roles", set_roles, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/disable", disable, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/enable", enable, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/subject", set_subject, ADMIN, said("利用者")),
    Route("POST", "/accounts/{id}/code", reset_code, ADMIN, said("利用者")),
)
