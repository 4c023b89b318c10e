"""`callflow audit`: anchors the log, and proves it against its anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callflow.access import verifier
from callflow.access.anchors import anchor as write_anchor
from callflow.cli.context import Context
from callflow.cli.output import say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="記録の錨と検証（anchor and verify the log）",
    epilog="例: callflow audit anchor / callflow audit verify --anchors /mnt/控え --key /mnt/控え/anchors.pub",
)

AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def anchor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """前の錨から変わった通話の記録を署名して、データベースの外に残す。毎日ひとつが目安。"""
    here: Context = ctx.obj
    audit = here.config.audit
    with here.database.read() as conn:
        done = write_anchor(conn, audit.anchors, audit.signing_key, here.clock.now())
    lines = [f"錨 {done.number}: 通話 {done.leaves:,} 件 {done.path}", f"控えに書き写す値: {done.hash}"]
    data = {"number": done.number, "path": str(done.path), "leaves": done.leaves, "root": done.root, "hash": done.hash}
    say(lines, data, as_json=as_json)


@app.command()
def verify(
    ctx: typer.Context,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", metavar="DIR", help="錨のフォルダー（控えでもよい）")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="信頼する公開鍵")] = None,
    as_json: AsJson = False,
) -> int:
    """書いた側とは別のプログラムで、全通話の記録を錨と突き合わせる。0 破れなし、1 破れあり、2 判断できない。"""
    here: Context = ctx.obj
    try:
        connection = verifier.connect(here.config.database.url)
    except verifier.CannotTell as no:
        report = verifier.Report(doubt=str(no))
    else:
        report = verifier.verify(connection, anchors or here.config.audit.anchors, key=key)
        connection.close()
    say(verifier.in_words(report), verifier.as_data(report), as_json=as_json)
    return report.exit_code
