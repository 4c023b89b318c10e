"""`callflow visit`: 訪問催告, the list that the ward's own people are handed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.errors import InputError, Where
from callflow.followup import visits
from callflow.followup.acts import VISIT_REASONS, VISIT_RESULTS, VISIT_STATES
from callflow.followup.history import Who

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="訪問催告（visits）")
Note = Annotated[str, typer.Option("--note", help="備考か結果（記録に残る）")]


@app.command("list")
def list_(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="済んだものも")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """訪問する案件を並べる。名前も住所も出さない。

    例: callflow --as ward01 visit list --all
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    with here.database.read() as conn:
        rows = visits.open_visits(conn, here.municipality_id, done=all_)
    lines = [
        f"{row.id:>6}  案件 {row.case_id:<7} {VISIT_STATES[row.state]}  {VISIT_REASONS[row.reason]}"
        f"  {row.visited_on or ''} {VISIT_RESULTS.get(row.result, '')}".rstrip()
        for row in rows
    ]
    say(lines or ["訪問する案件はありません"], [_plain(row._mapping) for row in rows], as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    case: Annotated[int, typer.Argument(help="案件の番号", metavar="CASE")],
    reason: Annotated[str, typer.Option("--reason", help="、".join(VISIT_REASONS))],
    note: Note = "",
) -> None:
    """案件を訪問の一覧に載せる。

    例: callflow --as ward01 visit add 12 --reason no_contact --note '夜間も不在'
    """
    here: Context = ctx.obj
    who = _who(here)
    one = here.database.transact(lambda conn: visits.enlist(conn, who, case, reason, note))
    say([f"訪問 {one}: 案件 {case} を載せました"], None, as_json=False)


@app.command(epilog="例: callflow --as ward01 visit export 訪問.csv --purpose '12月の訪問'")
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="書き出す CSV (UTF-8 BOM 付き)")],
    purpose: Annotated[str, typer.Option("--purpose", help="何のために（記録に残る）")],
) -> None:
    """氏名・住所・未納額・経過を CSV に書き出す。目的・行数・ハッシュが記録に残る。"""
    here: Context = ctx.obj
    who = _who(here)
    free(file)
    done = here.database.transact(lambda conn: visits.export(conn, who, purpose, here.shelf, here.config.claim_names))
    file.write_bytes(done.content)
    say([f"{file}: {done.rows}行、sha256 {done.digest}"], None, as_json=False)


@app.command()
def result(
    ctx: typer.Context,
    visit: Annotated[int, typer.Argument(help="訪問の番号", metavar="VISIT")],
    came_of: Annotated[str, typer.Argument(help="、".join(VISIT_RESULTS), metavar="RESULT")],
    on: Annotated[str, typer.Option("--on", help="訪問した日（2026-12-03）")],
    note: Note = "",
) -> None:
    """訪問の結果を記録する。

    例: callflow --as ward01 visit result 2 absent --on 2026-12-03
    """
    here: Context = ctx.obj
    who = _who(here)
    try:
        day = date.fromisoformat(on)
    except ValueError:
        raise InputError(f"{on} は日付ではありません", where=Where(field="--on"), mend="例: 2026-12-03") from None
    here.database.transact(lambda conn: visits.record(conn, who, visit, came_of, day, note))
    say([f"訪問 {visit}: {VISIT_RESULTS[came_of]}"], None, as_json=False)


def _who(here: Context) -> Who:
    here.actor.must_be("staff")
    return Who(here.municipality_id, here.actor_id, here.clock.now())


def _plain(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, (date, datetime)) else value for name, value in row.items()}
