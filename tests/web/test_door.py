"""Coming in, being locked out, locking, leaving: through the browser's eyes, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from callflow.console.headers import CSP
from callflow.console.pages.door import WRONG
from callflow.console.site import Site
from models.tables import accounts
from tests.web.conftest import PASSWORD

NEW = "another good password"


def test_a_right_password_opens_a_session_in_a_cookie_that_no_script_reads(browser) -> None:  # type: ignore[no-untyped-def]
    one = browser()
    done = one.submit("/login", login="op01", password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "見本 一号" in one.see("/home").text


def test_unknown_names_and_wrong_passwords_are_answered_alike(browser) -> None:  # type: ignore[no-untyped-def]
    answers = []
    for login, password in (("op01", "wrong password"), ("nobody", PASSWORD)):
        done = browser().submit("/login", login=login, password=password)
        assert done.status_code == 422
        assert WRONG in done.text
        answers.append(done.text.replace(login, "X"))
    assert answers[0] == answers[1]


def test_after_five_failures_the_right_password_waits_too(browser) -> None:  # type: ignore[no-untyped-def]
    one = browser()
    for _ in range(5):
        one.submit("/login", login="op01", password="wrong password")
    done = one.submit("/login", login="op01", password=PASSWORD)
    assert done.status_code == 422
    assert "5秒" in done.text or "6秒" in done.text


def test_a_one_time_password_opens_nothing_but_its_change(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("operator")
    with site.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "op01").values(password_once=True))
    assert one.get("/home").headers["location"] == "/password"
    one.see("/password")
    for old, new, again in (("x", NEW, NEW), (PASSWORD, NEW, NEW + "x"), (PASSWORD, "short", "short"), (PASSWORD,) * 3):
        assert one.submit("/password", old=old, new=new, again=again).status_code == 422
    before = one.cookies[site.cookie]
    assert one.submit("/password", old=PASSWORD, new=NEW, again=NEW).headers["location"] == "/?said=password"
    assert one.cookies[site.cookie] != before
    assert one.get("/home").status_code == 200


def test_the_lock_screen_shows_nothing_and_opens_with_the_password_only(logged_in) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("supervisor")
    one.submit("/lock")
    assert one.get("/home").headers["location"] == "/locked"
    one.see("/locked")
    assert one.submit("/locked", password="wrong password").status_code == 422
    assert one.submit("/locked", password=PASSWORD).headers["location"] == "/"
    assert one.get("/home").status_code == 200


def test_an_idle_screen_locks_itself(site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("staff")
    site.clock.advance(timedelta(minutes=6))  # type: ignore[attr-defined]
    assert one.get("/home").headers["location"] == "/locked"


def test_logging_out_clears_the_browser(logged_in) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("operator")
    done = one.submit("/logout")
    assert '"storage"' in done.headers["clear-site-data"]
    assert one.get("/home").headers["location"].startswith("/login")


@pytest.mark.parametrize("path", ["/login", "/home", "/nothing", "/static/console.css"])
def test_every_answer_carries_the_headers(logged_in, path: str) -> None:  # type: ignore[no-untyped-def]
    headers = logged_in("admin").get(path).headers
    assert headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("private, max-age=86400" if path.startswith("/static") else "no-store")


def test_the_screens_speak_english_when_asked(logged_in) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("staff")
    one.submit("/language", language="en")
    page = one.get("/settings").text
    assert '<html lang="en">' in page
    assert "Settings" in page
