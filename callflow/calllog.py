"""The log of a call: append-only events in a hash chain of the call's own.

    commitment = HMAC-SHA256(salt, payload)
    hash       = SHA-256(previous, municipality, call, seq, at, kind, actor, commitment)

Payload and salt can be erased by rule and the chain still verifies. There is one chain per call: a global
head would make every operator wait for one lock. `callflow.access.verifier` checks the same chain with code
of its own; docs/security.md states the format once for both.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from models.tables import call_events

GENESIS = bytes(32)

OPEN, LINE, BEGIN, ANSWER, BACK, NOTE, CLOSE, CORRECT, TAKE_BACK = (
    "call:open",
    "line:move",
    "talk:begin",
    "talk:answer",
    "talk:back",
    "talk:note",
    "call:close",
    "call:correct",
    "call:take_back",
)
KIND_LABELS = {
    OPEN: "架電を開始",
    LINE: "回線",
    BEGIN: "通話開始",
    ANSWER: "応答",
    BACK: "ひとつ戻る",
    NOTE: "メモ",
    CLOSE: "終了",
    CORRECT: "訂正",
    TAKE_BACK: "終了の取り消し",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is about to be written: what kind, by whom, and its content."""

    kind: str
    actor: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it stands in the log. `payload` is None once it has been erased under a rule."""

    seq: int
    at: datetime
    kind: str
    actor: str
    payload: Mapping[str, Any] | None
    erased_under: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a call's chain ends."""

    count: int = 0
    hash: bytes = GENESIS


def canonical(payload: Mapping[str, Any]) -> str:
    """The one text of a payload that is committed to: keys sorted, no spaces, no escapes."""
    return json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def commit_to(payload: str, salt: bytes) -> bytes:
    return hmac.new(salt, payload.encode(), hashlib.sha256).digest()


def link(
    previous: bytes,
    municipality_id: int,
    call_id: int,
    seq: int,
    at: datetime,
    kind: str,
    actor: str,
    commitment: bytes,
) -> bytes:
    """The hash of one event."""
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    parts = (
        previous.hex(),
        str(municipality_id),
        str(call_id),
        str(seq),
        stamp,
        kind,
        actor,
        commitment.hex(),
    )
    return hashlib.sha256("\n".join(parts).encode()).digest()


def append(
    conn: Connection,
    municipality_id: int,
    call_id: int,
    head: Head,
    entries: Sequence[Entry],
    at: datetime,
    salt: Callable[[int], bytes],
) -> Head:
    """Writes `entries` behind `head` and returns the new head, which the caller stores on the call.

    Two writers that start from the same head collide on the primary key (call, seq): the chain cannot fork.
    """
    rows = []
    for entry in entries:
        text, grain, seq = canonical(entry.payload), salt(16), head.count + 1
        commitment = commit_to(text, grain)
        digest = link(head.hash, municipality_id, call_id, seq, at, entry.kind, entry.actor, commitment)
        rows.append(
            {
                "municipality_id": municipality_id,
                "call_id": call_id,
                "seq": seq,
                "at": at,
                "kind": entry.kind,
                "actor": entry.actor,
                "payload": text,
                "salt": grain,
                "commitment": commitment,
                "hash": digest,
            }
        )
        head = Head(seq, digest)
    conn.execute(call_events.insert(), rows)
    return head


_READ = select(
    call_events.c.seq,
    call_events.c.at,
    call_events.c.kind,
    call_events.c.actor,
    call_events.c.payload,
    call_events.c.erased_under,
    call_events.c.salt,
    call_events.c.commitment,
    call_events.c.hash,
).order_by(call_events.c.seq)


def read(conn: Connection, municipality_id: int, call_id: int) -> list[Event]:
    """The log of one call in order."""
    return [event(row) for row in _rows(conn, municipality_id, call_id)]


def _rows(conn: Connection, municipality_id: int, call_id: int) -> Sequence[Any]:
    return conn.execute(
        _READ.where(call_events.c.municipality_id == municipality_id, call_events.c.call_id == call_id)
    ).all()


def event(row: Any) -> Event:
    """A row of the log as an event."""
    payload = None if row.payload is None else json.loads(row.payload)
    return Event(row.seq, row.at, row.kind, row.actor, payload, row.erased_under)


class Broken(str):
    """What is wrong with a chain, in words, and `seq`, the first event at which it shows."""

    seq: int

    def __new__(cls, seq: int, what: str) -> Broken:
        made = super().__new__(cls, what)
        made.seq = seq
        return made


def first_fault(rows: Sequence[Any], municipality_id: int, call_id: int, head: Head) -> Broken | None:
    """The first thing that is wrong with a call's chain; None if it holds up to `head`.

    `rows`: the call's events in order, with payload, salt, commitment, hash and erased_under.
    """
    running = Head()
    for row in rows:
        if row.seq != running.count + 1:
            return Broken(running.count + 1, f"通番 {running.count + 1} の記録がありません（次は {row.seq}）")
        if row.payload is None and row.erased_under is None:
            return Broken(row.seq, f"通番 {row.seq} の内容が、規則によらずに消えています")
        if row.payload is not None and commit_to(row.payload, row.salt or b"") != row.commitment:
            return Broken(row.seq, f"通番 {row.seq} の内容が記録時と違います")
        digest = link(running.hash, municipality_id, call_id, row.seq, row.at, row.kind, row.actor, row.commitment)
        if digest != row.hash:
            return Broken(row.seq, f"通番 {row.seq} の連鎖が切れています")
        running = Head(row.seq, digest)
    if running != head:
        what = f"記録は {running.count} 件ですが、通話は {head.count} 件目を末尾としています"
        return Broken(min(running.count, head.count) + 1, what)
    return None
