"""Other programs of the ward: their tokens, scopes and limits. A client acts as an account of its own that has no role
and no password, so that every act of it stands on the record and no page lets it in.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, case, select, update

from callflow.access.accounts import Accounts
from callflow.access.auditlog import audit
from callflow.access.views import Viewer
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from models.ids import new_id
from models.tables import accounts, api_clients, api_keys, organisations

SCOPES: Final[Mapping[str, str]] = {
    "cases:write": "滞納一覧を送る",
    "payments:write": "収納を送る",
    "records:read": "交渉経過・約束・生活状況報告書・行き違いを読む",
    "calls:read": "通話の結果と架電計画の状況を読む",
    "slips:read": "連絡票を読む",
    "webhooks:manage": "通知先を決め、再送する",
}
PREFIX: Final = "client."
"""Of a client's account, so that the record of acts shows a program where one acted."""
LONGEST_LIFE: Final = timedelta(days=366)
KEPT_KEYS: Final = timedelta(days=7)
"""How long a key of a request is remembered."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

Refusal = Literal["unknown", "expired", "too often"]


@dataclass(frozen=True, slots=True)
class Client:
    """`per_minute`: requests; `expires_at`: from when its token opens nothing."""

    account_id: int
    name: str
    scopes: frozenset[str]
    per_minute: int
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    disabled_at: datetime | None

    @property
    def viewer(self) -> Viewer:
        """A program of the ward sees what its staff may see."""
        return Viewer(self.account_id, frozenset({"staff"}), "ward")


class Clients:
    """The clients of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn, self._m, self._now = conn, municipality_id, now

    def add(self, name: str, scopes: Collection[str], *, days: int, per_minute: int, by: int) -> str:
        """A new client; its token, which nobody can read again. Raises InputError for what cannot be."""
        if not _NAME.fullmatch(name):
            raise _wrong("NAME", f"名前 {name} は使えません", "英小文字で始まる、英小文字・数字・- の40字まで")
        unknown = set(scopes) - set(SCOPES)
        if unknown or not scopes:
            what = f"知らない範囲です: {'、'.join(sorted(unknown))}" if unknown else "範囲がありません"
            raise _wrong("--scope", what, f"使えるもの: {'、'.join(SCOPES)}")
        if self._rows(name):
            raise _wrong("NAME", f"クライアント {name} はもうあります", "別の名前にするか、rotate で token を替える")
        account_id, token = self._account(name), _new_token()
        self._conn.execute(
            api_clients.insert().values(
                municipality_id=self._m,
                account_id=account_id,
                scopes=" ".join(scope for scope in SCOPES if scope in scopes),
                token_hash=_hash(token),
                per_minute=per_minute,
                created_at=self._now,
                expires_at=self._end(days),
            )
        )
        audit(self._conn, self._m, self._now, by, "client:add", f"account:{account_id}")
        return token

    def rotate(self, name: str, *, days: int, by: int) -> str:
        """A new token in place of the old one, which opens nothing from now on."""
        client, token = self.named(name), _new_token()
        if client.disabled_at:
            raise RefusedError(f"クライアント {name} は止めてあります", mend="新しい名前で client add を使ってください")
        self._set(client.account_id, token_hash=_hash(token), expires_at=self._end(days))
        audit(self._conn, self._m, self._now, by, "client:rotate", f"account:{client.account_id}")
        return token

    def disable(self, name: str, *, by: int) -> None:
        """Its token opens nothing from now on, for good."""
        client = self.named(name)
        Accounts(self._conn, self._m, self._now).disable(PREFIX + client.name, by=by)
        self._set(client.account_id, token_hash=_hash(_new_token()))

    def named(self, name: str) -> Client:
        """Raises NotFoundError."""
        found = self._rows(name)
        if not found:
            raise NotFoundError(f"クライアント {name} はありません", mend="callflow client list で確かめられます")
        return found[0]

    def all(self) -> list[Client]:
        return self._rows()

    def admit(self, token: str) -> Client | Refusal:
        """Whose token it is, counted against the minute's limit; or why it opens nothing."""
        c = api_clients.c
        found = [_client(row) for row in self._conn.execute(self._query().where(c.token_hash == _hash(token)))]
        if not found or found[0].disabled_at:
            return "unknown"
        (client,) = found
        if client.expires_at <= self._now:
            return "expired"
        minute = self._now.replace(second=0, microsecond=0)
        used = self._conn.execute(
            update(api_clients)
            .where(c.municipality_id == self._m, c.account_id == client.account_id)
            .values(used=case((c.minute == minute, c.used + 1), else_=1), minute=minute, last_used_at=self._now)
            .returning(c.used)
        ).scalar_one()
        return client if used <= client.per_minute else "too often"

    def remember(self, account_id: int, key: str, digest: str) -> None:
        """What came under a key first. Raises RefusedError if something else came under it before."""
        k = api_keys.c
        own = (k.municipality_id == self._m, k.account_id == account_id)
        self._conn.execute(api_keys.delete().where(*own, k.at < self._now - KEPT_KEYS))
        before = self._conn.execute(select(k.digest).where(*own, k.key == key)).scalar()
        if before is None:
            row = {"municipality_id": self._m, "account_id": account_id, "key": key, "digest": digest}
            self._conn.execute(api_keys.insert().values(**row, at=self._now))
        elif before != digest:
            raise RefusedError("この Idempotency-Key では別の内容が届いています", mend="新しい内容には新しい鍵を付ける")

    def _account(self, name: str) -> int:
        o = organisations.c
        ward = select(o.id).where(o.municipality_id == self._m, o.kind == "ward").order_by(o.id).limit(1)
        one = new_id(self._conn, accounts, self._m)
        self._conn.execute(
            accounts.insert().values(
                municipality_id=self._m,
                id=one,
                organisation_id=self._conn.execute(ward).scalar_one(),
                login=PREFIX + name,
                display_name=name,
                created_at=self._now,
            )
        )
        return one

    def _end(self, days: int) -> datetime:
        if not 1 <= days <= LONGEST_LIFE.days:
            raise _wrong("--days", f"{days} 日は使えません", f"1〜{LONGEST_LIFE.days} 日")
        return self._now + timedelta(days=days)

    def _query(self) -> Any:
        c, a = api_clients.c, accounts.c
        shown = (a.login, c.account_id, c.scopes, c.per_minute, c.created_at, c.expires_at, c.last_used_at)
        return (
            select(*shown, a.disabled_at)
            .join(accounts, (a.municipality_id == c.municipality_id) & (a.id == c.account_id))
            .where(c.municipality_id == self._m)
            .order_by(a.login)
        )

    def _rows(self, name: str = "") -> list[Client]:
        query = self._query()
        query = query.where(accounts.c.login == PREFIX + name) if name else query
        return [_client(row) for row in self._conn.execute(query)]

    def _set(self, account_id: int, **values: Any) -> None:
        c = api_clients.c
        mine = (c.municipality_id == self._m, c.account_id == account_id)
        self._conn.execute(update(api_clients).where(*mine).values(**values))


def _client(row: Any) -> Client:
    return Client(
        row.account_id,
        row.login.removeprefix(PREFIX),
        frozenset(row.scopes.split()),
        row.per_minute,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.disabled_at,
    )


def _new_token() -> str:
    return f"cf_{secrets.token_urlsafe(32)}"


def _hash(token: str) -> str:
    """Without salt and without slowness: what is hashed is 256 bits of chance."""
    return hashlib.sha256(token.encode()).hexdigest()


def _wrong(field: str, what: str, mend: str) -> InputError:
    return InputError(what, where=Where(field=field), mend=mend)
