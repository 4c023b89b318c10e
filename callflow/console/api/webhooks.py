"""A client's own webhooks: made, stopped, what was sent, what is dead, what is sent again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from callflow.console.api.gate import Asked, MayManageWebhooks
from callflow.console.api.records import AfterId, Limit, Number
from callflow.console.api.shapes import DeliveryOut, HookIn, HookOut, NewHookOut, Page
from callflow.webhooks.rows import Hooks

router = APIRouter(tags=["webhooks"], prefix="/webhooks")

State = Annotated[Literal["", "waiting", "sent", "dead"], Query(description="empty: all of them")]


@router.get("", response_model=list[HookOut], summary="通知先")
def hooks(asked: MayManageWebhooks) -> Any:
    """Stopped ones too. Secrets are not told again."""
    with asked.site.database.read() as conn:
        return [asdict(hook) for hook in _desk(conn, asked).of(asked.client.account_id)]


@router.post("", response_model=NewHookOut, status_code=201, summary="通知先を加える")
def add(asked: MayManageWebhooks, given: HookIn) -> Any:
    """Only to configured hosts. What happened before is not told."""
    client, hosts = asked.client, asked.site.config.api.webhook_hosts

    def work(conn: Connection) -> dict[str, Any]:
        desk = _desk(conn, asked)
        one, secret = desk.add(client, given.url, given.events, hosts, by=client.account_id)
        return asdict(desk.one(client.account_id, one)) | {"secret": secret}

    return asked.site.database.transact(work)


@router.delete("/{id}", response_model=HookOut, summary="通知先を止める")
def stop(asked: MayManageWebhooks, id: Number) -> Any:  # noqa: A002  the name in the path
    """Nothing more is told there."""

    def work(conn: Connection) -> dict[str, Any]:
        desk = _desk(conn, asked)
        desk.stop(desk.one(asked.client.account_id, id), by=asked.client.account_id)
        return asdict(desk.one(asked.client.account_id, id))

    return asked.site.database.transact(work)


@router.get("/{id}/deliveries", response_model=Page[DeliveryOut], summary="送った知らせ")
def deliveries(
    asked: MayManageWebhooks,
    id: Number,  # noqa: A002
    state: State = "",
    after: AfterId = 0,
    limit: Limit = 100,
) -> Any:
    """`state=dead` lists what was given up."""
    with asked.site.database.read() as conn:
        desk = _desk(conn, asked)
        hook = desk.one(asked.client.account_id, id)
        found = [dict(row._mapping) for row in desk.deliveries(hook, state=state, after=after, limit=limit)]
    kept = found[:limit]
    return {"items": kept, "next": str(kept[-1]["id"] if kept else after), "more": len(found) > limit}


@router.post("/{id}/deliveries/{delivery}/replay", response_model=HookOut, status_code=202, summary="もう一度送る")
def replay(asked: MayManageWebhooks, id: Number, delivery: Number) -> Any:  # noqa: A002
    """The same bytes under the same id, within seconds."""

    def work(conn: Connection) -> dict[str, Any]:
        desk = _desk(conn, asked)
        hook = desk.one(asked.client.account_id, id)
        desk.replay(hook, delivery)
        return asdict(hook)

    return asked.site.database.transact(work)


def _desk(conn: Connection, asked: Asked) -> Hooks:
    return Hooks(conn, asked.site.municipality_id, asked.now)
