"""`callflow client`: other programs of the ward, and what they are told."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Connection

from callflow.access.clients import SCOPES, Client, Clients
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.errors import RefusedError, UsageError
from callflow.webhooks.rows import Hook, Hooks
from callflow.webhooks.rules import EVENTS

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="API を使う区のプログラム（clients of the API; docs/api.md）"
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="クライアントの名（英小文字・数字・-）")]
Days = Annotated[int, typer.Option("--days", help="token が使える日数（366 まで）")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    scope: Annotated[list[str], typer.Option("--scope", help="・".join(SCOPES) + "。何度でも")],
    days: Days = 180,
    per_minute: Annotated[int, typer.Option("--per-minute", min=1, max=100_000, help="一分間の要求の上限")] = 300,
    as_json: AsJson = False,
) -> None:
    """クライアントを加え、token を一度だけ表示する。区の管理者が行う。

    例: callflow --as admin01 client add tainou --scope cases:write --scope payments:write --scope records:read

    例: callflow --as admin01 client add kensyu --scope slips:read --days 90 --per-minute 60 --json
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        desk = Clients(conn, here.municipality_id, here.clock.now())
        token = desk.add(name, scope, days=days, per_minute=per_minute, by=here.actor.id)
        client = desk.named(name)
    _tell_token(client, token, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """クライアント、その範囲、期限、最後に使われた時。

    例: callflow --as admin01 client list / callflow --as admin01 client list --json
    """
    here: Context = ctx.obj
    here.actor.must_be("admin", "staff")
    now = here.clock.now()
    with here.database.read() as conn:
        found = Clients(conn, here.municipality_id, now).all()
    say(
        [_line(each) for each in found] or ["クライアントはありません"],
        [_data(each) for each in found],
        as_json=as_json,
    )


@app.command()
def rotate(ctx: typer.Context, name: Name, days: Days = 180, as_json: AsJson = False) -> None:
    """新しい token を一度だけ表示する。古い token はすぐに使えなくなる。

    例: callflow --as admin01 client rotate tainou / callflow --as admin01 client rotate tainou --days 90 --json
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        desk = Clients(conn, here.municipality_id, here.clock.now())
        token = desk.rotate(name, days=days, by=here.actor.id)
        client = desk.named(name)
    _tell_token(client, token, as_json=as_json)


@app.command()
def disable(ctx: typer.Context, name: Name) -> None:
    """クライアントを止める。戻せない。

    例: callflow --as admin01 client disable tainou
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        Clients(conn, here.municipality_id, here.clock.now()).disable(name, by=here.actor.id)
    typer.echo(f"{name} を止めました")


def _ward_admin(ctx: typer.Context) -> Context:
    """What a client reads is the ward's: its own administrator alone lets one in (R01)."""
    here: Context = ctx.obj
    here.actor.must_be("admin")
    if here.actor.organisation_kind != "ward":
        raise RefusedError("クライアントを決められるのは区の管理者だけです", mend="区の管理者の名で行ってください")
    return here


def _tell_token(client: Client, token: str, *, as_json: bool) -> None:
    lines = [_line(client), f"token: {token}", "この token は二度と表示しません。"]
    say(lines, _data(client) | {"token": token}, as_json=as_json)


def _line(client: Client) -> str:
    used = f"{client.last_used_at.astimezone(TOKYO):%Y-%m-%d %H:%M}" if client.last_used_at else "まだありません"
    state = "  止めてあります" if client.disabled_at else ""
    ends = f"{client.expires_at.astimezone(TOKYO):%Y-%m-%d %H:%M}"
    scopes = " ".join(scope for scope in SCOPES if scope in client.scopes)
    return f"{client.name:<16} {scopes}  期限 {ends}  最後 {used}  {client.per_minute:,}回/分{state}"


def _data(client: Client) -> dict[str, object]:
    return {
        "name": client.name,
        "scopes": [scope for scope in SCOPES if scope in client.scopes],
        "per_minute": client.per_minute,
        "created_at": client.created_at.isoformat(),
        "expires_at": client.expires_at.isoformat(),
        "last_used_at": client.last_used_at.isoformat() if client.last_used_at else None,
        "disabled": client.disabled_at is not None,
    }


hooks = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="通知先と、送った知らせ（webhooks）")
app.add_typer(hooks, name="webhooks")

HookId = Annotated[int, typer.Argument(metavar="ID", help="通知先の番号")]


@hooks.command("add")
def add_hook(
    ctx: typer.Context,
    name: Name,
    url: Annotated[str, typer.Argument(metavar="URL", help="api.webhook_hosts にある所。https")],
    event: Annotated[list[str], typer.Option("--event", help="・".join(EVENTS) + "。何度でも")],
    as_json: AsJson = False,
) -> None:
    """通知先を加え、署名の鍵を一度だけ表示する。

    例: callflow --as admin01 client webhooks add tainou https://tainou.example.lg.jp/callflow --event slip.raised
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        client, desk = _named(here, conn, name)
        one, secret = desk.add(client, url, event, here.config.api.webhook_hosts, by=here.actor.id)
        hook = desk.one(client.account_id, one)
    lines = [_hook_line(hook), f"secret: {secret}", "この鍵は二度と表示しません。"]
    say(lines, _hook_data(hook) | {"secret": secret}, as_json=as_json)


@hooks.command("list")
def list_hooks(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """クライアントの通知先。

    例: callflow --as admin01 client webhooks list tainou / callflow --as admin01 client webhooks list tainou --json
    """
    here = _ward_admin(ctx)
    with here.database.read() as conn:
        client, desk = _named(here, conn, name)
        found = desk.of(client.account_id)
    lines = [_hook_line(each) for each in found] or ["通知先はありません"]
    say(lines, [_hook_data(each) for each in found], as_json=as_json)


@hooks.command("stop")
def stop_hook(ctx: typer.Context, name: Name, hook: HookId) -> None:
    """通知先を止める。

    例: callflow --as admin01 client webhooks stop tainou 3
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        client, desk = _named(here, conn, name)
        desk.stop(desk.one(client.account_id, hook), by=here.actor.id)
    typer.echo(f"通知先 {hook} を止めました")


@hooks.command("deliveries")
def list_deliveries(
    ctx: typer.Context,
    name: Name,
    hook: HookId,
    state: Annotated[str, typer.Option("--state", help="waiting・sent・dead。なければすべて")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="何件まで")] = 50,
    as_json: AsJson = False,
) -> None:
    """送った知らせ、届かないもの、あきらめたもの（dead）。

    例: callflow --as admin01 client webhooks deliveries tainou 3 --state dead
    """
    if state not in ("", "waiting", "sent", "dead"):
        raise UsageError(f"状態 {state} はありません", mend="waiting・sent・dead")
    here = _ward_admin(ctx)
    with here.database.read() as conn:
        client, desk = _named(here, conn, name)
        found = desk.deliveries(desk.one(client.account_id, hook), state=state, after=0, limit=count)[:count]
    rows = [dict(row._mapping) for row in found]
    lines = [
        f"{row['id']:>8}  {row['event']:<18} {row['thing']:<28} {row['state']:<8} {row['attempts']} 回  {row['answer']}"
        for row in rows
    ]
    data = [row | {name: at and at.isoformat() for name, at in row.items() if name.endswith("_at")} for row in rows]
    say(lines or ["知らせはありません"], data, as_json=as_json)


@hooks.command("replay")
def replay_delivery(
    ctx: typer.Context,
    name: Name,
    hook: HookId,
    delivery: Annotated[int, typer.Argument(metavar="DELIVERY", help="知らせの番号")],
) -> None:
    """もう一度送る。同じ内容、同じ番号で。

    例: callflow --as admin01 client webhooks replay tainou 3 120
    """
    here = _ward_admin(ctx)
    with here.database.write() as conn:
        client, desk = _named(here, conn, name)
        desk.replay(desk.one(client.account_id, hook), delivery)
    typer.echo(f"知らせ {delivery} をもう一度送ります（callflow work が動いていれば数秒のうちに）")


def _named(here: Context, conn: Connection, name: str) -> tuple[Client, Hooks]:
    now = here.clock.now()
    return Clients(conn, here.municipality_id, now).named(name), Hooks(conn, here.municipality_id, now)


def _hook_line(hook: Hook) -> str:
    state = "  止めてあります" if hook.stopped_at else ""
    return f"{hook.id:>4}  {hook.url}  {' '.join(hook.events)}{state}"


def _hook_data(hook: Hook) -> dict[str, object]:
    return {"id": hook.id, "url": hook.url, "events": list(hook.events), "stopped": hook.stopped_at is not None}
