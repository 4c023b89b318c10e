"""Who is logged in. Sessions are rows: ending one, or disabling its account, works at once everywhere.

The cookie is a random token and the table holds only its SHA-256. A failed attempt makes the next one wait longer,
counted by login name and by terminal alike; the answer is the same whether the name exists or not.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyotp
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, delete, func, insert, select, update

from callflow.access.accounts import Kind
from callflow.access.auditlog import audit
from callflow.access.preferences import Preferences, preferences_of
from models.tables import (
    account_roles,
    accounts,
    called_by,
    calls,
    is_live,
    login_failures,
    organisations,
    preferences,
    sessions,
)

SEEN_EVERY = timedelta(seconds=20)
"""A session's last use is written at most this often, so that a page costs no commit."""

PROVED_FOR = timedelta(minutes=3)
"""How long one act may follow the provider's word that it asked anew who somebody is."""

FREE_TRIES = 4
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
TOTP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """When a session locks and ends by itself; an open call counts as use."""

    lock: timedelta = timedelta(minutes=5)
    end: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in person at a terminal."""

    token_hash: str
    csrf: str
    account_id: int
    login: str
    name: str
    organisation: str
    kind: Kind
    roles: frozenset[str]
    language: str
    terminal: str
    locked: bool
    password_once: bool
    needs_code: bool
    seen_at: datetime
    proved_at: datetime | None
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Denied:
    """Why nobody was let in: `wrong` (name, password or code), `wait` (too many tries), `other` (not their lock)."""

    why: str
    wait: timedelta = timedelta(0)


def waits(conn: Connection, municipality_id: int, login: str, terminal: str, now: datetime) -> timedelta:
    """How long this name at this terminal must wait before the next try; zero: not at all."""
    return max(_wait(conn, municipality_id, subject, now) for subject in _subjects(login, terminal))


def stored_password(conn: Connection, municipality_id: int, login: str) -> str | None:
    """The hash to compare with, outside the transaction; None for a name that there is not."""
    found = select(accounts.c.password_hash).where(
        accounts.c.municipality_id == municipality_id, accounts.c.login == login
    )
    return conn.execute(found).scalar_one_or_none()


def log_in(
    conn: Connection, municipality_id: int, login: str, code: str, terminal: str, now: datetime, *, fits: bool
) -> str | Denied:
    """The new session's token, or why not. `fits`: the password was right (`accounts.password_fits`).

    The account's other sessions end: one person, one terminal.
    """
    wait = waits(conn, municipality_id, login, terminal, now)
    if wait > timedelta(0):
        return Denied("wait", wait)
    account = conn.execute(
        select(accounts).where(accounts.c.municipality_id == municipality_id, accounts.c.login == login)
    ).one_or_none()
    if account is None or not fits or account.disabled_at is not None or not _code_fits(conn, account, code, now):
        for subject in _subjects(login, terminal):
            _failed(conn, municipality_id, subject, now)
        audit(
            conn, municipality_id, now, account.id if account else None, "session:refused", f"terminal:{terminal}"[:64]
        )
        return Denied("wrong")
    conn.execute(
        delete(login_failures).where(
            login_failures.c.municipality_id == municipality_id,
            login_failures.c.subject.in_(_subjects(login, terminal)),
        )
    )
    end_sessions(conn, municipality_id, account.id, "elsewhere", now)
    audit(conn, municipality_id, now, account.id, "session:begin", f"account:{account.id}")
    return _begin(conn, municipality_id, account.id, terminal, now)


def log_in_by_subject(
    conn: Connection,
    municipality_id: int,
    subject: str,
    terminal: str,
    now: datetime,
    *,
    mfa: bool,
    again: int = 0,
    to_act: bool = False,
) -> str | Denied:
    """The new session of whom the provider named, or why not. Its second factor is asked for where there is one and
    the provider did not ask for one itself (`mfa`). The same answer for an unknown subject and a disabled account.

    `again`: the account that proves anew who it is, by a new session in place of its own; `other` if it is not theirs.
    `to_act`: for one act that wants it, and not because the screen is locked.
    """
    a = accounts.c
    account = conn.execute(
        select(a.id, a.totp_secret).where(
            a.municipality_id == municipality_id, a.oidc_subject == subject, a.disabled_at.is_(None)
        )
    ).one_or_none()
    if account is None:
        audit(conn, municipality_id, now, None, "session:refused", f"terminal:{terminal}"[:64])
        return Denied("wrong")
    if again not in (0, account.id):
        audit(conn, municipality_id, now, account.id, "session:refused", f"terminal:{terminal}"[:64])
        return Denied("other")
    s = sessions.c
    open_ = (s.municipality_id == municipality_id, s.account_id == account.id, s.ended_at.is_(None))
    language = conn.execute(select(s.language).where(*open_).limit(1)).scalar() if again else None
    end_sessions(conn, municipality_id, account.id, "rotated" if again else "elsewhere", now)
    verb = "session:begin" if not again else "session:prove" if to_act else "session:unlock"
    audit(conn, municipality_id, now, account.id, verb, f"account:{account.id}", purpose="oidc")
    asks = account.totp_secret is not None and not mfa
    since = {"code_asked_at": now if asks else None, "proved_at": now if to_act else None}
    return _begin(conn, municipality_id, account.id, terminal, now, language or "ja", **since)


def second_factor(conn: Connection, municipality_id: int, session: Session, code: str, now: datetime) -> Denied | None:
    """Opens a session that waits for its second factor; failures count as those of a login."""
    wait = waits(conn, municipality_id, session.login, session.terminal, now)
    if wait > timedelta(0):
        return Denied("wait", wait)
    a = accounts.c
    account = conn.execute(
        select(accounts).where(a.municipality_id == municipality_id, a.id == session.account_id)
    ).one()
    if not _code_fits(conn, account, code, now):
        for subject in _subjects(session.login, session.terminal):
            _failed(conn, municipality_id, subject, now)
        return Denied("wrong")
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(code_asked_at=None, seen_at=now))
    return None


def _found() -> Select[Any]:
    s, a, o, p, r = sessions.c, accounts.c, organisations.c, preferences.c, account_roles.c
    return (
        select(
            *(s.token_hash, s.csrf, s.account_id, s.language, s.terminal, s.created_at, s.seen_at, s.locked_at),
            *(s.code_asked_at, s.proved_at),
            *(a.login, a.display_name, a.password_once, o.name.label("organisation"), o.kind),
            *(p.keys_off, p["keys"].label("own_keys"), p.theme, p.size),
            select(func.aggregate_strings(r.role, ","))
            .where(r.municipality_id == s.municipality_id, r.account_id == s.account_id)
            .scalar_subquery()
            .label("roles"),
        )
        .join(accounts, (a.municipality_id == s.municipality_id) & (a.id == s.account_id))
        .join(organisations, (o.municipality_id == a.municipality_id) & (o.id == a.organisation_id))
        .outerjoin(preferences, (p.municipality_id == s.municipality_id) & (p.account_id == s.account_id))
        .where(
            s.municipality_id == bindparam("m"),
            s.token_hash == bindparam("token"),
            s.ended_at.is_(None),
            a.disabled_at.is_(None),
        )
    )


_FOUND = _found()  # asked for every page: built once


def find(conn: Connection, municipality_id: int, token: str, now: datetime, limits: Limits) -> Session | None:
    """The session of a token, if it still holds; None otherwise. `locked` where it was, or stood unused too long."""
    row = conn.execute(_FOUND, {"m": municipality_id, "token": _hash(token)}).one_or_none()
    if row is None or now >= row.created_at + limits.absolute:
        return None
    idle = now - row.seen_at
    if idle >= limits.lock and _in_call(conn, municipality_id, row.account_id):
        idle = timedelta(0)
    if idle >= limits.end:
        return None
    return Session(
        token_hash=row.token_hash,
        csrf=row.csrf,
        account_id=row.account_id,
        login=row.login,
        name=row.display_name,
        organisation=row.organisation,
        kind=row.kind,
        roles=frozenset(row.roles.split(",") if row.roles else ()),
        language=row.language,
        terminal=row.terminal,
        locked=row.locked_at is not None or idle >= limits.lock,
        password_once=row.password_once,
        needs_code=row.code_asked_at is not None,
        seen_at=row.seen_at,
        proved_at=row.proved_at,
        preferences=preferences_of(row.keys_off, row.own_keys, row.theme, row.size),
    )


def seen(conn: Connection, municipality_id: int, session: Session, now: datetime) -> None:
    """Notes a use; worth a commit only where `Session.seen_at` is older than `SEEN_EVERY`."""
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(seen_at=now))


def lock(conn: Connection, municipality_id: int, session: Session, now: datetime) -> None:
    """The screen shows nothing until the password is given again; a call goes on behind it."""
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(locked_at=now))
    audit(conn, municipality_id, now, session.account_id, "session:lock", f"account:{session.account_id}")


def proved(session: Session, now: datetime) -> bool:
    """Whether the provider has just asked this person anew who they are, and nothing was done by it yet."""
    return session.proved_at is not None and timedelta(0) <= now - session.proved_at <= PROVED_FOR


def spend(conn: Connection, municipality_id: int, session: Session) -> None:
    """One act was done by what the person proved; the next one wants it anew."""
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(proved_at=None))


def confirm(conn: Connection, municipality_id: int, session: Session, now: datetime, *, fits: bool) -> Denied | None:
    """Whether the person of a session proved again who they are (`accounts.password_fits`); failures count as those
    of a login."""
    wait = waits(conn, municipality_id, session.login, session.terminal, now)
    if wait > timedelta(0):
        return Denied("wait", wait)
    if not fits:
        for subject in _subjects(session.login, session.terminal):
            _failed(conn, municipality_id, subject, now)
        return Denied("wrong")
    return None


def unlock(conn: Connection, municipality_id: int, session: Session, now: datetime, *, fits: bool) -> Denied | None:
    """Opens a locked session if the password was right."""
    denied = confirm(conn, municipality_id, session, now, fits=fits)
    if denied is not None:
        return denied
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(locked_at=None, seen_at=now))
    audit(conn, municipality_id, now, session.account_id, "session:unlock", f"account:{session.account_id}")
    return None


def end(conn: Connection, municipality_id: int, session: Session, now: datetime) -> None:
    """Logs out."""
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(ended_at=now, end_reason="logout"))
    audit(conn, municipality_id, now, session.account_id, "session:end", f"account:{session.account_id}")


def end_sessions(conn: Connection, municipality_id: int, account_id: int, reason: str, now: datetime) -> int:
    """Ends every session of an account; how many there were."""
    return conn.execute(
        update(sessions)
        .where(
            sessions.c.municipality_id == municipality_id,
            sessions.c.account_id == account_id,
            sessions.c.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason=reason)
    ).rowcount


def renew(conn: Connection, municipality_id: int, session: Session, now: datetime) -> str:
    """A new token for the same person, after a change of what they may do; the old one ends."""
    end_sessions(conn, municipality_id, session.account_id, "rotated", now)
    return _begin(conn, municipality_id, session.account_id, session.terminal, now, session.language)


def speak(conn: Connection, municipality_id: int, session: Session, language: str) -> None:
    """The language of this session's screens: `ja` or `en`."""
    conn.execute(update(sessions).where(_is(municipality_id, session)).values(language=language))


def _begin(
    conn: Connection,
    municipality_id: int,
    account_id: int,
    terminal: str,
    now: datetime,
    language: str = "ja",
    **since: datetime | None,
) -> str:
    token = secrets.token_urlsafe(32)
    conn.execute(
        insert(sessions).values(
            municipality_id=municipality_id,
            token_hash=_hash(token),
            account_id=account_id,
            csrf=secrets.token_urlsafe(24),
            language=language,
            terminal=terminal[:64],
            created_at=now,
            seen_at=now,
            **since,
        )
    )
    return token


def _is(municipality_id: int, session: Session) -> ColumnElement[bool]:
    return (sessions.c.municipality_id == municipality_id) & (sessions.c.token_hash == session.token_hash)


def _in_call(conn: Connection, municipality_id: int, account_id: int) -> bool:
    live = select(calls.c.id).where(calls.c.municipality_id == municipality_id, called_by(account_id), is_live)
    return conn.execute(live.limit(1)).first() is not None


def _code_fits(conn: Connection, account: Row[Any], code: str, now: datetime) -> bool:
    """Whether the one-time code is right and was not used before; true for an account without one."""
    if account.totp_secret is None:
        return True
    step = step_of(account.totp_secret, code, now, after=account.totp_step)
    if step is None:
        return False
    conn.execute(
        update(accounts)
        .where(accounts.c.municipality_id == account.municipality_id, accounts.c.id == account.id)
        .values(totp_step=step)
    )
    return True


def step_of(secret: str, code: str, now: datetime, *, after: int = 0) -> int | None:
    """The time step whose code this is, of the steps about now and later than `after`; None if it is wrong or used."""
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // TOTP_SECONDS
    for step in (current - 1, current, current + 1):
        if step > after and secrets.compare_digest(totp.at(step * TOTP_SECONDS).encode(), code.strip().encode()):
            return step
    return None


def _wait(conn: Connection, municipality_id: int, subject: str, now: datetime) -> timedelta:
    row = conn.execute(
        select(login_failures.c.failures, login_failures.c.last_at).where(
            login_failures.c.municipality_id == municipality_id, login_failures.c.subject == subject
        )
    ).one_or_none()
    if row is None or row.failures <= FREE_TRIES:
        return timedelta(0)
    pause = min(LONGEST_WAIT, timedelta(seconds=5) * 2 ** min(row.failures - FREE_TRIES - 1, 8))
    until: datetime = row.last_at + pause
    return max(timedelta(0), until - now)


def _failed(conn: Connection, municipality_id: int, subject: str, now: datetime) -> None:
    key = (login_failures.c.municipality_id == municipality_id) & (login_failures.c.subject == subject)
    row = conn.execute(select(login_failures.c.failures, login_failures.c.last_at).where(key)).one_or_none()
    if row is None:
        conn.execute(
            insert(login_failures).values(municipality_id=municipality_id, subject=subject, failures=1, last_at=now)
        )
        return
    failures = 1 if now - row.last_at >= FORGOTTEN_AFTER else row.failures + 1
    conn.execute(update(login_failures).where(key).values(failures=failures, last_at=now))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _subjects(login: str, terminal: str) -> tuple[str, str]:
    """What failures are counted by. What somebody typed as a name may be a password: only its hash is kept."""
    return f"login:{hashlib.sha256(login.encode()).hexdigest()[:32]}", f"terminal:{terminal}"[:96]
