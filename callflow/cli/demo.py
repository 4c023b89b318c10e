"""`callflow demo`: everything once, on invented residents and a simulated clock."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from callflow.access import verifier
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.script.reader import read
from callflow.simulation.demo import START, Demo, Outcome, last_moment
from callflow.simulation.sample import NHI, Claim, claim_of, generate, payments_of, write
from models.database import Database
from scheduler.verdict import Reason

app = typer.Typer(rich_markup_mode=None)

SAMPLES = Path("../shared/samples")
LIST, PAYMENTS = "nhi_arrears_cp932.csv", "payments_cp932.csv"
_REASONS = {reason.code: reason.ja for reason in Reason}


@app.command()
def demo(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=30, help="何日分")] = 3,
    operators: Annotated[int, typer.Option("--operators", min=1, max=50, help="担当者の数")] = 6,
    seed: Annotated[int, typer.Option("--seed", help="同じ種からは同じ経過になる")] = 1,
    households: Annotated[
        int | None,
        typer.Option(
            "--households", min=1, help="この数の世帯の一覧を作る（なければ見本の一覧、それもなければ1200世帯）"
        ),
    ] = None,
    script: Annotated[Path | None, typer.Option("--script", help="台本。なければ国民健康保険料のもの")] = None,
    file: Annotated[Path, typer.Option("--database", help="毎回新しく作る")] = Path("var/demo.sqlite"),
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """架空の住民に、数日分の電話催告を行い、すべての通話を再生して証明する。

    例: callflow demo / callflow demo --days 1 --households 200 --seed 7

    例: callflow demo --script 給食費.yaml --database var/給食費.sqlite
    """
    here: Context = ctx.obj
    script = script or here.config.scripts.folder / "nhi-premium.yaml"
    claim = claim_of(here.config, read(script).claim_type)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    anchors = file.with_name(f"{file.stem}-anchors")
    shutil.rmtree(anchors, ignore_errors=True)
    anchors.with_suffix(".key").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder, _progress() as bar:
        whole = int((last_moment(days) - START).total_seconds())
        task = bar.add_task("準備", total=whole, day="")
        database = Database(f"sqlite:///{file}")
        run = Demo(
            database,
            here.config,
            script,
            anchors,
            seed,
            operators,
            step=lambda words: bar.update(task, description=words),
            moment=lambda moment: _moved(bar, task, moment),
        )
        outcome = run.run(*_lists(Path(folder), households, seed, claim), days)
    say(_lines(outcome, file), _data(outcome), as_json=as_json)
    database.close()
    if outcome.faults or outcome.breaches or outcome.chains.exit_code:
        raise typer.Exit(1)


def _progress() -> Progress:
    bar = BarColumn()
    console = Console(stderr=True, no_color="NO_COLOR" in os.environ)
    columns = (TextColumn("{task.description}"), bar, TextColumn("{task.fields[day]}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=not console.is_terminal)


def _moved(bar: Progress, task: object, moment: datetime) -> None:
    done = int((moment - START).total_seconds())
    bar.update(task, completed=done, day=f"{moment.astimezone(TOKYO):%m月%d日 %H:%M}")  # type: ignore[arg-type]


def _lists(folder: Path, households: int | None, seed: int, claim: Claim = NHI) -> tuple[Path, Path | None]:
    """The sample list with its payments if they are there and no number was asked for, else files of the same kind."""
    if households is None and claim == NHI and (SAMPLES / LIST).is_file():
        return SAMPLES / LIST, SAMPLES / PAYMENTS if (SAMPLES / PAYMENTS).is_file() else None
    as_of = START.astimezone(TOKYO).date() - timedelta(days=4)
    rows = list(generate(households or 1200, seed, as_of, claim))
    write(folder / LIST, rows, encoding="cp932")
    paid = payments_of(rows, seed, as_of + timedelta(days=4), claim)
    write(folder / PAYMENTS, paid, encoding="cp932", payments=True)
    return folder / LIST, folder / PAYMENTS


def _lines(outcome: Outcome, file: Path) -> list[str]:
    refused = {
        "、".join(_REASONS.get(code, code) for code in codes.split(",")): count
        for codes, count in outcome.refused.items()
    }
    excluded = "、".join(f"{each.ja} {count:,}" for each, count in outcome.plan.excluded.items())
    return [
        "",
        f"計画        案件 {outcome.plan.total:,}、架電 {outcome.plan.included:,}（除外: {excluded or 'なし'}）",
        f"通話        {outcome.calls:,} 件",
        "結果        " + "  ".join(f"{code} {count:,}" for code, count in outcome.dispositions.items()),
        f"納付約束    {outcome.promises:,} 件、{outcome.promised_yen:,} 円",
        f"連絡票      {outcome.slips:,} 件",
        f"報告書の申出 {outcome.reports:,} 件",
        f"見送り      {sum(refused.values()):,} 件",
        *(f"            {count:>6,}  {words}" for words, count in refused.items()),
        f"規則違反    {sum(outcome.breaches.values())} 件",
        *(f"            {count:>6,}  {words}" for words, count in outcome.breaches.items()),
        f"再生        {outcome.calls:,} 件中 {outcome.proved:,} 件を証明",
        *outcome.faults[:10],
        *(f"連鎖        {words}" for words in verifier.in_words(outcome.chains)),
        "",
        "次に試すもの:",
        f"  export CALLFLOW_DATABASE__URL=sqlite:///{file}",
        f"  {_command()} call list --disposition PP",
        f"  {_command()} --as sv01 call replay {outcome.example}",
        f"  {_command()} --as ward01 dial explain {outcome.waiting}",
    ]


def _command() -> str:
    """How this program is called from here: `make demo` runs it out of an environment that is not on the path."""
    program = Path(sys.prefix) / "bin" / "callflow"
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else "callflow"


def _data(outcome: Outcome) -> dict[str, object]:
    return {
        "script": outcome.script,
        "plan": outcome.plan.as_data(),
        "calls": outcome.calls,
        "dispositions": outcome.dispositions,
        "promises": {"count": outcome.promises, "yen": outcome.promised_yen},
        "slips": outcome.slips,
        "reports_requested": outcome.reports,
        "refused": outcome.refused,
        "breaches": sum(outcome.breaches.values()),
        "replay": {"calls": outcome.calls, "proved": outcome.proved},
        "chain_verified": outcome.chains.exit_code == 0,
    }
