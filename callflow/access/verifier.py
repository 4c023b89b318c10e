"""The separate verifier: proves the log of calls and the record of acts against their anchors.

Exit 0 proved, 1 broken, 2 cannot tell. It shares no code with what writes the log and the anchors and needs only this
file, the standard library, `cryptography`, and for PostgreSQL `psycopg`, so that an auditor can read and run it alone:

    python verifier.py --database sqlite:///var/callflow.sqlite --anchors var/anchors [--key anchors.pub] [--json]

Everything streams: memory does not grow with the log. docs/security.md says what is proved and what is not.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import hmac
import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Key = tuple[int, int]  # municipality, call or chain of acts
Leaf = tuple[Key, int, str, str]  # chain, count, head in hex, the anchor's name

FINE, BROKEN, UNKNOWN = 0, 1, 2
SHOWN = 1_000
AFTER_THE_END = (b"call:correct", b"call:take_back")
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NUMBER = r"(0|[1-9][0-9]*)"
CERTIFIED = re.compile(r"class=\w+,label=(\S{1,32}),chains=(call|audit):(\d+)-(\d+),rows=(\d+),sha256=([0-9a-f]{64})")
LEAF = re.compile(rf"(audit|call)/{NUMBER}/{NUMBER} {NUMBER} ([0-9a-f]*)")


class CannotTell(Exception):  # noqa: N818  it is an answer, not an error
    """Something that the proof needs is not there or cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and in which municipality/call, municipality/chain of acts, or anchor; `seq`: the bad event."""

    what: str
    call: str = ""
    seq: int = 0
    anchor: str = ""
    audit: str = ""

    def __str__(self) -> str:
        places = (("通話", self.call), ("監査の連鎖", self.audit), ("錨", self.anchor))
        place = next((f"{word} {name}" for word, name in places if name), "記録")
        return f"{place}{f' 通番 {self.seq}' if self.seq else ''}: {self.what}"


@dataclass(slots=True)
class Report:
    """What was examined and what was found: the first `SHOWN` findings, and how many there are in all."""

    calls: int = 0
    events: int = 0
    acts: int = 0
    erased: int = 0
    anchors: int = 0
    last_anchor: str = ""
    last_anchor_hash: str = ""
    complete_until: str = ""
    acts_complete_until: str = ""
    seconds: float = 0.0
    doubt: str = ""
    found: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return BROKEN if self.found else UNKNOWN if self.doubt else FINE

    def find(self, finding: Finding) -> None:
        self.found += 1
        if self.found <= SHOWN:
            self.findings.append(finding)


@dataclass(slots=True)
class Erased:
    """What stands erased under one label: how much, the hash over it, the first and the last chain."""

    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    first: tuple[Key, int] = ((0, 0), 0)
    last: Key = (0, 0)


class Erasures:
    """What is erased against the acts `retention:erase`, one for each label; and who was destroyed as a whole."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, str, str], tuple[int, int, int, str]] = {}
        self._found: dict[tuple[int, str, str], Erased] = {}
        self.destroyed: set[int] = set()

    def hear(self, chain: Key, events: list[Any]) -> None:
        """The acts of a chain that holds."""
        for event in events:
            if event[4] == b"retention:destroy":
                self.destroyed.add(chain[0])
            if event[4] == b"retention:erase" and event[6] is not None:
                match = CERTIFIED.fullmatch(json.loads(event[6])["fields"])
                if match:
                    label, kind, first, last, count, digest = match.groups()
                    self._told[chain[0], kind, label] = (int(first), int(last), int(count), digest)

    def note(self, kind: str, chain: Key, events: list[Any]) -> None:
        """The events of a chain; those that are erased are counted, in the order of the chains."""
        for event in events:
            seq, payload, commitment, label = event[2], event[6], event[8], event[10]
            if payload is None and isinstance(label, bytes) and isinstance(commitment, bytes):
                one = self._found.setdefault((chain[0], kind, label.decode(errors="replace")), Erased())
                if not one.count:
                    one.first = (chain, seq)
                one.count, one.last = one.count + 1, chain
                one.digest.update(f"{chain[0]}/{chain[1]}/{seq} {commitment.hex()}\n".encode())

    def judge(self, report: Report) -> None:
        """Whatever is erased must be certified, and whatever is certified must be erased."""
        for key in sorted(self._told.keys() | self._found.keys()):
            told, found = self._told.get(key), self._found.get(key, Erased())
            chain, seq = found.first
            what = ""
            if told is None:
                what = f"消去 {key[2]} の証明がありません（{found.count} 件が消えています）"
            elif found.count != told[2]:
                what = f"消去 {key[2]} の証明は {told[2]} 件ですが、消えているのは {found.count} 件です"
            elif found.digest.hexdigest() != told[3]:
                what = f"消去 {key[2]} で消えているものが、証明と違います"
            if told is not None and found.count and not (told[0] <= chain[1] and found.last[1] <= told[1]):
                outside = chain if chain[1] < told[0] else found.last
                chain, seq, what = outside, 0, f"消去 {key[2]} の証明は {told[0]} から {told[1]} までです"
            if what and key[0] not in self.destroyed:
                name = f"{chain[0]}/{chain[1]}" if found.count else ""
                here = {"call": name} if key[1] == "call" else {"audit": name}
                report.find(Finding(what, seq=seq, **here))


def verify(connection: Any, anchors: Path, *, key: Path | None = None) -> Report:
    """Everything that does not agree between the database and the anchors.

    `connection`: DB-API, of sqlite3 or psycopg, with no transaction open. `key`: the public key that the auditor
    trusts; without it the one beside the anchors, which whoever replaces the anchors can replace as well.
    """
    report, began = Report(), time.perf_counter()
    try:
        sound = _check_anchors(anchors, key or anchors / "anchors.pub", report)
    except (CannotTell, OSError) as no:
        report.doubt, sound = str(no), []
    try:
        calls, events, acts = _streams(connection)
        erasures = Erasures()
        _check_acts(acts, _leaves_of(sound, "audit"), report, erasures)
        _check_calls(calls, events, _leaves_of(sound, "call"), report, erasures)
        erasures.judge(report)
    except Exception as error:
        if not isinstance(error, sqlite3.Error | OSError) and not type(error).__module__.startswith("psycopg"):
            raise
        report.doubt = f"データベースを読めません: {error}"
    finally:
        connection.rollback()
    report.seconds = time.perf_counter() - began
    return report


def anchored(
    chains: Iterable[Key], anchors: Path, *, kind: str = "call", key: Path | None = None
) -> tuple[Report, dict[Key, list[Leaf]]]:
    """What the sound anchors say of some chains, in the anchors' order; the report tells what is wrong with anchors."""
    report, wanted = Report(), set(chains)
    found: dict[Key, list[Leaf]] = {}
    try:
        for path in _check_anchors(anchors, key or anchors / "anchors.pub", report):
            for its, leaf in _leaves(path):
                if its == kind and leaf[0] in wanted:
                    found.setdefault(leaf[0], []).append(leaf)
    except (CannotTell, OSError) as no:
        report.doubt = str(no)
    return report, found


def _check_anchors(folder: Path, key_file: Path, report: Report) -> list[Path]:
    """The leaf files of all anchors that are what was signed."""
    files = sorted(folder.glob("[0-9]*.json"))
    if not files:
        raise CannotTell(f"{folder} に錨がありません")
    if not key_file.exists():
        raise CannotTell(f"公開鍵 {key_file} がありません")
    try:
        key = load_pem_public_key(key_file.read_bytes())
    except ValueError as error:
        raise CannotTell(f"公開鍵 {key_file} を読めません") from error
    if not isinstance(key, Ed25519PublicKey):
        raise CannotTell(f"公開鍵 {key_file} は Ed25519 の鍵ではありません")
    sound, previous, number, until = [], "", 1, {"audit": "", "call": ""}
    for path in files:
        body, signed = _signed_body(path, key, report)
        if body is None:
            previous, number = "?", number + 1
            continue
        if body["number"] != number or path.name != f"{number:06}-{body['date']}.json":
            report.find(Finding(f"錨 {number} がありません（次は {body['number']}）", anchor=path.name))
        elif previous != "?" and body["previous"] != previous:
            report.find(Finding("前の錨とつながっていません", anchor=path.name))
        if _matches_root(path.with_suffix(".leaves"), body, report):
            sound.append(path.with_suffix(".leaves"))
        previous, number = hashlib.sha256(signed).hexdigest(), body["number"] + 1
        until |= {kind: max(until[kind], body["complete_until"]) for kind in body.get("covers", ["call"])}
        report.anchors, report.last_anchor, report.last_anchor_hash = report.anchors + 1, path.name, previous
    if not report.found:  # with an anchor gone, nothing follows from absence
        report.complete_until, report.acts_complete_until = until["call"], until["audit"]
    return sound


def _signed_body(path: Path, key: Ed25519PublicKey, report: Report) -> tuple[dict[str, Any] | None, bytes]:
    """An anchor's content and the bytes that were signed; None if it is not what was signed."""
    try:
        text = path.read_bytes()
        whole = json.loads(text)
        body, signature = whole["anchor"], bytes.fromhex(whole["signature"])
        signed = _canonical(body)
        key.verify(signature, signed)
        if text != _canonical({"anchor": body, "signature": signature.hex()}) + b"\n":
            raise ValueError("not as it was written")
    except InvalidSignature:
        report.find(Finding("署名が合いません", anchor=path.name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        report.find(Finding("錨を読めません", anchor=path.name))
    else:
        return body, signed
    return None, b""


def _canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _matches_root(path: Path, body: dict[str, Any], report: Report) -> bool:
    """Whether the leaves are those under the signed root, each chain once and in order."""
    try:
        hashes = _leaf_hashes(path)
        root = _root(hashes, body["leaves"]) if body["leaves"] else hashlib.sha256(b"").digest()
        if root.hex() == body["root"] and next(hashes, None) is None:
            return True
        what = "葉が、署名された根と合いません"
    except (OSError, ValueError) as error:
        what = f"葉を読めません: {error}"
    report.find(Finding(what, anchor=path.name))
    return False


def _leaf_hashes(path: Path) -> Iterator[bytes]:
    last = ("", (-1, -1))
    for kind, (chain, count, head, _) in _leaves(path):
        if (kind, chain) <= last:
            raise ValueError("not in order")
        last = (kind, chain)
        yield hashlib.sha256(f"\0{kind}/{chain[0]}/{chain[1]}\n{count}\n{head}".encode()).digest()


def _root(leaves: Iterator[bytes], count: int) -> bytes:
    """RFC 6962, 2.1: the left part is the largest power of two below `count`. A missing leaf is an empty one."""
    if count == 1:
        return next(leaves, b"")
    left = 1 << (count - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves, left) + _root(leaves, count - left)).digest()


def _leaves_of(sound: list[Path], kind: str) -> Iterator[tuple[Key, list[Leaf]]]:
    """The leaves of one kind of chains, of all anchors, by chain."""
    one_kind = ((leaf for its, leaf in _leaves(path) if its == kind) for path in sound)
    merged = heapq.merge(*one_kind, key=itemgetter(0))
    return ((chain, list(group)) for chain, group in groupby(merged, key=itemgetter(0)))


def _leaves(path: Path) -> Iterator[tuple[str, Leaf]]:
    """The lines of a leaf file; the file is open only while a block is read, so that there may be thousands."""
    place, rest, block = 0, "", b"?"
    while block:
        with path.open("rb") as file:
            file.seek(place)
            block = file.read(1 << 16)
        place += len(block)
        *lines, rest = (rest + block.decode("ascii")).split("\n")
        for line in lines:
            match = LEAF.fullmatch(line)
            if match is None:
                raise ValueError(f"{line[:80]!r}")
            yield match[1], ((int(match[2]), int(match[3])), int(match[4]), match[5], path.name)
    if rest:
        raise ValueError("the last line is cut")


def _check_calls(
    calls: Iterator[Any], events: Iterator[Any], leaves: Iterator[Any], report: Report, erasures: Erasures
) -> None:
    sources = (_grouped(calls, report), _grouped(events, report), leaves)
    for chain, (rows, found, held) in _side_by_side(*sources):
        if rows or found or chain[0] not in erasures.destroyed:
            erased = report.erased
            _check_chain(chain, rows, found, held, report)
            if report.erased > erased:
                erasures.note("call", chain, found)


def _check_acts(acts: Iterator[Any], leaves: Iterator[Any], report: Report, erasures: Erasures) -> None:
    """The chains of acts have no row of their own: what there is, against itself and the anchors.

    Where a municipality was destroyed after its return, the chains that are gone are gone by rule; that shows only in
    a later chain than they."""
    faults: list[tuple[Key, Fault, bool]] = []
    for chain, (events, held) in _side_by_side(_grouped(acts, report), leaves):
        report.acts += len(events)
        hashes: list[bytes] = []
        erased = report.erased
        fault = _first_fault(chain, events, hashes, report, ends=False)
        fault = fault or _against_anchors(held, hashes) or _uncovered(events, held, report.acts_complete_until)
        if report.erased > erased:
            erasures.note("audit", chain, events)
        if fault:
            faults.append((chain, fault, bool(events)))
        else:
            erasures.hear(chain, events)
    for chain, fault, there in faults:
        if fault and (there or chain[0] not in erasures.destroyed):
            report.find(Finding(fault[1], seq=fault[0], audit=f"{chain[0]}/{chain[1]}"))


def _side_by_side(*sources: Iterator[tuple[Key, list[Any]]]) -> Iterator[tuple[Key, list[list[Any]]]]:
    """Streams in the order of their chains: each chain once, with what each stream has of it."""
    heads: list[Any] = [next(source, None) for source in sources]
    while any(heads):
        chain = min(head[0] for head in heads if head)
        yield chain, [head[1] if head and head[0] == chain else [] for head in heads]
        heads = [
            next(source, None) if head and head[0] == chain else head
            for source, head in zip(sources, heads, strict=True)
        ]


def _grouped(rows: Iterable[tuple[Any, ...]], report: Report) -> Iterator[tuple[Key, list[Any]]]:
    for key, group in groupby(rows, key=itemgetter(0, 1)):
        if all(isinstance(part, int) for part in key):
            yield key, list(group)
        else:
            report.find(Finding(f"番号が数ではありません: {key!r}"))


def _check_chain(chain: Key, rows: list[Any], events: list[Any], leaves: list[Leaf], report: Report) -> None:
    """One chain: its events, what the call says of them, what the anchors say. The first fault counts."""
    name = f"{chain[0]}/{chain[1]}"
    report.calls, report.events = report.calls + len(rows), report.events + len(events)
    if not rows:
        what = "通話が消えています" if leaves else "記録はありますが、通話がありません"
        report.find(Finding(what, name, 1, leaves[-1][3] if leaves else ""))
        return
    hashes: list[bytes] = []
    fault = _first_fault(chain, events, hashes, report)
    fault = fault or _against_anchors(leaves, hashes) or _uncovered(events, leaves, report.complete_until)
    fault = fault or _against_call(rows[0], events, hashes)
    if fault:
        report.find(Finding(fault[1], name, fault[0]))


Fault = tuple[int, str] | None


def _first_fault(chain: Key, events: list[Any], hashes: list[bytes], report: Report, *, ends: bool = True) -> Fault:
    """Each event against its commitment and its predecessor; `hashes` gets those that hold. `ends`: as calls do."""
    before, closed = "00" * 32, False
    for number, event in enumerate(events, start=1):
        seq, at, kind, actor, payload, salt, commitment, digest, erased = event[2:]
        if seq != number:
            return number, f"通番 {number} の記録がありません（次は {seq!r}）"
        if not all(isinstance(part, bytes) for part in (kind, actor, commitment, digest)):
            return seq, "列の型が違います"
        if fault := _payload_fault(payload, salt, commitment, erased):
            return seq, fault
        report.erased += payload is None
        if not STAMP.fullmatch(at or b"") or b"\n" in kind or b"\n" in actor:
            return seq, "日時・種類・行為者の形が違います"
        text = f"{before}\n{chain[0]}\n{chain[1]}\n{seq}\n".encode() + b"\n".join((at, kind, actor))
        if hashlib.sha256(text + b"\n" + commitment.hex().encode()).digest() != digest:
            return seq, "連鎖が切れています（日時・種類・行為者・約束値・ハッシュのどれかが記録時と違います）"
        if ends and closed is not (kind in AFTER_THE_END):
            return seq, "終了したあとに訂正でない記録が、または終了の前に訂正の記録があります"
        closed = kind == b"call:close" or (closed and kind != b"call:take_back")
        before = digest.hex()
        hashes.append(digest)
    return None


def _payload_fault(payload: Any, salt: Any, commitment: bytes, erased: Any) -> str:
    if payload is None and salt is None:
        return "" if erased else "内容が、規則によらずに消えています"
    if payload is None or salt is None or erased is not None:
        return "内容の消去が半端です"
    if not isinstance(payload, bytes) or not isinstance(salt, bytes) or len(salt) != 16:
        return "列の型が違います"
    fine = hmac.compare_digest(hmac.digest(salt, payload, "sha256"), commitment)
    return "" if fine else "内容が記録時と違います"


def _against_anchors(leaves: list[Leaf], hashes: list[bytes]) -> Fault:
    held = 0
    for _, count, head, anchor in sorted(leaves, key=itemgetter(1)):
        if count > len(hashes):
            return len(hashes) + 1, f"錨 {anchor} は {count} 件を証していますが、{len(hashes)} 件しかありません"
        if (hashes[count - 1].hex() if count else "") != head:
            return held + 1, f"通番 {count} までの記録が、錨 {anchor} の証したものと違います"
        held = count
    return None


def _uncovered(events: list[Any], leaves: list[Leaf], complete_until: str) -> Fault:
    """An event from before the last anchor that no anchor covers came in afterwards."""
    covered = max((leaf[1] for leaf in leaves), default=0)
    until = complete_until.encode()
    for event in events[covered:]:
        if event[3] < until:
            return event[2], "日時は錨より前ですが、どの錨にもありません"
    return None


def _against_call(row: Any, events: list[Any], hashes: list[bytes]) -> Fault:
    """The call's own columns: how many events, the last hash, and when it closed."""
    count, head, live, closed_at = row[2:]
    if not events:
        return 1, "通話の記録が一件もありません"
    if count != len(hashes):
        return min(len(hashes), count if isinstance(count, int) else 0) + 1, (
            f"記録は {len(hashes)} 件ですが、通話は {count} 件としています"
        )
    if head != hashes[-1]:
        return len(hashes), "通話のもつ末尾のハッシュが、記録と違います"
    ends = [event for event in events if event[4] in (b"call:close", b"call:take_back")]
    ended_at = ends[-1][3] if ends and ends[-1][4] == b"call:close" else None
    if bool(live) == bool(ended_at) or closed_at != ended_at:
        return (ends or events)[-1][2], "通話の終了の日時が、記録と違います"
    return None


EVENTS = (
    "SELECT municipality_id, call_id, seq, {at}, kind, actor, payload, salt, commitment, hash, erased_under"
    " FROM call_events ORDER BY municipality_id, call_id, seq"
)
CALLS = "SELECT municipality_id, id, event_count, head_hash, live, {at} FROM calls ORDER BY municipality_id, id"
ACTS = (
    "SELECT municipality_id, chain, seq, {at}, verb, actor_id, id, object, purpose, fields, terminal, roles,"
    " salt, commitment, hash, erased_under FROM audit_events ORDER BY municipality_id, chain, seq"
)


def _streams(connection: Any) -> tuple[Iterator[Any], Iterator[Any], Iterator[Any]]:
    """Calls, events and acts as one snapshot of the database shows them; texts and bytes alike as bytes."""
    if isinstance(connection, sqlite3.Connection):
        connection.text_factory = bytes
        connection.execute("BEGIN")
        return (
            map(_sqlite_row(5), connection.execute(CALLS.format(at="closed_at"))),
            map(_sqlite_row(3), connection.execute(EVENTS.format(at="at"))),
            map(_act, map(_sqlite_row(3), connection.execute(ACTS.format(at="at"))))
            if _chained(connection)
            else iter(()),
        )
    stamp = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def stream(name: str, query: str) -> Iterator[Any]:
        cursor = connection.cursor(name=f"verify_{name}")
        cursor.itersize = 5_000
        cursor.execute(query)
        return map(_encoded, cursor)

    return (
        stream("calls", CALLS.format(at=stamp.format("closed_at"))),
        stream("events", EVENTS.format(at=stamp.format("at"))),
        map(_act, stream("acts", ACTS.format(at=stamp.format("at")))) if _chained(connection) else iter(()),
    )


def _chained(connection: Any) -> bool:
    """Whether acts are in chains: not so in a database of an early version, or in a backup of one."""
    names = [one[0] for one in connection.execute("SELECT * FROM audit_events LIMIT 0").description]
    return "chain" in names


def _act(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """An act in the shape of a call's event: its payload is made again from its columns."""
    actor, one, *texts = row[5:12]
    salt, commitment, digest, erased = row[12:]
    who = b"system" if actor is None else f"account:{actor}".encode()
    payload = None
    if any(texts) or salt is not None:
        words = [text.decode(errors="backslashreplace") if isinstance(text, bytes) else repr(text) for text in texts]
        told = dict(zip(("object", "purpose", "fields", "terminal", "roles"), words, strict=True))
        payload = _canonical({"id": one, **told})
    return (*row[:5], who, payload, salt, commitment, digest, erased)


def _sqlite_row(instant: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """SQLite keeps instants as `2026-11-24 01:00:00.000000`, in UTC."""

    def row(found: tuple[Any, ...]) -> tuple[Any, ...]:
        at = found[instant]
        stamp = at[:10] + b"T" + at[11:] + b"Z" if isinstance(at, bytes) and at[10:11] == b" " else at and b"?"
        return (*found[:instant], stamp, *found[instant + 1 :])

    return row


def _encoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part.encode() if isinstance(part, str) else part for part in row)


def connect(url: str) -> Any:
    """A connection that only reads. Raises CannotTell if there is no such database."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        if not path.is_file():
            raise CannotTell(f"データベース {path} がありません")
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    import psycopg  # noqa: PLC0415  SQLite needs none

    try:
        return psycopg.connect(re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", url))
    except psycopg.Error as error:
        raise CannotTell(f"データベースに接続できません: {type(error).__name__}") from error


def in_words(report: Report) -> Iterator[str]:
    """The report for people."""
    yield from map(str, report.findings[:20])
    if report.found > 20:
        yield f"ほか {report.found - 20} 件"
    rate = (report.events + report.acts) / (report.seconds or 1)
    yield (
        f"通話 {report.calls:,} 件、記録 {report.events:,} 件、監査 {report.acts:,} 件"
        f"（規則により消去済み {report.erased:,} 件）、"
        f"錨 {report.anchors:,} 件を {report.seconds:.2f} 秒で検証（毎秒 {rate:,.0f} 件）"
    )
    if report.last_anchor:
        yield f"最後の錨 {report.last_anchor} {report.last_anchor_hash}（{report.complete_until} まで）"
    verdict = {
        FINE: "破れはありません",
        BROKEN: f"破れ {report.found:,} 件",
        UNKNOWN: f"判断できません: {report.doubt}",
    }
    yield verdict[report.exit_code] + (f"（{report.doubt}）" if report.found and report.doubt else "")


def as_data(report: Report) -> dict[str, Any]:
    """The report for programs."""
    return {
        **asdict(report),
        "exit_code": report.exit_code,
        "events_per_second": (report.events + report.acts) / (report.seconds or 1),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Proves the log of calls and acts against its anchors: 0 proved, 1 broken, 2 cannot tell"
    )
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--anchors", required=True, type=Path, metavar="DIR")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the public key that you trust")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        connection = connect(given.database)
    except CannotTell as no:
        report = Report(doubt=str(no))
    else:
        report = verify(connection, given.anchors, key=given.key)
        connection.close()
    print(json.dumps(as_data(report), ensure_ascii=False, indent=2) if given.json else "\n".join(in_words(report)))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
