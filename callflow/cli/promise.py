"""`callflow promise`: promises that staff look at."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.errors import InputError, UsageError, Where
from callflow.followup import promises
from callflow.followup.history import Who
from callflow.followup.visits import PROMISE_STATES

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="納付約束（promises）")


@app.callback()
def promise() -> None:
    """納付約束 (promises)。"""


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[
        str, typer.Option("--state", help="、".join(f"{name}（{words}）" for name, words in PROMISE_STATES.items()))
    ] = "open",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="何件まで")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """納付約束を期日の順に。名前も電話番号も出さない。

    例: callflow --as ward01 promise list --state broken
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if state not in PROMISE_STATES:
        raise InputError(
            f"約束の状態 {state} はありません",
            where=Where(field="--state"),
            mend=f"{'、'.join(PROMISE_STATES)} のどれかです",
        )
    with here.database.read() as conn:
        rows, total = promises.listed(conn, here.municipality_id, state, limit=count)
    lines = [
        f"{row.id:>6}  案件 {row.case_id:<7} {row.due_on} まで  {row.amount:>9,}円  納付 "
        f"{'—' if row.paid is None else f'{row.paid:,}円'}  {row.place}  通話 {row.call_id}"
        for row in rows
    ]
    if total > len(rows):
        lines.append(f"全 {total:,} 件のうち {len(rows):,} 件（--count で増やせます）")
    data = [
        {
            "promise": row.id,
            "case": row.case_id,
            "call": row.call_id,
            "state": row.state,
            "due_on": row.due_on.isoformat(),
            "amount": row.amount,
            "paid": row.paid,
            "place": row.place,
            "promiser": row.promiser,
            "made_at": row.made_at.isoformat(),
        }
        for row in rows
    ]
    say(lines or [f"{PROMISE_STATES[state]}の約束はありません"], data, as_json=as_json)


@app.command()
def acknowledge(
    ctx: typer.Context,
    promise: Annotated[
        int | None, typer.Argument(help="納付約束の番号。なければ候補を並べる", metavar="PROMISE")
    ] = None,
    yes: Annotated[bool | None, typer.Option("--yes/--no", help="債務承認に当たるか")] = None,
    note: Annotated[str, typer.Option("--note", help="確認の理由（記録に残る）")] = "",
) -> None:
    """本人確認した世帯主の約束（債務承認の候補）を、職員が確かめる。時効の日は動かない。

    例: callflow --as ward01 promise acknowledge 5 --yes --note '録音で確認'
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if promise is None:
        with here.database.read() as conn:
            rows = promises.candidates(conn, here.municipality_id)
        words = [
            f"{row.id:>6}  案件 {row.case_id}  {row.made_at.astimezone(TOKYO):%m/%d}  {row.amount:,}円 {row.due_on}まで"
            for row in rows
        ]
        say(words or ["確認していない候補はありません"], None, as_json=False)
        return
    if yes is None:
        raise UsageError("--yes か --no が要ります")
    who = Who(here.municipality_id, here.actor_id, here.clock.now())
    here.database.transact(lambda conn: promises.confirm(conn, who, promise, note, acknowledged=yes))
    say([f"納付約束 {promise}: {'該当' if yes else '該当しない'} と記録しました"], None, as_json=False)
