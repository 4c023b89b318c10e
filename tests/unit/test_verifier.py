"""The verifier against a log that this test writes by itself from docs/security.md, and against every way to
spoil it. The anchors are written by `callflow.access.anchors`."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callflow.access import verifier
from callflow.access.anchors import Tree, anchor
from callflow.access.verifier import BROKEN, FINE, UNKNOWN, Report, verify
from models.database import Database
from models.tables import metadata

START = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TEXTS = ("object", "purpose", "fields", "terminal", "roles")
KINDS = ("call:open", "line:move", "talk:begin", "talk:answer", "talk:answer", "talk:note", "call:close")


def stored(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def digest(before: bytes, call: int, seq: int, at: str, kind: str, actor: str, commitment: bytes) -> bytes:
    stamp = at.replace(" ", "T") + "Z"
    parts = [before.hex(), "1", str(call), str(seq), stamp, kind, actor, commitment.hex()]
    return hashlib.sha256("\n".join(parts).encode()).digest()


@dataclass
class Log:
    """A log in SQLite, written by plain SQL."""

    conn: sqlite3.Connection

    def append(self, call: int, at: datetime, kind: str, payload: str = "", salt: bytes = b"") -> None:
        count, head = self.conn.execute("SELECT event_count, head_hash FROM calls WHERE id = ?", (call,)).fetchone()
        seq, before = count + 1, head or bytes(32)
        salt = salt or hashlib.sha256(f"{call}/{seq}".encode()).digest()[:16]
        payload = payload or json.dumps({"通番": seq, "answer": "yes"}, ensure_ascii=False)
        commitment = hmac.new(salt, payload.encode(), hashlib.sha256).digest()
        actor = "operator:12" if kind.startswith("talk") else "system"
        own = digest(before, call, seq, stored(at), kind, actor, commitment)
        self.conn.execute(
            "INSERT INTO call_events VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (call, seq, stored(at), kind, actor, payload, salt, commitment, own),
        )
        self.conn.execute("UPDATE calls SET event_count = ?, head_hash = ? WHERE id = ?", (seq, own, call))
        if kind == "call:close":
            self.conn.execute(
                "UPDATE calls SET live = 0, closed_at = ?, last_event_at = ? WHERE id = ?",
                (stored(at), stored(at), call),
            )
        if kind == "call:correct":
            self.conn.execute("UPDATE calls SET last_event_at = ? WHERE id = ?", (stored(at), call))
        if kind == "call:take_back":
            self.conn.execute("UPDATE calls SET live = 1, closed_at = NULL, last_event_at = NULL WHERE id = ?", (call,))

    def call(self, call: int, at: datetime, kinds: tuple[str, ...] = KINDS) -> None:
        self.conn.execute(
            "INSERT INTO calls (municipality_id, id, case_id, household_id, operator_id, direction, script_hash,"
            " attempt_ref, fence, line_state, provider_ref, step, talk_state, live, attempt, contact, right_party,"
            " review_reason, opened_at, event_count) VALUES (1, ?, ?, ?, ?, 'outbound', 'x', ?, 0, 'ended', '', 0, '',"
            " 1, 1, 0, 0, '', ?, 0)",
            (call, call, call, call, f"ref{call}", stored(at)),
        )
        for second, kind in enumerate(kinds):
            self.append(call, at + timedelta(seconds=second), kind)

    def act(
        self, chain: int, at: datetime, purpose: str = "quality", *, verb: str = "case:view", fields: str = "name"
    ) -> None:
        """An act on the record: its payload is what its columns say."""
        (one,) = self.conn.execute("SELECT coalesce(max(id), 0) + 1 FROM audit_events").fetchone()
        last = self.conn.execute(
            "SELECT seq, hash FROM audit_events WHERE chain = ? ORDER BY seq DESC LIMIT 1", (chain,)
        ).fetchone()
        seq, before = (last[0] + 1, last[1]) if last else (1, bytes(32))
        salt = hashlib.sha256(f"act {one}".encode()).digest()[:16]
        told = {"object": "case:7", "purpose": purpose, "fields": fields, "terminal": "10.0.0.7", "roles": "staff"}
        payload = json.dumps({"id": one, **told}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        commitment = hmac.new(salt, payload.encode(), hashlib.sha256).digest()
        own = digest(before, chain, seq, stored(at), verb, "account:4", commitment)
        self.conn.execute(
            "INSERT INTO audit_events (municipality_id, actor_id, verb, id, at, object, purpose, fields, terminal,"
            " roles, chain, seq, salt, commitment, hash)"
            " VALUES (1, 4, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (verb, one, stored(at), *told.values(), chain, seq, salt, commitment, own),
        )

    def erase(self, table: str, chain: int, seqs: tuple[int, ...], label: str | None = "E1-1") -> str:
        """Empties events as an erasure does. Returns what its act says of them, by docs/security.md."""
        kind, column = ("call", "call_id") if table == "call_events" else ("audit", "chain")
        gone = "payload = NULL" if kind == "call" else ", ".join(f"{name} = ''" for name in TEXTS)
        own = hashlib.sha256()
        for seq in seqs:
            here = f"WHERE {column} = ? AND seq = ?"
            (held,) = self.conn.execute(f"SELECT commitment FROM {table} {here}", (chain, seq)).fetchone()
            own.update(f"1/{chain}/{seq} {held.hex()}\n".encode())
            self.conn.execute(f"UPDATE {table} SET {gone}, salt = NULL, erased_under = ? {here}", (label, chain, seq))
        chains = f"{kind}:{chain}-{chain}"
        return f"class=x,label={label},chains={chains},rows={len(seqs)},sha256={own.hexdigest()}"

    def certify(self, said: str) -> None:
        self.act(90, START + 4 * DAY, verb="retention:erase", fields=said)

    def forge_tail(self, call: int, seq: int) -> None:
        """Rewrites a payload and every hash behind it, and the call's head, as one who can write the database."""
        self.conn.execute(
            'UPDATE call_events SET payload = \'{"answer":"no"}\' WHERE call_id = ? AND seq = ?', (call, seq)
        )
        before = bytes(32)
        rows = self.conn.execute(
            "SELECT seq, at, kind, actor, payload, salt FROM call_events WHERE call_id = ? ORDER BY seq", (call,)
        ).fetchall()
        for number, at, kind, actor, payload, salt in rows:
            commitment = hmac.new(salt, payload.encode(), hashlib.sha256).digest()
            before = digest(before, call, number, at, kind, actor, commitment)
            self.conn.execute(
                "UPDATE call_events SET commitment = ?, hash = ? WHERE call_id = ? AND seq = ?",
                (commitment, before, call, number),
            )
        self.conn.execute("UPDATE calls SET head_hash = ? WHERE id = ?", (before, call))

    def cut_tail(self, call: int, seq: int) -> None:
        """Removes the last events and sets the call's own columns to match."""
        self.conn.execute("DELETE FROM call_events WHERE call_id = ? AND seq >= ?", (call, seq))
        row = self.conn.execute(
            "SELECT seq, hash FROM call_events WHERE call_id = ? ORDER BY seq DESC", (call,)
        ).fetchone()
        count, head = row or (0, None)
        self.conn.execute(
            "UPDATE calls SET event_count = ?, head_hash = ?, live = 1, closed_at = NULL WHERE id = ?",
            (count, head, call),
        )


@dataclass
class Sample:
    """Twelve calls and three chains of acts over three anchored days; the last two calls closed after the last
    anchor, one is live. Call 1 is corrected on the second day, call 4 taken back and closed again on the third."""

    conn: sqlite3.Connection
    anchors: Path
    key: Path

    def copy(self) -> sqlite3.Connection:
        made = sqlite3.connect(":memory:")
        self.conn.backup(made)
        return made


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("log")
    database = Database(f"sqlite:///{folder}/log.sqlite")
    with database.write() as conn:
        metadata.create_all(conn)
    conn = sqlite3.connect(folder / "log.sqlite", isolation_level=None)
    conn.execute("INSERT INTO municipalities VALUES (1, '139999', '見本区')")
    log = Log(conn)
    for day in range(3):
        for number in range(1, 4):
            log.call(day * 3 + number, START + day * DAY + timedelta(minutes=number))
        for second in range(4):
            log.act(4 * day + 1, START + day * DAY + timedelta(seconds=second))
        if day == 1:
            log.call(90, START + day * DAY, KINDS[:4])
            log.append(1, START + day * DAY + timedelta(hours=7), "call:correct")
        if day == 2:
            for kind in ("call:take_back", "talk:answer", "call:close"):
                log.append(4, START + day * DAY + timedelta(hours=7), kind)
        with database.read() as read:
            anchor(read, folder / "anchors", folder / "key" / "anchor.key", START + day * DAY + timedelta(hours=8))
    log.call(10, START + 3 * DAY)
    log.call(11, START + 3 * DAY)
    database.close()
    conn.close()
    lean = _lean(folder / "log.sqlite")
    yield Sample(lean, folder / "anchors", folder / "key" / "anchor.key")
    lean.close()


def _lean(path: Path) -> sqlite3.Connection:
    """Only the tables that the verifier reads: quickly copied for each mutation."""
    lean = sqlite3.connect(":memory:")
    lean.execute("ATTACH ? AS whole", (str(path),))
    for table in ("calls", "call_events", "audit_events"):
        (made,) = lean.execute("SELECT sql FROM whole.sqlite_master WHERE name = ?", (table,)).fetchone()
        lean.execute(made)
        lean.execute(f"INSERT INTO {table} SELECT * FROM whole.{table}")
    lean.commit()
    lean.execute("DETACH whole")
    return lean


def judged(sample: Sample, *spoil: Callable[[Log], object]) -> Report:
    conn = sample.copy()
    for act in spoil:
        act(Log(conn))
    conn.commit()
    report = verify(conn, sample.anchors)
    conn.close()
    return report


def test_an_untouched_log_is_proved(sample: Sample) -> None:
    report = judged(sample)
    assert (report.exit_code, report.findings, report.calls, report.anchors) == (FINE, [], 12, 3)
    assert (report.events, report.acts) == (11 * len(KINDS) + 4 + 1 + 3, 12)


def test_each_anchor_covers_only_what_changed(sample: Sample) -> None:
    covered = [
        [line.split()[0] for line in path.read_text().splitlines()] for path in sorted(sample.anchors.glob("*.leaves"))
    ]
    assert covered == [
        ["audit/1/1", "call/1/1", "call/1/2", "call/1/3"],
        ["audit/1/5", "call/1/1", "call/1/4", "call/1/5", "call/1/6", "call/1/90"],
        ["audit/1/9", "call/1/4", "call/1/7", "call/1/8", "call/1/9", "call/1/90"],
    ]


@pytest.mark.parametrize(
    ("spoil", "chain", "seq"),
    [
        ("UPDATE audit_events SET purpose = 'training' WHERE chain = 5 AND seq = 3", 5, 3),
        ("UPDATE audit_events SET actor_id = 5 WHERE chain = 5 AND seq = 2", 5, 2),
        ("UPDATE audit_events SET id = 99 WHERE chain = 9 AND seq = 4", 9, 4),
        ("UPDATE audit_events SET object = 'case:8' WHERE chain = 1 AND seq = 1", 1, 1),
        ("DELETE FROM audit_events WHERE chain = 5 AND seq = 2", 5, 2),
        ("DELETE FROM audit_events WHERE chain = 5 AND seq >= 3", 5, 3),
        ("DELETE FROM audit_events WHERE chain = 5", 5, 1),
        ("UPDATE audit_events SET chain = 6 WHERE chain = 5", 5, 1),
    ],
)
def test_a_changed_a_missing_and_a_cut_act_are_found_and_named(
    sample: Sample, spoil: str, chain: int, seq: int
) -> None:
    found = judged(sample, lambda log: log.conn.execute(spoil)).findings
    assert (found[0].audit, found[0].seq) == (f"1/{chain}", seq)
    assert f"監査の連鎖 1/{chain} 通番 {seq}" in str(found[0])


def test_an_act_erased_by_rule_keeps_its_chain_and_one_added_later_is_found(sample: Sample) -> None:
    by_rule = judged(sample, lambda log: log.certify(log.erase("audit_events", 5, (2,))))
    by_hand = judged(sample, lambda log: log.erase("audit_events", 5, (2,), None))
    assert (by_rule.exit_code, by_rule.erased) == (FINE, 1)
    assert [(one.audit, one.seq) for one in by_hand.findings] == [("1/5", 2)]
    late = judged(sample, lambda log: log.act(5, START + DAY + timedelta(hours=1)))
    assert [(one.audit, one.seq) for one in late.findings] == [("1/5", 5)]
    assert judged(sample, lambda log: log.act(5, START + 4 * DAY)).exit_code == FINE


def test_a_database_of_an_early_version_has_no_chains_of_acts(sample: Sample) -> None:
    def early(log: Log) -> None:
        log.conn.execute("DROP TABLE audit_events")
        log.conn.execute("CREATE TABLE audit_events (id INTEGER)")

    assert {one.audit for one in judged(sample, early).findings} == {"1/1", "1/5", "1/9"}


def test_a_chain_without_an_anchor_does_not_notice_a_rewritten_tail(sample: Sample, tmp_path: Path) -> None:
    """Why there are anchors: the same forgery passes where nothing outside the database speaks against it."""
    conn = sample.copy()
    Log(conn).forge_tail(5, 4)
    conn.commit()
    alone = verify(conn, tmp_path / "none")
    anchored = verify(conn, sample.anchors)
    conn.close()
    assert (alone.exit_code, alone.found) == (UNKNOWN, 0)
    assert anchored.exit_code == BROKEN
    assert [(one.call, one.seq) for one in anchored.findings] == [("1/5", 1)]


def test_the_first_bad_event_of_a_call_is_named(sample: Sample) -> None:
    report = judged(
        sample,
        lambda log: log.conn.execute("UPDATE call_events SET payload = payload || ' ' WHERE call_id = 3 AND seq = 4"),
        lambda log: log.conn.execute("DELETE FROM call_events WHERE call_id = 8 AND seq = 6"),
    )
    assert [(one.call, one.seq) for one in report.findings] == [("1/3", 4), ("1/8", 6)]


def test_what_an_anchor_had_already_held_is_not_blamed(sample: Sample) -> None:
    """A live call grew after two anchors; a forgery behind the anchored part names an event behind it."""
    report = judged(
        sample,
        lambda log: log.append(90, START + 3 * DAY, "talk:answer"),
        lambda log: log.cut_tail(90, 3),
    )
    assert [(one.call, one.seq) for one in report.findings] == [("1/90", 3)]


def test_a_call_made_up_later_but_dated_before_the_anchor_is_found(sample: Sample) -> None:
    report = judged(sample, lambda log: log.call(99, START + DAY))
    assert [(one.call, one.seq) for one in report.findings] == [("1/99", 1)]


def test_an_event_dated_before_the_anchor_but_added_later_is_found(sample: Sample) -> None:
    report = judged(sample, lambda log: log.append(2, START + DAY, "call:correct"))
    assert [(one.call, one.seq) for one in report.findings] == [("1/2", 8)]


def test_after_the_end_only_corrections_may_follow(sample: Sample) -> None:
    later = START + 4 * DAY
    assert judged(sample, lambda log: log.append(2, later, "call:correct")).exit_code == FINE
    assert judged(sample, lambda log: log.append(2, later, "talk:answer")).exit_code == BROKEN
    assert judged(sample, lambda log: log.append(2, later, "call:close")).exit_code == BROKEN


def test_a_call_taken_back_goes_on_until_it_is_closed_again(sample: Sample) -> None:
    later = START + 4 * DAY

    def taken_back(*kinds: str) -> Callable[[Log], object]:
        return lambda log: [log.append(2, later, kind) for kind in ("call:take_back", *kinds)]

    assert judged(sample, taken_back()).exit_code == FINE
    assert judged(sample, taken_back("talk:back", "talk:answer", "call:close", "call:correct")).exit_code == FINE
    assert judged(sample, taken_back("call:correct")).exit_code == BROKEN
    assert judged(sample, taken_back("call:take_back")).exit_code == BROKEN


@pytest.mark.parametrize("kind", ["call:correct", "call:take_back"])
def test_a_live_call_is_neither_corrected_nor_taken_back(sample: Sample, kind: str) -> None:
    assert judged(sample, lambda log: log.append(90, START + 4 * DAY, kind)).findings[0].seq == 5


def test_a_correction_that_is_cut_or_rewritten_after_its_anchor_is_found(sample: Sample) -> None:
    assert [(one.call, one.seq) for one in judged(sample, lambda log: log.cut_tail(1, 8)).findings] == [("1/1", 8)]
    assert [(one.call, one.seq) for one in judged(sample, lambda log: log.forge_tail(1, 8)).findings] == [("1/1", 8)]


def test_erasure_by_rule_keeps_the_chain_and_is_counted(sample: Sample) -> None:
    by_rule = judged(sample, lambda log: log.certify(log.erase("call_events", 4, (3, 4))))
    by_hand = judged(sample, lambda log: log.erase("call_events", 4, (3,), None))
    assert (by_rule.exit_code, by_rule.erased) == (FINE, 2)
    assert (by_hand.exit_code, by_hand.findings[0].seq) == (BROKEN, 3)


def _one_erased(log: Log) -> None:
    log.certify(log.erase("call_events", 4, (3,)))


def _and_one_more(log: Log) -> None:
    _one_erased(log)
    log.erase("call_events", 4, (4,))


def _and_one_elsewhere(log: Log) -> None:
    _one_erased(log)
    log.erase("call_events", 6, (1,))


def _under_an_altered_act(log: Log) -> None:
    _one_erased(log)
    log.conn.execute("UPDATE audit_events SET fields = replace(fields, 'E1', 'E2') WHERE chain = 90")


NOTHING = f"class=x,label=E1-1,chains=call:4-4,rows=1,sha256={64 * '0'}"


@pytest.mark.parametrize(
    ("spoil", "place", "words"),
    [
        (lambda log: log.erase("call_events", 4, (3,)), ("1/4", 3), "証明がありません"),
        (lambda log: log.erase("audit_events", 5, (2,)), ("", 2), "証明がありません"),
        (_and_one_more, ("1/4", 3), "1 件ですが"),
        (_and_one_elsewhere, ("1/6", 0), "4 から 4"),
        (lambda log: log.certify(log.erase("call_events", 4, (3,))[:-8] + "01234567"), ("1/4", 3), "違います"),
        (lambda log: log.certify(NOTHING), ("", 0), "0 件です"),
        (_under_an_altered_act, ("1/4", 3), "証明がありません"),
    ],
    ids=["call", "act", "one more", "elsewhere", "another", "nothing", "altered act"],
)
def test_what_pretends_to_be_an_erasure_is_found_and_named(
    sample: Sample, spoil: Callable[[Log], object], place: tuple[str, int], words: str
) -> None:
    found = judged(sample, spoil).findings
    assert [(one.call, one.seq) for one in found if words in one.what] == [place]


def test_of_a_municipality_that_was_destroyed_chains_are_gone_or_whole(sample: Sample) -> None:
    def destroy(log: Log, *, certified: bool) -> None:
        for table in ("call_events", "calls", "audit_events"):
            log.conn.execute(f"DELETE FROM {table}")
        if certified:
            log.act(90, START + 4 * DAY, verb="retention:destroy")

    assert judged(sample, lambda log: destroy(log, certified=True)).findings == []
    assert judged(sample, lambda log: destroy(log, certified=False)).exit_code == BROKEN

    def half(log: Log) -> None:
        destroy(log, certified=True)
        log.call(3, START)

    assert {one.call for one in judged(sample, half).findings} == {"1/3"}


def test_without_anchors_or_key_nothing_can_be_told(sample: Sample, tmp_path: Path) -> None:
    shutil.copytree(sample.anchors, tmp_path / "anchors")
    (tmp_path / "anchors" / "anchors.pub").unlink()
    conn = sample.copy()
    assert verify(conn, tmp_path / "anchors").exit_code == UNKNOWN
    conn.commit()
    assert verify(conn, sample.anchors, key=tmp_path / "absent.pub").exit_code == UNKNOWN
    conn.close()
    assert verify(sqlite3.connect(":memory:"), sample.anchors).exit_code == UNKNOWN


def test_another_key_beside_replaced_anchors_is_found_by_the_key_the_auditor_trusts(
    sample: Sample, tmp_path: Path
) -> None:
    """One who can write the anchors too can make new ones, but not sign them with the old key."""
    database = Database(f"sqlite:///{tmp_path}/log.sqlite")
    conn = sqlite3.connect(tmp_path / "log.sqlite")
    sample.conn.backup(conn)
    conn.execute("CREATE TABLE municipalities (id INTEGER)")
    conn.execute("INSERT INTO municipalities VALUES (1)")
    Log(conn).forge_tail(5, 4)
    conn.commit()
    with database.read() as read:
        anchor(read, tmp_path / "anchors", tmp_path / "own.key", START + 4 * DAY)
    database.close()
    trusting = verify(conn, tmp_path / "anchors")
    conn.commit()
    knowing = verify(conn, tmp_path / "anchors", key=sample.anchors / "anchors.pub")
    conn.close()
    assert (trusting.exit_code, knowing.exit_code) == (FINE, BROKEN)


@pytest.mark.parametrize(
    ("leaves", "root"),
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_writer_and_verifier_grow_the_tree_of_rfc_6962(leaves: int, root: str) -> None:
    """The roots are the published test vectors of Certificate Transparency."""
    texts = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    tree, hashes = Tree(), []
    for text in texts[:leaves]:
        tree.add(bytes.fromhex(text))
        hashes.append(hashlib.sha256(b"\x00" + bytes.fromhex(text)).digest())
    assert tree.root().hex() == root
    if leaves:
        assert verifier._root(iter(hashes), leaves).hex() == root


def test_the_verifier_shares_no_code_with_what_it_verifies() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert not imported & {"callflow", "models", "scheduler", "sqlalchemy"}
    assert imported & {"cryptography"}


# ---- every way to spoil it, at random


def _column(chance: random.Random, log: Log) -> None:
    """One byte of one column of one event."""
    column = chance.choice(["at", "kind", "actor", "payload", "salt", "commitment", "hash"])
    call, seq = chance.choice(_events(log))
    row = log.conn.execute(f"SELECT {column} FROM call_events WHERE call_id = ? AND seq = ?", (call, seq)).fetchone()
    text = isinstance(row[0], str)
    data = bytearray(row[0].encode() if text else row[0])
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    value = "CAST(? AS TEXT)" if text else "?"
    log.conn.execute(
        f"UPDATE call_events SET {column} = {value} WHERE call_id = ? AND seq = ?", (bytes(data), call, seq)
    )


def _nothing_in_column(chance: random.Random, log: Log) -> None:
    call, seq = chance.choice(_events(log))
    column = chance.choice(["payload", "salt"])
    log.conn.execute(f"UPDATE call_events SET {column} = NULL WHERE call_id = ? AND seq = ?", (call, seq))


def _missing(chance: random.Random, log: Log) -> None:
    log.conn.execute("DELETE FROM call_events WHERE call_id = ? AND seq = ?", chance.choice(_events(log)))


def _swapped(chance: random.Random, log: Log) -> None:
    call, seq = chance.choice([one for one in _events(log) if one[1] > 1])
    other = chance.randrange(1, seq)
    for old, new in ((seq, -1), (other, seq), (-1, other)):
        log.conn.execute("UPDATE call_events SET seq = ? WHERE call_id = ? AND seq = ?", (new, call, old))


def _moved(chance: random.Random, log: Log) -> None:
    call, seq = chance.choice(_events(log))
    new = (call, 50) if chance.random() < 0.5 else (call + 200, seq)
    log.conn.execute("UPDATE call_events SET call_id = ?, seq = ? WHERE call_id = ? AND seq = ?", (*new, call, seq))


def _extra(chance: random.Random, log: Log) -> None:
    """A copy of an event at the end of a call."""
    call, seq = chance.choice(_events(log))
    log.conn.execute(
        "INSERT INTO call_events SELECT 1, ?, 12, at, kind, actor, payload, salt, commitment, hash, NULL"
        " FROM call_events WHERE call_id = ? AND seq = ?",
        (chance.randrange(1, 12), call, seq),
    )


def _cut(chance: random.Random, log: Log) -> None:
    call = chance.choice(ANCHORED)
    log.cut_tail(call, chance.randrange(1, 5 if call == 90 else 8))


def _forged(chance: random.Random, log: Log) -> None:
    call = chance.choice(ANCHORED)
    log.forge_tail(call, chance.randrange(1, 5 if call == 90 else 8))


def _call_gone(chance: random.Random, log: Log) -> None:
    call = chance.choice(ANCHORED)
    if chance.random() < 0.7:
        log.conn.execute("DELETE FROM call_events WHERE call_id = ?", (call,))
    log.conn.execute("DELETE FROM calls WHERE id = ?", (call,))


def _log_gone(chance: random.Random, log: Log) -> None:
    call = chance.randrange(1, 12)
    log.conn.execute("DELETE FROM call_events WHERE call_id = ?", (call,))
    if chance.random() < 0.5:
        log.conn.execute("UPDATE calls SET event_count = 0, head_hash = NULL WHERE id = ?", (call,))


def _call_columns(chance: random.Random, log: Log) -> None:
    change = chance.choice(
        [
            "event_count = event_count + 1",
            "event_count = event_count - 1",
            "head_hash = zeroblob(32)",
            "head_hash = NULL",
            "closed_at = '2026-12-01 00:00:00.000000'",
            "closed_at = NULL",
            "live = 1",
            "id = id + 300",
        ]
    )
    log.conn.execute(f"UPDATE calls SET {change} WHERE id = ?", (chance.randrange(1, 12),))


def _made_up(chance: random.Random, log: Log) -> None:
    log.call(chance.randrange(100, 200), START + timedelta(seconds=chance.randrange(2 * 86_400)))


def _act_column(chance: random.Random, log: Log) -> None:
    columns = ["at", "verb", "object", "purpose", "fields", "terminal", "roles", "salt", "commitment", "hash"]
    column, one = chance.choice(columns), chance.randrange(1, 13)
    (value,) = log.conn.execute(f"SELECT {column} FROM audit_events WHERE id = ?", (one,)).fetchone()
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    cast = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
    log.conn.execute(f"UPDATE audit_events SET {column} = {cast} WHERE id = ?", (bytes(data), one))


def _acts_gone(chance: random.Random, log: Log) -> None:
    """One act, or the tail of a chain."""
    chain, seq = chance.choice([1, 5, 9]), chance.randrange(1, 5)
    tail = ">=" if chance.random() < 0.5 else "="
    log.conn.execute(f"DELETE FROM audit_events WHERE chain = ? AND seq {tail} ?", (chain, seq))


def _anchor_byte(chance: random.Random, folder: Path) -> None:
    path = chance.choice(sorted(one for one in folder.iterdir() if one.suffix in (".json", ".leaves")))
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    match chance.randrange(3):
        case 0:
            data[place] ^= 1 << chance.randrange(8)
        case 1:
            del data[place]
        case 2:
            data.insert(place, data[place])
    path.write_bytes(data)


def _anchor_gone(chance: random.Random, folder: Path) -> None:
    """The last one alone cannot be missed from within the folder (docs/security.md); its leaves can."""
    names = [*sorted(folder.glob("*.json"))[:-1], *folder.glob("*.leaves")]
    chance.choice(sorted(names)).unlink()


def _anchors_swapped(chance: random.Random, folder: Path) -> None:
    one, other = chance.sample(sorted(folder.glob("*.json")), 2)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


ANCHORED = [1, 2, 3, 4, 5, 6, 7, 8, 9, 90]
IN_THE_DATABASE = [
    *[_column] * 6,
    _nothing_in_column,
    _missing,
    _swapped,
    _moved,
    _extra,
    _cut,
    _forged,
    _call_gone,
    _log_gone,
    _call_columns,
    _made_up,
    *[_act_column] * 3,
    _acts_gone,
]
IN_THE_ANCHORS = [_anchor_byte, _anchor_gone, _anchors_swapped]


def _events(log: Log) -> list[tuple[int, int]]:
    return log.conn.execute("SELECT call_id, seq FROM call_events ORDER BY 1, 2").fetchall()


def _unnoticed(sample: Sample, folder: Path, count: int, seed: int) -> list[str]:
    chance, missed = random.Random(seed), []
    for number in range(count):
        conn, anchors = sample.copy(), sample.anchors
        if chance.random() < 0.15:
            in_anchors = chance.choice(IN_THE_ANCHORS)
            anchors = folder / str(number)
            shutil.copytree(sample.anchors, anchors)
            in_anchors(chance, anchors)
            name = in_anchors.__name__
        else:
            in_database = chance.choice(IN_THE_DATABASE)
            in_database(chance, Log(conn))
            conn.commit()
            name = in_database.__name__
        if verify(conn, anchors).exit_code != BROKEN:
            missed.append(f"{number}: {name}")
        conn.close()
    return missed


def test_a_thousand_mutations_are_all_noticed(sample: Sample, tmp_path: Path) -> None:
    assert _unnoticed(sample, tmp_path, 1_000, seed=6962) == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_mutations_are_all_noticed(sample: Sample, tmp_path: Path, seed: int) -> None:
    assert _unnoticed(sample, tmp_path, 1_000, seed) == []


# ---- the writer


def test_the_key_is_readable_by_its_owner_only(sample: Sample) -> None:
    assert sample.key.stat().st_mode & 0o777 == 0o600
    assert (sample.anchors / "anchors.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----")
