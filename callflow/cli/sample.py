"""`callflow sample`: a list of invented residents to try things with."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.errors import UsageError
from callflow.simulation.sample import NHI, claim_of, generate, payments_of, spoilt, write

app = typer.Typer(rich_markup_mode=None)
ENCODINGS = ("cp932", "utf-8", "utf-8-sig")


@app.command()
def sample(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--output", "-o", "--out", help="書き出す CSV")],
    households: Annotated[int, typer.Option("--households", min=1, max=9_999_999, help="世帯数")] = 1200,
    claim_type: Annotated[str, typer.Option("--claim-type", help="債権区分。なければ国民健康保険料")] = "",
    faulty: Annotated[bool, typer.Option("--faulty", help="誤りのある行を一種類ずつ混ぜる")] = False,
    encoding: Annotated[str, typer.Option("--encoding", help="cp932、utf-8、utf-8-sig")] = "cp932",
    payments: Annotated[Path | None, typer.Option("--payments", help="収納の CSV も書き出す（取消を含む）")] = None,
    seed: Annotated[int, typer.Option("--seed", help="同じ種なら同じ一覧")] = 1,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="収納データ基準日")] = datetime(
        2026, 11, 20, tzinfo=UTC
    ),
) -> None:
    """架空の住民の滞納一覧と、その後の収納を書き出す。

    例: callflow sample --out 一覧.csv --payments 収納.csv / callflow sample --out 誤り.csv --households 20 --faulty

    例: callflow sample --out 介護.csv --claim-type long_term_care --encoding utf-8-sig
    """
    if encoding not in ENCODINGS:
        raise UsageError(f"知らない文字コードです: {encoding}", mend="、".join(ENCODINGS) + " のどれか")
    here: Context = ctx.obj
    day, claim = as_of.date(), claim_of(here.config, claim_type) if claim_type else NHI
    listed = generate(households, seed, day, claim)
    count = write(out, spoilt(listed, encoding) if faulty else listed, encoding=encoding)
    mixed = "（誤りのある行を含む）" if faulty else ""
    typer.echo(f"{out}: {households} 世帯、{count} 期別を書き出しました{mixed}")
    if payments:
        later = date.fromordinal(day.toordinal() + 4)
        paid = payments_of(generate(households, seed, day, claim), seed, later, claim)
        typer.echo(f"{payments}: 収納 {write(payments, paid, encoding=encoding, payments=True)} 件を書き出しました")
