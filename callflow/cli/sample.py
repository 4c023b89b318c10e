"""`callflow sample`: a list of invented residents to try things with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from callflow.errors import UsageError
from callflow.simulation.sample import generate, payments_of, write

app = typer.Typer(help="架空の住民の滞納一覧を作る (a list of invented residents)")
ENCODINGS = ("cp932", "utf-8", "utf-8-sig")


@app.callback(invoke_without_command=True)
def sample(
    out: Annotated[Path, typer.Option("--out", help="書き出す CSV")],
    households: Annotated[int, typer.Option("--households", min=1, max=9_999_999, help="世帯数")] = 1200,
    encoding: Annotated[str, typer.Option("--encoding", help="cp932、utf-8、utf-8-sig")] = "cp932",
    payments: Annotated[Path | None, typer.Option("--payments", help="収納の CSV も書き出す")] = None,
    seed: Annotated[int, typer.Option("--seed", help="同じ種なら同じ一覧")] = 1,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="収納データ基準日")] = datetime(
        2026, 11, 20, tzinfo=UTC
    ),
) -> None:
    """架空の住民の滞納一覧と、その後の収納を書き出す。"""
    if encoding not in ENCODINGS:
        raise UsageError(f"知らない文字コードです: {encoding}", mend="、".join(ENCODINGS) + " のどれか")
    day = as_of.date()
    count = write(out, generate(households, seed, day), encoding=encoding)
    typer.echo(f"{out}: {households} 世帯、{count} 期別を書き出しました")
    if payments:
        later = day.fromordinal(day.toordinal() + 4)
        paid = payments_of(generate(households, seed, day), seed, later)
        typer.echo(f"{payments}: 収納 {write(payments, paid, encoding=encoding, payments=True)} 件を書き出しました")
