"""`callflow dial`: what is called next, and why a case is or is not called now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from sqlalchemy import Connection

from callflow.campaigns import Campaigns, rules_of
from callflow.cli.campaign_words import head_line, progress_data, progress_lines, queue_data, queue_lines
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.errors import NotFoundError
from callflow.explanation import as_data, find_cases, in_words
from callflow.explanation import explain as explain_case
from callflow.progress import first_in_queue, progress
from scheduler.dealing import Rules

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="次に架電する案件と、架電しない理由（what is called next, and why not）",
)

AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def queue(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Option("--campaign", help="キャンペーンの番号か名前。なければ稼働中のすべて")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="何件まで")] = 10,
    as_json: AsJson = False,
) -> None:
    """待ち行列の先頭を、架電する順に。名前も電話番号も出さない。"""
    here: Context = ctx.obj
    lines, data = [], []
    with here.database.read() as conn:
        desk = Campaigns(conn, here.municipality_id, here.clock.now())
        rows = [desk.named(campaign)] if campaign else [row for row in desk.all() if row.state == "running"]
        for row in rows:
            found = progress(conn, here.municipality_id, row.id)
            entries = first_in_queue(conn, here.municipality_id, row.id, count)
            lines += [head_line(row), *progress_lines(found), *queue_lines(entries)]
            data.append({"campaign": row.id, **progress_data(found), "next": queue_data(entries)})
    say(lines or ["稼働中のキャンペーンはありません"], data, as_json=as_json)


@app.command()
def explain(
    ctx: typer.Context,
    case: Annotated[str, typer.Argument(help="案件の番号か宛名番号", metavar="CASE")],
    as_json: AsJson = False,
) -> None:
    """なぜ、いま架電する（しない）のか。次に架電できるのはいつか。"""
    here: Context = ctx.obj
    with here.database.read() as conn:
        found = find_cases(conn, here.municipality_id, case, protected=_sees_protected(here))
        if not found:
            raise NotFoundError("その案件はありません", mend="案件の番号か宛名番号を指定してください")
        told = [
            each
            for case_id in found
            for each in explain_case(
                conn, here.municipality_id, case_id, here.clock.now(), _rules_of(here, conn), here.rules
            )
        ]
    lines = [line for each in told for line in (*in_words(each), "")]
    say(lines[:-1], [as_data(each) for each in told], as_json=as_json)


def _sees_protected(here: Context) -> bool:
    """Protected households exist for the ward alone; without `--as` nobody of the ward has asked."""
    return here.as_user is not None and here.actor.organisation_kind == "ward"


def _rules_of(here: Context, conn: Connection) -> Callable[[int], Rules]:
    desk = Campaigns(conn, here.municipality_id, here.clock.now())

    def rules(campaign_id: int) -> Rules:
        row = desk.get(campaign_id)
        return rules_of(row, here.rules(row.claim_type))

    return rules
