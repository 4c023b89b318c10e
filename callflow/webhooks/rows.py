"""Webhooks and their deliveries as rows: who is told of what, what was sent, what is dead, and what is sent again."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from callflow.access.auditlog import audit
from callflow.access.clients import Client
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.webhooks.rules import EVENTS, KEY_PREFIX, check_url
from models.ids import new_id
from models.tables import accounts, webhook_deliveries, webhooks

MOST_HOOKS = 20


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a client is told of which events."""

    id: int
    account_id: int
    url: str
    events: tuple[str, ...]
    created_at: datetime
    looked_until: datetime
    stopped_at: datetime | None


class Hooks:
    """The webhooks of one municipality, inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn, self._m, self._now = conn, municipality_id, now

    def add(
        self, client: Client, url: str, events: Collection[str], hosts: Collection[str], *, by: int
    ) -> tuple[int, str]:
        """A new webhook and its secret, which nobody can read again. Raises InputError, RefusedError."""
        check_url(url, hosts)
        unknown = set(events) - set(EVENTS)
        if unknown or not events:
            what = f"知らない出来事です: {'、'.join(sorted(unknown))}" if unknown else "出来事がありません"
            raise InputError(what, where=Where(field="events"), mend=f"使えるもの: {'、'.join(EVENTS)}")
        missing = sorted({EVENTS[event] for event in events} - client.scopes)
        if missing:
            raise RefusedError("知らせを読む範囲がありません", mend=f"要る範囲: {'、'.join(missing)}")
        if len([hook for hook in self.of(client.account_id) if hook.stopped_at is None]) >= MOST_HOOKS:
            raise RefusedError(f"通知先は {MOST_HOOKS} までです", mend="使わないものを止めてください")
        one, secret = new_id(self._conn, webhooks, self._m), base64.b64encode(secrets.token_bytes(32)).decode()
        self._conn.execute(
            webhooks.insert().values(
                municipality_id=self._m,
                id=one,
                account_id=client.account_id,
                url=url,
                events=" ".join(event for event in EVENTS if event in events),
                secret=secret,
                created_at=self._now,
                looked_until=self._now,
            )
        )
        audit(self._conn, self._m, self._now, by, "webhook:add", f"webhook:{one}")
        return one, KEY_PREFIX + secret

    def stop(self, hook: Hook, *, by: int) -> None:
        """Nothing more is told there."""
        self._conn.execute(
            update(webhooks)
            .where(webhooks.c.municipality_id == self._m, webhooks.c.id == hook.id)
            .values(stopped_at=self._now)
        )
        audit(self._conn, self._m, self._now, by, "webhook:stop", f"webhook:{hook.id}")

    def of(self, account_id: int) -> list[Hook]:
        return self._some(webhooks.c.account_id == account_id)

    def one(self, account_id: int, hook_id: int) -> Hook:
        """A client's own. Raises NotFoundError."""
        found = self._some(webhooks.c.account_id == account_id, webhooks.c.id == hook_id)
        if not found:
            raise NotFoundError(f"通知先 {hook_id} はありません")
        return found[0]

    def active(self) -> list[Hook]:
        """Those that are told: not stopped, and their client is not either."""
        w, a = webhooks.c, accounts.c
        alive = (
            select(a.id)
            .where(a.municipality_id == w.municipality_id, a.id == w.account_id, a.disabled_at.is_(None))
            .exists()
        )
        return self._some(w.stopped_at.is_(None), alive)

    def deliveries(self, hook: Hook, *, state: str, after: int, limit: int) -> list[Row[Any]]:
        """By number; one more than `limit` if there are more."""
        d = webhook_deliveries.c
        query = select(d.id, d.event, d.thing, d.made_at, d.state, d.attempts, d.next_at, d.ended_at, d.answer).where(
            d.municipality_id == self._m, d.webhook_id == hook.id, d.id > after
        )
        query = query.where(d.state == state) if state else query
        return list(self._conn.execute(query.order_by(d.id).limit(limit + 1)))

    def replay(self, hook: Hook, delivery_id: int) -> None:
        """It is sent again, the same bytes under the same id. Raises NotFoundError."""
        d = webhook_deliveries.c
        again = (
            update(webhook_deliveries)
            .where(d.municipality_id == self._m, d.webhook_id == hook.id, d.id == delivery_id)
            .values(state="waiting", attempts=0, next_at=self._now, ended_at=None)
        )
        if self._conn.execute(again).rowcount != 1:
            raise NotFoundError(f"通知 {delivery_id} はありません", mend="deliveries で番号を確かめてください")

    def _some(self, *conditions: Any) -> list[Hook]:
        w = webhooks.c
        shown = (w.id, w.account_id, w.url, w.events, w.created_at, w.looked_until, w.stopped_at)
        query = select(*shown).where(w.municipality_id == self._m, *conditions).order_by(w.id)
        return [
            Hook(row.id, row.account_id, row.url, tuple(row.events.split()), *row[4:])
            for row in self._conn.execute(query)
        ]
