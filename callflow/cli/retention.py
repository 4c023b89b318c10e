"""`callflow retention`: how long what is kept, erasing it by two persons, and the return at the contract's end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.cli.progress import bar_of
from callflow.clock import TOKYO
from callflow.errors import UsageError
from callflow.keeping import CLASSES
from callflow.retention import certificates, destruction, erasing, handover, holds, requests
from callflow.retention.classes import cutoffs
from callflow.retention.plan import plan as dry_run

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="保存と消去: 二人の承認で消し、証明を残す。契約の終わりの返還と廃棄（retention, return and destroy）",
)

AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
Reason = Annotated[str, typer.Option("--reason", help="理由（記録に残る。住民の名前は書かない）")]
Number = Annotated[int, typer.Argument(metavar="ERASURE", help="消去の番号")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="返還のフォルダー")]


@app.command(epilog="例: callflow retention show")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """種類ごとの保存日数、下限、何が消えるか、根拠。"""
    here: Context = ctx.obj
    days = here.config.kept_for()
    lines = [
        f"{each.name:<16} {days[each.name]:>6,} 日（{each.least:,} 日以上）  {each.ja}: {each.erases}。"
        f"根拠: {each.source}"
        for each in CLASSES
    ]
    data = [
        {
            "class": each.name,
            "label": each.ja,
            "days": days[each.name],
            "least": each.least,
            "erases": each.erases,
            "source": each.source,
        }
        for each in CLASSES
    ]
    say(lines, data, as_json=as_json)


@app.command(epilog="例: callflow --as ward01 retention plan")
def plan(ctx: typer.Context, as_json: AsJson = False) -> None:
    """消去の時期になったもの（試算）。差し止めの分を除く。何も消さない。"""
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    with here.database.read() as conn:
        found = dry_run(conn, here.municipality_id, cutoffs(here.config.kept_for(), here.clock.now()))
    lines = [
        f"{due.kind.name:<16} {due.count:>9,} 件  {_day(due.oldest)}〜{_day(due.newest)}"
        f"{f'  差し止め {due.held:,} 件' if due.held else ''}  {due.kind.ja}（{_day(due.before)} より前）"
        for due in found
    ]
    data = [
        {
            "class": due.kind.name,
            "before": due.before.isoformat(),
            "count": due.count,
            "held": due.held,
            "oldest": due.oldest.isoformat() if due.oldest else None,
            "newest": due.newest.isoformat() if due.newest else None,
        }
        for due in found
    ]
    say(lines, data, as_json=as_json)


@app.command("holds", epilog="例: callflow --as ward01 retention holds")
def holds_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """消去の差し止めの一覧。"""
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    with here.database.read() as conn:
        rows = holds.listed(conn, here.municipality_id)
    lines = [
        f"{row.id:>4} {_thing(row):<24} {_day(row.placed_at)}〜"
        f"{_day(row.lifted_at) if row.lifted_at else '続いています'}  {row.reason}"
        for row in rows
    ]
    data = [
        {
            "id": row.id,
            "thing": _thing(row),
            "reason": row.reason,
            "placed_by": row.placed_by,
            "placed_at": row.placed_at.isoformat(),
            "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
        }
        for row in rows
    ]
    say(lines or ["差し止めはありません"], data, as_json=as_json)


@app.command(epilog="例: callflow --as ward01 retention hold case:12 --reason 審査請求の係属中")
def hold(
    ctx: typer.Context,
    thing: Annotated[str, typer.Argument(help="household:3・case:12・call:7・class:call_log")],
    reason: Reason = "",
) -> None:
    """消去を差し止める: 世帯・案件・通話・種類。属するものも差し止める。"""
    here: Context = ctx.obj
    m, by, now = here.municipality_id, here.actor_id, here.clock.now()
    one = here.database.transact(lambda conn: holds.place(conn, m, thing, reason, by, now))
    typer.echo(f"差し止め {one}: {thing}")


@app.command(epilog="例: callflow --as ward01 retention release 3 --reason 裁決が確定した")
def release(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="HOLD", help="差し止めの番号")],
    reason: Reason = "",
) -> None:
    """差し止めを外す。"""
    here: Context = ctx.obj
    m, by, now = here.municipality_id, here.actor_id, here.clock.now()
    here.database.transact(lambda conn: holds.lift(conn, m, number, reason, by, now))
    typer.echo(f"差し止め {number} を外しました")


@app.command(epilog="例: callflow --as ward01 retention request call_log access_log --reason 保存年限の満了")
def request(
    ctx: typer.Context,
    kinds: Annotated[
        list[str] | None, typer.Argument(metavar="CLASS...", help="種類。なければ時期の来たものすべて")
    ] = None,
    reason: Reason = "",
    end: Annotated[
        Path | None, typer.Option("--end", metavar="DIR", help="契約の終わり: この返還のあと、すべてを廃棄する")
    ] = None,
) -> None:
    """消去を求める。ほかの職員の承認が要る。14日で期限が切れる。"""
    here: Context = ctx.obj
    m, by, now = here.municipality_id, here.actor_id, here.clock.now()
    if end and kinds:
        raise UsageError("--end と種類は一緒に指定できません", mend="どちらか一つにしてください")
    if end:
        one = destruction.ask(here.database, m, end, reason, by, now)
    else:
        before = cutoffs(here.config.kept_for(), now)
        one = here.database.transact(lambda conn: requests.ask(conn, m, kinds or [], before, reason, by, now))
    typer.echo(f"消去 {one}: 承認待ち。ほかの職員が callflow retention approve {one} で承認します")


@app.command("requests", epilog="例: callflow --as ward01 retention requests")
def requests_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """消去の求め、承認、済んだものの一覧。"""
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    with here.database.read() as conn:
        rows = requests.listed(conn, here.municipality_id)
    lines = [
        f"{row.id:>4} {requests.STATES[row.state]}  {_day(row.asked_at)}  期限 {_day(row.expires_at)}  "
        f"{'、'.join(json.loads(row.cutoffs)) or 'すべて（契約の終わり）'}  {row.reason}"
        for row in rows
    ]
    data = [
        {
            "erasure": row.id,
            "purpose": row.purpose,
            "state": row.state,
            "cutoffs": json.loads(row.cutoffs),
            "plan": json.loads(row.plan),
            "asked_by": row.asked_by,
            "asked_at": row.asked_at.isoformat(),
            "expires_at": row.expires_at.isoformat(),
            "decided_by": row.decided_by,
        }
        for row in rows
    ]
    say(lines or ["消去の求めはありません"], data, as_json=as_json)


@app.command(epilog="例: callflow --as ward02 retention approve 3")
def approve(ctx: typer.Context, number: Number) -> None:
    """求めた人と別の職員が承認する。"""
    _decide(ctx.obj, number, yes=True)
    typer.echo(f"消去 {number} を承認しました。実行: callflow retention run {number}（契約の終わりは destroy）")


@app.command(epilog="例: callflow --as ward02 retention refuse 3")
def refuse(ctx: typer.Context, number: Number) -> None:
    """求めた人と別の職員が却下する。"""
    _decide(ctx.obj, number, yes=False)
    typer.echo(f"消去 {number} を却下しました")


def _decide(here: Context, number: int, *, yes: bool) -> None:
    m, by, now = here.municipality_id, here.actor_id, here.clock.now()
    here.database.transact(lambda conn: requests.decide(conn, m, number, by, now, approve=yes))


@app.command(epilog="例: callflow --as ward01 retention run 3")
def run(ctx: typer.Context, number: Number, as_json: AsJson = False) -> None:
    """承認された消去を実行する。途中で止まったら、もう一度実行すれば続きから終わる。"""
    here: Context = ctx.obj
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} 行"), TimeElapsedColumn())
    with bar_of(*columns) as bar:
        task = bar.add_task("消去", total=None)
        done = erasing.run(
            here.database,
            here.municipality_id,
            number,
            here.actor_id,
            here.clock,
            lambda rows: bar.advance(task, rows),
        )
    say(_words(done), done, as_json=as_json)


@app.command(epilog="例: callflow --as audit01 retention certificate 3 --pdf 消去証明.pdf")
def certificate(
    ctx: typer.Context,
    number: Number,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="印刷するもの")] = None,
    as_json: AsJson = False,
) -> None:
    """消去の証明。監査の記録にあるハッシュと合わなければ、示さない。"""
    here: Context = ctx.obj
    here.actor.must_be("staff", "auditor")
    if pdf:
        free(pdf)
    with here.database.read() as conn:
        found = certificates.certificate(conn, here.municipality_id, number)
    if pdf:
        from callflow.reports.erasure import paper  # noqa: PLC0415  reports are slow to load

        pdf.write_bytes(paper(found, here.clock.now()))
        typer.echo(f"{pdf}: 書きました", err=True)
    say(_words(found), found, as_json=as_json)


@app.command("return", epilog="例: callflow --as ward01 retention return /mnt/返還 --purpose 令和8年度の契約終了")
def return_(
    ctx: typer.Context,
    folder: Folder,
    purpose: Annotated[str, typer.Option("--purpose", help="目的（記録に残る）")] = "",
    as_json: AsJson = False,
) -> None:
    """返還するものすべてを新しいフォルダーに書く: 表・台本・錨と、その一覧。個人の情報を含む。"""
    here: Context = ctx.obj
    with bar_of(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("返還", total=len(handover.TENANT))
        done = handover.give_back(
            here.database,
            here.municipality_id,
            here.config.audit.anchors,
            here.config.recordings.folder,
            folder,
            purpose,
            here.actor_id,
            here.clock.now(),
            lambda name: bar.update(task, advance=1, description=name),
        )
    say(_returned(folder, done), {**done.body, "manifest_sha256": done.digest}, as_json=as_json)


@app.command(epilog="例: callflow retention check /mnt/返還")
def check(folder: Folder, as_json: AsJson = False) -> None:
    """返還のフォルダーを、そのファイルだけから確かめる。データベースも設定も要らない。"""
    done = handover.check(folder)
    say(_returned(folder, done), {**done.body, "manifest_sha256": done.digest}, as_json=as_json)


@app.command(epilog="例: callflow --as ward01 retention destroy 4 /mnt/返還")
def destroy(ctx: typer.Context, number: Number, folder: Folder, as_json: AsJson = False) -> None:
    """契約の終わり: 返還したものがデータベースと同じなら、承認された廃棄をする。区の利用者と証明だけが残る。"""
    here: Context = ctx.obj
    done = destruction.destroy(
        here.database,
        here.municipality_id,
        number,
        folder,
        destruction.Kept(here.config.imports.uploads, here.config.recordings.folder),
        here.actor_id,
        here.clock.now(),
    )
    say([*_words(done), destruction.REMAINS], done, as_json=as_json)


def _returned(folder: Path, manifest: handover.Manifest) -> list[str]:
    return [
        f"{folder}: {len(manifest.files):,} ファイル、{manifest.rows:,} 行、版 {manifest.body['schema_version']}",
        f"一覧（manifest.json）の SHA-256: {manifest.digest}",
    ]


def _words(done: dict[str, Any]) -> list[str]:
    head = [
        f"消去 {done['erasure']} の証明  {done['reason']}",
        f"求めた人 {done['asked_by']}（{done['asked_at'][:10]}）",
        f"承認した人 {done['approved_by']}（{done['approved_at'][:10]}）",
        f"始め {done['begun_at'][:19]}、終わり {done['ended_at'][:19]}（UTC）",
    ]
    rows = [
        f"  {each['class']:<24} {each['rows']:>9,} 行"
        f"{'  ' + each['first'][:10] + '〜' + each['last'][:10] if each.get('first') else ''}  SHA-256 {each['sha256']}"
        for each in done["classes"]
        if each["rows"]
    ]
    return [*head, *rows, f"証明の SHA-256: {certificates.digest(done)}"]


def _thing(row: Any) -> str:
    return f"class:{row.kind}" if row.scope == "class" else f"{row.scope}:{row.thing_id}"


def _day(at: Any) -> str:
    return f"{at.astimezone(TOKYO):%Y-%m-%d}" if at else "—"
