"""`callflow correct`: what may still happen to a call after its end. Nothing that was written is changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from callflow.access.views import Viewer
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.corrections import Corrected, Corrections, Request
from callflow.effects import EFFECT_LABELS, as_data
from callflow.errors import UsageError
from callflow.reviews import FINDINGS, waiting

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
    """結果・項目を訂正する。担当者は自分のその日の通話、業務責任者は担当する通話、区の職員はすべて。

    例: callflow --as lead01 correct call 12 --code PR --reason 再発行の聞き落とし --dry-run

    例: callflow --as op001 correct call 12 --field promise.amount=18000 --reason 金額の打ち間違い
    """
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
    """自分の通話の終了を、10秒のうちに取り消す。通話は終わりの手前に戻る。

    例: callflow --as op001 correct take-back 12
    """
    here: Context = ctx.obj
    _corrections(here).take_back(call, here.actor_id)
    say([f"通話 {call} の終了を取り消しました"], {"call": call, "taken_back": True}, as_json=False)


@app.command()
def review(ctx: typer.Context, as_json: AsJson = False) -> None:
    """確認待ち（電話がどうなったか分からない通話）のうち、自分が確かめられるものを並べる。

    例: callflow --as lead01 correct review
    """
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    viewer = Viewer(here.actor_id, here.actor.roles, here.actor.organisation_kind)
    with here.database.read() as conn:
        found = waiting(conn, here.municipality_id, viewer)
    lines = [
        f"{each.call_id:>7}  {each.opened_at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}  案件 {each.case_id:<7} "
        f"{'会話あり' if each.has_talk else '会話なし'}  {each.reason}"
        for each in found
    ]
    data = [asdict(each) | {"opened_at": each.opened_at.isoformat()} for each in found]
    say(lines or ["確認待ちの通話はありません"], data, as_json=as_json)


@app.command()
def resolve(
    ctx: typer.Context,
    call: Call,
    reason: Reason,
    outcome: Annotated[
        str, typer.Option("--outcome", help="、".join(f"{name}（{words}）" for name, words in FINDINGS.items()))
    ],
    as_json: AsJson = False,
) -> None:
    """確認待ちの通話を、人が確かめた結果で終える。

    例: callflow --as lead01 correct resolve 12 --outcome no-answer --reason 通信会社の記録で確かめた
    """
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
