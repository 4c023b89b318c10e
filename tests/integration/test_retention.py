"""Erasing by rule on both databases: two persons, holds, batches, certificates; the chains hold, the reports stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select, update

from callflow.access import verifier
from callflow.access.anchors import anchor
from callflow.access.auditlog import audit
from callflow.access.verifier import BROKEN, FINE
from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.playback import against_records, verify_all
from callflow.reports import catalogue
from callflow.reports.asking import Ask
from callflow.reports.figures import Period
from callflow.retention import certificates, erasing, holds, requests
from callflow.retention.classes import cutoffs
from callflow.retention.plan import plan
from models.database import Database
from models.tables import (
    call_events,
    contact_slips,
    erasures,
    follow_up_events,
    living_reports,
    negotiation_records,
    practices,
    report_contents,
    signals,
    ward_callbacks,
)
from scheduler.calendar import tokyo_date
from tests.followup.conftest import terminal  # noqa: F401  a fixture
from tests.integration.test_calls import PROMISED, VERIFIED, whole
from tests.integration.test_holdings import HARD
from tests.world import MUNICIPALITY, TestCase, World, add_case, build

CONFIG = load(Path(__file__).parents[2] / "config.yaml", {})
MARK = "見本橋のたもと"
LATER = timedelta(days=1_830)


class Archive:
    """Calls of five years ago, and the persons who erase them."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.asks, self.approves = world.staff

    def cases(self, *talks: Any) -> list[TestCase]:
        with self.world.database.write() as conn:
            cases = [add_case(conn, number) for number in range(1, len(talks) + 1)]
        for case, steps in zip(cases, talks, strict=True):
            whole(self.world, case, steps)
        return cases

    def forgetful(self) -> None:
        """As SQLite is where it was built without overwriting what it deletes; its only connection stays."""
        if self.world.database.is_sqlite:
            with self.world.database.engine.connect() as conn:
                conn.exec_driver_sql("PRAGMA secure_delete = OFF")

    def on_disk(self) -> bytes:
        """Everything that SQLite keeps in its files; of PostgreSQL nothing."""
        return b"".join(path.read_bytes() for path in self.folder.glob("callflow.sqlite*"))

    @property
    def before(self) -> dict[str, Any]:
        return cutoffs(CONFIG.kept_for(), self.world.clock.now())

    def due(self) -> dict[str, tuple[int, int]]:
        with self.world.database.read() as conn:
            return {d.kind.name: (d.count, d.held) for d in plan(conn, MUNICIPALITY, self.before) if d.count or d.held}

    def hold(self, thing: str) -> int:
        now = self.world.clock.now()
        return self.world.database.transact(
            lambda conn: holds.place(conn, MUNICIPALITY, thing, "係属中", self.asks, now)
        )

    def ask(self, *kinds: str, by: int = 0) -> int:
        now, who = self.world.clock.now(), by or self.asks
        return self.world.database.transact(
            lambda conn: requests.ask(conn, MUNICIPALITY, kinds, self.before, "保存年限の満了", who, now)
        )

    def decide(self, erasure: int, by: int = 0, *, approve: bool = True) -> None:
        now, who = self.world.clock.now(), by or self.approves
        self.world.database.transact(
            lambda conn: requests.decide(conn, MUNICIPALITY, erasure, who, now, approve=approve)
        )

    def run(self, erasure: int) -> dict[str, Any]:
        return erasing.run(self.world.database, MUNICIPALITY, erasure, self.asks, self.world.clock)

    def erase(self, *kinds: str) -> dict[str, Any]:
        erasure = self.ask(*kinds)
        self.decide(erasure)
        return self.run(erasure)

    def anchor(self) -> None:
        with self.world.database.read() as conn:
            anchor(conn, self.folder / "anchors", self.folder / "key", self.world.clock.now())

    def verified(self) -> verifier.Report:
        connection = verifier.connect(self.world.database.url)
        try:
            return verifier.verify(connection, self.folder / "anchors")
        finally:
            connection.close()

    def report(self, name: str, first: Any) -> Any:
        now = self.world.clock.now()
        with self.world.database.read() as conn:
            ask = Ask(conn, MUNICIPALITY, Period(first, first + timedelta(days=30)), now, CONFIG, "ward", self.asks)
            made = catalogue.made(catalogue.named(name, ("staff",)), ask)
        return [section.table.rows for section in made.sections]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def archive(world: World, tmp_path: Path) -> Archive:
    return Archive(world, tmp_path)


def test_what_is_erased_is_gone_proved_and_counted_as_before(archive: Archive) -> None:
    """One walk: plan, hold, ask, approve, run, certificate; the chains hold and every report says the same."""
    world = archive.world
    began = tokyo_date(world.clock.now())
    _, _, held, _ = archive.cases(
        [*PROMISED[:-1], ("yes", {"arrears_reason.kind": "忘れていた"}), ("done", {})],
        HARD,
        [*VERIFIED, ("no_phone", {}), ("done", {}), ("done", {})],
        [*VERIFIED, ("off_script", {"off_script.reason": MARK}), ("done", {}), ("done", {})],
    )
    now = world.clock.now()
    with world.database.write() as conn:
        audit(conn, MUNICIPALITY, now, world.operator, "case:view", "case:1", fields="name")
        audit(conn, MUNICIPALITY, now, world.staff[0], "case:view", "case:2", fields="name")
        who = {"municipality_id": MUNICIPALITY, "id": 1, "account_id": world.operator}
        conn.execute(insert(practices).values(**who, at=now, script_name="x", card="{}", fitting=1, answers=1))
        called = {"municipality_id": MUNICIPALITY, "id": 1, "operator_id": world.operator, "at": now, "done_at": now}
        conn.execute(insert(ward_callbacks).values(**called, name="試川", phone="03-0000-0000", note=MARK))
    archive.anchor()
    if world.database.is_sqlite:
        assert MARK.encode() in archive.on_disk()
    assert archive.due() == {}
    world.clock.advance(LATER)
    names = ("monthly", "c6", "c7", "c8", "c10", "c11", "c13", "outcomes")
    before = {name: archive.report(name, began) for name in names}
    assert "忘れていた" in str(before["c7"])
    assert archive.due()["call_log"] == (4, 0)
    archive.hold(f"case:{held.case_id}")
    assert archive.due() == {"call_log": (3, 1), "access_log": (2, 0), "callers": (1, 0), "training": (1, 0)} | {
        name: count for name, count in archive.due().items() if name == "follow_up"
    }
    archive.forgetful()
    done = archive.erase()
    assert {each["class"]: each["rows"] for each in done["classes"]}["training"] == 1
    assert archive.due()["call_log"] == (0, 1)
    with world.database.read() as conn:
        gone = conn.execute(select(call_events.c.call_id, call_events.c.payload, call_events.c.erased_under)).all()
        assert {row.call_id for row in gone if row.payload is None} == {1, 2, 4}
        assert {row.erased_under for row in gone if row.payload is None} == {"E1-1"}
        for column in (negotiation_records.c.text, contact_slips.c.text, signals.c.reason):
            query = select(column).where(column.table.c.call_id.in_((1, 2, 4)))
            assert set(conn.execute(query).scalars()) <= {""}
        assert conn.execute(select(ward_callbacks.c.name, ward_callbacks.c.phone)).one() == ("", "")
        verdicts = list(against_records(conn, MUNICIPALITY, list(verify_all(conn, world.shelf, MUNICIPALITY))))
        assert [(one.proved, one.erased) for one in verdicts] == [
            (True, "E1-1"),
            (True, "E1-1"),
            (True, ""),
            (True, "E1-1"),
        ]
        assert certificates.certificate(conn, MUNICIPALITY, 1) == done
    assert MARK.encode() not in archive.on_disk()
    report = archive.verified()
    assert (report.exit_code, report.findings) == (FINE, [])
    assert report.erased == 2 + sum(row.payload is None for row in gone)
    after = {name: archive.report(name, began) for name in names}
    for name in names:
        assert _without_retention(after[name]) == _without_retention(before[name]), name


def _without_retention(tables: Any) -> list[list[str]]:
    return [[str(row) for row in rows if "retention:" not in str(row)] for rows in tables]


def test_two_persons_of_the_wards_staff_in_time(archive: Archive) -> None:
    world = archive.world
    archive.cases([*PROMISED, ("done", {})])
    with pytest.raises(RefusedError, match="時期になったもの"):
        archive.ask("call_log")
    world.clock.advance(LATER)
    for who in (world.operator, world.supervisor):
        with pytest.raises(RefusedError, match="区の職員だけ"):
            archive.ask("call_log", by=who)
    with pytest.raises(NotFoundError, match="種類 letters"):
        archive.ask("letters")
    erasure = archive.ask("call_log")
    with pytest.raises(RefusedError, match="承認されていません"):
        archive.run(erasure)
    with pytest.raises(RefusedError, match="自分が求めた"):
        archive.decide(erasure, by=archive.asks)
    with pytest.raises(RefusedError, match="区の職員だけ"):
        archive.decide(erasure, by=world.supervisor)
    world.clock.advance(requests.OPEN_FOR)
    with pytest.raises(RefusedError, match="期限"):
        archive.decide(erasure)
    archive.decide(erasure, approve=False)
    with pytest.raises(RefusedError, match="承認待ちではありません"):
        archive.decide(erasure)
    erasure = archive.ask("call_log")
    archive.decide(erasure)
    world.clock.advance(requests.OPEN_FOR)
    with pytest.raises(RefusedError, match="期限"):
        archive.run(erasure)


def test_holds_of_every_scope_keep_what_belongs_to_them_and_end_with_a_reason(archive: Archive) -> None:
    world = archive.world
    one, two, _ = archive.cases(*3 * [[*PROMISED, ("done", {})]])
    now = world.clock.now()
    with world.database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "thing": "promise", "act": "note", "before": "", "after": "", "at": now}
        for number in (1, 2, 3):
            conn.execute(insert(follow_up_events).values(**own, id=100 + number, thing_id=number, note="経過の文"))
    world.clock.advance(LATER)
    kept = {
        archive.hold(f"household:{one.household_id}"): (2, 1),
        archive.hold(f"case:{two.case_id}"): (1, 2),
        archive.hold("call:3"): (0, 3),
    }
    assert archive.due()["call_log"] == (0, 3)
    assert archive.due()["follow_up"] == (0, 3)
    with pytest.raises(RefusedError):
        archive.ask("call_log", "follow_up")
    archive.hold("class:call_log")
    for number in kept:
        with pytest.raises(InputError, match="理由"):
            world.database.transact(lambda conn, n=number: holds.lift(conn, MUNICIPALITY, n, " ", archive.asks, now))
        world.database.transact(lambda conn, n=number: holds.lift(conn, MUNICIPALITY, n, "確定", archive.asks, now))
    assert (archive.due()["call_log"], archive.due()["follow_up"]) == ((0, 3), (3, 0))
    for thing in ("case:99", "class:letters", "call:x"):
        with pytest.raises(NotFoundError):
            archive.hold(thing)
    with pytest.raises(InputError):
        archive.hold("letters")


def test_a_certificate_or_an_act_that_was_altered_is_found(archive: Archive) -> None:
    world = archive.world
    archive.cases([*PROMISED, ("done", {})], [*PROMISED, ("done", {})])
    archive.anchor()
    world.clock.advance(LATER)
    archive.hold("call:2")
    archive.erase("call_log")
    assert archive.verified().exit_code == FINE
    with world.database.write() as conn:
        altered = json.loads(conn.execute(select(erasures.c.certificate)).scalar_one()) | {"reason": "x"}
        conn.execute(update(erasures).values(certificate=certificates.canonical(altered)))
        with pytest.raises(RefusedError, match="ハッシュと違います"):
            certificates.certificate(conn, MUNICIPALITY, 1)
        conn.execute(  # what pretends to have been erased with the rest
            update(call_events)
            .where(call_events.c.municipality_id == MUNICIPALITY, call_events.c.call_id == 2)
            .values(payload=None, salt=None, erased_under="E1-1")
        )
    report = archive.verified()
    assert report.exit_code == BROKEN
    assert [(one.call, "証明は 1 から 1" in one.what) for one in report.findings] == [("1/2", True)]


def test_the_content_of_a_form_goes_once_the_report_is_over(archive: Archive) -> None:
    world = archive.world
    archive.cases(HARD)
    now = world.clock.now()
    with world.database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "id": 1, "report_id": 1, "at": now, "actor_id": archive.asks}
        conn.execute(insert(report_contents).values(**own, content='{"rent": 50000}'))
    world.clock.advance(LATER)
    assert "living_reports" not in archive.due()
    with world.database.write() as conn:
        conn.execute(update(living_reports).values(state="reviewed"))
    assert archive.due()["living_reports"] == (1, 0)
    archive.erase("living_reports")
    with world.database.read() as conn:
        assert conn.execute(select(report_contents.c.content)).scalars().all() == ["{}"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_whole_way_by_command(
    archive: Archive,
    terminal: Callable[..., Any],  # noqa: F811
) -> None:
    folder = archive.folder / "back"
    archive.cases([*PROMISED, ("done", {})], [*PROMISED, ("done", {})])

    def told(login: str, *words: str, code: int = 0) -> str:
        said = terminal(login, "retention", *words)
        assert said.code == code, said.out + said.err
        return str(said.out + said.err)

    assert "差し止め 1" in told("ward01", "hold", "case:2", "--reason", "係属中")
    assert "case:2" in told("ward02", "holds")
    assert "理由がありません" in told("ward01", "release", "1", code=1)
    assert "1,827 日（730 日以上）  通話の記録" in told("ward01", "show")
    archive.world.clock.advance(LATER)
    assert "差し止め 1 件" in told("ward01", "plan")
    assert "権限がありません" in told("op01", "plan", code=5)
    assert "承認待ち" in told("ward01", "request", "call_log", "--reason", "満了")
    assert "自分が求めた" in told("ward01", "approve", "1", code=5)
    assert "承認しました" in told("ward02", "approve", "1")
    run = told("ward01", "run", "1")
    assert "証明の SHA-256" in run
    assert told("ward02", "certificate", "1") == run
    paper = archive.folder / "certificate.pdf"
    assert "書きました" in told("ward02", "certificate", "1", "--pdf", str(paper))
    words = "".join(page.extract_text() for page in PdfReader(paper).pages).split()
    assert all(each in "".join(words) for each in ("通話の記録", "ward01", "ward02", "満了"))
    assert "すでにあります" in told("ward02", "certificate", "1", "--pdf", str(paper), code=5)
    nowhere = archive.folder / "nowhere" / "certificate.pdf"
    assert "フォルダー" in told("ward02", "certificate", "1", "--pdf", str(nowhere), code=5)
    assert "E1-1 により消去済み、連鎖は無傷" in terminal("ward01", "call", "verify", "1").out
    assert "2 件中 2 件を証明しました（うち 1 件は" in terminal("ward01", "call", "verify").out
    assert "外しました" in told("ward01", "release", "1", "--reason", "裁決の確定")
    assert "manifest.json" in told("ward01", "return", str(folder), "--purpose", "契約の終了")
    assert "manifest.json" in told("ward01", "check", str(folder))
    assert "承認待ち" in told("ward01", "request", "--end", str(folder), "--reason", "契約の終了")
    assert "一緒に指定できません" in told("ward01", "request", "imports", "--end", str(folder), code=2)
    assert "すべて（契約の終わり）" in told("ward02", "requests")
    assert "却下しました" in told("ward02", "refuse", "2")
    assert "承認されていません" in told("ward01", "destroy", "2", str(folder), code=5)
    told("ward01", "request", "--end", str(folder), "--reason", "契約の終了")
    told("ward02", "approve", "3")
    assert "WAL の保管" in told("ward01", "destroy", "3", str(folder))
    assert "3 の証明" in told("ward02", "certificate", "3")
