"""Erases what was approved, in short transactions. Killed at any point and run again, it ends in the same.

Each batch writes, in its own transaction, an act `retention:erase` with the number of rows and a hash over them. Of
chained rows the hash is over ids and commitments, so that the separate verifier finds what was erased without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, select, text, tuple_, update

from callflow.access.auditlog import audit
from callflow.clock import Clock
from callflow.keeping import BY_NAME, Class
from callflow.retention import tallies
from callflow.retention.certificates import certify
from callflow.retention.classes import PARTS, Part
from callflow.retention.disk import sweep_up
from callflow.retention.holds import Holds, in_force, must_be_staff
from callflow.retention.plan import acts_due, calls_due, held_acts, key_text, unheld
from callflow.retention.requests import RULE, locked, may_begin, store
from models.database import Database
from models.tables import (
    audit_events,
    call_comments,
    call_events,
    callbacks,
    calls,
    contact_slips,
    negotiation_records,
    off_scripts,
    replay_requests,
    signals,
)

CALLS_AT_ONCE: Final = 100
ROWS_AT_ONCE: Final = 500

LEFT_BY_CALLS: Final = (
    (negotiation_records, {"text": ""}),
    (contact_slips, {"text": ""}),
    (callbacks, {"phone": ""}),
    (signals, {"reason": "", "review": ""}),
    (off_scripts, {"reason": ""}),
    (call_comments, {"text": ""}),
    (replay_requests, {"reason": ""}),
)
"""The words that a call left elsewhere go with its log, or the one would tell what the other has forgotten."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction erased: `lines` name the rows, in the order of the hash."""

    rows: int
    lines: Sequence[str]
    first: datetime
    last: datetime
    within: str = ""
    after: int = 0


def run(
    database: Database,
    municipality_id: int,
    erasure: int,
    by: int,
    clock: Clock,
    told: Callable[[int], None] = lambda _rows: None,
) -> dict[str, Any]:
    """Erases, or goes on where a killed run stopped, and returns the certificate. Raises NotFoundError, RefusedError,
    InputError. `told` hears how many rows each batch erased."""

    def begin(conn: Connection) -> tuple[dict[str, datetime], str]:
        must_be_staff(conn, municipality_id, by)
        row = locked(conn, municipality_id, erasure)
        if row.state == "done":
            return {}, str(row.certificate)
        may_begin(row, RULE, clock.now())
        if row.state == "approved":
            store(conn, row, state="running", begun_at=clock.now())
            audit(conn, municipality_id, clock.now(), by, "retention:run", f"erasure:{erasure}")
        return {name: datetime.fromisoformat(at) for name, at in json.loads(row.cutoffs).items()}, ""

    before, certificate = database.transact(begin)
    if certificate:
        found: dict[str, Any] = json.loads(certificate)
        return found
    for name, cutoff in before.items():
        kind = BY_NAME[name]
        while rows := database.transact(partial(_batch, municipality_id, erasure, kind, cutoff, by, clock.now())):
            told(rows)
    done = database.transact(lambda conn: certify(conn, municipality_id, erasure, by, clock.now()))
    sweep_up(database, _touched(before), rewrite=False)
    return done


def _touched(classes: Iterable[str]) -> list[Table]:
    of_calls = [call_events, *(table for table, _ in LEFT_BY_CALLS)]
    chained = {"call": of_calls, "audit": [audit_events], "": []}
    return [
        table
        for name in classes
        for table in (*chained[BY_NAME[name].chained], *(part.table for part in PARTS.get(name, ())))
    ]


def _batch(m: int, erasure: int, kind: Class, before: datetime, by: int, now: datetime, conn: Connection) -> int:
    """Erases the next rows of a class; 0: nothing is left."""
    if conn.dialect.name == "sqlite":
        conn.execute(text("PRAGMA secure_delete = ON"))  # what was there is overwritten, not only let go
    row = locked(conn, m, erasure)
    if row.state != "running":
        return 0  # another process was faster and is through
    progress = json.loads(row.progress)
    own = progress.setdefault(kind.name, {"rows": 0, "batches": 0, "after": 0, "sha256": "", "first": "", "last": ""})
    number = sum(each["batches"] for each in progress.values()) + 1
    label = f"E{erasure}-{number}"
    batch = _erase(conn, m, erasure, label, kind, before, own["after"])
    if batch is None:
        return 0
    digest = hashlib.sha256("".join(f"{line}\n" for line in batch.lines).encode()).hexdigest()
    own |= {
        "rows": own["rows"] + batch.rows,
        "batches": own["batches"] + 1,
        "after": batch.after or own["after"],
        "sha256": hashlib.sha256(f"{own['sha256']}\n{digest}".encode()).hexdigest(),
        "first": min(filter(None, (own["first"], batch.first.isoformat()))),
        "last": max(own["last"], batch.last.isoformat()),
    }
    store(conn, row, progress=json.dumps(progress, sort_keys=True))
    what = (
        f"class={kind.name},label={label},chains={kind.chained or '-'}{batch.within},rows={batch.rows},sha256={digest}"
    )
    audit(conn, m, now, by, "retention:erase", f"erasure:{erasure}", fields=what)
    return batch.rows


def _erase(
    conn: Connection, m: int, erasure: int, label: str, kind: Class, before: datetime, after: int
) -> Batch | None:
    holds = in_force(conn, m)
    found = None
    if kind.chained == "call":
        found = _calls(conn, m, erasure, label, before, after, holds)
    elif kind.chained == "audit":
        found = _acts(conn, m, erasure, label, before, after, holds)
    for part in PARTS.get(kind.name, ()):
        found = found or _plain(conn, m, kind, part, before, holds)
    return found


def _calls(
    conn: Connection, m: int, erasure: int, label: str, before: datetime, after: int, holds: Holds
) -> Batch | None:
    """The content of whole calls, and the words that they left; their events, commitments and chains stay."""
    c, e = calls.c, call_events.c
    free = unheld(BY_NAME["call_log"], holds, holds.on(calls))
    due = select(c.id, c.last_event_at).where(*calls_due(m, before), c.id > after, free).order_by(c.id)
    found = conn.execute(due.limit(CALLS_AT_ONCE)).all()
    if not found:
        return None
    ids = [row.id for row in found]
    theirs = (e.municipality_id == m, e.call_id.in_(ids))
    query = select(e.call_id, e.seq, e.payload, e.commitment).where(*theirs).order_by(e.call_id, e.seq)
    events = conn.execute(query).all()
    tallies.keep_reasons(conn, m, erasure, events)
    conn.execute(update(call_events).where(*theirs).values(payload=None, salt=None, erased_under=label))
    for table, blank in LEFT_BY_CALLS:
        conn.execute(update(table).where(table.c.municipality_id == m, table.c.call_id.in_(ids)).values(**blank))
    ages = [row.last_event_at for row in found]
    lines = _lines(m, ((event.call_id, event.seq, event.commitment) for event in events))
    return Batch(len(events), lines, min(ages), max(ages), f":{ids[0]}-{ids[-1]}", ids[-1])


def _acts(
    conn: Connection, m: int, erasure: int, label: str, before: datetime, after: int, holds: Holds
) -> Batch | None:
    """The content of acts; who did what kind of thing when stays."""
    a = audit_events.c
    free = unheld(BY_NAME["access_log"], holds, held_acts(holds))
    due = select(a.id, a.at, a.actor_id, a.verb, a.object, a.chain, a.seq, a.commitment)
    found = conn.execute(due.where(*acts_due(m, before), a.id > after, free).order_by(a.id).limit(ROWS_AT_ONCE)).all()
    if not found:
        return None
    tallies.keep_alone(conn, m, erasure, found)
    theirs = (a.municipality_id == m, a.id.in_([row.id for row in found]))
    blank = dict.fromkeys(("object", "purpose", "fields", "terminal", "roles"), "")
    conn.execute(update(audit_events).where(*theirs).values(**blank, salt=None, erased_under=label))
    in_order = sorted(found, key=lambda row: (row.chain, row.seq))
    lines = _lines(m, ((row.chain, row.seq, row.commitment) for row in in_order))
    span = f":{in_order[0].chain}-{in_order[-1].chain}"
    return Batch(len(found), lines, min(r.at for r in found), max(r.at for r in found), span, found[-1].id)


def _lines(m: int, rows: Iterable[tuple[int, int, bytes]]) -> list[str]:
    return [f"{m}/{chain}/{seq} {commitment.hex()}" for chain, seq, commitment in rows]


def _plain(conn: Connection, m: int, kind: Class, part: Part, before: datetime, holds: Holds) -> Batch | None:
    """Rows outside chains: named by their keys, for a hash over what they held could be guessed back."""
    keys = list(part.table.primary_key.columns)
    free = unheld(kind, holds, holds.over(part, m))
    due = select(*keys, part.age(m).label("age"), key_text(part).label("key")).where(*part.where(m, before), free)
    found: Sequence[Any] = conn.execute(due.order_by(*keys).limit(ROWS_AT_ONCE)).all()
    if not found:
        return None
    here = (part.table.c.municipality_id == m, tuple_(*keys).in_([tuple(row[: len(keys)]) for row in found]))
    change = delete(part.table) if part.blank is None else update(part.table).values(**part.blank)
    conn.execute(change.where(*here))
    lines = [f"{part.table.name} {row.key}" for row in found]
    return Batch(len(found), lines, min(r.age for r in found), max(r.age for r in found))
