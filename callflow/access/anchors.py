"""Writes anchors: signed summaries of the log, kept outside the database.

A hash chain alone does not notice a rewritten or cut tail: whoever can write the database can compute hashes.
An anchor says (chain, count, head) of every chain that changed since the last one, under one signed Merkle root,
and names the anchor before it. docs/security.md states the format; `callflow.access.verifier` reads it with
code of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlalchemy import Connection, Select, func, select, text, union_all

from callflow.clock import TOKYO
from callflow.durable import flush
from callflow.errors import ConfigError, InputError, TryLaterError
from models.tables import audit_events, calls, municipalities

SETTLED = timedelta(minutes=5)
"""What was written this long before an anchor is surely committed and stands in it: longer than any transaction and
any difference between the clocks of two hosts."""

PUBLIC_KEY = "anchors.pub"
COVERED = ["audit", "call"]
"""The kinds of chains that an anchor covers, in the order in which its leaves stand."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchor that was written. `hash` is worth keeping on paper: it fixes all anchors up to this one."""

    number: int
    path: Path
    leaves: int
    root: str
    hash: str


class Tree:
    """A Merkle tree's root over any number of leaves, in memory for its height only."""

    def __init__(self) -> None:
        self.count = 0
        self._full: list[tuple[int, bytes]] = []  # complete subtrees, the largest first, with their height

    def add(self, leaf: bytes) -> None:
        height, node = 0, hashlib.sha256(b"\x00" + leaf).digest()
        while self._full and self._full[-1][0] == height:
            height, node = height + 1, _join(self._full.pop()[1], node)
        self._full.append((height, node))
        self.count += 1

    def root(self) -> bytes:
        if not self._full:
            return hashlib.sha256(b"").digest()
        rest = [node for _, node in self._full]
        root = rest.pop()
        while rest:
            root = _join(rest.pop(), root)
        return root


def anchor(conn: Connection, folder: Path, key_path: Path, now: datetime) -> Anchored:
    """Writes the next anchor of all municipalities' calls and acts into `folder`.

    Its cost follows what changed since the last anchor: calls that are live, that ended or were corrected, and the
    acts since. Raises ConfigError without a usable key, InputError if the last anchor cannot be read, TryLaterError
    while another process writes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        last = _last(folder)
        key = _key(key_path, folder, first=last is None)
        number = last["number"] + 1 if last else 1
        name = f"{number:06}-{now.astimezone(TOKYO):%Y-%m-%d}"
        tree = _write_leaves(conn, folder / f"{name}.leaves", {kind: _covered_until(last, kind) for kind in COVERED})
        body: dict[str, Any] = {
            "number": number,
            "date": f"{now.astimezone(TOKYO):%Y-%m-%d}",
            "created_at": _stamp(now),
            "complete_until": _stamp(now - SETTLED),
            "previous": _digest(last) if last else "",
            "covers": COVERED,
            "leaves": tree.count,
            "root": tree.root().hex(),
        }
        path = folder / f"{name}.json"
        _write(path, _canonical({"anchor": body, "signature": key.sign(_canonical(body)).hex()}).decode() + "\n")
        return Anchored(number, path, tree.count, body["root"], _digest(body))


def changed_since(municipality_id: int, since: datetime | None) -> Select[Any]:
    """The heads that an anchor covers, by call: those still live, and those whose log grew at or after `since`.

    One statement, so that a call that closes meanwhile is seen before or after, but is never missed. Both halves
    are probes of an index (one of uq_calls_live_*, and ix_calls_last_event).
    """
    query = select(calls.c.id, calls.c.event_count, calls.c.head_hash).where(calls.c.municipality_id == municipality_id)
    if since is None:
        return query.order_by(calls.c.id)
    live = query.where(text("live"))  # word for word the condition of the partial indexes
    ended = query.where(text("NOT live"), calls.c.last_event_at >= since)
    changed = union_all(live, ended).subquery()
    return select(changed).order_by(changed.c.id + 0)  # ordered by `id` alone, SQLite would walk the whole table


def acted_since(municipality_id: int, since: datetime | None) -> Select[Any]:
    """The ends of the chains of acts that grew at or after `since`, by chain; in one statement, so of one moment."""
    e, later = audit_events.c, audit_events.alias("later").c
    ends = select(e.chain, func.max(e.seq).label("seq")).where(e.municipality_id == municipality_id).group_by(e.chain)
    if since is not None:
        grown = select(later.chain).where(later.municipality_id == municipality_id, later.at >= since)
        ends = ends.where(e.chain.in_(grown))
    last = ends.subquery("last")
    return (
        select(e.chain, e.seq, e.hash)
        .join(last, (last.c.chain == e.chain) & (last.c.seq == e.seq))
        .where(e.municipality_id == municipality_id)
        .order_by(e.chain)
    )


def _write_leaves(conn: Connection, path: Path, since: dict[str, datetime | None]) -> Tree:
    tree = Tree()
    conn = conn.execution_options(yield_per=5_000)
    grown = {"audit": acted_since, "call": changed_since}
    with _replacing(path) as file:
        found = conn.execute(select(municipalities.c.id).order_by(municipalities.c.id)).scalars().all()
        for kind in COVERED:
            for municipality in found:
                for chain, count, head in conn.execute(grown[kind](municipality, since[kind])):
                    line = f"{kind}/{municipality}/{chain} {count} {(head or b'').hex()}"
                    tree.add(line.replace(" ", "\n").encode())
                    file.write(line + "\n")
    return tree


def _covered_until(last: dict[str, Any] | None, kind: str) -> datetime | None:
    """Up to when the last anchor covers a kind of chains; None: not at all. Early ones covered calls alone."""
    return _instant(last["complete_until"]) if last and kind in last.get("covers", ["call"]) else None


def _last(folder: Path) -> dict[str, Any] | None:
    names = sorted(folder.glob("[0-9]*.json"))
    if not names:
        return None
    try:
        body: dict[str, Any] = json.loads(names[-1].read_text())["anchor"]
        _instant(body["complete_until"])
        if body["number"] != int(names[-1].name.split("-")[0]):
            raise ValueError("another anchor's number")
    except (ValueError, KeyError, TypeError) as error:
        mend = "callflow audit verify で確かめ、控えから戻してください"
        raise InputError(f"最後の錨 {names[-1].name} を読めません", mend=mend) from error
    return body


def _key(path: Path, folder: Path, *, first: bool) -> Ed25519PrivateKey:
    """The signing key; made at first use, readable by its owner only, its public half beside the anchors."""
    if path.exists():
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"署名鍵 {path} を読めません", mend="控えから戻してください") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(
                f"署名鍵 {path} は Ed25519 の鍵ではありません", mend="audit.signing_key を確かめてください"
            )
    elif first:
        key = Ed25519PrivateKey.generate()
        path.parent.mkdir(parents=True, exist_ok=True)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
            file.flush()
            os.fsync(file.fileno())
    else:
        mend = "控えから戻してください。新しい鍵では、前の錨とつながりません"
        raise ConfigError(f"錨はありますが、署名鍵 {path} がありません", mend=mend)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    beside = folder / PUBLIC_KEY
    if first and not beside.exists():
        _write(beside, public)
    elif not beside.exists() or beside.read_text() != public:
        raise ConfigError(
            f"署名鍵 {path} は、錨の公開鍵 {beside} と対になっていません", mend="控えと見くらべてください"
        )
    return key


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer at a time in `folder`."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TryLaterError("別の処理が錨を書いています", mend="少し待って、もう一度実行してください") from error
        yield


@contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """A file that appears under its name only when it is whole and on the disk."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    flush(path.parent)


def _write(path: Path, text: str) -> None:
    with _replacing(path) as file:
        file.write(text)


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _instant(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
