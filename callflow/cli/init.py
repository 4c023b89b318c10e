"""`callflow init`: the database, the municipality and its two organisations."""

from __future__ import annotations

import typer

from callflow.access.accounts import ensure_municipality
from callflow.cli.context import Context
from models.migrate import HEAD, upgrade

app = typer.Typer(rich_markup_mode=None)


@app.command()
def init(ctx: typer.Context) -> None:
    """データベースを作り（または最新の版に上げ）、自治体と組織を登録する。何度実行してもよい。

    例: callflow init
    """
    here: Context = ctx.obj
    own = here.config.municipality
    upgrade(here.database)
    with here.database.write() as conn:
        ensure_municipality(conn, own.code, own.ward, own.company)
    typer.echo(f"準備ができました（版 {HEAD}、{own.ward}、{own.company}）。次に:")
    typer.echo("  callflow user add admin01 --name 管理者 --role admin --organisation ward")
    typer.echo("  callflow --as admin01 user add ward01 --name 職員 --role staff --organisation ward")
    typer.echo("  callflow --as ward01 case import 一覧.csv")
