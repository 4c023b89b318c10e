"""`callflow correct`: what may still happen to a call after its end. Nothing that was written is changed."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import select

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.corrections import OUTCOMES, Corrected, Corrections, Request
from callflow.effects import EFFECT_LABELS, as_data
from callflow.errors import UsageError
from models.tables import calls, is_live

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="終わった通話の訂正（corrections of ended calls）")
Call = Annotated[int, typer.Argument(help="通話の番号", metavar="CALL")]
Reason = Annotated[str, typer.Option("--reason", help="なぜ訂正するか（記録に残る）")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command("call")
def call_(
    ctx: typer.Context,
    call: Call,
    reason: Reason,
    code: Annotated[str, typer.Option("--code", help="正しい結果（例 PR）")] = "",
    field: Annotated[list[str] | None, typer.Option("--field", help="例 promise.amount=18000。何度でも")] = None,
    withdraw: Annotated[list[str] | None, typer.Option("--withdraw", help="取り下げるもの（例 hardship）")] = None,
    note: Annotated[str, typer.Option("--note", help="記録に添える文")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="何が起きるかだけを示す")] = False,
    as_json: AsJson = False,
) -> None:
    """結果・項目を訂正する。担当者は自分のその日の通話、業務責任者は担当する通話、区の職員はすべて。"""
    here: Context = ctx.obj
    typed = dict(_pair(each) for each in field or [])
    request = Request(reason, code, typed, frozenset(withdraw or []), note)
    done = _corrections(here).correct(call, here.actor_id, request, dry_run=dry_run)
    lines = [
        f"通話 {call}: {done.before} → {done.disposition}（通番 {done.seq} が {done.corrects} を訂正）",
        *(f"  取り消し: {EFFECT_LABELS[type(effect).__name__]}" for effect in done.withdrawn),
        *(f"  記録: {EFFECT_LABELS[type(effect).__name__]}" for effect in done.made),
        *(["まだ何も書いていません（--dry-run）"] if dry_run else []),
    ]
    say(lines, _data(done, dry_run), as_json=as_json)


@app.command("take-back")
def take_back(ctx: typer.Context, call: Call) -> None:
    """自分の通話の終了を、10秒のうちに取り消す。通話は終わりの手前に戻る。"""
    here: Context = ctx.obj
    _corrections(here).take_back(call, here.actor_id)
    say([f"通話 {call} の終了を取り消しました"], {"call": call, "taken_back": True}, as_json=False)


@app.command()
def review(ctx: typer.Context, as_json: AsJson = False) -> None:
    """確認待ち（電話がどうなったか分からない通話）を並べる。"""
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    c = calls.c
    query = (
        select(c.id, c.case_id, c.campaign_id, c.opened_at, c.talk_state, c.review_reason)
        .where(c.municipality_id == here.municipality_id, c.line_state == "needs_review", is_live)
        .order_by(c.id)
    )
    with here.database.read() as conn:
        rows = conn.execute(query).all()
    lines = [
        f"{row.id:>7}  {row.opened_at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}  案件 {row.case_id:<7} "
        f"{'会話あり' if row.talk_state else '会話なし'}  {row.review_reason or ''}"
        for row in rows
    ]
    data = [dict(row._mapping, opened_at=row.opened_at.isoformat()) for row in rows]
    say(lines or ["確認待ちの通話はありません"], data, as_json=as_json)


@app.command()
def resolve(
    ctx: typer.Context,
    call: Call,
    reason: Reason,
    outcome: Annotated[str, typer.Option("--outcome", help="、".join(OUTCOMES))],
    as_json: AsJson = False,
) -> None:
    """確認待ちの通話を、人が確かめた結果で終える。"""
    here: Context = ctx.obj
    closed = _corrections(here).resolve(here.calls, call, here.actor_id, outcome, reason)
    data = {"call": call, "disposition": closed.disposition}
    say([f"通話 {call}: {closed.disposition} として終えました"], data, as_json=as_json)


def _corrections(here: Context) -> Corrections:
    return Corrections(here.database, here.clock, here.shelf, here.municipality_id)


def _pair(typed: str) -> tuple[str, str]:
    name, sign, value = typed.partition("=")
    if not sign:
        raise UsageError(f"--field {typed} は読めません", mend="--field 項目=値 の形で書きます")
    return name.strip(), value


def _data(done: Corrected, dry_run: bool) -> dict[str, object]:
    return {
        "call": done.call_id,
        "seq": done.seq,
        "corrects": done.corrects,
        "before": done.before,
        "disposition": done.disposition,
        "withdrawn": [as_data(effect) for effect in done.withdrawn],
        "made": [as_data(effect) for effect in done.made],
        "dry_run": dry_run,
    }
