"""`callflow script`: read, prove, show, compare, draw and publish call scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from callflow.access.accounts import Accounts, password_is
from callflow.access.auditlog import audit
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.cli.user import read_password
from callflow.clock import TOKYO
from callflow.errors import CallflowError, InputError, RefusedError
from callflow.explanation import moment
from callflow.rehearsal import rehearse as rehearse_all
from callflow.script.diagram import mermaid, svg
from callflow.script.difference import differences
from callflow.script.faults import ScriptError
from callflow.script.model import Answer, Script
from callflow.script.proofs import prove
from callflow.script.reader import read
from callflow.shelf import publish as publish_script
from models.tables import script_versions

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="台本（call scripts）")
File = Annotated[Path, typer.Argument(help="台本のファイル", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command()
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE…")], as_json: AsJson = False) -> None:
    """六つの証明を行う。誤りは場所と、そこへ至る最も短い会話とともに示す。

    例: callflow script check scripts/nhi-premium.yaml / callflow script check scripts/*.yaml --json
    """
    lines, data = [], []
    for file in files:
        try:
            found_lines, found = _check(file)
        except CallflowError as error:
            if len(files) == 1:
                raise
            found_lines, found = (
                [f"{file}: 読めません: {error.what}"],
                {"file": str(file), "findings": [str(error.what)]},
            )
        lines += found_lines
        data.append(found)
    say(lines, data, as_json=as_json)
    if any(found["findings"] for found in data):
        raise typer.Exit(1)


def _check(file: Path) -> tuple[list[str], dict[str, Any]]:
    try:
        script = read(file)
    except ScriptError as error:
        words = [str(fault) for fault in error.faults]
        return [f"{file}: 読めません（{len(words)}件）", *(f"  {word}" for word in words)], {
            "file": str(file),
            "findings": words,
        }
    report = prove(script)
    verdict = "証明できました" if report.proved else f"{len(report.findings)}件の誤り"
    searched = f"調べた状態 {report.states:,}・枝 {report.edges:,}、{report.seconds:.1f}秒"
    lines = [f"{file}: {verdict}（場面 {len(script.states)}、{searched}）"]
    lines += [f"  {finding}" for finding in report.findings]
    if report.drafts:
        lines.append(f"  区の承認を待つ下書きの台詞: {'、'.join(report.drafts)}")
    data = {
        "file": str(file),
        "hash": script.content_hash,
        "states": report.states,
        "edges": report.edges,
        "seconds": round(report.seconds, 3),
        "drafts": list(report.drafts),
        "findings": [
            {
                "rule": f.rule,
                "cause": f.cause,
                "file": f.mark.file,
                "line": f.mark.line,
                "column": f.mark.column,
                "what": f.what,
                "mend": f.mend,
                "talk": list(f.talk),
            }
            for f in report.findings
        ],
    }
    return lines, data


@app.command()
def show(
    file: File, state: Annotated[str, typer.Option("--state", help="この場面だけ")] = "", as_json: AsJson = False
) -> None:
    """台詞と、場面ごとの応答と行き先。

    例: callflow script show scripts/nhi-premium.yaml --state hardship
    """
    script = read(file)
    if state and state not in script.states:
        raise InputError(f"場面 {state} はありません", mend=f"場面: {'、'.join(script.states)}")
    chosen = [script.states[state]] if state else list(script.states.values())
    lines = [f"{script.title}（{script.name}、{script.content_hash[:12]}）"]
    for one in chosen:
        lines += ["", f"■ {one.name}{'（下書き）' if one.draft else ''}"]
        for variant, text in one.says.by_setting_value.items():
            lines += [f"  {f'[{variant}] ' if variant else ''}「{text.strip()}」"]
        lines += [_answer(a) for a in one.answers.values() if state or not a.from_anywhere]
    say(lines, _as_data(script, [one.name for one in chosen]), as_json=as_json)


def _answer(answer: Answer) -> str:
    settled = f"  結果 {' / '.join(answer.settles.values)}" if answer.settles else ""
    return f"    [{answer.key}] {answer.label} → {' / '.join(answer.to.values)}{settled}"


def _as_data(script: Script, names: list[str]) -> dict[str, Any]:
    return {
        "script": script.name,
        "title": script.title,
        "hash": script.content_hash,
        "states": {
            name: {
                "says": dict(script.states[name].says.by_setting_value),
                "reveals": dict(script.states[name].reveals.by_setting_value),
                "answers": {
                    a.name: {"label": a.label, "key": a.key, "to": list(a.to.values)}
                    for a in script.states[name].answers.values()
                },
            }
            for name in names
        },
    }


@app.command()
def diff(old: File, new: Annotated[Path, typer.Argument(metavar="FILE")], as_json: AsJson = False) -> None:
    """二つの台本の違いを、場面ごと・一文ごとに。

    例: callflow script diff scripts/nhi-premium.yaml 改訂案.yaml
    """
    found = differences(read(old), read(new))
    say([str(each) for each in found] or ["違いはありません"], [each.as_data() for each in found], as_json=as_json)


@app.command()
def diagram(
    file: File,
    form: Annotated[str, typer.Option("--format", help="mermaid か svg")] = "mermaid",
    out: Annotated[Path | None, typer.Option("--output", "-o", "--out", help="書き出すファイル")] = None,
) -> None:
    """台本の図。SVG はネットワークなしで描く。

    例: callflow script diagram scripts/nhi-premium.yaml --format svg --out 台本.svg
    """
    drawers = {"mermaid": mermaid, "svg": svg}
    if form not in drawers:
        raise InputError(f"図の形式 {form} はありません", mend="mermaid か svg")
    drawn = drawers[form](read(file))
    if out is None:
        typer.echo(drawn)
    else:
        out.write_text(drawn, encoding="utf-8")
        typer.echo(f"{out} に書きました", err=True)


@app.command()
def publish(
    ctx: typer.Context,
    file: File,
    second: Annotated[str, typer.Option("--second", metavar="USER", help="承認する、もう一人の区職員")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="二人のパスワードを標準入力から一行ずつ読む。--as、--second の順")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="証明と二人の確認だけで、公開しない")] = False,
) -> None:
    """台本を証明して公開する。区職員二人（--as と --second）が、それぞれパスワードを入れる。公開した版は変わらない。

    例: callflow --as ward01 script publish scripts/nhi-premium.yaml --second ward02
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if second == here.actor.login:
        raise RefusedError("台本の公開には、別の二人の承認が要ります", mend="別の区職員を --second に指定してください")
    script = read(file)
    report = prove(script)
    approver = _two_people(here, second, from_stdin=password_stdin)
    with here.database.write() as conn:
        now = here.clock.now()
        version = publish_script(
            conn, here.municipality_id, script, report, by=here.actor_id, approved_by=approver, at=now
        )
        audit(conn, here.municipality_id, now, here.actor_id, "script:publish", f"script:{script.content_hash[:12]}")
        if dry_run:
            conn.rollback()
    done = f"として公開できます（{script.content_hash[:12]}、何も書いていません）" if dry_run else "を公開しました"
    typer.echo(f"{script.name} 第{version}版{done}" + ("" if dry_run else f"（{script.content_hash[:12]}）"))


def _two_people(here: Context, second: str, *, from_stdin: bool) -> int:
    """The approver's id, once both have given their passwords: for this act a name alone is not enough.

    Nobody types while a transaction is open. Raises RefusedError.
    """
    with here.database.read() as conn:
        desk = Accounts(conn, here.municipality_id, here.clock.now())
        pair = (desk.named(here.actor.login), desk.named(second))
    if "staff" not in pair[1].roles or not pair[1].active:
        raise RefusedError(f"{second} は区職員ではありません", mend="別の区職員を --second に指定してください")
    for one in pair:
        if not one.has_password:
            mend = f"callflow --as {one.login} user password {one.login}"
            raise RefusedError(f"{one.login} のパスワードが決まっていません", mend=mend)
    given = [read_password(f"{one.login} のパスワード: ", from_stdin=from_stdin) for one in pair]
    with here.database.read() as conn:
        for one, password in zip(pair, given, strict=True):
            if not password_is(conn, here.municipality_id, one.login, password):
                raise RefusedError(f"{one.login} のパスワードが違います")
    return pair[1].id


@app.command()
def rehearse(ctx: typer.Context, file: File, as_json: AsJson = False) -> None:
    """記録された通話を下書きに通し、どの通話がどこで分かれ、どう終わるかを示す。何も書かない。

    例: callflow --as ward01 script rehearse 改訂案.yaml
    """
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    draft = read(file)
    with here.database.read() as conn:
        rehearsed = list(rehearse_all(conn, here.municipality_id, draft))
    changed = [one for one in rehearsed if not one.same]
    lines = [f"{len(rehearsed):,} 件の通話のうち {len(changed):,} 件が変わります"]
    for one in changed[:50]:
        where = f"通番 {one.parted_at} {one.state}: {one.why}" if one.parted_at else "経過は同じ"
        lines.append(f"  通話 {one.call_id}  {one.was} → {one.would_be}  {where}")
    say(lines, {"calls": len(rehearsed), "changed": [one.as_data() for one in changed]}, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """公開した台本の版。

    例: callflow script list
    """
    here: Context = ctx.obj
    v = script_versions.c
    with here.database.read() as conn:
        rows = conn.execute(
            select(v.name, v.version, v.hash, v.published_at)
            .where(v.municipality_id == here.municipality_id)
            .order_by(v.name, v.version)
        ).all()
    data = [dict(row._mapping, published_at=row.published_at.astimezone(TOKYO).isoformat()) for row in rows]
    lines = [f"{row.name} 第{row.version}版  {row.hash[:12]}  {moment(row.published_at)}" for row in rows]
    say(lines or ["公開した台本はまだありません"], data, as_json=as_json)
