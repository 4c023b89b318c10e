"""`callflow config`: is the configuration right, what does it amount to, and which days could be listed."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.config import effective
from callflow.errors import InputError, Where
from callflow.intake.columns import known_claims
from scheduler.budgets import fiscal_year, propose
from scheduler.settings import LIMITATION_YEARS

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="設定の検査と表示（check and show the configuration）"
)

KIND_WORDS = {"days": "架電日", "sundays": "日曜", "evenings": "夜間"}
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
First = typer.Option("--from", formats=["%Y-%m-%d"], metavar="DATE", help="この日から。なければ明日")
Last = typer.Option("--to", formats=["%Y-%m-%d"], metavar="DATE", help="この日まで。なければ年度末")


@app.command()
def check(ctx: typer.Context) -> None:
    """設定を検査する。誤りは行と、正しいキーの候補とともに示す。

    例: callflow config check
    """
    here: Context = ctx.obj
    kinds = here.config.claim_types
    for claim_type in kinds:
        here.rules(claim_type)
    known_claims(kinds)
    for kind in [each for each in kinds if each not in LIMITATION_YEARS]:
        if near := get_close_matches(kind, LIMITATION_YEARS, 1, 0.8):
            typer.echo(f"注意: 債権区分 {kind} は新しい区分として扱います。{near[0]} のことではありませんか", err=True)
    for claim, over in here.config.overruns():
        words = (
            f"{over.fiscal_year}年度の{KIND_WORDS[over.kind]} {over.listed} 日は予算の {over.budget} 日を超えています"
        )
        typer.echo(f"注意: {claim}: {words}", err=True)
    typer.echo(f"{here.config_path}: 問題ありません")


@app.command()
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """実際に効いている値と、その出どころ。パスワードは出さない。

    例: callflow config show / callflow config show --json
    """
    here: Context = ctx.obj
    found = effective(here.config_path)
    width = max(len(each.key) for each in found)
    lines = [f"{each.key:<{width}}  {each.value}  ← {each.source}" for each in found]
    say(lines, [asdict(each) for each in found], as_json=as_json)


@app.command("propose")
def propose_(
    ctx: typer.Context,
    claim_type: Annotated[str, typer.Argument(metavar="CLAIM_TYPE", help="債権区分")],
    first: Annotated[datetime | None, First] = None,
    last: Annotated[datetime | None, Last] = None,
    as_json: AsJson = False,
) -> None:
    """予算の日数を均等に割り振った架電日の候補を、config.yaml に書ける形で出す。何も書き換えない。

    例: callflow config propose light_vehicle_tax --from 2027-04-01 --to 2028-03-31
    """
    here: Context = ctx.obj
    budget = here.config.budget_for(claim_type)
    if budget is None:
        where = Where(str(here.config_path), field=f"claim_types.{claim_type}.budget")
        raise InputError(f"債権区分 {claim_type} には日数の予算がありません", where=where)
    start = first.date() if first else date.fromordinal(here.clock.now().astimezone(TOKYO).toordinal() + 1)
    stop = last.date() if last else date(fiscal_year(start) + 1, 3, 31)
    found = propose(replace(here.config.calendar_for(claim_type), days=None), budget, start, stop)
    data = {
        "days": sorted(found.days or ()),
        "evenings": sorted(found.evening_days),
        "rest_days": sorted(found.rest_days),
    }
    lines = [f"{key}: [{', '.join(map(str, days))}]" for key, days in data.items()]
    say(lines, {key: [str(day) for day in days] for key, days in data.items()}, as_json=as_json)
