"""`callflow restore`: puts a backup in the place of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.backup.restoring import Allowed, Plan, Restored, plan
from callflow.backup.restoring import restore as put_back
from callflow.backup.taking import Act
from callflow.cli.backup import act_of, lines
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.errors import UsageError
from models.database import Database

app = typer.Typer(rich_markup_mode=None)


@app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="callflow backup の控え")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="空でないデータベースを置き換えてよい")] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="古い版の控えを、戻したあとこの版に上げる")] = False,
    broken_log: Annotated[
        bool, typer.Option("--accept-broken-log", help="記録に破れのある控えでも戻す（調べたあとで）")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="確かめるだけで何も書かない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """控えを確かめてから戻し、戻したあとの記録を連鎖と錨で確かめる。管理者が行い、記録に残る。

    callflow serve と work を止めてから行う。誰の操作かは、控えの中の利用者で確かめる。
    戻したあとは、全員がログアウトし、架電は一時停止になる。

    例: callflow --as admin01 restore /var/backups/callflow/callflow-139999-20261124T030000.backup
    """
    here: Context = ctx.obj
    if not here.as_user:
        raise UsageError("誰の操作かが要ります", mend="--as ログイン名 を付けてください")
    url, anchors, now = here.config.database.url, here.config.audit.anchors, here.clock.now()
    allowed = Allowed(overwrite, upgrade, broken_log)
    planned = plan(file, url, allowed)
    if dry_run:
        say([*lines(planned.archive), "戻せます（何も書いていません）"], _planned(planned), as_json=as_json)
        return

    def admit(database: Database) -> Act:
        return act_of(here.over(database))

    done = put_back(planned, url, anchors, admit, now, allowed)
    say([*lines(planned.archive), *_words(planned, done)], _planned(planned) | _data(done), as_json=as_json)


def _words(planned: Plan, done: Restored) -> Iterator[str]:
    yield "戻しました"
    verdict = "破れはありません" if not done.log.found else f"破れ {done.log.found:,} 件"
    yield f"記録      通話 {done.log.calls:,} 件、記録 {done.log.events:,} 件: {verdict}" + (
        "" if done.log.anchors else "（錨がないので、連鎖だけを確かめました）"
    )
    if done.lost:
        yield f"失われた記録 控えのあとの錨が証していて、控えにないもの: {done.lost:,} 件"
    for aside in (done.database_aside, done.anchors_aside):
        if aside:
            yield f"前のもの   {aside}（調べ終わるまで消さないでください）"
    yield f"ログアウト {done.logged_out:,} 人、一時停止したキャンペーン {done.paused:,} 件"
    yield "次に:"
    yield f"  1. {planned.archive.manifest.created_at:%Y-%m-%d %H:%M} UTC より後の納付・支援措置・一覧を取り込み直す"
    yield "  2. そのあとに無効にした利用者、変えた役割とパスワードを直す（callflow user list）"
    yield "  3. callflow audit anchor で錨を書き、callflow doctor で確かめる"
    yield "  4. callflow campaign resume で架電を再開する"


def _planned(planned: Plan) -> dict[str, Any]:
    manifest = planned.archive.manifest.model_dump(mode="json")
    return {"sha256": planned.archive.digest, "manifest": manifest, "empty": planned.empty, "behind": planned.behind}


def _data(done: Restored) -> dict[str, Any]:
    asides = {"database": done.database_aside, "anchors": done.anchors_aside}
    return {
        "paused": done.paused,
        "logged_out": done.logged_out,
        "lost": done.lost,
        "log": {"calls": done.log.calls, "events": done.log.events, "found": done.log.found},
        "anchored": done.log.anchors > 0,
        "aside": {name: str(path) for name, path in asides.items() if path},
    }
