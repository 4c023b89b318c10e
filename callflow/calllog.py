"""The log of a call: append-only events in a hash chain of the call's own.

    commitment = HMAC-SHA256(salt, payload)
    hash       = SHA-256(previous, municipality, call, seq, at, kind, actor, commitment)

Payload and salt can be erased by rule and the chain still verifies. There is one chain per call: a global
head would make every operator wait for one lock. `callflow.access.verifier` checks the same chain with code
of its own; docs/security.md states the format once for both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, LargeBinary, Text, bindparam, cast, func, insert, select, type_coerce
from sqlalchemy.types import NULLTYPE

from models.tables import call_events

GENESIS = bytes(32)

_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
"""What RFC 2104 does to each byte of a key."""

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


def by_operator(operator_id: int) -> str:
    """The actor of what an operator did."""
    return f"operator:{operator_id}"


class Event(NamedTuple):
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


def commit_to(payload: bytes, salt: bytes) -> bytes:
    """HMAC-SHA256 of a payload's text in UTF-8, under a salt of at most 64 bytes. Written out: `hmac.digest` takes half
    as long again.
    """
    key = salt.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(key.translate(_INNER) + payload).digest()
    return hashlib.sha256(key.translate(_OUTER) + inner).digest()


def stamp(at: datetime) -> str:
    """An instant as it is hashed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def link(
    previous: bytes,
    municipality_id: int,
    call_id: int,
    seq: int,
    stamp: str,
    kind: str,
    actor: str,
    commitment: bytes,
) -> bytes:
    """The hash of one event."""
    parts = f"{previous.hex()}\n{municipality_id}\n{call_id}\n{seq}\n{stamp}Z\n{kind}\n{actor}\n{commitment.hex()}"
    return hashlib.sha256(parts.encode()).digest()


def chained(
    municipality_id: int,
    call_id: int,
    head: Head,
    entries: Sequence[Entry],
    at: datetime,
    salt: Callable[[int], bytes],
) -> tuple[list[dict[str, Any]], Head]:
    """The rows of `entries` behind `head`, for `write`, and the new head, which the caller stores on the call."""
    rows, stamped = [], stamp(at)
    for entry in entries:
        text, grain, seq = canonical(entry.payload), salt(16), head.count + 1
        commitment = commit_to(text.encode(), grain)
        digest = link(head.hash, municipality_id, call_id, seq, stamped, entry.kind, entry.actor, commitment)
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
    return rows, head


def write(conn: Connection, rows: list[dict[str, Any]]) -> None:
    """Two writers that start from the same head collide on the primary key (call, seq): the chain cannot fork."""
    conn.execute(_WRITE, rows)


def append(
    conn: Connection,
    municipality_id: int,
    call_id: int,
    head: Head,
    entries: Sequence[Entry],
    at: datetime,
    salt: Callable[[int], bytes],
) -> Head:
    """Writes `entries` behind `head` and returns the new head."""
    rows, new = chained(municipality_id, call_id, head, entries, at, salt)
    write(conn, rows)
    return new


COLUMNS = (
    call_events.c.seq,
    call_events.c.at,
    call_events.c.kind,
    call_events.c.actor,
    call_events.c.payload,
    call_events.c.erased_under,
    call_events.c.salt,
    call_events.c.commitment,
    call_events.c.hash,
)
"""What `event` is given, in this order and first in the row."""

_WRITE = insert(call_events)
_READ = (
    select(*COLUMNS)
    .where(call_events.c.municipality_id == bindparam("m"), call_events.c.call_id == bindparam("call"))
    .order_by(call_events.c.seq)
)


def chain_columns(conn: Connection) -> tuple[ColumnElement[Any], ...]:
    """What `first_fault` and `proved` are given: `COLUMNS` and the call, instants and payloads as they were hashed.

    A year of calls is proved from these: values that nobody looks at are not made of them.
    """
    at, payload = call_events.c.at, call_events.c.payload
    hashed: dict[Any, ColumnElement[Any]]
    if conn.dialect.name == "postgresql":
        stamped = func.to_char(func.timezone("UTC", at), 'YYYY-MM-DD"T"HH24:MI:SS.US')
        hashed = {at: stamped, payload: func.convert_to(payload, "UTF8")}
    else:
        hashed = {at: func.replace(type_coerce(at, Text), " ", "T"), payload: cast(payload, LargeBinary)}
    plain = (hashed.get(column, column) for column in COLUMNS)
    return (*(type_coerce(column, NULLTYPE) for column in plain), call_events.c.call_id)


def read(conn: Connection, municipality_id: int, call_id: int) -> list[Event]:
    """The log of one call in order."""
    return [event(row) for row in conn.execute(_READ, {"m": municipality_id, "call": call_id})]


def event(row: Sequence[Any]) -> Event:
    """A row of `COLUMNS` as an event. Raises ValueError for a payload that is none."""
    seq, at, kind, actor, payload, erased_under = row[:6]
    return Event(seq, at, kind, actor, None if payload is None else _mapping(payload), erased_under)


def proved(row: Sequence[Any]) -> Event:
    """A row of `chain_columns` whose chain holds, as an event. Raises ValueError for a value that is none."""
    seq, stamped, kind, actor, payload, erased_under = row[:6]
    at = datetime.fromisoformat(f"{stamped}+00:00")
    return Event(seq, at, kind, actor, None if payload is None else _mapping(payload), erased_under)


def _mapping(payload: str | bytes) -> dict[str, Any]:
    found = orjson.loads(payload)
    if not isinstance(found, dict):
        raise ValueError("a payload has another form")
    return found


class Broken(str):
    """What is wrong with a chain, in words, and `seq`, the first event at which it shows."""

    seq: int

    def __new__(cls, seq: int, what: str) -> Broken:
        made = super().__new__(cls, what)
        made.seq = seq
        return made


def first_fault(rows: Iterable[Sequence[Any]], municipality_id: int, call_id: int, head: Head) -> Broken | None:
    """The first thing that is wrong with a call's chain; None if it holds up to `head`.

    `rows`: the call's events in order, each of `chain_columns`.
    """
    count, previous = 0, GENESIS
    try:
        for seq, stamped, kind, actor, payload, erased_under, salt, commitment, digest, _ in rows:
            if seq != count + 1:
                return Broken(count + 1, f"通番 {count + 1} の記録がありません（次は {seq}）")
            if payload is None and erased_under is None:
                return Broken(seq, f"通番 {seq} の内容が、規則によらずに消えています")
            if payload is not None and commit_to(payload, salt or b"") != commitment:
                return Broken(seq, f"通番 {seq} の内容が記録時と違います")
            if payload is not None and erased_under is not None:
                return Broken(seq, "消去の印が内容と合いません")
            if link(previous, municipality_id, call_id, seq, stamped, kind, actor, commitment) != digest:
                return Broken(seq, f"通番 {seq} の連鎖が切れています")
            count, previous = seq, digest
    except (AttributeError, TypeError):  # SQLite keeps whatever was written into a column
        return Broken(count + 1, f"通番 {count + 1} の列の型が違います")
    if head.count != count:
        first = min(count, head.count) + 1 if isinstance(head.count, int) else count
        return Broken(first, f"記録は {count} 件ですが、通話は {head.count} 件目を末尾としています")
    if head.hash != previous:
        return Broken(count, f"通番 {count} のハッシュが、通話が末尾とするものと違います")
    return None
