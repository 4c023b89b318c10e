"""Deliveries go out: signed, at least once, tried again later and later, then dead until somebody replays them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from sqlalchemy import Connection, Row, delete, select, update

from callflow.errors import InputError
from callflow.webhooks.outbox import look
from callflow.webhooks.rows import Hooks
from callflow.webhooks.rules import check_url, next_try, signature
from models.database import Database
from models.tables import webhook_deliveries, webhooks

AT_ONCE: Final = 200
KEPT: Final = timedelta(days=30)
"""How long a delivery that was taken is kept."""
TIMEOUT: Final = 5.0  # seconds

Post = Callable[[str, Mapping[str, str], bytes], int]
"""Sends a body to a URL and says the status; raises httpx.HTTPError where there was none."""


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Follows no redirect, asks no proxy of the environment, reads nothing of the answer but its status."""
    with (
        httpx.Client(follow_redirects=False, trust_env=False, timeout=TIMEOUT) as client,
        client.stream("POST", url, headers=dict(headers), content=body) as answer,
    ):
        return answer.status_code


def tell(
    database: Database,
    municipality_id: int,
    hosts: Collection[str],
    clock: Callable[[], datetime],
    send: Post = post,
) -> int:
    """Looks for what happened and sends what is due; how many were taken. Who fails is asked once a round."""
    now = clock()
    with database.read() as conn:
        active = {hook.id: hook for hook in Hooks(conn, municipality_id, now).active()}
    if not active:
        return 0
    for hook in active.values():
        database.transact(lambda conn, hook=hook: look(conn, municipality_id, hook, now))  # type: ignore[misc]
    with database.read() as conn:
        due = _due(conn, municipality_id, list(active), now)
    taken, failed = 0, set[int]()
    for row in due:
        if row.webhook_id in failed:
            continue
        answer = _sent(row, hosts, clock(), send)
        database.transact(lambda conn, row=row, answer=answer: _settle(conn, municipality_id, row, answer, clock()))  # type: ignore[misc]
        if _is_taken(answer):
            taken += 1
        else:
            failed.add(row.webhook_id)
    return taken


def forget(conn: Connection, municipality_id: int, now: datetime) -> int:
    """Deliveries that were taken long ago go; how many."""
    d = webhook_deliveries.c
    old = (d.municipality_id == municipality_id, d.state == "sent", d.ended_at < now - KEPT)
    return conn.execute(delete(webhook_deliveries).where(*old)).rowcount


def _due(conn: Connection, municipality_id: int, hooks: list[int], now: datetime) -> list[Row[Any]]:
    d, w = webhook_deliveries.c, webhooks.c
    query = (
        select(d.id, d.webhook_id, d.body, d.attempts, w.url, w.secret)
        .join(webhooks, (w.municipality_id == d.municipality_id) & (w.id == d.webhook_id))
        .where(d.municipality_id == municipality_id, d.state == "waiting", d.next_at <= now, d.webhook_id.in_(hooks))
        .order_by(d.next_at, d.id)
        .limit(AT_ONCE)
    )
    return list(conn.execute(query))


def _sent(row: Row[Any], hosts: Collection[str], now: datetime, send: Post) -> str:
    """The status, or how it failed. The host is asked for again: the configuration may have changed since."""
    try:
        check_url(row.url, hosts)
    except InputError:
        return "host not allowed"
    name, stamp = f"msg_{row.id}", int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": "callflow",
        "webhook-id": name,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(row.secret, name, stamp, row.body),
    }
    try:
        return str(send(row.url, headers, row.body.encode()))
    except httpx.HTTPError as error:
        return type(error).__name__[:32]


def _is_taken(answer: str) -> bool:
    return len(answer) == 3 and answer.startswith("2")


def _settle(conn: Connection, municipality_id: int, row: Row[Any], answer: str, now: datetime) -> None:
    attempts = row.attempts + 1
    wait = next_try(attempts)
    values: dict[str, Any] = {"attempts": attempts, "answer": answer}
    if _is_taken(answer):
        values |= {"state": "sent", "ended_at": now}
    elif wait is None:
        values |= {"state": "dead", "ended_at": now}
    else:
        values |= {"next_at": now + wait}
    d = webhook_deliveries.c
    conn.execute(
        update(webhook_deliveries).where(d.municipality_id == municipality_id, d.id == row.id).values(**values)
    )
