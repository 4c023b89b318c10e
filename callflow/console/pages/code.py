"""One's own second factor: a code that changes every 30 seconds (TOTP, RFC 6238), from an app of one's own."""

from __future__ import annotations

import re

import pyotp
from starlette.responses import Response

from callflow.access import sessions
from callflow.access.accounts import Accounts, password_fits
from callflow.console.i18n import said
from callflow.console.routes import SIGNED_IN, Route
from callflow.console.visit import Visit

SAID = {"code": said("確認コードを使うようにしました。次のログインから尋ねます。")}
_SECRET = re.compile(r"[A-Z2-7]{32}")


def offer(visit: Visit) -> Response:
    return _page(visit, pyotp.random_base32(), "", 200)


def confirm(visit: Visit) -> Response:
    """The secret is kept once its owner has shown a code of it, and the password."""
    site, secret = visit.site, visit.typed("secret")
    if not _SECRET.fullmatch(secret):
        return _page(visit, pyotp.random_base32(), visit.say(said("鍵が変わりました。登録し直してください。")), 422)
    with site.database.read() as conn:
        stored = sessions.stored_password(conn, site.municipality_id, visit.who.login)
    step = sessions.step_of(secret, visit.typed("code"), visit.now)
    if not password_fits(stored, str(visit.form.get("password", ""))) or step is None:
        return _page(visit, secret, visit.say(said("パスワードか確認コードが違います。")), 422)
    account_id = visit.who.account_id
    site.database.transact(
        lambda conn: Accounts(conn, site.municipality_id, visit.now).set_code(account_id, secret, step)
    )
    return visit.go("/code", said="code")


def _page(visit: Visit, secret: str, wrong: str, status: int) -> Response:
    address = pyotp.TOTP(secret).provisioning_uri(name=visit.who.login, issuer_name="callflow")
    groups = " ".join(secret[first : first + 4] for first in range(0, len(secret), 4))
    return visit.page(
        "door/code.html", status=status, secret=secret, groups=groups, address=address, wrong=wrong, on=_is_on(visit)
    )


def _is_on(visit: Visit) -> bool:
    with visit.site.database.read() as conn:
        return Accounts(conn, visit.site.municipality_id, visit.now).named(visit.who.login).has_code


ROUTES = (
    Route("GET", "/code", offer, SIGNED_IN, said("確認コード")),
    Route("POST", "/code", confirm, SIGNED_IN, said("確認コード")),
)
