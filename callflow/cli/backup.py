"""`callflow backup`: takes a backup of a working database, or proves one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.backup import sqlite
from callflow.backup.archive import Archive
from callflow.backup.taking import Act, back_up, examine, place
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.errors import UsageError

app = typer.Typer(rich_markup_mode=None)

EXIT_BROKEN_LOG = 1


@app.command()
def backup(
    ctx: typer.Context,
    target: Annotated[
        Path | None, typer.Argument(metavar="DIR|FILE", help="フォルダー（名前は自動）か、新しいファイル")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", metavar="FILE", help="控えを取らず、この控えを確かめる")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, metavar="N", help="同じフォルダーの自動の名前の控えは、新しい N 個だけ残す"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="確かめるだけで何も書かない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> int:
    """動いているデータベースの控えを取り、読み返して確かめる。管理者が行い、記録に残る。

    控えには個人情報が入る（権限 0600）。署名鍵と config.yaml は入らない。

    例: callflow --as admin01 backup /var/backups/callflow --keep 14

    例: callflow backup --verify /var/backups/callflow/callflow-139999-20261124T030000.backup
    """
    here: Context = ctx.obj
    if (target is None) is (verify is None):
        raise UsageError("控えを置く所か、--verify のどちらかが要ります", mend="例: callflow --as admin01 backup 控え/")
    if verify is not None:
        found = examine(verify)
        say([*lines(found), "この控えは使えます"], data(found), as_json=as_json)
        return 0
    assert target is not None
    act = act_of(here)
    if dry_run:
        file = place(target, act)
        say([f"{file} に書けます（何も書いていません）", *_room(here, file)], {"file": str(file)}, as_json=as_json)
        return 0
    taken = back_up(here.database, here.config.audit.anchors, target, act, keep=keep)
    log = taken.archive.manifest.log
    for old in taken.removed:
        typer.echo(f"古い控え {old.name} を消しました", err=True)
    if log.found:
        typer.echo(f"注意: 記録に破れが {log.found} 件あります。callflow audit verify で調べてください", err=True)
    say([*lines(taken.archive), "控えを取り、読み返して確かめました"], data(taken.archive), as_json=as_json)
    return EXIT_BROKEN_LOG if log.found else 0


def act_of(here: Context) -> Act:
    """Raises RefusedError unless an administrator acts."""
    here.actor.must_be("admin")
    code, now = here.config.municipality.code, here.clock.now
    return Act(here.municipality_id, code, here.actor_id, now(), now)


def lines(found: Archive) -> Iterator[str]:
    """A backup in words: no name, no number of a resident, counts only."""
    manifest = found.manifest
    yield f"控え      {found.path}（{found.path.stat().st_size:,} バイト）"
    taken = manifest.created_at.astimezone(TOKYO)
    yield f"取った時刻 {taken:%Y-%m-%d %H:%M:%S}　{manifest.kind}　版 {manifest.schema_version}"
    tables = manifest.contents.tables
    yield f"中身      案件 {tables.get('cases', 0):,}、通話 {manifest.log.calls:,}、記録 {manifest.log.events:,}"
    broken = f"破れ {manifest.log.found} 件" if manifest.log.found else "破れなし"
    yield f"連鎖      {broken}、最後の錨 {manifest.log.last_anchor or 'なし'}"
    yield f"控えの値   {found.digest}"


def data(found: Archive) -> dict[str, Any]:
    return {"file": str(found.path), "sha256": found.digest, "manifest": found.manifest.model_dump(mode="json")}


def _room(here: Context, file: Path) -> Iterator[str]:
    if here.database.is_sqlite:
        needed = 2 * sqlite.path_of(here.database.url).stat().st_size
        yield f"要る空き {needed:,} バイト、いまの空き {shutil.disk_usage(file.parent).free:,} バイト"
