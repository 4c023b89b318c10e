"""Who gets in, who waits, and what ends a session, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update

from callflow.access.accounts import Accounts, password_fits
from callflow.access.sessions import Denied, Limits, Session, end, find, lock, log_in, seen, stored_password, unlock
from callflow.clock import SimulatedClock
from callflow.standing import Opening
from models.database import Database
from models.tables import accounts, audit_events, sessions
from tests.conftest import MUNICIPALITY, START
from tests.world import World, add_case, build

MINUTE = timedelta(minutes=1)
LIMITS = Limits()
PASSWORD = "correct horse battery"


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    world = build(database, clock)
    with database.write() as conn:
        Accounts(conn, MUNICIPALITY, START).set_password("op01", PASSWORD, by=None)
    return world


def enter(
    world: World,
    *,
    login: str = "op01",
    fits: bool = True,
    code: str = "",
    after: timedelta = timedelta(0),
    terminal: str = "10.0.0.7",
) -> str | Denied:
    with world.database.write() as conn:
        return log_in(conn, MUNICIPALITY, login, code, terminal, START + after, fits=fits)


def session_of(world: World, token: str | Denied, after: timedelta = timedelta(0)) -> Session | None:
    assert isinstance(token, str)
    with world.database.read() as conn:
        return find(conn, MUNICIPALITY, token, START + after, LIMITS)


def test_a_right_password_opens_a_session_and_the_table_does_not_hold_its_token(world: World) -> None:
    with world.database.read() as conn:
        stored = stored_password(conn, MUNICIPALITY, "op01")
        assert stored_password(conn, MUNICIPALITY, "nobody") is None
    assert password_fits(stored, PASSWORD)
    assert not password_fits(stored, PASSWORD + "x")
    assert not password_fits(None, PASSWORD)
    token = enter(world)
    session = session_of(world, token)
    assert session
    assert (session.login, session.kind, session.roles) == ("op01", "contractor", frozenset({"operator"}))
    with world.database.read() as conn:
        assert token not in [*conn.execute(select(sessions)).one()]
        assert find(conn, MUNICIPALITY, "another", START, LIMITS) is None


def test_after_five_failures_everybody_waits_and_names_that_do_not_exist_answer_alike(world: World) -> None:
    for login in ("op01", "nobody"):
        for _ in range(5):
            assert enter(world, login=login, fits=False, terminal=login) == Denied("wrong")
        assert enter(world, login=login, terminal=login) == Denied("wait", timedelta(seconds=5))
    assert isinstance(enter(world, terminal="another"), Denied)
    assert isinstance(enter(world, terminal="another", after=timedelta(seconds=5)), str)


def test_a_terminal_that_tries_many_names_waits_too(world: World) -> None:
    for number in range(5):
        assert enter(world, login=f"guess{number}", fits=False) == Denied("wrong")
    assert enter(world) == Denied("wait", timedelta(seconds=5))


def test_the_wait_doubles_and_has_an_end(world: World) -> None:
    for _ in range(5):
        enter(world, fits=False)
    waited = timedelta(0)
    for seconds in (5, 10, 20, 40, 80, 160, 320, 640, 900, 900):
        refused = enter(world, after=waited)
        assert isinstance(refused, Denied)
        assert refused.wait == timedelta(seconds=seconds)
        waited += refused.wait
        assert enter(world, fits=False, after=waited) == Denied("wrong")


def test_idle_locks_then_ends_and_nothing_lasts_beyond_twelve_hours(world: World) -> None:
    token = enter(world)
    for minutes, locked in ((4, False), (5, True), (14, True)):
        session = session_of(world, token, minutes * MINUTE)
        assert session
        assert session.locked is locked
    assert session_of(world, token, 15 * MINUTE) is None
    session = session_of(world, token)
    assert session
    with world.database.write() as conn:
        seen(conn, MUNICIPALITY, session, START + timedelta(hours=11, minutes=59))
    assert session_of(world, token, timedelta(hours=11, minutes=59, seconds=59)) is not None
    assert session_of(world, token, timedelta(hours=12)) is None


def test_an_open_call_counts_as_use(world: World) -> None:
    token = enter(world)
    with world.database.write() as conn:
        case = add_case(conn)
    world.calls.open(Opening(case.case_id, world.operator, world.script_hash, {}, case.number_id))
    session = session_of(world, token, 40 * MINUTE)
    assert session
    assert not session.locked


def test_a_locked_screen_opens_with_the_password_only(world: World) -> None:
    token = enter(world)
    session = session_of(world, token)
    assert session
    with world.database.write() as conn:
        lock(conn, MUNICIPALITY, session, START)
    locked = session_of(world, token)
    assert locked
    assert locked.locked
    with world.database.write() as conn:
        assert unlock(conn, MUNICIPALITY, locked, START, fits=False) == Denied("wrong")
    still = session_of(world, token)
    assert still
    assert still.locked
    with world.database.write() as conn:
        assert unlock(conn, MUNICIPALITY, locked, START, fits=True) is None
    opened = session_of(world, token)
    assert opened
    assert not opened.locked


@pytest.mark.parametrize("how", ["logout", "elsewhere", "disabled", "password"])
def test_what_ends_a_session_ends_it_at_once(world: World, how: str) -> None:
    token = enter(world)
    session = session_of(world, token)
    assert session
    with world.database.write() as conn:
        people = Accounts(conn, MUNICIPALITY, START)
        if how == "logout":
            end(conn, MUNICIPALITY, session, START)
        elif how == "elsewhere":
            log_in(conn, MUNICIPALITY, "op01", "", "10.0.0.8", START, fits=True)
        elif how == "disabled":
            conn.execute(update(accounts).where(accounts.c.login == "op01").values(disabled_at=START))
        else:
            people.set_password("op01", PASSWORD + " new", by=None)
    assert session_of(world, token) is None


def test_a_code_is_asked_for_where_it_is_set_up_and_counts_once(world: World) -> None:
    secret = pyotp.random_base32()
    with world.database.write() as conn:
        conn.execute(update(accounts).where(accounts.c.login == "op01").values(totp_secret=secret))
    code = pyotp.TOTP(secret).at(START)
    assert enter(world) == Denied("wrong")
    assert enter(world, code=pyotp.TOTP(secret).at(START - 5 * MINUTE)) == Denied("wrong")
    assert isinstance(enter(world, code=code), str)
    assert enter(world, code=code) == Denied("wrong")
    assert isinstance(enter(world, code=pyotp.TOTP(secret).at(START + MINUTE), after=MINUTE), str)


def test_the_record_names_no_login_that_failed(world: World) -> None:
    enter(world, login="my-password-typed-here", fits=False)
    with world.database.read() as conn:
        rows = conn.execute(select(audit_events).where(audit_events.c.verb == "session:refused")).all()
    assert len(rows) == 1
    assert "my-password" not in str(rows)
