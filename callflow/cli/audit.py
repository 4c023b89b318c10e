"""`callflow audit`: anchors the log and proves it against its anchors; reads the record of acts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from callflow.access import alarms, lookback, verifier
from callflow.access.anchors import anchor as write_anchor
from callflow.access.lookback import Act
from callflow.access.views import Viewer
from callflow.cli import audit_pack
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from scheduler.calendar import tokyo_date

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="記録の錨と検証、監査の記録（anchor and verify the log, read the record of acts）",
)

app.command("pack")(audit_pack.pack)
app.command("inspect")(audit_pack.inspect)
app.command("inspections")(audit_pack.inspected)

Login = Annotated[str, typer.Option("--actor", metavar="LOGIN", help="誰の")]
Before = Annotated[int, typer.Option("--before", metavar="ID", help="この番号より前（続きを見る）", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def anchor(ctx: typer.Context, as_json: AsJson = False) -> None:
    """前の錨から変わった通話と監査の記録を署名して、データベースの外に残す。毎日ひとつが目安。

    例: callflow audit anchor
    """
    here: Context = ctx.obj
    audit = here.config.audit
    with here.database.read() as conn:
        done = write_anchor(conn, audit.anchors, audit.signing_key, here.clock.now())
    lines = [f"錨 {done.number}: 連鎖 {done.leaves:,} 本 {done.path}", f"控えに書き写す値: {done.hash}"]
    data = {"number": done.number, "path": str(done.path), "leaves": done.leaves, "root": done.root, "hash": done.hash}
    say(lines, data, as_json=as_json)


@app.command()
def verify(
    ctx: typer.Context,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", metavar="DIR", help="錨のフォルダー（控えでもよい）")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="信頼する公開鍵")] = None,
    as_json: AsJson = False,
) -> int:
    """書いた側とは別のプログラムで、全通話と監査の記録を錨と突き合わせる。0 破れなし、1 破れあり、2 判断できない。

    例: callflow audit verify / callflow audit verify --anchors /mnt/控え --key /mnt/控え/anchors.pub
    """
    here: Context = ctx.obj
    try:
        connection = verifier.connect(here.config.database.url)
    except verifier.CannotTell as no:
        report = verifier.Report(doubt=str(no))
    else:
        report = verifier.verify(connection, anchors or here.config.audit.anchors, key=key)
        connection.close()
    say(verifier.in_words(report), verifier.as_data(report), as_json=as_json)
    return report.exit_code


@app.command("list")
def list_(
    ctx: typer.Context,
    actor: Login = "",
    verb: Annotated[str, typer.Option("--verb", help="何をしたか（case:view など）")] = "",
    thing: Annotated[str, typer.Option("--object", metavar="KIND:ID", help="何に対して（case:12 など）")] = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="その日")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="目的に含まれる語")] = "",
    before: Before = 0,
    as_json: AsJson = False,
) -> None:
    """監査の記録を新しい順に見る。見たことも記録に残る。役割により、見える範囲が違う。

    例: callflow --as audit01 audit list --verb case:view --day 2026-11-24
    """
    here: Context = ctx.obj
    wanted = lookback.wanted_of(actor, verb, thing, day, purpose, before)
    found = lookback.look(here.database, here.municipality_id, _viewer(here), wanted, here.clock.now())
    say(_lines(found), [_data(act) for act in found], as_json=as_json)


@app.command("who-saw")
def who_saw(
    ctx: typer.Context,
    case: Annotated[int, typer.Argument(metavar="CASE", help="案件の番号")],
    before: Before = 0,
    as_json: AsJson = False,
) -> None:
    """この案件の世帯を見た人を、新しい順に。世帯のすべての案件・通話・連絡票・報告書について。

    例: callflow --as audit01 audit who-saw 12
    """
    here: Context = ctx.obj
    found = lookback.who_saw(here.database, here.municipality_id, _viewer(here), case, here.clock.now(), before)
    say(_lines(found), [_data(act) for act in found], as_json=as_json)


@app.command()
def beyond(
    ctx: typer.Context,
    actor: Login = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="最後の日。なければ今日")] = "",
    days: Annotated[int, typer.Option("--days", help="何日分", min=1, max=31)] = 7,
    as_json: AsJson = False,
) -> None:
    """通話や担当によらない閲覧: その人のその案件との通話も、担当キャンペーンもない閲覧を、新しい順に。

    例: callflow --as audit01 audit beyond --actor op01 --days 31
    """
    here: Context = ctx.obj
    now = here.clock.now()
    last = lookback.wanted_of(day=day).day or tokyo_date(now)
    found = alarms.seen_beyond_work(here.database, here.municipality_id, _viewer(here), last, days, actor, now)
    lines = [f"{_when(view.at)} 利用者 {view.actor_id} {view.object}" for view in found]
    data = [{"at": _when(view.at), "account": view.actor_id, "object": view.object} for view in found]
    say(lines or ["通話や担当によらない閲覧はありません"], data, as_json=as_json)


@app.command()
def alerts(
    ctx: typer.Context,
    look_into: Annotated[int, typer.Option("--look-into", metavar="ID", help="この警告を確かめた", min=0)] = 0,
    note: Annotated[str, typer.Option("--note", help="確かめた結果（住民の名前は書かない）")] = "",
    as_json: AsJson = False,
) -> None:
    """閲覧についての警告。callflow work が 10 分ごとに見つけて残す。

    例: callflow --as audit01 audit alerts / callflow --as audit01 audit alerts --look-into 3 --note 研修の準備だった
    """
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    m, now = here.municipality_id, here.clock.now()
    if look_into:
        here.database.transact(lambda conn: alarms.look_into(conn, m, look_into, here.actor_id, note, now))
    with here.database.read() as conn:
        found = alarms.alerts(conn, m)
    data = [
        {
            **{name: getattr(row, name) for name in ("id", "kind", "account_id", "count", "seen_by", "note")},
            "day": row.day.isoformat(),
            "first_at": _when(row.first_at),
            "last_at": _when(row.last_at),
        }
        for row in found
    ]
    lines = [
        f"{row.id:>4} {row.day} {alarms.KIND_WORDS[row.kind]} 利用者 {row.account_id}: {row.count} 件"
        f"（{'確かめました: ' + row.note if row.seen_at else '未確認'}）"
        for row in found
    ]
    say(lines or ["警告はありません"], data, as_json=as_json)


def _viewer(here: Context) -> Viewer:
    return Viewer(here.actor_id, here.actor.roles, here.actor.organisation_kind)


def _when(at: datetime) -> str:
    return f"{at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}"


def _lines(found: list[Act]) -> list[str]:
    lines = [
        f"{act.id:>6} {_when(act.at)} {act.login or 'callflow':<12} {act.verb:<18} {act.object}"
        f"{f'  {act.fields}' if act.fields else ''}{f'  目的: {act.purpose}' if act.purpose else ''}"
        for act in found
    ]
    more = [f"続き: --before {found[-1].id}"] if len(found) == lookback.SIZE else []
    return [*lines, *more] or ["記録はありません"]


def _data(act: Act) -> dict[str, object]:
    return {**asdict(act), "at": _when(act.at)}
