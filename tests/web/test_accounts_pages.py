"""Accounts in the browser: made with a password shown once, given roles, disabled, enabled; a second factor."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest

from callflow.access.accounts import Accounts
from callflow.cli import main as command_line
from callflow.console.site import Site
from callflow.errors import RefusedError
from tests.conftest import MUNICIPALITY
from tests.web.conftest import LOGINS, PASSWORD
from tests.world import World


def one(site: Site, login: str):  # type: ignore[no-untyped-def]
    with site.database.read() as conn:
        return Accounts(conn, MUNICIPALITY, site.clock.now()).named(login)


def test_an_account_is_made_with_a_password_that_is_shown_once_and_must_be_changed(
    site: Site,
    logged_in,  # type: ignore[no-untyped-def]
    browser,  # type: ignore[no-untyped-def]
) -> None:
    admin = logged_in("admin")
    admin.see("/accounts")
    made = admin.submit("/accounts", login="op77", name="見本 七十七号", organisation="contractor", role="operator")
    password = re.search(r"<code><b>([a-z2-9-]{19})</b>", made.text)[1]
    assert password not in admin.see("/accounts").text
    new = browser()
    assert new.submit("/login", login="op77", password=password).status_code == 303
    assert new.get("/home").headers["location"] == "/password"
    wrong = {"login": "Op 78", "name": "x", "organisation": "contractor", "role": "operator"}
    for change in ({}, {"login": "op77"}, {"login": "op78", "role": "staff"}, {"login": "op78", "role": ""}):
        assert admin.submit("/accounts", **(wrong | change)).status_code == 422, change
    assert admin.submit("/accounts", **(wrong | {"login": "op78", "organisation": "nobody"})).status_code == 404


def test_disabling_ends_sessions_at_once_and_enabling_lets_in_again(site: Site, logged_in, browser) -> None:  # type: ignore[no-untyped-def]
    admin, operator = logged_in("admin"), logged_in("operator")
    path = f"/accounts/{one(site, 'op01').id}"
    admin.see(path)
    assert admin.submit(f"{path}/disable").headers["location"] == f"{path}?said=disabled"
    assert operator.get("/home").headers["location"].startswith("/login")
    assert browser().submit("/login", login="op01", password=PASSWORD).status_code == 422
    assert "無効" in admin.see(path).text
    admin.submit(f"{path}/enable")
    assert browser().submit("/login", login="op01", password=PASSWORD).status_code == 303
    assert admin.see("/accounts/999999").status_code == 404


def test_roles_change_at_once_and_fit_the_organisation(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    admin, operator = logged_in("admin"), logged_in("operator")
    path = f"/accounts/{one(site, 'op01').id}"
    admin.see(path)
    assert admin.submit(f"{path}/roles", role="supervisor").status_code == 303
    assert one(site, "op01").roles == ("supervisor",)
    assert operator.get("/home").headers["location"].startswith("/login")
    for role in ("staff", "", "king"):
        assert admin.submit(f"{path}/roles", role=role).status_code == 422
    assert one(site, "op01").roles == ("supervisor",)


def test_the_last_administrator_stays_and_nobody_locks_themselves_out(site: Site, world: World, logged_in) -> None:  # type: ignore[no-untyped-def]
    admin = logged_in("admin")
    own = one(site, "admin01")
    admin.see(f"/accounts/{own.id}")
    for act in ("disable", "password"):
        assert admin.submit(f"/accounts/{own.id}/{act}").status_code == 409, act
    assert admin.submit(f"/accounts/{own.id}/roles", role="staff").status_code == 409
    with site.database.write() as conn:
        desk = Accounts(conn, MUNICIPALITY, site.clock.now())
        with pytest.raises(RefusedError, match="最後の管理者"):
            desk.disable("admin01", by=world.staff[0])
        with pytest.raises(RefusedError, match="最後の管理者"):
            desk.set_roles("admin01", ("staff",), by=world.staff[0])


def test_the_contractors_administrator_makes_nobody_of_the_ward(site: Site, world: World) -> None:
    with site.database.write() as conn:
        desk = Accounts(conn, MUNICIPALITY, site.clock.now())
        desk.set_roles("sv01", ("supervisor", "admin"), by=one(site, "admin01").id)
        for act in (
            lambda: desk.add("spy", "見本 零号", ("staff",), "ward", by=world.supervisor),
            lambda: desk.set_password("ward01", "a password of mine", by=world.supervisor),
            lambda: desk.disable("admin01", by=world.supervisor),
            lambda: desk.set_roles("audit01", ("staff",), by=world.supervisor),
            lambda: desk.reset_code("ward01", by=world.supervisor),
            lambda: desk.enable("ward01", by=world.supervisor),
        ):
            with pytest.raises(RefusedError, match="区の利用者"):
                act()
        desk.disable("op01", by=world.supervisor)


def test_a_second_factor_is_set_up_asked_for_and_taken_away(site: Site, logged_in, browser) -> None:  # type: ignore[no-untyped-def]
    staff = logged_in("staff")
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', staff.see("/code").text)[1]
    code = pyotp.TOTP(secret).at(site.clock.now())
    for wrong in ({"code": "000000"}, {"password": "wrong"}, {"secret": "short"}):
        sent = {"secret": secret, "code": code, "password": PASSWORD} | wrong
        assert staff.submit("/code", **sent).status_code == 422, wrong
    assert staff.submit("/code", secret=secret, code=code, password=PASSWORD).headers["location"] == "/code?said=code"
    login = {"login": LOGINS["staff"], "password": PASSWORD}
    assert browser().submit("/login", **login).status_code == 422
    assert browser().submit("/login", **login, code=code).status_code == 422  # it was used to set it up
    admin = logged_in("admin")
    path = f"/accounts/{one(site, LOGINS['staff']).id}"
    assert "確認コードあり" in admin.see(path).text
    admin.submit(f"{path}/code")
    site.clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]
    assert browser().submit("/login", **login).status_code == 303


def test_the_commands_do_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(site.config_path))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", site.database.url)
    monkeypatch.setenv("CALLFLOW_CLOCK", "2026-11-24T10:00+09:00")
    for act, *more in (("disable",), ("enable",), ("roles", "--role", "supervisor"), ("reset-code",)):
        words = ["user", act, "op01", *more]
        assert command_line.run(["--as", "admin01", *words]) == 0, words
        assert command_line.run(["--as", "sv01", *words]) == 5, words
    assert (one(site, "op01").roles, one(site, "op01").active) == (("supervisor",), True)
    assert command_line.run(["--as", "admin01", "user", "roles", "op01", "--role", "staff"]) == 1
