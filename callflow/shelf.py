"""Published scripts: immutable, stored whole under their content hash, read and compiled once per process."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, func, select

from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.flow import Flow
from callflow.script.model import Script
from callflow.script.proofs import Report
from callflow.script.reader import read
from models.tables import script_versions


class Shelf:
    """The compiled scripts of this process, by content hash. Safe to share between threads."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}
        self._lock = Lock()

    def flow(self, conn: Connection, municipality_id: int, content_hash: str) -> Flow:
        """The compiled script of a published version. Raises NotFoundError if there is none."""
        known = self._flows.get(content_hash)
        if known:
            return known
        sources = conn.execute(
            select(script_versions.c.sources).where(
                script_versions.c.municipality_id == municipality_id, script_versions.c.hash == content_hash
            )
        ).scalar()
        if sources is None:
            raise NotFoundError(f"台本 {content_hash[:12]} は公開されていません")
        script = read_stored(json.loads(sources))
        if script.content_hash != content_hash:
            raise RefusedError(f"台本 {content_hash[:12]} の中身が公開時と違います")
        with self._lock:
            return self._flows.setdefault(content_hash, Flow(script))


def read_stored(sources: dict[str, str]) -> Script:
    """A script from its stored files; the first is the main one."""
    return read(Path(next(iter(sources))), sources=sources)


def publish(
    conn: Connection, municipality_id: int, script: Script, report: Report, *, by: int, approved_by: int, at: datetime
) -> int:
    """Stores a script with its proof (`prove(script)`) as the next version of its name and returns the version.

    Publishing the same content again returns the version that it has. Raises RefusedError if one person alone
    publishes, InputError if a proof fails.
    """
    if by == approved_by:
        raise RefusedError("台本の公開には、別の二人の承認が要ります")
    same = conn.execute(
        select(script_versions.c.version).where(
            script_versions.c.municipality_id == municipality_id,
            script_versions.c.hash == script.content_hash,
        )
    ).scalar()
    if same is not None:
        return int(same)
    if report.findings:
        raise InputError(f"台本 {script.name} は検査に合格していません: {report.findings[0]}")
    newest = conn.execute(
        select(func.max(script_versions.c.version)).where(
            script_versions.c.municipality_id == municipality_id, script_versions.c.name == script.name
        )
    ).scalar()
    version = int(newest or 0) + 1
    conn.execute(
        script_versions.insert().values(
            municipality_id=municipality_id,
            hash=script.content_hash,
            name=script.name,
            version=version,
            sources=json.dumps(dict(script.sources), ensure_ascii=False),
            published_at=at,
            published_by=by,
            approved_by=approved_by,
        )
    )
    return version
