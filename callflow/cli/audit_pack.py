"""`callflow audit pack`, `inspect`, `inspections`: what shows how the work was checked."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from callflow import inspections
from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.errors import InputError, Where
from callflow.inspections import Inspection
from scheduler.calendar import tokyo_date


def pack(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="書き出す ZIP")],
    purpose: Annotated[str, typer.Option("--purpose", help="目的（記録に残る）")] = "",
    begins: Annotated[str, typer.Option("--from", help="始まりの日。月（2026-11）だけでもよい")] = "",
    ends: Annotated[str, typer.Option("--to", help="終わりの日（その日を含む）")] = "",
) -> None:
    """点検の資料を一つのファイルに: 品質の抽出と採点、見落とし、検査、受渡し、警告、閲覧、連鎖の検証。

    例: callflow --as audit01 audit pack --from 2026-11 -o 監査.zip --purpose 定期監査
    """
    from callflow.reports import auditpack  # noqa: PLC0415  reports are slow to load
    from callflow.reports.asking import Ask  # noqa: PLC0415
    from callflow.reports.figures import period_of  # noqa: PLC0415

    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    free(output)
    period = period_of(begins, ends, here.clock.now())
    with here.database.read() as conn:
        ask = Ask(
            conn=conn,
            municipality_id=here.municipality_id,
            period=period,
            now=here.clock.now(),
            config=here.config,
            kind="ward",
            account_id=here.actor_id,
            shelf=here.shelf,
        )
        made = auditpack.build(ask, here.config.database.url, here.config.audit.anchors)
    auditpack.give(here.database, ask, made, here.actor.roles, purpose)
    output.write_bytes(made.content)
    typer.echo(f"{output}: {period}、{made.files} ファイル、{len(made.content):,} バイト", err=True)


def inspect(
    ctx: typer.Context,
    place: Annotated[str, typer.Option("--place", help="場所")] = "",
    finding: Annotated[str, typer.Option("--finding", help="結果（住民の名前は書かない）")] = "",
    measure: Annotated[str, typer.Option("--measure", help="措置。なければ書かない")] = "",
    on: Annotated[str, typer.Option("--on", metavar="YYYY-MM-DD", help="検査した日。なければ今日")] = "",
) -> None:
    """区の職員が検査を記録する。

    例: callflow --as ward01 audit inspect --place 見本センター --finding 施錠と離席時のロックを確認
    """
    here: Context = ctx.obj
    now = here.clock.now()
    try:
        day = date.fromisoformat(on) if on else tokyo_date(now)
    except ValueError:
        raise InputError(f"{on} は日付ではありません", where=Where(field="--on"), mend="例: 2026-11-24") from None
    seen = Inspection(day, place, finding, measure)
    m, by = here.municipality_id, here.actor_id
    one = here.database.transact(lambda conn: inspections.record(conn, m, seen, by, now))
    typer.echo(f"検査 {one} を記録しました")


def inspected(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """記録された検査の一覧。

    例: callflow --as audit01 audit inspections
    """
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    with here.database.read() as conn:
        rows = inspections.held(conn, here.municipality_id)
    lines = [
        f"{row.id:>4} {row.held_on} {row.place}: {row.finding}{f'  措置: {row.measure}' if row.measure else ''}"
        for row in rows
    ]
    data = [
        {
            "id": row.id,
            "held_on": row.held_on.isoformat(),
            **{name: getattr(row, name) for name in ("place", "finding", "measure", "recorded_by")},
        }
        for row in rows
    ]
    say(lines or ["検査の記録はありません"], data, as_json=as_json)
