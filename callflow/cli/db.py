"""`callflow db`: which version the tables have, and bringing them to this program's."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.tallies import set_right
from models.migrate import HEAD
from models.migrate import current as current_revision
from models.migrate import upgrade as upgrade_to_head

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="データベースの版（migrate the database）"
)

EXIT_BEHIND = 1
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """表を最新の版に上げる。ひとつのトランザクションで行い、何度実行してもよい。

    例: callflow db upgrade
    """
    here: Context = ctx.obj
    before = current_revision(here.database)
    head = upgrade_to_head(here.database)
    words = f"すでに版 {head} です" if before == head else f"版 {before or 'なし'} から {head} に上げました"
    say([words], {"before": before, "current": head}, as_json=as_json)


@app.command()
def current(ctx: typer.Context, as_json: AsJson = False) -> int:
    """いまの版と、このプログラムが要る版。違えば終了コード 1。

    例: callflow db current --json
    """
    here: Context = ctx.obj
    found = current_revision(here.database)
    lines = [f"いまの版: {found or 'なし'}　要る版: {HEAD}"]
    if found != HEAD:
        lines.append("→ callflow db upgrade を実行してください")
    say(lines, {"current": found, "needed": HEAD}, as_json=as_json)
    return 0 if found == HEAD else EXIT_BEHIND


@app.command()
def recount(ctx: typer.Context, as_json: AsJson = False) -> None:
    """結果ごとの件数を通話から数え直し、違いがあれば直す。架電中に実行してよい。

    例: callflow db recount
    """
    here: Context = ctx.obj
    found = here.database.transact(lambda conn: set_right(conn, here.municipality_id))
    lines = [f"キャンペーン {campaign} の {code} を {-by:+,} 件直しました" for (campaign, code), by in found.items()]
    data = [{"campaign": campaign, "disposition": code, "by": -by} for (campaign, code), by in found.items()]
    say(lines or ["件数は通話と合っています"], {"mended": data}, as_json=as_json)
