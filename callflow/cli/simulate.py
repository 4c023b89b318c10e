"""`callflow simulate`: how many operators, which days, when it is finished, how many are reached, and what if."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from callflow.campaigns import Campaigns, rules_of
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.cli.progress import bar_of
from callflow.cli.simulate_words import Told
from callflow.clock import TOKYO
from callflow.errors import InputError, UsageError, Where
from callflow.simulation.planner.chart import chart
from callflow.simulation.planner.forecast import Scenario, forecast, processors
from callflow.simulation.planner.hours import hours_of
from callflow.simulation.planner.rates import believe
from callflow.simulation.planner.reading import read_history, read_list
from callflow.simulation.planner.run import Listed, Setup
from scheduler.budgets import DayBudget, propose
from scheduler.calendar import Calendar
from scheduler.dealing import Rules
from scheduler.settings import HARD_CAP, MODES, Mode

app = typer.Typer(rich_markup_mode=None)

MOST_SCENARIOS = 6
LONGEST = timedelta(days=366)


@app.command()
def simulate(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Argument(help="キャンペーンの番号か名前。下書きでもよい", metavar="CAMPAIGN")],
    operators: Annotated[str, typer.Option("--operators", help="担当者の数。比べるなら 3,6,9")] = "6",
    answer_rate: Annotated[str, typer.Option("--answer-rate", help="応答率がこの倍になったら。比べるなら 1,0.8")] = "1",
    mode: Annotated[str, typer.Option("--mode", help="・".join(MODES) + "。なければ progressive")] = "progressive",
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="いつまで。なければ90日間")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=0, help="架電日を選び直す: 期間内に何日（日曜・夜間を含む）")] = 0,
    sundays: Annotated[int, typer.Option("--sundays", min=0, help="--days のうち日曜の日数")] = 0,
    evenings: Annotated[int, typer.Option("--evenings", min=0, help="--days のうち夜間も架電する日数")] = 0,
    runs: Annotated[int, typer.Option("--replications", min=2, max=1000, help="何通り試すか")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="同じ種からは同じ予測になる")] = 1,
    svg: Annotated[Path | None, typer.Option("--svg", help="グラフを書き出すファイル")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """キャンペーンの見通し: 何人で、どの日に、いつ終わり、何件と話せるか。データベースには何も書かない。

    例: callflow simulate 11月の架電 --operators 3,6,9 --answer-rate 1,0.8 --svg 見通し.svg
    """
    here: Context = ctx.obj
    scenarios = _scenarios(operators, answer_rate)
    chosen = _mode(mode)
    start = here.clock.now()
    end = _end(start, until)
    with here.database.read() as conn:
        row = Campaigns(conn, here.municipality_id, start).named(campaign)
        rules = rules_of(row, here.rules(row.claim_type))
        cases, held = read_list(conn, here.municipality_id, row.id, start)
        history = read_history(conn, here.municipality_id, row.claim_type, rules.calendar, start)
    if days or sundays or evenings:
        rules = replace(rules, calendar=_proposed(rules.calendar, DayBudget(days, sundays, evenings), start, end))
    setup = _setup(cases, rules, chosen, start, end)
    with bar_of(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("試算", total=len(scenarios) * runs)
        found = [
            forecast(setup, history, each, runs=runs, seed=seed, workers=processors(), told=lambda: bar.advance(task))
            for each in scenarios
        ]
    rates = believe(history, rules.policy.ring_seconds)
    told = Told(row.name, row.state, setup, held, history, rates, start, seed)
    if svg is not None:
        svg.write_text(chart(found, f"見通し: {row.name}", told.note(runs)), encoding="utf-8")
    say(told.lines(found, svg), told.data(found), as_json=as_json)


def _scenarios(operators: str, answer_rate: str) -> list[Scenario]:
    seats = _numbers("operators", operators, 1, 500)
    factors = _numbers("answer-rate", answer_rate, 0.05, 3)
    found = [Scenario(int(each), factor) for factor in factors for each in seats]
    if len(found) > MOST_SCENARIOS:
        raise UsageError(f"組み合わせが {len(found)} 通りあります", mend=f"{MOST_SCENARIOS} 通りまでにしてください")
    return found


def _numbers(name: str, text: str, least: float, most: float) -> list[float]:
    found = []
    for word in text.split(","):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not least <= value <= most or (name == "operators" and value != int(value)):
            raise InputError(
                f"{word or '空の値'} は使えません",
                where=Where(field=name),
                mend=f"{least:g} から {most:g} の数をコンマで区切って並べてください",
            )
        found.append(value)
    return list(dict.fromkeys(found))


def _mode(word: str) -> Mode:
    for each in MODES:
        if word == each:
            return each
    raise InputError(
        f"{word} という発信方式はありません", where=Where(field="mode"), mend=f"使える値: {'、'.join(MODES)}"
    )


def _end(start: datetime, until: datetime | None) -> datetime:
    if until is None:
        return start + timedelta(days=90)
    end = until.replace(tzinfo=TOKYO) + timedelta(days=1)
    if not start < end <= start + LONGEST:
        raise InputError(
            f"{until:%Y-%m-%d} までは試算できません",
            where=Where(field="until"),
            mend="今日から366日以内の日にしてください",
        )
    return end


def _proposed(calendar: Calendar, budget: DayBudget, start: datetime, end: datetime) -> Calendar:
    if not budget.days:
        raise UsageError("--sundays と --evenings は --days の内数です", mend="--days も付けてください")
    every_day = replace(calendar, days=None)
    return propose(
        every_day, budget, start.astimezone(TOKYO).date(), (end - timedelta(seconds=1)).astimezone(TOKYO).date()
    )


def _setup(cases: Sequence[Listed], rules: Rules, mode: Mode, start: datetime, end: datetime) -> Setup:
    hours = hours_of(rules.calendar, start, end, rules.policy.promise_grace_days)
    if not hours.opens:
        raise InputError(
            "この期間に架電できる日がありません",
            where=Where(field="until"),
            mend="期間を延ばすか、--days で架電日を試すか、config.yaml の claim_types を確かめてください",
        )
    return Setup(cases, 1, mode, rules.policy, hours, HARD_CAP)
