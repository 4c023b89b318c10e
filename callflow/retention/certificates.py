"""The certificate of an erasure: who asked, who approved, what went, a hash over it; itself an act on the record."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from callflow.access.auditlog import audit
from callflow.errors import RefusedError
from callflow.keeping import BY_NAME
from callflow.retention.requests import STATES, found, locked, store
from models.tables import accounts, audit_events

CERTIFIED = "retention:certify"


def certify(conn: Connection, m: int, erasure: int, by: int, now: datetime) -> dict[str, Any]:
    """Ends an erasure by its certificate, in the caller's transaction. One that has ended keeps the one it has."""
    row = locked(conn, m, erasure)
    if row.state == "done":
        kept: dict[str, Any] = json.loads(row.certificate)
        return kept
    body = certificate_of(conn, row, now) | {"classes": _erased(row)}
    keep(conn, row, body, by, now)
    return body


def keep(conn: Connection, row: Row[Any], body: dict[str, Any], by: int, now: datetime) -> None:
    store(conn, row, state="done", ended_at=now, certificate=canonical(body))
    here = f"erasure:{row.id}"
    audit(conn, row.municipality_id, now, by, CERTIFIED, here, fields=f"sha256={digest(body)}")


def certificate_of(conn: Connection, row: Row[Any], now: datetime) -> dict[str, Any]:
    """What every certificate says: the erasure, the two persons, the reason, the moments."""
    a = accounts.c
    people = select(a.id, a.login).where(
        a.municipality_id == row.municipality_id, a.id.in_((row.asked_by, row.decided_by))
    )
    logins = dict(map(tuple, conn.execute(people)))
    return {
        "erasure": row.id,
        "purpose": row.purpose,
        "reason": row.reason,
        "asked_by": logins[row.asked_by],
        "asked_at": row.asked_at.isoformat(),
        "approved_by": logins[row.decided_by],
        "approved_at": row.decided_at.isoformat(),
        "begun_at": (row.begun_at or now).isoformat(),
        "ended_at": now.isoformat(),
    }


def _erased(row: Row[Any]) -> list[dict[str, Any]]:
    cutoffs, progress = json.loads(row.cutoffs), json.loads(row.progress)
    return [
        {
            "class": name,
            "label": BY_NAME[name].ja,
            "before": before,
            **{key: progress.get(name, {}).get(key, 0) for key in ("rows", "batches")},
            **{key: progress.get(name, {}).get(key, "") for key in ("first", "last", "sha256")},
        }
        for name, before in cutoffs.items()
    ]


def canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def certificate(conn: Connection, m: int, erasure: int) -> dict[str, Any]:
    """A certificate, proved against the record of acts. Raises NotFoundError, RefusedError."""
    row = found(conn, m, erasure)
    if row.state != "done":
        raise RefusedError(f"消去 {erasure} の証明はまだありません（{STATES[row.state]}）")
    body: dict[str, Any] = json.loads(row.certificate)
    e = audit_events.c
    said = select(e.fields).where(e.municipality_id == m, e.verb == CERTIFIED, e.object == f"erasure:{erasure}")
    if f"sha256={digest(body)}" not in conn.execute(said).scalars().all():
        raise RefusedError(
            f"消去 {erasure} の証明が、監査の記録にあるハッシュと違います",
            mend="証明が書き換えられたおそれがあります。callflow audit verify で確かめてください",
        )
    return body
