"""`callflow asterisk`: whether calls by the ward's own PBX would work, before the first is placed."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say_findings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Asterisk による発信の点検（checks for calls by Asterisk）",
)


@app.callback()
def asterisk() -> None:
    """Asterisk による発信の点検（checks for calls by Asterisk）"""


@app.command()
def check(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False
) -> None:
    """認証、権限、知らせ、発信に使う内線、担当者の電話、時刻を確かめる。電話はかけない。

    例: callflow asterisk check / callflow asterisk check --json
    """
    from callflow.telephony.asterisk import checks, settings  # noqa: PLC0415  only where it is used

    here: Context = ctx.obj
    say_findings(list(checks.check(settings.pbx_of(here.config), here.clock)), as_json=as_json)
