"""What can be looked at like a script: a published version, or a draft."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from callflow.console.proving import Prover
from callflow.console.visit import Visit
from callflow.drafts import Drafts
from callflow.errors import NotFoundError
from callflow.script.model import Script
from callflow.shelf import script_of
from models.tables import accounts, script_versions

PROVER: Final = Prover()


@dataclass(frozen=True, slots=True)
class Version:
    """A published version, as lists name it."""

    name: str
    version: int
    hash: str
    title: str
    published_at: datetime
    by: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class Edition:
    """`base`: where its pages are. `version` is 0 and `draft` set for a draft."""

    script: Script
    stored: str
    base: str
    version: int = 0
    draft: Row[Any] | None = None


def edition(visit: Visit, conn: Connection) -> Edition:
    """The edition that the address names. Raises NotFoundError."""
    if "name" not in visit.request.path_params:
        draft = Drafts(conn, visit.site.municipality_id, visit.now).get(visit.id())
        return Edition(script_of(draft.sources), draft.sources, f"/script-drafts/{draft.id}", draft=draft)
    name, number = visit.request.path_params["name"], visit.id("version")
    stored = stored_version(conn, visit.site.municipality_id, name, number)
    return Edition(script_of(stored), stored, f"/scripts/{name}/{number}", number)


def stored_version(conn: Connection, municipality_id: int, name: str, version: int) -> str:
    """The stored files of a published version. Raises NotFoundError."""
    v = script_versions.c
    query = select(v.sources).where(v.municipality_id == municipality_id, v.name == name, v.version == version)
    found = conn.execute(query).scalar()
    if found is None:
        raise NotFoundError(f"台本 {name} に第{version}版はありません", mend="台本の一覧から選んでください")
    return str(found)


def versions(conn: Connection, municipality_id: int, name: str = "") -> list[Version]:
    """The published versions by name, newest first."""
    v, by, second = script_versions.c, accounts.alias("publisher"), accounts.alias("approver")
    query = (
        select(v.name, v.version, v.hash, v.sources, v.published_at, by.c.login, second.c.login.label("second"))
        .join(by, (by.c.municipality_id == v.municipality_id) & (by.c.id == v.published_by))
        .join(second, (second.c.municipality_id == v.municipality_id) & (second.c.id == v.approved_by))
        .where(*(table.c.municipality_id == municipality_id for table in (script_versions, by, second)))
        .where(*([v.name == name] if name else []))
        .order_by(v.name, v.version.desc())
    )
    return [
        Version(row.name, row.version, row.hash, script_of(row.sources).title, row.published_at, row.login, row.second)
        for row in conn.execute(query)
    ]
