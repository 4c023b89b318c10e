"""Anchors over real calls on both databases, and the commands that write and verify them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, text, update

from callflow import calllog
from callflow.access import anchors, verifier
from callflow.access.anchors import Anchored, anchor, changed_since
from callflow.access.auditlog import Occasion, audit, occasion
from callflow.access.verifier import BROKEN, FINE, UNKNOWN, Report
from callflow.cli import main as command_line
from callflow.clock import SimulatedClock
from callflow.errors import ConfigError, InputError, TryLaterError
from callflow.standing import Opening
from models.database import Database
from models.tables import accounts, audit_events, call_events, calls
from tests.world import IDENTITY, MUNICIPALITY, TestCase, World, add_case, build

CONFIG = Path(__file__).parents[2] / "config.yaml"


@dataclass
class Office:
    """A desk with calls, and a folder with anchors."""

    world: World
    folder: Path

    @property
    def key(self) -> Path:
        return self.folder.parent / "keys" / "anchor.key"

    def case(self, number: int) -> TestCase:
        with self.world.database.write() as conn:
            return add_case(conn, number)

    def open(self, case: TestCase) -> int:
        opening = Opening(case.case_id, self.world.operator, self.world.script_hash, {}, number_id=case.number_id)
        call = self.world.calls.open(opening, placing=True)
        for event in ("ringing", "answered"):
            self.world.calls.line(call, event)
        standing = self.world.calls.begin(call, self.world.operator)
        for name, fields in (("yes", {}), ("yes", {}), ("match", {"identity": IDENTITY})):
            self.world.clock.advance(timedelta(seconds=5))
            standing = self.world.calls.answer(call, self.world.operator, standing.step, name, fields=fields)
        return call

    def close(self, call: int) -> int:
        step = self.world.calls.standing(call, self.world.operator).step
        self.world.calls.hang_up(call, self.world.operator, step)
        self.world.calls.close(call, "system")
        return call

    def anchor(self) -> Anchored:
        with self.world.database.read() as conn:
            return anchor(conn, self.folder, self.key, self.world.clock.now())

    def verify(self) -> Report:
        connection = verifier.connect(self.world.database.url)
        try:
            return verifier.verify(connection, self.folder)
        finally:
            connection.close()

    def leaves(self, number: int) -> list[str]:
        (path,) = self.folder.glob(f"{number:06}-*.leaves")
        return [line.split()[0] for line in path.read_text().splitlines()]

    def spoil(self, call: int, seq: int, **columns: Any) -> None:
        with self.world.database.write() as conn:
            conn.execute(
                update(call_events).where(call_events.c.call_id == call, call_events.c.seq == seq).values(**columns)
            )


@pytest.fixture
def office(database: Database, clock: SimulatedClock, tmp_path: Path) -> Office:
    return Office(build(database, clock), tmp_path / "anchors")


def test_real_calls_are_proved_and_each_anchor_covers_what_changed(office: Office) -> None:
    first, second = office.close(office.open(office.case(1))), office.open(office.case(2))
    office.world.clock.advance(timedelta(hours=1))
    assert office.anchor().leaves == 2
    office.world.clock.advance(timedelta(hours=1))
    assert office.anchor().leaves == 1
    office.close(second)
    assert (office.anchor().number, office.leaves(1), office.leaves(2), office.leaves(3)) == (
        3,
        [f"call/1/{first}", f"call/1/{second}"],
        [f"call/1/{second}"],
        [f"call/1/{second}"],
    )
    report = office.verify()
    assert (report.exit_code, report.findings, report.calls) == (FINE, [], 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"payload": "{}"},
        {"kind": "talk:back"},
        {"actor": "operator:99"},
        {"salt": bytes(16)},
        {"commitment": bytes(32)},
        {"hash": bytes(32)},
        {"payload": None, "salt": None},
    ],
    ids="+".join,
)
def test_a_changed_column_is_found_and_named(office: Office, columns: dict[str, Any]) -> None:
    office.close(office.open(office.case(1)))
    call = office.close(office.open(office.case(2)))
    office.anchor()
    office.spoil(call, 5, **columns)
    assert [(one.call, one.seq) for one in office.verify().findings] == [(f"1/{call}", 5)]


def test_an_instant_changed_by_a_microsecond_is_found(office: Office) -> None:
    call = office.close(office.open(office.case(1)))
    office.anchor()
    office.spoil(call, 3, at=office.world.clock.now() + timedelta(microseconds=1))
    assert [(one.call, one.seq) for one in office.verify().findings] == [(f"1/{call}", 3)]


def test_a_deleted_call_is_found(office: Office) -> None:
    call = office.close(office.open(office.case(1)))
    office.anchor()
    with office.world.database.write() as conn:
        for table in ("call_events", "negotiation_records", "off_scripts", "signals"):
            conn.execute(text(f"DELETE FROM {table} WHERE call_id = :call"), {"call": call})
        conn.execute(text("DELETE FROM calls WHERE id = :call"), {"call": call})
    assert [(one.call, one.seq) for one in office.verify().findings] == [(f"1/{call}", 1)]


def test_a_call_whose_end_is_committed_after_the_anchor_that_it_predates_is_not_lost(office: Office) -> None:
    """Its clock was read before the anchor's, its transaction ended after it, or it ran on a host that is behind."""
    call = office.open(office.case(1))
    now = office.world.clock.now()
    with office.world.database.read() as conn:
        anchor(conn, office.folder, office.key, now + timedelta(minutes=4))
    office.close(call)
    office.world.clock.advance(timedelta(hours=1))
    office.anchor()
    assert office.leaves(2) == [f"call/1/{call}"]
    assert office.verify().exit_code == FINE


def test_an_anchor_of_a_quiet_day_is_empty_but_there(office: Office) -> None:
    office.close(office.open(office.case(1)))
    office.world.clock.advance(timedelta(hours=1))
    office.anchor()
    office.world.clock.advance(timedelta(days=1))
    assert office.anchor().leaves == 0
    assert office.verify().exit_code == FINE


def view(office: Office, database: Database, number: int) -> None:
    def work(conn: Connection) -> None:
        audit(conn, MUNICIPALITY, office.world.clock.now(), office.world.staff[0], "case:view", f"case:{number}")

    database.transact(work)


def test_acts_stand_in_chains_that_are_anchored_and_proved(office: Office) -> None:
    """Two processes, a transaction that was rolled back, and another day."""
    world, other = office.world, Database(office.world.database.url)
    for number in (1, 2):
        view(office, world.database, number)
        view(office, other, number + 10)
    with world.database.write() as conn:
        audit(conn, MUNICIPALITY, world.clock.now(), None, "case:view", "case:3")
        conn.rollback()
    view(office, world.database, 4)
    world.clock.advance(timedelta(days=1))
    view(office, world.database, 5)
    e = audit_events.c
    with world.database.read() as conn:
        rows = conn.execute(select(e.chain, e.seq, e.object).order_by(e.chain, e.seq)).all()
    other.close()
    chains = [[row.object for row in group] for _, group in groupby(rows, key=lambda row: row.chain)]
    assert chains == [["case:1", "case:2", "case:4"], ["case:11", "case:12"], ["case:5"]]
    world.clock.advance(timedelta(hours=1))
    office.anchor()
    first, second, third = sorted({row.chain for row in rows})
    assert office.leaves(1) == [f"audit/1/{first}", f"audit/1/{second}", f"audit/1/{third}"]
    view(office, world.database, 6)
    world.clock.advance(timedelta(hours=1))
    office.anchor()
    assert office.leaves(2) == [f"audit/1/{third}"]
    assert (office.verify().exit_code, office.verify().acts) == (FINE, 7)
    with world.database.write() as conn:
        conn.execute(update(audit_events).where(e.chain == first, e.seq == 2).values(purpose="training"))
        conn.execute(delete(audit_events).where(e.chain == third, e.seq == 2))
    found = [(one.audit, one.seq) for one in office.verify().findings]
    assert found == [(f"1/{first}", 2), (f"1/{third}", 2)]


def test_finding_what_changed_probes_indexes_and_never_scans(office: Office) -> None:
    old = office.close(office.open(office.case(1)))
    office.open(office.case(2))
    office.world.clock.advance(timedelta(days=1))
    query = changed_since(MUNICIPALITY, office.world.clock.now())
    with office.world.database.write() as conn:
        row = conn.execute(select(calls).where(calls.c.id == old)).one()._mapping
        conn.execute(insert(calls), [{**row, "id": old + n, "attempt_ref": f"ref{n}"} for n in range(10, 3_000)])
        conn.execute(text("ANALYZE"))
        words = str(query.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
        explain = "EXPLAIN QUERY PLAN" if office.world.database.is_sqlite else "EXPLAIN"
        plan = "\n".join(str(line) for line in conn.execute(text(f"{explain} {words}")))
    assert "ix_calls_last_event" in plan
    assert "uq_calls_live" in plan
    assert "SCAN calls" not in plan
    assert "Seq Scan" not in plan


def test_a_crash_between_leaves_and_signature_leaves_an_anchor_that_can_be_written(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.anchor()
    with monkeypatch.context() as broken:
        broken.setattr(anchors, "_canonical", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            office.anchor()
    office.close(office.open(office.case(1)))
    assert (office.anchor().number, office.leaves(2)) == (2, ["call/1/1"])
    assert office.verify().exit_code == FINE


def test_two_writers_of_anchors_do_not_mix(office: Office) -> None:
    office.anchor()
    with anchors._alone(office.folder), pytest.raises(TryLaterError):
        office.anchor()
    assert office.anchor().number == 2


def test_a_lost_or_foreign_key_and_an_unreadable_anchor_are_refused(office: Office, tmp_path: Path) -> None:
    last = office.anchor()
    kept = office.key.read_bytes()
    office.key.unlink()
    with pytest.raises(ConfigError, match="署名鍵"):
        office.anchor()
    with office.world.database.read() as conn:
        anchor(conn, tmp_path / "others", office.key, office.world.clock.now())
    with pytest.raises(ConfigError, match="対に"):
        office.anchor()
    office.key.write_bytes(kept)
    assert office.anchor().number == 2
    last.path.with_name(f"000003{last.path.name[6:]}").write_text("{}")
    with pytest.raises(InputError, match="最後の錨"):
        office.anchor()


# ---- one who can write the database, on both databases


def _column(chance: random.Random, conn: Connection, event: Any) -> int:
    """One character, one bit or one microsecond of one column of one event."""
    name = chance.choice(["at", "kind", "actor", "payload", "salt", "commitment", "hash"])
    old = getattr(event, name)
    if name == "at":
        new = old + timedelta(microseconds=1)
    elif isinstance(old, str):
        place = chance.randrange(len(old))
        new = old[:place] + ("x" if old[place] != "x" else "y") + old[place + 1 :]
    else:
        place = chance.randrange(len(old))
        new = old[:place] + bytes([old[place] ^ 1 << chance.randrange(8)]) + old[place + 1 :]
    conn.execute(update(call_events).where(*_is(event)).values({name: new}))
    return int(event.seq)


def _missing(_chance: random.Random, conn: Connection, event: Any) -> int:
    conn.execute(call_events.delete().where(*_is(event)))
    return int(event.seq)


def _extra(_chance: random.Random, conn: Connection, event: Any) -> int:
    seq = len(_chain(conn, event.call_id)) + 1
    conn.execute(insert(call_events).values({**event._mapping, "seq": seq}))
    return seq


def _cut(_chance: random.Random, conn: Connection, event: Any) -> int:
    """The tail is gone and the call's own columns match what is left."""
    conn.execute(call_events.delete().where(call_events.c.call_id == event.call_id, call_events.c.seq >= event.seq))
    rest = _chain(conn, event.call_id)
    head = rest[-1].hash if rest else None
    own = {"event_count": len(rest), "head_hash": head, "live": True, "closed_at": None}
    conn.execute(update(calls).where(calls.c.id == event.call_id).values(own))
    return int(event.seq)


def _deleted(_chance: random.Random, conn: Connection, event: Any) -> int:
    conn.execute(call_events.delete().where(call_events.c.call_id == event.call_id))
    conn.execute(calls.delete().where(calls.c.id == event.call_id))
    return 1


def _counted(chance: random.Random, conn: Connection, event: Any) -> int:
    """Count or head of the call; the event at which it shows is the end of the shorter side."""
    count = len(_chain(conn, event.call_id))
    changes: list[tuple[dict[str, Any], int]] = [
        ({"event_count": count + 1}, count + 1),
        ({"event_count": count - 1}, count),
        ({"head_hash": bytes(32)}, count),
    ]
    change, seq = chance.choice(changes)
    conn.execute(update(calls).where(calls.c.id == event.call_id).values(**change))
    return seq


def _forged(_chance: random.Random, conn: Connection, event: Any) -> int:
    """Another payload, with every hash behind it and the call's head made to match."""
    running = calllog.GENESIS
    for row in _chain(conn, event.call_id):
        payload = row.payload + " " if row.seq == event.seq else row.payload
        held = calllog.commit_to(payload.encode(), row.salt)
        stamp = calllog.stamp(row.at)
        running = calllog.link(running, MUNICIPALITY, row.call_id, row.seq, stamp, row.kind, row.actor, held)
        new = {"payload": payload, "commitment": held, "hash": running}
        conn.execute(update(call_events).where(*_is(row)).values(new))
    conn.execute(update(calls).where(calls.c.id == event.call_id).values(head_hash=running))
    return 1  # the anchor knows only the head: anything up to it may be what was changed


def _is(event: Any) -> tuple[Any, Any]:
    return call_events.c.call_id == event.call_id, call_events.c.seq == event.seq


def _chain(conn: Connection, call: int) -> list[Any]:
    return list(conn.execute(select(call_events).where(call_events.c.call_id == call).order_by(call_events.c.seq)))


MUTATIONS: list[Callable[[random.Random, Connection, Any], int]] = [
    *[_column] * 6,
    _missing,
    _extra,
    _cut,
    _deleted,
    _counted,
    _forged,
]


def test_three_hundred_mutations_are_all_noticed_and_named(office: Office) -> None:
    for number in range(1, 4):
        office.close(office.open(office.case(number)))
    office.anchor()
    chance, wrong = random.Random(6962), []
    engine = create_engine(office.world.database.url)  # without the constraints that the product's own has
    off = "PRAGMA foreign_keys" if office.world.database.is_sqlite else "SET LOCAL session_replication_role = replica"
    with engine.connect() as conn:
        kept = {table: [dict(row._mapping) for row in conn.execute(select(table))] for table in (calls, call_events)}
        events = list(conn.execute(select(call_events).order_by(call_events.c.call_id, call_events.c.seq)))
        conn.rollback()
        for number in range(300):
            mutation, event = chance.choice(MUTATIONS), chance.choice(events)
            conn.execute(text(off))
            seq = mutation(chance, conn, event)
            conn.commit()
            found = [(one.call, one.seq) for one in office.verify().findings]
            if found != [(f"1/{event.call_id}", seq)]:
                wrong.append((number, mutation.__name__, event.seq, seq, found))
            conn.execute(text(off))
            for table in (call_events, calls):
                conn.execute(table.delete())
            for table in (calls, call_events):
                conn.execute(insert(table), kept[table])
            conn.commit()
    engine.dispose()
    assert wrong == []
    assert office.verify().exit_code == FINE


def test_a_rewritten_tail_passes_without_an_anchor_and_fails_with_one(office: Office, tmp_path: Path) -> None:
    call = office.close(office.open(office.case(1)))
    office.anchor()
    with office.world.database.write() as conn:
        _forged(random.Random(), conn, _chain(conn, call)[3])
    connection = verifier.connect(office.world.database.url)
    alone = verifier.verify(connection, tmp_path / "none")
    connection.close()
    assert (alone.exit_code, alone.found) == (UNKNOWN, 0)
    report = office.verify()
    assert (report.exit_code, [(one.call, one.seq) for one in report.findings]) == (BROKEN, [(f"1/{call}", 1)])


@pytest.fixture
def commands(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(CONFIG))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", office.world.database.url)
    monkeypatch.setenv("CALLFLOW_AUDIT__ANCHORS", str(office.folder))
    monkeypatch.setenv("CALLFLOW_AUDIT__SIGNING_KEY", str(office.key))
    monkeypatch.setenv("CALLFLOW_CLOCK", "2026-11-24T18:00+09:00")
    occasion.set(Occasion())  # that of an earlier command in this process
    return office


def test_the_commands_say_fine_broken_or_cannot_tell(commands: Office, capsys: pytest.CaptureFixture[str]) -> None:
    call = commands.close(commands.open(commands.case(1)))
    assert command_line.run(["audit", "verify"]) == UNKNOWN
    assert "判断できません" in capsys.readouterr().out
    assert command_line.run(["audit", "anchor"]) == 0
    assert "錨 1: 連鎖 1 本" in capsys.readouterr().out
    assert command_line.run(["audit", "verify"]) == FINE
    assert "破れはありません" in capsys.readouterr().out
    with commands.world.database.write() as conn:
        conn.execute(update(calls).values(head_hash=bytes(32)))
    assert command_line.run(["audit", "verify", "--json", "--anchors", str(commands.folder)]) == BROKEN
    data = json.loads(capsys.readouterr().out)
    assert (data["found"], data["findings"][0]["call"]) == (1, f"1/{call}")
    assert data["events_per_second"] > 0


def test_the_record_of_acts_is_read_by_command(commands: Office, capsys: pytest.CaptureFixture[str]) -> None:
    world, case = commands.world, commands.case(1)
    with world.database.write() as conn:
        login = conn.execute(select(accounts.c.login).where(accounts.c.id == world.staff[0])).scalar_one()
        audit(conn, MUNICIPALITY, world.clock.now(), world.operator, "case:view", f"case:{case.case_id}", fields="name")

    def told(*words: str) -> Any:
        capsys.readouterr()
        assert command_line.run(["--as", login, "audit", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert [each["object"] for each in told("list", "--verb", "case:view")] == [f"case:{case.case_id}"]
    assert [each["fields"] for each in told("who-saw", str(case.case_id))] == ["name"]
    assert told("beyond") == told("alerts") == []
    assert command_line.run(["--as", "op01", "audit", "who-saw", str(case.case_id)]) == 5
    assert command_line.run(["--as", login, "audit", "list", "--day", "someday"]) == 1
    with world.database.read() as conn:
        e = audit_events.c
        seen = conn.execute(select(e.terminal, e.roles).where(e.verb == "audit:who_saw")).all()
    assert seen == [("command line", "staff")]


def test_the_verifier_runs_alone(commands: Office, capsys: pytest.CaptureFixture[str]) -> None:
    commands.close(commands.open(commands.case(1)))
    commands.anchor()
    given = ["--database", commands.world.database.url, "--anchors", str(commands.folder)]
    assert verifier.main(given) == FINE
    assert verifier.main([*given, "--json"]) == FINE
    assert verifier.main(["--database", "sqlite:////nowhere/x.sqlite", *given[2:]]) == UNKNOWN
    assert "/nowhere/x.sqlite" in capsys.readouterr().out


def test_the_tables_are_brought_up_by_command(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(CONFIG))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", empty_database.url)
    assert command_line.run(["db", "current"]) == 1
    assert command_line.run(["db", "upgrade"]) == 0
    assert command_line.run(["db", "upgrade"]) == 0
    assert command_line.run(["db", "current", "--json"]) == 0
    assert "すでに版" in capsys.readouterr().out
