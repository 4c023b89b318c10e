"""`callflow promise`: promises that staff look at."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.errors import UsageError
from callflow.followup import promises
from callflow.followup.history import Who

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="納付約束（promises）")


@app.callback()
def promise() -> None:
    """納付約束 (promises)。"""


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
