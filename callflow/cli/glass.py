"""`callflow glass`: protected households are opened for a quarter of an hour, and somebody else reviews it."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.access import glass
from callflow.access.views import Viewer
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="支援措置の世帯を開けた記録と確かめ（openings of protected households）",
)


@app.command("break")
def break_(
    ctx: typer.Context,
    case: Annotated[int, typer.Argument(metavar="CASE", help="案件の番号")],
    reason: Annotated[str, typer.Option("--reason", help="なぜ見る必要があるか（5字以上、住民の名前は書かない）")],
) -> None:
    """支援措置の世帯を、理由を記録して15分だけ開ける。ほかの職員があとで確かめる。

    例: callflow --as ward01 glass break 12 --reason 本人からの納付相談に答えるため
    """
    here: Context = ctx.obj
    until = glass.break_glass(here.database, here.municipality_id, _viewer(here), case, reason, here.clock.now())
    typer.echo(f"案件 {case} の世帯を {until.astimezone(TOKYO):%H:%M} まで開けます")


@app.command("list")
def list_(
    ctx: typer.Context,
    unreviewed: Annotated[bool, typer.Option("--unreviewed", help="確かめを待つものだけ")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """開けた記録を、確かめを待つものから順に。

    例: callflow --as ward02 glass list --unreviewed
    """
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    with here.database.read() as conn:
        found = glass.openings(conn, here.municipality_id, unreviewed=unreviewed)
    lines = [
        f"{row.id:>4} {row.at.astimezone(TOKYO):%Y-%m-%d %H:%M} {row.login:<10} 案件 {row.case_id}: {row.reason}"
        f"（{glass.VERDICTS.get(row.verdict, '確かめ待ち')}{f': {row.note}' if row.note else ''}）"
        for row in found
    ]
    data = [
        {
            **{name: getattr(row, name) for name in ("id", "login", "case_id", "reason", "verdict", "note")},
            "at": f"{row.at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}",
        }
        for row in found
    ]
    say(lines or ["記録はありません"], data, as_json=as_json)


@app.command()
def review(
    ctx: typer.Context,
    one: Annotated[int, typer.Argument(metavar="ID", help="開けた記録の番号")],
    verdict: Annotated[str, typer.Option("--verdict", help="fine（妥当）か not_fine（妥当でない）")],
    note: Annotated[str, typer.Option("--note", help="一言")] = "",
) -> None:
    """ほかの職員が開けたことを確かめる。自分のものは確かめられない。

    例: callflow --as ward02 glass review 3 --verdict fine
    """
    here: Context = ctx.obj
    glass.review(here.database, here.municipality_id, _viewer(here), one, verdict, note, here.clock.now())
    typer.echo(f"記録 {one} を確かめました: {glass.VERDICTS[verdict]}")


def _viewer(here: Context) -> Viewer:
    return Viewer(here.actor_id, here.actor.roles, here.actor.organisation_kind)
