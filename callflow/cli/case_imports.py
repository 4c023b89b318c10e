"""`callflow case imports` and `callflow case undo-import`: what was imported, and taking it back."""

from __future__ import annotations

from typing import Annotated

import typer

from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.explanation import moment
from callflow.intake.takeback import TABLES, recent, take_back, why_not

KINDS = {"arrears": "滞納一覧", "payments": "収納"}


def imports(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False
) -> None:
    """取り込んだファイルを新しい順に。

    例: callflow --as ward01 case imports

    例: callflow --as ward01 case imports --json
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    with here.database.read() as conn:
        found = recent(conn, here.municipality_id)
    lines = [
        f"{one.id:>6}  {moment(one.activated_at)}  {KINDS[one.kind]}  {one.row_count:,} 行  {one.file_name}"
        f"  {one.login}" + ("  取り消し済み" if one.taken_back_at else "")
        for one in found
    ]
    say(lines or ["取り込んだファイルはまだありません"], [one.as_data() for one in found], as_json=as_json)


def undo_import(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(help="取り込みの番号（case imports）", metavar="IMPORT")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="取り消せるかを確かめるだけで、何も書かない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """いちばん新しい取り込みを取り消す。その案件を計画に入れるか、架電が始まるまで。

    例: callflow --as ward01 case undo-import 3 --dry-run

    例: callflow --as ward01 case undo-import 3
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if dry_run:
        with here.database.read() as conn:
            if (why := why_not(conn, here.municipality_id, number)) is not None:
                raise why
        say(
            [f"取り込み {number} は取り消せます（何も書いていません）"],
            {"import": number, "possible": True},
            as_json=as_json,
        )
        return
    counts = take_back(here.database, here.municipality_id, number, here.clock.now(), here.actor.id)
    lines = [f"取り込み {number} を取り消しました"]
    lines += [f"  {TABLES[name]}: {count:,}" for name, count in counts.items()]
    say(lines, {"import": number, "counts": counts}, as_json=as_json)
