"""The contract's end: everything of a municipality goes, once it was returned and two of the ward's staff agreed.

All in one transaction: at every moment the municipality is whole, or destroyed with its certificate. What stays is the
ward's own accounts, the erasure with its certificate, and one short chain of acts that says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, not_, or_, select, text

from callflow.access.auditlog import audit, begin_chain
from callflow.errors import RefusedError
from callflow.retention import handover
from callflow.retention.certificates import certificate_of, keep
from callflow.retention.disk import sweep_up
from callflow.retention.handover import TENANT, Manifest, recordings_of
from callflow.retention.holds import in_force, listed, must_be_staff
from callflow.retention.requests import END, ask_for_end, locked, may_begin, store
from models.database import Database
from models.tables import account_roles, accounts, audit_events, erasures, import_uploads, organisations, recordings

RESTLESS: Final = frozenset({"sessions", "login_failures", "preferences", "erasures", "desks", "receivers"})
"""Tables that the two persons themselves change by logging in and asking."""
AFTERWARDS: Final = ("retention:%", "session:%", "audit:%", "backup:%")
"""Acts that may be on record after the return."""
REMAINS: Final = """消したのは、動いているデータベースの行です。次のものは残ります。それぞれの保管者が廃棄してください。
  - 控え（callflow backup のファイル）と、データベースの外のバックアップ・スナップショット
  - PostgreSQL の WAL の保管（archive_command の先）とレプリカ
  - 消した領域が再び使われるまでのディスク。媒体を返す・捨てるときは、媒体ごと消去してください
  - 錨のフォルダー（番号とハッシュだけで、個人の情報はありません）
  - 返還したフォルダーそのもの"""


@dataclass(frozen=True, slots=True)
class Kept:
    """The folders outside the database from which files go too: lists on their way in, recordings."""

    uploads: Path
    recordings: Path


def ask(database: Database, municipality_id: int, folder: Path, reason: str, by: int, now: datetime) -> int:
    """Asks for the destruction of everything that was returned in `folder`. Returns the erasure's number.

    Raises InputError where the folder is not whole, RefusedError where the database holds something else by now."""
    manifest = handover.check(folder)

    def work(conn: Connection) -> int:
        _must_agree(conn, municipality_id, manifest)
        told = {"manifest": manifest.digest, "rows": manifest.rows, "files": len(manifest.files)}
        return ask_for_end(conn, municipality_id, told, reason, by, now)

    return database.transact(work)


def destroy(
    database: Database, municipality_id: int, erasure: int, folder: Path, kept: Kept, by: int, now: datetime
) -> dict[str, Any]:
    """Destroys everything, or does nothing. Returns the certificate; run again, the one that there is.

    Raises NotFoundError, RefusedError, InputError."""
    manifest = handover.check(folder)

    def work(conn: Connection) -> tuple[dict[str, Any], list[str]]:
        must_be_staff(conn, municipality_id, by)
        row = locked(conn, municipality_id, erasure)
        if row.state == "done":
            there: dict[str, Any] = json.loads(row.certificate)
            return there, []
        may_begin(row, END, now)
        if json.loads(row.plan)["manifest"] != manifest.digest:
            raise RefusedError("承認されたのは別の返還です", mend="承認された返還のフォルダーを指定してください")
        _alone(conn)
        _must_agree(conn, municipality_id, manifest)
        files = list(
            conn.execute(select(import_uploads.c.stored_as).where(_own(import_uploads, municipality_id))).scalars()
        )
        chain = begin_chain(conn, municipality_id)
        what = f"manifest={manifest.digest},rows={manifest.rows}"
        audit(
            conn, municipality_id, now, by, "retention:destroy", f"erasure:{erasure}", purpose=row.reason, fields=what
        )
        store(conn, row, state="running", begun_at=now)
        body = certificate_of(conn, locked(conn, municipality_id, erasure), now) | _destroyed(manifest)
        keep(conn, row, body, by, now)
        _delete(conn, municipality_id, erasure, chain())
        return body, files

    body, files = database.transact(work)
    for path in [kept.uploads / Path(name).name for name in files] + recordings_of(kept.recordings, municipality_id):
        path.unlink(missing_ok=True)
    sweep_up(database, TENANT, rewrite=True)
    return body


def _own(table: Table, municipality_id: int) -> ColumnElement[bool]:
    return table.c.municipality_id == municipality_id


def _alone(conn: Connection) -> None:
    """Nobody else writes until the end; on SQLite the transaction itself sees to it."""
    if conn.dialect.name == "sqlite":
        conn.execute(text("PRAGMA secure_delete = ON"))
        return
    conn.execute(text("SET LOCAL lock_timeout = '5s'"))
    conn.execute(text(f"LOCK TABLE {', '.join(table.name for table in TENANT)} IN ACCESS EXCLUSIVE MODE"))


def _must_agree(conn: Connection, municipality_id: int, manifest: Manifest) -> None:
    """Raises RefusedError unless the database holds exactly what was returned, and nothing is held back."""
    if any(row.lifted_at is None for row in listed(conn, municipality_id)):
        held = in_force(conn, municipality_id)
        named = "、".join([*held.classes, *held.objects][:5])
        raise RefusedError(f"差し止めが続いています（{named}）", mend="callflow retention release で外してください")
    r = recordings.c
    elsewhere = select(r.id).where(
        _own(recordings, municipality_id), or_(r.state == "waiting", r.next_try_at.is_not(None))
    )
    if conn.execute(elsewhere.limit(1)).first():
        mend = "callflow work が受け取り、事業者の側から消すのを待ってください"
        raise RefusedError("事業者の側に残っている録音があります", mend=mend)
    a = audit_events.c
    told = manifest.body["newest_act"]
    later = select(a.verb).where(_own(audit_events, municipality_id), a.id > told)
    strange = conn.execute(later.where(not_(or_(*(a.verb.like(verb) for verb in AFTERWARDS)))).limit(1)).scalar()
    if strange:
        raise RefusedError(f"返還のあとに {strange} の記録があります", mend="もう一度返還してください")
    for table in TENANT:
        if table.name in RESTLESS:
            continue
        digest, rest = hashlib.sha256(), (a.id <= told,) if table is audit_events else ()
        for line in handover.lines(conn, table, municipality_id, *rest):
            digest.update(line)
        facts = manifest.files.get(f"tables/{table.name}.jsonl")
        if facts is None or facts["sha256"] != digest.hexdigest():
            raise RefusedError(f"表 {table.name} が、返還したものと違います", mend="もう一度返還してください")


def _destroyed(manifest: Manifest) -> dict[str, Any]:
    tables = {name: facts for name, facts in manifest.files.items() if name.startswith("tables/")}
    return {
        "manifest": manifest.digest,
        "classes": [
            {"class": Path(name).stem, "rows": facts["rows"], "sha256": facts["sha256"]}
            for name, facts in tables.items()
        ],
    }


def _delete(conn: Connection, municipality_id: int, erasure: int, chain: int) -> None:
    o, k = organisations.c, accounts.c
    ward = select(o.id).where(_own(organisations, municipality_id), o.kind == "ward")
    people = select(k.id).where(_own(accounts, municipality_id), k.organisation_id.in_(ward))
    stays: dict[str, ColumnElement[bool]] = {
        "organisations": o.kind == "ward",
        "accounts": k.organisation_id.in_(ward),
        "account_roles": account_roles.c.account_id.in_(people),
        "erasures": erasures.c.id == erasure,
        "audit_events": audit_events.c.chain == chain,
    }
    for table in reversed(TENANT):
        kept = stays.get(table.name)
        conn.execute(delete(table).where(_own(table, municipality_id), *(() if kept is None else (not_(kept),))))
