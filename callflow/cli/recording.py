"""`callflow recording`: what is kept, whether it is whole, and what must be erased."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.errors import CallflowError
from callflow.recordings import shelf, vault

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="録音の一覧・点検・消去（recordings: list, check, erase）",
)
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
STATE_WORDS = {"waiting": "受け取り待ち", "kept": "保管", "erased": "消去済み"}


@app.command("list")
def list_(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="ファイルが書かれたままかを確かめる")] = False,
    as_json: AsJson = False,
) -> None:
    """録音の一覧。区の職員だけが見る。聞くのは通話の再生の画面で、目的を記録してから。

    例: callflow --as ward01 recording list --check
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    with here.database.read() as conn:
        rows = shelf.listed(conn, here.municipality_id)
    found = [_data(row, check, here) for row in rows]
    say([_line(each) for each in found] or ["録音はありません"], found, as_json=as_json)
    spoilt = sum(each["whole"] is False for each in found)
    if spoilt:
        raise CallflowError(f"{spoilt} 件のファイルがないか、書かれたままではありません", mend="控えから戻してください")


@app.command("erase-due")
def erase_due(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="どれが消えるかを示すだけ")] = False,
    as_json: AsJson = False,
) -> None:
    """保管の日数（recordings.keep_days）を過ぎた録音を消す。差し止めのある通話は残す。callflow work も毎日行う。

    例: callflow --as ward01 recording erase-due --dry-run
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    now, keep = here.clock.now(), timedelta(days=here.config.recordings.keep_days)
    with here.database.read() as conn:
        rows = shelf.due(conn, here.municipality_id, now, keep)
    if not dry_run:
        shelf.erase(here.database, here.municipality_id, rows, here.config.recordings.folder, now)
    word = "消える録音" if dry_run else "消した録音"
    found = [_data(row, False, here) for row in rows]
    say([*(_line(each) for each in found), f"{word}: {len(rows):,} 件"], found, as_json=as_json)


@app.command()
def key(name: Annotated[str, typer.Argument(help="鍵の名。録音ごとに、どの鍵かが残る", metavar="NAME")]) -> None:
    """新しい鍵の一行を作って標準出力に書く。鍵のファイルの先頭に足すと、次の録音からその鍵になる（umask 077; callflow
    recording key 2026 > recording.keys）。

    例: callflow recording key 2026
    """
    typer.echo(vault.new_key(name))


def _data(row: Any, check: bool, here: Context) -> dict[str, Any]:
    kept = row.state == "kept"
    return {
        "id": row.id,
        "call": row.call_id,
        "state": row.state,
        "began_at": row.began_at.isoformat(),
        "seconds": row.seconds,
        "key": row.key_name,
        "whole": shelf.whole(row, here.config.recordings.folder) if check and kept else None,
    }


def _line(each: dict[str, Any]) -> str:
    began = datetime.fromisoformat(each["began_at"]).astimezone(TOKYO)
    whole = {True: "　完全", False: "　壊れているか、ない", None: ""}[each["whole"]]
    return (
        f"{each['id']:>6}  通話 {each['call']}  {began:%Y-%m-%d %H:%M}  {each['seconds']} 秒  "
        f"{STATE_WORDS[each['state']]}{whole}"
    )
