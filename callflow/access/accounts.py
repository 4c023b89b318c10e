"""Organisations, accounts, roles and passwords as rows. Every change is an act on the record."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, func, select, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from models.ids import new_id
from models.people import ROLES
from models.tables import account_roles, accounts, municipalities, organisations, sessions

Kind = Literal["contractor", "ward"]

ROLES_OF: dict[Kind, tuple[str, ...]] = {
    "contractor": ("operator", "supervisor", "admin"),
    "ward": ("staff", "auditor", "admin"),
}
KIND_WORDS: dict[Kind, str] = {"contractor": "受託者", "ward": "区"}
ROLE_WORDS = {
    "operator": "架電従事者",
    "supervisor": "業務責任者",
    "staff": "区職員",
    "auditor": "監査",
    "admin": "システム管理者",
}
SHORTEST_PASSWORD = 12  # characters
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """One person's ID. `kind` is that of the organisation: contractor or ward."""

    id: int
    login: str
    name: str
    organisation: str
    kind: Kind
    roles: tuple[str, ...]
    has_password: bool
    has_code: bool  # a second factor
    disabled_at: datetime | None

    @property
    def active(self) -> bool:
        return self.disabled_at is None


class Accounts:
    """The accounts of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality_id = municipality_id
        self._now = now

    def count(self) -> int:
        """How many accounts there are, disabled ones included."""
        counted = select(func.count()).where(accounts.c.municipality_id == self._municipality_id)
        return int(self._conn.execute(counted).scalar_one())

    def add(self, login: str, name: str, roles: tuple[str, ...], organisation: str, *, by: int | None) -> int:
        """A new account without a password. `organisation`: its name or its kind; where empty, the first role says
        which. Raises InputError for what cannot be, NotFoundError for an unknown organisation."""
        if not _LOGIN.fullmatch(login):
            raise _wrong(
                "login", f"ログイン名 {login} は使えません", "英小文字で始まる、英小文字・数字・._- の64字まで"
            )
        if not name.strip():
            raise _wrong("name", "氏名が空です", "台詞で名乗る名前を書いてください")
        if not roles:
            raise _wrong("role", "役割がありません", f"使えるもの: {'・'.join(ROLES)}")
        organisation_id, kind = self._organisation(organisation or _usual_kind(roles[0]))
        self._must_run(by, kind)
        for role in roles:
            _fits(role, kind)
        if self._id_of(login) is not None:
            raise _wrong("login", f"ログイン名 {login} は使われています", "別の名前にしてください")
        new = new_id(self._conn, accounts, self._municipality_id)
        own = {"municipality_id": self._municipality_id}
        self._conn.execute(
            accounts.insert().values(
                **own,
                id=new,
                organisation_id=organisation_id,
                login=login,
                display_name=name.strip(),
                created_at=self._now,
            )
        )
        self._give(new, roles)
        self._record(by, "user:add", new, fields=",".join(dict.fromkeys(roles)))
        return new

    def all(self) -> list[Account]:
        """Every account, by login."""
        a, o = accounts.c, organisations.c
        rows = self._conn.execute(
            select(a.id, a.login, a.display_name, a.password_hash, a.totp_secret, a.disabled_at, o.name, o.kind)
            .join(organisations, (o.municipality_id == a.municipality_id) & (o.id == a.organisation_id))
            .where(a.municipality_id == self._municipality_id)
            .order_by(a.login)
        )
        roles = self._roles()
        return [
            Account(
                row.id,
                row.login,
                row.display_name,
                row.name,
                row.kind,
                roles.get(row.id, ()),
                row.password_hash is not None,
                row.totp_secret is not None,
                row.disabled_at,
            )
            for row in rows
        ]

    def organisations(self) -> list[tuple[str, Kind]]:
        """Name and kind of each, in the order in which they came."""
        o = organisations.c
        rows = self._conn.execute(
            select(o.name, o.kind).where(o.municipality_id == self._municipality_id).order_by(o.id)
        )
        return [(row.name, row.kind) for row in rows]

    def named(self, login: str) -> Account:
        """Raises NotFoundError."""
        for account in self.all():
            if account.login == login:
                return account
        raise NotFoundError(f"利用者 {login} はいません", mend="callflow user list で確かめられます")

    def disable(self, login: str, *, by: int) -> None:
        """The account acts no more; its past acts stay. Raises RefusedError for one's own or the last admin."""
        account = self._to_run(login, by)
        if not account.active:
            return
        if account.id == by:
            raise RefusedError("自分自身は無効にできません", mend="ほかの管理者が行ってください")
        if self._is_last_admin(account):
            raise RefusedError("最後の管理者は無効にできません", mend="先に別の管理者を加えてください")
        self._change(account.id, disabled_at=self._now)
        self._end_sessions(account.id)
        self._record(by, "user:disable", account.id)

    def enable(self, login: str, *, by: int) -> None:
        """The account may act again, with the password and the roles that it had."""
        account = self._to_run(login, by)
        if account.active:
            return
        self._change(account.id, disabled_at=None)
        self._record(by, "user:enable", account.id)

    def set_roles(self, login: str, roles: tuple[str, ...], *, by: int) -> None:
        """Exactly these roles from now on; every session ends, so that what was allowed before is not open still.

        Raises InputError for none or one that does not fit the organisation, RefusedError where nobody would be left
        to administer, or for one's own administration."""
        account = self._to_run(login, by)
        wanted = tuple(dict.fromkeys(roles))
        if not wanted:
            raise _wrong("role", "役割がありません", f"使えるもの: {'・'.join(ROLES_OF[account.kind])}")
        for role in wanted:
            _fits(role, account.kind)
        if "admin" in account.roles and "admin" not in wanted:
            if account.id == by:
                raise RefusedError("自分の管理者の役割は外せません", mend="ほかの管理者が行ってください")
            if self._is_last_admin(account):
                raise RefusedError("最後の管理者の役割は外せません", mend="先に別の管理者を加えてください")
        if set(wanted) == set(account.roles):
            return
        own = (account_roles.c.municipality_id == self._municipality_id) & (account_roles.c.account_id == account.id)
        self._conn.execute(delete(account_roles).where(own))
        self._give(account.id, wanted)
        self._end_sessions(account.id)
        self._record(by, "user:roles", account.id, fields=",".join(wanted))

    def reset_code(self, login: str, *, by: int) -> None:
        """Takes the second factor away: the person logs in with the password and may set up another."""
        account = self._to_run(login, by)
        self._change(account.id, totp_secret=None, totp_step=0)
        self._end_sessions(account.id)
        self._record(by, "user:reset_code", account.id)

    def set_subject(self, login: str, subject: str, *, by: int) -> None:
        """Who the ward's own provider says it is; empty: nobody. Raises InputError for one that somebody else has."""
        account = self._to_run(login, by)
        other = select(accounts.c.id).where(
            accounts.c.municipality_id == self._municipality_id,
            accounts.c.oidc_subject == subject,
            accounts.c.id != account.id,
        )
        if len(subject) > 255 or (subject and self._conn.execute(other).first() is not None):
            raise _wrong("subject", "この識別子は使えません", "255字までで、ほかの利用者に結び付いていないもの")
        self._change(account.id, oidc_subject=subject or None)
        self._end_sessions(account.id)
        self._record(by, "user:subject", account.id)

    def set_code(self, account_id: int, secret: str, step: int) -> None:
        """A person's own second factor: the secret, and the step of the code that proved it."""
        self._change(account_id, totp_secret=secret, totp_step=step)
        self._record(account_id, "user:code", account_id)

    def set_password(self, login: str, password: str, *, by: int | None, once: bool = False) -> None:
        """Stores argon2id of it; every session ends. `once`: to be changed at the next login.

        Raises InputError for a password that is too short or holds the login."""
        account = self._to_run(login, by)
        if len(password) < SHORTEST_PASSWORD or login in password.lower():
            raise _wrong(
                "password", "このパスワードは使えません", f"{SHORTEST_PASSWORD}字以上で、ログイン名を含まないもの"
            )
        self._change(account.id, password_hash=_hasher().hash(password), password_once=once)
        self._end_sessions(account.id)
        self._record(by, "user:password", account.id)

    def _to_run(self, login: str, by: int | None) -> Account:
        account = self.named(login)
        if account.id != by:
            self._must_run(by, account.kind)
        return account

    def _must_run(self, by: int | None, kind: Kind) -> None:
        """An administrator of the contractor makes nobody of the ward, who would see what the contractor may not."""
        who = None if by is None else acting(self._conn, self._municipality_id, by)
        if who is not None and who.kind == "contractor" and kind == "ward":
            raise RefusedError("受託者の管理者は、区の利用者を変えられません", mend="区の管理者に頼んでください")

    def _is_last_admin(self, account: Account) -> bool:
        return not any(each.active and each.id != account.id and "admin" in each.roles for each in self.all())

    def _give(self, account_id: int, roles: tuple[str, ...]) -> None:
        own = {"municipality_id": self._municipality_id, "account_id": account_id}
        self._conn.execute(account_roles.insert(), [{**own, "role": role} for role in dict.fromkeys(roles)])

    def _end_sessions(self, account_id: int) -> None:
        s = sessions.c
        self._conn.execute(
            update(sessions)
            .where(s.municipality_id == self._municipality_id, s.account_id == account_id, s.ended_at.is_(None))
            .values(ended_at=self._now, end_reason="account")
        )

    def _organisation(self, word: str) -> tuple[int, Kind]:
        o = organisations.c
        rows = self._conn.execute(
            select(o.id, o.kind, o.name).where(o.municipality_id == self._municipality_id).order_by(o.id)
        ).all()
        for row in rows:
            if word in (row.name, row.kind):
                return int(row.id), row.kind
        names = "、".join(f"{row.kind}（{row.name}）" for row in rows)
        raise NotFoundError(f"組織 {word} はありません", mend=f"使えるもの: {names}" if names else "callflow init")

    def _id_of(self, login: str) -> int | None:
        found = self._conn.execute(
            select(accounts.c.id).where(accounts.c.municipality_id == self._municipality_id, accounts.c.login == login)
        ).scalar_one_or_none()
        return None if found is None else int(found)

    def _roles(self) -> dict[int, tuple[str, ...]]:
        r = account_roles.c
        rows = self._conn.execute(select(r.account_id, r.role).where(r.municipality_id == self._municipality_id))
        found: dict[int, tuple[str, ...]] = {}
        for account_id, role in rows:
            found[account_id] = tuple(sorted((*found.get(account_id, ()), role), key=ROLES.index))
        return found

    def _change(self, account_id: int, **values: object) -> None:
        self._conn.execute(
            update(accounts)
            .where(accounts.c.municipality_id == self._municipality_id, accounts.c.id == account_id)
            .values(**values)
        )

    def _record(self, by: int | None, verb: str, account_id: int, *, fields: str = "") -> None:
        audit(self._conn, self._municipality_id, self._now, by, verb, f"account:{account_id}", fields=fields)


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts: an account that may log in, with the kind of its organisation and its roles."""

    login: str
    kind: Kind
    roles: frozenset[str]


def acting(conn: Connection, municipality_id: int, account_id: int) -> Acting | None:
    """The account of that id; None if there is none or it is disabled."""
    a, o, r = accounts.c, organisations.c, account_roles.c
    rows = conn.execute(
        select(a.login, o.kind, r.role)
        .join(organisations, (o.municipality_id == a.municipality_id) & (o.id == a.organisation_id))
        .join(account_roles, (r.municipality_id == a.municipality_id) & (r.account_id == a.id))
        .where(a.municipality_id == municipality_id, a.id == account_id, a.disabled_at.is_(None))
    ).all()
    return Acting(rows[0].login, rows[0].kind, frozenset(row.role for row in rows)) if rows else None


def one_time_password() -> str:
    """To be told to a person once: 16 letters and digits that nobody mistakes for another, in groups."""
    letters = [secrets.choice("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(16)]
    return "-".join("".join(letters[first : first + 4]) for first in range(0, 16, 4))


def ensure_municipality(conn: Connection, code: str, ward: str, company: str) -> int:
    """The municipality's id. It and its organisations are added where missing; a new company joins the old ones."""
    m = municipalities.c
    found = conn.execute(select(m.id).where(m.code == code)).scalar_one_or_none()
    own = int(found) if found is not None else int(conn.execute(select(func.max(m.id))).scalar_one() or 0) + 1
    if found is None:
        conn.execute(municipalities.insert().values(id=own, code=code, name=ward))
    else:
        conn.execute(update(municipalities).where(m.id == own).values(name=ward))
    for kind, name in (("ward", ward), ("contractor", company)):
        _ensure_organisation(conn, own, kind, name)
    return own


def _ensure_organisation(conn: Connection, municipality_id: int, kind: str, name: str) -> None:
    o = organisations.c
    there = select(o.id).where(o.municipality_id == municipality_id, o.kind == kind, o.name == name)
    if conn.execute(there).first() is None:
        new = new_id(conn, organisations, municipality_id)
        conn.execute(organisations.insert().values(municipality_id=municipality_id, id=new, kind=kind, name=name))


def password_is(conn: Connection, municipality_id: int, login: str, password: str) -> bool:
    """Whether an active account has that password. Takes as long for an unknown login as for a known one."""
    stored = conn.execute(
        select(accounts.c.password_hash).where(
            accounts.c.municipality_id == municipality_id, accounts.c.login == login, accounts.c.disabled_at.is_(None)
        )
    ).scalar_one_or_none()
    return password_fits(stored, password)


def password_fits(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one; as slow for an account without one. Never inside a transaction: it is
    slow by intent, and a writer would wait for it."""
    try:
        _hasher().verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _fits(role: str, kind: Kind) -> None:
    """The ward does not run the contractor's people, nor the contractor the ward's (seed, line 121)."""
    if role not in ROLES:
        raise _wrong("role", f"役割 {role} はありません", f"使えるもの: {'・'.join(ROLES)}")
    if role not in ROLES_OF[kind]:
        allowed = "・".join(ROLES_OF[kind])
        raise _wrong("role", f"{KIND_WORDS[kind]}の利用者は{ROLE_WORDS[role]}になれません", f"使えるもの: {allowed}")


def _usual_kind(role: str) -> Kind:
    return "contractor" if role in ("operator", "supervisor") else "ward"


def _wrong(field: str, what: str, mend: str) -> InputError:
    return InputError(what, where=Where(field=field), mend=mend)


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # argon2id with the library's parameters


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("nobody has this password")
