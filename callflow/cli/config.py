"""`callflow config`: is the configuration right, and what does it amount to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.config import effective

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="設定の検査と表示（check and show the configuration）"
)


@app.command()
def check(ctx: typer.Context) -> None:
    """設定を検査する。誤りは行と、正しいキーの候補とともに示す。"""
    here: Context = ctx.obj
    _ = here.config
    for claim_type in here.config.claim_types:
        here.rules(claim_type)
    typer.echo(f"{here.config_path}: 問題ありません")


@app.command()
def show(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """実際に効いている値と、その出どころ。"""
    here: Context = ctx.obj
    found = effective(here.config_path)
    width = max(len(each.key) for each in found)
    lines = [f"{each.key:<{width}}  {each.value}  ← {each.source}" for each in found]
    say(lines, [asdict(each) for each in found], as_json=as_json)
