"""`callflow campaign`: plans campaigns and lets them run, pause and stop."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, Row, func, select

from callflow.campaigns import Campaigns, Draft, Plan
from callflow.cli.campaign_words import campaign_data, head_line, plan_lines, progress_data, progress_lines
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.errors import InputError, NotFoundError, UsageError, Where
from callflow.progress import progress
from models.cases import CLAIM_TYPES
from models.tables import accounts, script_versions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="キャンペーンの計画と運転（plan and run campaigns）",
)

Named = Annotated[str, typer.Argument(help="キャンペーンの番号か名前", metavar="CAMPAIGN")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
Reason = Annotated[str, typer.Option("--reason", help="理由（記録に残ります）")]


@app.command()
def plan(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="新しい名前。既にある名前なら計画し直し、架電できるようになった案件を加える")
    ],
    claim_type: Annotated[str, typer.Option("--claim-type", help="・".join(CLAIM_TYPES))] = "",
    script: Annotated[str, typer.Option("--script", help="公開した台本の名前（最新の版）")] = "",
    setting: Annotated[list[str] | None, typer.Option("--set", help="台本の設定 名前=値。何度でも")] = None,
    policy: Annotated[list[str] | None, typer.Option("--policy", help="規則をより厳しく 名前=数。何度でも")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="数えるだけで何も書かない")] = False,
    as_json: AsJson = False,
) -> None:
    """案件を数えて除外し、残りを待ち行列に入れる。

    例: callflow campaign plan 11月の架電 --claim-type national_health_insurance --script nhi-premium
    """
    here = _acting(ctx)
    with here.database.read() if dry_run else here.database.write() as conn:
        desk = _desk(here, conn)
        known = _known(desk, name)
        kind = known.claim_type if known is not None else _claim_type(claim_type)
        rules = here.rules(kind)
        if dry_run:
            counted, row, added = desk.count(kind, rules), known, 0
        elif known is not None:
            counted, added = desk.replan(known.id, rules, here.actor_id)
            row = desk.get(known.id)
        else:
            script_hash = _script_hash(conn, here.municipality_id, script)
            chosen = _settings(here, conn, script_hash, _pairs("set", setting))
            draft = Draft(name, kind, script_hash, chosen, _numbers(policy))
            campaign_id, counted = desk.create(draft, rules, here.actor_id)
            row, added = desk.get(campaign_id), counted.included
    done = "試算です。何も書いていません" if dry_run else f"待ち行列に {added:,} 件を加えました"
    lines = [*([head_line(row)] if row is not None else []), done, *plan_lines(counted)]
    data = {"plan": counted.as_data(), "added": added, "campaign": row.id if row is not None else None}
    say(lines, data, as_json=as_json)


@app.command()
def start(
    ctx: typer.Context,
    campaign: Named,
    supervisor: Annotated[str, typer.Option("--supervisor", help="勤務中の業務責任者のログイン名")] = "",
) -> None:
    """架電を始める。業務責任者がいなければ始められない。"""
    here = _acting(ctx)
    if not supervisor:
        raise UsageError("--supervisor が要ります", mend="勤務中の業務責任者のログイン名を指定してください")
    with here.database.write() as conn:
        desk = _desk(here, conn)
        one = desk.named(campaign).id
        desk.start(one, _account(conn, here.municipality_id, supervisor), here.actor_id)
        typer.echo(head_line(desk.get(one)))


@app.command()
def pause(ctx: typer.Context, campaign: Named, reason: Reason = "") -> None:
    """新しい架電を止める。つながっている通話は続く。"""
    here = _acting(ctx)
    with here.database.write() as conn:
        desk = _desk(here, conn)
        one = desk.named(campaign).id
        desk.pause(one, here.actor_id, reason)
        typer.echo(head_line(desk.get(one)))


@app.command()
def resume(
    ctx: typer.Context,
    campaign: Named,
    supervisor: Annotated[str, typer.Option("--supervisor", help="交代した業務責任者のログイン名")] = "",
) -> None:
    """一時停止から再開する。"""
    here = _acting(ctx)
    with here.database.write() as conn:
        desk = _desk(here, conn)
        one = desk.named(campaign).id
        on_shift = _account(conn, here.municipality_id, supervisor) if supervisor else None
        desk.resume(one, here.actor_id, on_shift)
        typer.echo(head_line(desk.get(one)))


@app.command()
def stop(ctx: typer.Context, campaign: Named, reason: Reason = "") -> None:
    """終える。再開はできない。"""
    here = _acting(ctx)
    with here.database.write() as conn:
        desk = _desk(here, conn)
        one = desk.named(campaign).id
        desk.stop(one, here.actor_id, reason)
        typer.echo(head_line(desk.get(one)))


@app.command()
def status(ctx: typer.Context, campaign: Named, as_json: AsJson = False) -> None:
    """計画、待ち行列、結果、見送った発信とその理由。"""
    here: Context = ctx.obj
    with here.database.read() as conn:
        row = _desk(here, conn).named(campaign)
        found = progress(conn, here.municipality_id, row.id)
    counted = Plan.from_data(json.loads(row.plan))
    lines = [head_line(row), *plan_lines(counted), *progress_lines(found)]
    say(lines, {**campaign_data(row, counted), **progress_data(found)}, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """すべてのキャンペーン、新しい順。"""
    here: Context = ctx.obj
    with here.database.read() as conn:
        rows = _desk(here, conn).all()
    plans = [Plan.from_data(json.loads(row.plan)) for row in rows]
    lines = [
        f"{head_line(row)}  架電 {each.included:,} / 対象 {each.total:,}" for row, each in zip(rows, plans, strict=True)
    ]
    none = ["キャンペーンはまだありません。callflow campaign plan で計画してください"]
    data = [campaign_data(row, each) for row, each in zip(rows, plans, strict=True)]
    say(lines or none, data, as_json=as_json)


def _acting(ctx: typer.Context) -> Context:
    """The surroundings of one who may plan and run campaigns: a supervisor, or the ward. Raises RefusedError."""
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    return here


def _desk(here: Context, conn: Connection) -> Campaigns:
    return Campaigns(conn, here.municipality_id, here.clock.now())


def _known(desk: Campaigns, name: str) -> Row[Any] | None:
    try:
        return desk.named(name)
    except NotFoundError:
        return None


def _claim_type(given: str) -> str:
    if given not in CLAIM_TYPES:
        what = f"--claim-type {given} はありません" if given else "--claim-type が要ります"
        raise UsageError(what, mend=f"使えるもの: {'、'.join(CLAIM_TYPES)}")
    return given


def _account(conn: Connection, municipality_id: int, login: str) -> int:
    found = conn.execute(
        select(accounts.c.id).where(accounts.c.municipality_id == municipality_id, accounts.c.login == login)
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"利用者 {login} はいません", mend="callflow user list で確かめられます")
    return int(found)


def _script_hash(conn: Connection, municipality_id: int, name: str) -> str:
    """The newest published version of a script. Raises InputError."""
    if not name:
        raise UsageError("--script が要ります", mend="公開した台本の名前を指定してください")
    v = script_versions.c
    newest = select(func.max(v.version)).where(v.municipality_id == municipality_id, v.name == name).scalar_subquery()
    found = conn.execute(
        select(v.hash).where(v.municipality_id == municipality_id, v.name == name, v.version == newest)
    ).scalar_one_or_none()
    if found is None:
        raise InputError(
            f"公開された台本 {name} はありません",
            where=Where(field="script"),
            mend="callflow script publish で公開してください",
        )
    return str(found)


def _settings(here: Context, conn: Connection, script_hash: str, chosen: dict[str, str]) -> dict[str, str]:
    """The configured settings that the script has, and `chosen` over them. Raises UsageError."""
    offered = here.shelf.flow(conn, here.municipality_id, script_hash).script.settings
    for name, value in chosen.items():
        if value not in offered.get(name, ()):
            words = "、".join(f"{each}={one}" for each, values in offered.items() for one in values)
            raise UsageError(f"台本に設定 {name}={value} はありません", mend=f"選べるもの: {words}")
    configured = {name: value for name, value in here.config.scripts.settings.items() if name in offered}
    return {**configured, **chosen}


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--{option} {each} は 名前=値 の形ではありません")
        pairs[name.strip()] = value.strip()
    return pairs


def _numbers(given: list[str] | None) -> dict[str, int]:
    numbers = {}
    for name, value in _pairs("policy", given).items():
        if not (value.isascii() and value.isdigit()):
            raise UsageError(f"--policy {name}={value} の値は整数ではありません")
        numbers[name] = int(value)
    return numbers
