"""`callflow campaign`: lets campaigns be approved, run, pause and stop; who watches over them; what was planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, Row, select

from callflow.campaigns import Campaigns, Plan, rules_of
from callflow.cli import campaign_plan
from callflow.cli.campaign_words import (
    approval_line,
    campaign_data,
    campaign_lines,
    head_line,
    ledger_lines,
    progress_data,
    progress_lines,
    shift_line,
    still_lines,
    stop_lines,
)
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.dayplan import year_of
from callflow.errors import InputError, NotFoundError, UsageError, Where
from callflow.holdout import held_out
from callflow.oversight import Oversight
from callflow.progress import progress
from callflow.standstill import standstill
from models.database import Database
from models.tables import accounts
from scheduler.budgets import fiscal_year
from scheduler.calendar import tokyo_date
from scheduler.verdict import Block

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="キャンペーンの計画と運転（plan and run campaigns）",
)
shift = typer.Typer(no_args_is_help=True, help="業務責任者の勤務。勤務中の間だけキャンペーンが動く")

Named = Annotated[str, typer.Argument(help="キャンペーンの番号か名前", metavar="CAMPAIGN")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="できるかどうかだけを確かめ、何も書かない")]
Reason = Annotated[str, typer.Option("--reason", help="理由（記録に残ります）")]
Supervisor = Annotated[str, typer.Option("--supervisor", help="勤務中の業務責任者のログイン名")]

app.command()(campaign_plan.plan)


@app.command()
def approve(ctx: typer.Context, campaign: Named, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """計画を承認する。区の職員で、計画した本人ではない者だけ。

    例: callflow --as ward02 campaign approve 11月の架電
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    _act(here, campaign, lambda desk, one: desk.approve(one, here.actor_id), dry_run, as_json)


@app.command()
def start(
    ctx: typer.Context, campaign: Named, supervisor: Supervisor = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """承認された架電を始める。業務責任者が勤務中でなければ始められない。

    例: callflow --as lead01 campaign start 11月の架電 --supervisor lead01
    """
    here = _acting(ctx)

    def work(desk: Campaigns, one: int) -> None:
        desk.start(one, _account(desk.connection, here, supervisor or here.actor.login), here.actor_id)

    _act(here, campaign, work, dry_run, as_json)


@app.command()
def pause(
    ctx: typer.Context, campaign: Named, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """新しい架電を止める。つながっている通話は続く。

    例: callflow --as lead01 campaign pause 11月の架電 --reason 昼休み
    """
    here, why = _acting(ctx), _needed(reason)
    _act(here, campaign, lambda desk, one: desk.pause(one, here.actor_id, why), dry_run, as_json)


@app.command()
def resume(
    ctx: typer.Context, campaign: Named, supervisor: Supervisor = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """一時停止から再開する。業務責任者は、指定がなければ前のまま。

    例: callflow --as lead01 campaign resume 11月の架電
    """
    here = _acting(ctx)

    def work(desk: Campaigns, one: int) -> None:
        other = _account(desk.connection, here, supervisor) if supervisor else None
        desk.resume(one, here.actor_id, other)

    _act(here, campaign, work, dry_run, as_json)


@app.command("hand-over")
def hand_over(
    ctx: typer.Context, campaign: Named, supervisor: Supervisor = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """止めずに、勤務中のほかの業務責任者に引き継ぐ。

    例: callflow --as lead01 campaign hand-over 11月の架電 --supervisor lead02
    """
    here = _acting(ctx)
    if not supervisor:
        raise UsageError("--supervisor が要ります", mend="引き継ぐ業務責任者のログイン名を指定してください")

    def work(desk: Campaigns, one: int) -> None:
        desk.hand_over(one, _account(desk.connection, here, supervisor), here.actor_id)

    _act(here, campaign, work, dry_run, as_json)


@app.command()
def mode(
    ctx: typer.Context,
    campaign: Named,
    how: Annotated[str, typer.Argument(help="preview、progressive か predictive", metavar="MODE")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """発信方式を選ぶ。業務責任者だけ。predictive（先行発信）は区の承認の前にだけ選べる。

    例: callflow --as lead01 campaign mode 11月の架電 preview
    """
    here: Context = ctx.obj
    here.actor.must_be("supervisor")
    _act(here, campaign, lambda desk, one: desk.dial_by(one, how, here.actor_id), dry_run, as_json)


@app.command()
def stop(
    ctx: typer.Context, campaign: Named, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """終える。再開はできない。

    例: callflow --as lead01 campaign stop 11月の架電 --reason 予定の件数を終えた
    """
    here, why = _acting(ctx), _needed(reason)
    _act(here, campaign, lambda desk, one: desk.stop(one, here.actor_id, why), dry_run, as_json)


@app.command("stop-all")
def stop_all(ctx: typer.Context, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """災害時など: すべての架電を一度に止める。すべての機械に、次の発信の前から効く。

    例: callflow --as ward01 campaign stop-all --reason 地震のため
    """
    here = _acting(ctx)
    with _attempt(here.database, dry_run) as conn:
        desk = Oversight(conn, here.municipality_id, here.clock.now())
        desk.stop_all(reason, here.actor_id)
        lines, data = stop_lines(desk.stop()), {"stopped": True, "reason": reason.strip(), "dry_run": dry_run}
    say(lines, data, as_json=as_json)


@app.command("lift-stop")
def lift_stop(ctx: typer.Context, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """全停止を解除する。区の職員だけ。稼働中のキャンペーンは続きから動く。

    例: callflow --as ward01 campaign lift-stop
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    with _attempt(here.database, dry_run) as conn:
        Oversight(conn, here.municipality_id, here.clock.now()).lift_stop(here.actor_id)
    say(["全停止を解除しました"], {"stopped": False, "dry_run": dry_run}, as_json=as_json)


@app.command()
def days(
    ctx: typer.Context,
    claim_type: Annotated[str, typer.Option("--claim-type", help="債権区分。なければすべて")] = "",
    year: Annotated[int | None, typer.Option("--year", help="年度（西暦）。なければ今年度")] = None,
    as_json: AsJson = False,
) -> None:
    """債権区分ごとの年度の架電日: 予算、使った日、計画した日、残り。

    例: callflow campaign days / callflow campaign days --claim-type nursery_fee --year 2026
    """
    here: Context = ctx.obj
    chosen = year or fiscal_year(tokyo_date(here.clock.now()))
    kinds = [campaign_plan.claim_type_of(here, claim_type)] if claim_type else list(here.config.claim_types)
    with here.database.read() as conn:
        found = [year_of(conn, here.municipality_id, here.config, kind, chosen, here.clock.now()) for kind in kinds]
    lines = [line for each in found for line in (f"{here.config.claim(each.claim_type).name}", *ledger_lines(each))]
    say(lines, [each.as_data() for each in found], as_json=as_json)


@app.command()
def status(ctx: typer.Context, campaign: Named, as_json: AsJson = False) -> None:
    """計画、承認、待ち行列、結果、見送った発信とその理由。

    例: callflow campaign status 11月の架電 / callflow campaign status 1 --json
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        desk = Campaigns(conn, here.municipality_id, here.clock.now())
        row = desk.named(campaign)
        approved = desk.approval(row.id)
        found = progress(conn, here.municipality_id, row.id, here.clock.now())
        held = held_out(conn, here.municipality_id, row.id) if row.holdout_percent else None
        oversight = Oversight(conn, here.municipality_id, here.clock.now())
        stopped, watching = oversight.stop(), oversight.on_shift()
        still = _still(here, conn, row)
    mine = next((each for each in watching if each.account_id == row.supervisor_id), None)
    lines = [head_line(row), *still_lines(still), approval_line(approved), *stop_lines(stopped)]
    lines.append(shift_line(row.state, mine))
    lines += [
        *campaign_lines(row, held, here.rules(row.claim_type).policy, for_ward=here.sees_protected),
        *progress_lines(found),
    ]
    data = campaign_data(row, held, for_ward=here.sees_protected)
    data["approved_by"] = approved.login if approved else None
    data["on_shift_until"] = mine.until.astimezone(TOKYO).isoformat() if mine else None
    data["all_stopped"] = stopped is not None
    data["not_dialled_because"] = [block.reason.code for block in still]
    say([line for line in lines if line], {**data, **progress_data(found)}, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """すべてのキャンペーン、新しい順。

    例: callflow campaign list
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        rows = Campaigns(conn, here.municipality_id, here.clock.now()).all()
        stopped = Oversight(conn, here.municipality_id, here.clock.now()).stop()
    lines = list(stop_lines(stopped))
    for row in rows:
        counted = Plan.from_data(json.loads(row.plan))
        lines.append(f"{head_line(row)}  架電 {counted.included:,} / 対象 {counted.meant:,}")
    none = ["キャンペーンはまだありません。callflow campaign plan で計画してください"]
    data = [campaign_data(row, None, for_ward=here.sees_protected) for row in rows]
    say(lines or none, data, as_json=as_json)


@shift.command("begin")
def begin_shift(
    ctx: typer.Context,
    until: Annotated[str, typer.Option("--until", help="勤務の終わり。きょうの 17:30 の形")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """業務責任者が自分の勤務を始める。終わりの時刻を過ぎると、止め忘れても勤務ではなくなる。

    例: callflow --as lead01 campaign shift begin --until 17:30
    """
    here: Context = ctx.obj
    here.actor.must_be("supervisor")
    end = _today_at(here, until or "21:00")
    with _attempt(here.database, dry_run) as conn:
        Oversight(conn, here.municipality_id, here.clock.now()).begin_shift(here.actor_id, end, here.actor_id)
    data = {"supervisor": here.actor.login, "until": end.isoformat(), "dry_run": dry_run}
    say([f"{here.actor.login} は {end:%H:%M} まで勤務中です"], data, as_json=as_json)


@shift.command("end")
def end_shift(ctx: typer.Context, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """自分の勤務を終える。自分のキャンペーンは一時停止になる。止めたくなければ先に hand-over。

    例: callflow --as lead01 campaign shift end
    """
    here: Context = ctx.obj
    here.actor.must_be("supervisor")
    with _attempt(here.database, dry_run) as conn:
        paused = Oversight(conn, here.municipality_id, here.clock.now()).end_shift(here.actor_id, here.actor_id)
    lines = [f"{here.actor.login} の勤務が終わりました"]
    lines += [f"キャンペーン {each} を一時停止しました" for each in paused]
    say(lines, {"supervisor": here.actor.login, "paused": paused, "dry_run": dry_run}, as_json=as_json)


@shift.command("list")
def list_shifts(ctx: typer.Context, as_json: AsJson = False) -> None:
    """いま勤務中の業務責任者。

    例: callflow campaign shift list
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        found = Oversight(conn, here.municipality_id, here.clock.now()).on_shift()
    lines = [
        f"{each.login}  {each.began_at.astimezone(TOKYO):%m/%d %H:%M} から {each.until.astimezone(TOKYO):%H:%M} まで"
        for each in found
    ]
    data = [
        {
            "supervisor": each.login,
            "began_at": each.began_at.astimezone(TOKYO).isoformat(),
            "until": each.until.astimezone(TOKYO).isoformat(),
        }
        for each in found
    ]
    say(lines or ["勤務中の業務責任者はいません"], data, as_json=as_json)


app.add_typer(shift, name="shift")


class _NothingWrittenError(Exception):
    """Rolls a dry run back."""


@contextmanager
def _attempt(database: Database, dry_run: bool) -> Iterator[Connection]:
    """A write transaction; a dry run does all of it and takes it back."""
    try:
        with database.write() as conn:
            yield conn
            if dry_run:
                raise _NothingWrittenError
    except _NothingWrittenError:
        typer.echo("試行です。何も書いていません", err=True)


def _act(here: Context, campaign: str, work: Callable[[Campaigns, int], None], dry_run: bool, as_json: bool) -> None:
    with _attempt(here.database, dry_run) as conn:
        Oversight(conn, here.municipality_id, here.clock.now()).end_overdue()
        desk = Campaigns(conn, here.municipality_id, here.clock.now())
        one = desk.named(campaign).id
        work(desk, one)
        row = desk.get(one)
        still = _still(here, conn, row)
    data: dict[str, Any] = {"campaign": row.id, "state": row.state, "reason": row.state_reason, "dry_run": dry_run}
    data["not_dialled_because"] = [block.reason.code for block in still]
    say([head_line(row), *still_lines(still)], data, as_json=as_json)


def _still(here: Context, conn: Connection, row: Row[Any]) -> tuple[Block, ...]:
    """Why nothing of a running campaign is dialled now."""
    if row.state != "running":
        return ()
    return standstill(conn, here.municipality_id, rules_of(row, here.rules(row.claim_type)), here.clock.now())


def _acting(ctx: typer.Context) -> Context:
    """The surroundings of one who may plan and run campaigns: a supervisor, or the ward. Raises RefusedError."""
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    return here


def _needed(reason: str) -> str:
    """Raises UsageError: what stops calls is never done without a word why."""
    if not reason.strip():
        raise UsageError("--reason が要ります", mend="止める理由を書いてください（記録に残ります）")
    return reason.strip()


def _today_at(here: Context, text: str) -> datetime:
    today = here.clock.now().astimezone(TOKYO)
    try:
        time = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  a time of day, joined to Tokyo's date
    except ValueError as error:
        raise InputError(
            f"{text} は時刻ではありません", where=Where(field="until"), mend="17:30 の形で書きます"
        ) from error
    return datetime.combine(today.date(), time, TOKYO)


def _account(conn: Connection, here: Context, login: str) -> int:
    found = conn.execute(
        select(accounts.c.id).where(accounts.c.municipality_id == here.municipality_id, accounts.c.login == login)
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"利用者 {login} はいません", mend="callflow user list で確かめられます")
    return int(found)
