"""Published scripts: immutable, stored whole under their content hash, read and compiled once per process."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, func, select

from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.flow import Flow
from callflow.script.model import Script
from callflow.script.proofs import Report
from callflow.script.reader import read
from models.tables import script_versions


class Shelf:
    """The compiled scripts of this process, by content hash. Safe to share between threads."""

    def __init__(self) -> None:
        self._flows: dict[str, Flow] = {}

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
        flow = _compiled(sources)
        if flow.script.content_hash != content_hash:
            raise RefusedError(f"台本 {content_hash[:12]} の中身が公開時と違います")
        return self._flows.setdefault(content_hash, flow)


@lru_cache(maxsize=64)
def script_of(stored: str) -> Script:
    """A script from its stored files, of which the first is the main one. Reading takes half a second."""
    sources: dict[str, str] = json.loads(stored)
    return read(Path(next(iter(sources))), sources=sources)


@lru_cache(maxsize=64)
def _compiled(stored: str) -> Flow:
    return Flow(script_of(stored))


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


def newest(conn: Connection, municipality_id: int, name: str) -> str:
    """The content hash of the newest published version of a script. Raises InputError."""
    v = script_versions.c
    query = select(v.hash).where(v.municipality_id == municipality_id, v.name == name)
    found = conn.execute(query.order_by(v.version.desc()).limit(1)).scalar_one_or_none()
    if found is None:
        raise InputError(
            f"公開された台本 {name} はありません",
            where=Where(field="script"),
            mend="callflow script publish で公開してください",
        )
    return str(found)
