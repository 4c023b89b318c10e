"""`callflow dial`: what is called next, and why a case is or is not called now."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from callflow import callbacks
from callflow.access.views import Viewer
from callflow.board import Board, board
from callflow.campaigns import Campaigns, rules_of
from callflow.cli import dialling
from callflow.cli.board_words import board_data, board_lines
from callflow.cli.callback_words import callback_data, callback_line
from callflow.cli.campaign_words import head_line, progress_data, progress_lines, queue_data, queue_lines
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.errors import NotFoundError, UsageError
from callflow.explanation import as_data, find_cases, in_words, moment
from callflow.explanation import explain as explain_case
from callflow.inbound import Asked, Found, Inbound
from callflow.incidents import CAUSE_WORDS, look_at
from callflow.incidents import abandoned as incidents
from callflow.progress import first_in_queue, progress
from callflow.storage import in_words as trouble
from models.live import Live
from scheduler.dealing import Rules

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="次に架電する案件と、架電しない理由（what is called next, and why not）",
)

app.command()(dialling.run)

REDRAW = 30.0  # seconds after which times are drawn anew though nothing changed
AT_MOST = 0.25  # seconds between two drawings

AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def queue(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Option("--campaign", help="キャンペーンの番号か名前。なければ稼働中のすべて")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="何件まで")] = 10,
    as_json: AsJson = False,
) -> None:
    """待ち行列の先頭を、架電する順に。名前も電話番号も出さない。

    例: callflow dial queue / callflow dial queue --campaign 11月の架電 -n 30
    """
    here: Context = ctx.obj
    lines, data = [], []
    with here.database.read() as conn:
        desk = Campaigns(conn, here.municipality_id, here.clock.now())
        rows = [desk.named(campaign)] if campaign else [row for row in desk.all() if row.state == "running"]
        for row in rows:
            found = progress(conn, here.municipality_id, row.id, here.clock.now())
            entries = first_in_queue(conn, here.municipality_id, row.id, count)
            lines += [head_line(row), *progress_lines(found), *queue_lines(entries)]
            data.append({"campaign": row.id, **progress_data(found), "next": queue_data(entries)})
    say(lines or ["稼働中のキャンペーンはありません"], data, as_json=as_json)


@app.command()
def explain(
    ctx: typer.Context,
    case: Annotated[str, typer.Argument(help="案件の番号か宛名番号", metavar="CASE")],
    as_json: AsJson = False,
) -> None:
    """なぜ、いま架電する（しない）のか。次に架電できるのはいつか。

    例: callflow --as ward01 dial explain 0010100005
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        found = find_cases(conn, here.municipality_id, case, protected=here.sees_protected)
        if not found:
            raise NotFoundError("その案件はありません", mend="案件の番号か宛名番号を指定してください")
        told = [
            each
            for case_id in found
            for each in explain_case(
                conn, here.municipality_id, case_id, here.clock.now(), _rules_of(here, conn), here.rules
            )
        ]
    lines = [line for each in told for line in (*in_words(each), "")]
    say(lines[:-1], [as_data(each) for each in told], as_json=as_json)


@app.command("callbacks")
def callbacks_(
    ctx: typer.Context,
    missed: Annotated[bool, typer.Option("--missed", help="時刻までに架けられなかったものだけ")] = False,
    as_json: AsJson = False,
) -> None:
    """約束した再架電を、時刻の順に。名前も電話番号も出さない。

    例: callflow dial callbacks / callflow dial callbacks --missed --json
    """
    here: Context = ctx.obj
    viewer = Viewer(here.actor.id, here.actor.roles, here.actor.organisation_kind) if here.as_user else None
    if viewer is not None:
        here.actor.must_be("supervisor", "staff")
    with here.database.read() as conn:
        found = callbacks.waiting(conn, here.municipality_id, viewer, missed=missed)
    now = here.clock.now()
    lines = [callback_line(each, now) for each in found]
    say(lines or ["待っている再架電はありません"], [callback_data(each, now) for each in found], as_json=as_json)


@app.command()
def abandoned(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="確かめたものも")] = False,
    seen: Annotated[int | None, typer.Option("--seen", help="この通話の番号を、確かめたものにする")] = None,
    note: Annotated[str, typer.Option("--note", help="確かめたこと（記録に残ります）")] = "",
    as_json: AsJson = False,
) -> None:
    """まだ確かめていない放棄呼（住民が出たのに、だれも応対できなかった通話）。業務責任者が確かめる。

    例: callflow dial abandoned / callflow --as lead01 dial abandoned --seen 1203 --note 席を離れていた
    """
    here: Context = ctx.obj
    if seen is not None:
        here.actor.must_be("supervisor")
        if not note.strip():
            raise UsageError("--note が要ります", mend="確かめたことを書いてください（記録に残ります）")
        with here.database.write() as conn:
            look_at(conn, here.municipality_id, seen, here.actor_id, note.strip(), here.clock.now())
    with here.database.read() as conn:
        found = incidents(conn, here.municipality_id, everything=everything)
    lines = [
        f"{moment(each.at)}  通話 {each.call_id:<7} 案件 {each.case_id:<7} {each.campaign}  {CAUSE_WORDS[each.cause]}"
        + (f"　確認 {moment(each.seen_at)}" if each.seen_at else "")
        for each in found
    ]
    data = [
        {
            "call": each.call_id,
            "case": each.case_id,
            "campaign": each.campaign,
            "at": each.at.isoformat(),
            "cause": each.cause,
            "seen_at": each.seen_at.isoformat() if each.seen_at else None,
        }
        for each in found
    ]
    say(lines or ["確かめていない放棄呼はありません"], data, as_json=as_json)


@app.command()
def inbound(
    ctx: typer.Context,
    phone: Annotated[str, typer.Option("--phone", help="電話番号の全体")] = "",
    kana: Annotated[str, typer.Option("--kana", help="お名前のカナ（フルネーム）")] = "",
    born: Annotated[str, typer.Option("--born", help="生年月日。番号がないときに、カナと合わせて")] = "",
    start: Annotated[
        bool, typer.Option("--open", help="見つかったら通話を始める。続きはコンソールの「架電」で話す")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """折り返しの電話を受ける: 案件を一つだけ探す。検索は記録され、1時間の回数に限りがある。

    何も指定しなければ一つずつ尋ねる（シェルの履歴に残さない）。

    例: callflow dial inbound --as op01 / callflow dial inbound --as op01 --phone 03-0000-0000 --open
    """
    here: Context = ctx.obj
    here.actor.must_be("operator")
    asked = Asked(phone, kana, born)
    if asked == Asked():
        asked = Asked(*(typer.prompt(words, default="", show_default=False, err=True) for words in _ASKS))
    desk = _inbound(here)
    found = desk.find(here.actor_id, asked)
    if not isinstance(found, Found):
        what = "この番号は、お一人に決まりません" if found.shared else "該当する方はありません"
        mend = (
            "お名前のカナも指定してください"
            if found.shared
            else "区から折り返す旨を伝え、コンソールで区に頼んでください"
        )
        raise NotFoundError(what, mend=mend)
    call_id = desk.open(here.actor_id, found.case_id).call_id if start else None
    lines = [f"案件 {found.case_id}"]
    lines += [f"通話 {call_id} を始めました。コンソールの「架電」で続けてください"] if call_id is not None else []
    say(lines, {"case": found.case_id, "call": call_id}, as_json=as_json)


_ASKS = ("電話番号の全体（分からなければ空）", "お名前のカナ（フルネーム）", "生年月日（番号がないとき）")


def _inbound(here: Context) -> Inbound:
    return Inbound(
        here.database,
        here.clock,
        here.calls,
        here.shelf,
        here.municipality_id,
        area_code=here.config.imports.default_area_code,
        searches_per_hour=here.config.console.searches_per_hour,
    )


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """架電室のいま: 回線、担当者、速さ、見送りの理由、放棄呼、次の予定。住民の名前も電話番号も出さない。

    例: callflow dial status / callflow dial status --json
    """
    here: Context = ctx.obj
    now, stopped = _board(here), here.config.disaster_stop
    say(board_lines(now, disaster_stop=stopped), board_data(now, disaster_stop=stopped), as_json=as_json)


@app.command()
def watch(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="変わるたびに、一行のデータとして出力する")] = False,
) -> None:
    """架電室のいまを、変わるたびに描き直す。止めるには Ctrl-C。

    PostgreSQL では変更の知らせで、SQLite では0.5秒ごとに変更の有無を見て描き直す。

    例: callflow dial watch / callflow dial watch --json
    """
    here: Context = ctx.obj
    stopped = here.config.disaster_stop
    live = Live(here.database)
    try:
        with live.subscribe(here.municipality_id) as changes:
            while True:
                found = changes.wait(REDRAW)
                try:
                    now = _board(here)
                except DBAPIError as error:
                    if trouble(error) is None:
                        raise
                    typer.echo("データベースにつながりません。表示は古くなっています", err=True)
                    continue
                if as_json:
                    typer.echo(json.dumps(board_data(now, disaster_stop=stopped), ensure_ascii=False))
                else:
                    _draw(board_lines(now, disaster_stop=stopped, jump=here.clock.jumped()))
                if found:
                    time.sleep(AT_MOST)  # what comes meanwhile is drawn at once
    finally:
        live.close()


def _board(here: Context) -> Board:
    with here.database.read() as conn:
        return board(conn, here.municipality_id, here.clock.now(), _rules_of(here, conn))


def _draw(lines: list[str]) -> None:
    if sys.stdout.isatty():
        typer.echo("\033[H\033[J", nl=False)
    typer.echo("\n".join([*lines, ""]))


def _rules_of(here: Context, conn: Connection) -> Callable[[int], Rules]:
    desk = Campaigns(conn, here.municipality_id, here.clock.now())

    def rules(campaign_id: int) -> Rules:
        row = desk.get(campaign_id)
        return rules_of(row, here.rules(row.claim_type))

    return rules
