"""The files that callflow keeps: who may read them, and how old anchors and backups are."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from callflow.backup.sqlite import path_of
from callflow.backup.taking import VERIFIED
from callflow.doctor.findings import Finding, Surroundings, ago, ok, problem, unknown, warning
from models.tables import audit_events, calls

DAILY = timedelta(hours=26)  # a day, and what a daily job may be late
TOO_OLD = timedelta(days=7)


def permissions(around: Surroundings) -> Iterator[Finding]:
    """Nobody else reads the signing key and the database; nobody else writes the anchors."""
    audit, url = around.config.audit, around.config.database.url
    wanted = [("署名鍵", audit.signing_key, 0o077, "600"), ("錨のフォルダー", audit.anchors, 0o022, "755")]
    if url.startswith("sqlite"):
        file = path_of(url)
        wanted += [("データベース", Path(f"{file}{suffix}"), 0o077, "600") for suffix in ("", "-wal", "-shm")]
    if (key := around.config.console.tls_key) is not None:
        wanted.append(("TLS の秘密鍵", key, 0o037, "640"))
    bad = 0
    for what, path, forbidden, mode in wanted:
        if not path.exists():
            continue
        found = path.stat()
        if found.st_mode & forbidden:
            bad += 1
            words = f"{what} {path} の権限が広すぎます（{stat.S_IMODE(found.st_mode):o}）"
            yield problem(words, f"chmod {mode} {path}", path=str(path))
        if found.st_uid != os.geteuid():
            bad += 1
            yield warning(f"{what} {path} は別の利用者のものです", "callflow を動かす利用者で実行してください")
    yield from _password_in_file(around)
    if not bad:
        yield ok("鍵・錨・データベースは、ほかの利用者から守られています")


def _password_in_file(around: Surroundings) -> Iterator[Finding]:
    text = around.config_path.read_text(encoding="utf-8-sig")
    readable = around.config_path.stat().st_mode & 0o044
    if readable and re.search(r"^\s*url:\s*[\"']?postgres[^\s:]*://[^\s:/@]*:[^\s@]+@", text, re.MULTILINE):
        mend = "環境変数 CALLFLOW_DATABASE__URL に移すか、chmod 600 にしてください"
        yield problem(f"{around.config_path} にパスワードがあり、誰でも読めます", mend)


def anchors(around: Surroundings) -> Iterator[Finding]:
    """One a day. Without calls there is nothing to anchor yet."""
    folder = around.config.audit.anchors
    names = sorted(folder.glob("[0-9]*.json"))
    with around.database.read() as conn:
        some = conn.execute(select(calls.c.id).limit(1)).first() is not None
    if not names:
        if some:
            yield problem("通話があるのに、錨がひとつもありません", "callflow audit anchor を毎日実行してください")
        else:
            yield ok("まだ通話がなく、錨も要りません")
        return
    try:
        written = datetime.fromisoformat(json.loads(names[-1].read_text())["anchor"]["created_at"])
    except (ValueError, KeyError, TypeError):
        yield problem(f"最後の錨 {names[-1].name} を読めません", "callflow audit verify で確かめてください")
        return
    yield _aged(
        "最後の錨", around.now - written, "callflow audit anchor を毎日実行してください（callflow-work が行います）"
    )


def backups(around: Surroundings) -> Iterator[Finding]:
    """From the record: the last backup that was read again and proved."""
    with around.database.read() as conn:
        last = conn.execute(select(func.max(audit_events.c.at)).where(audit_events.c.verb == VERIFIED)).scalar()
    mend = "callflow --as 管理者 backup フォルダー を毎日実行してください（callflow-backup.timer）"
    if last is None:
        yield warning("控えを取った記録がありません", mend)
    else:
        yield _aged("最後の控え", around.now - last, mend)


def _aged(what: str, since: timedelta, mend: str) -> Finding:
    facts = {"age_seconds": int(since.total_seconds())}
    if since < timedelta(0):
        return unknown(f"{what}の時刻が、いまより先です", "時計を確かめてください")
    words = f"{what}は {ago(since)}前"
    if since > TOO_OLD:
        return problem(words, mend, **facts)
    return warning(words, mend, **facts) if since > DAILY else ok(words, **facts)
