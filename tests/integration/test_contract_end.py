"""The contract's end on both databases: everything handed back and checked, then destroyed by two persons."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callflow.access.auditlog import audit
from callflow.access.verifier import FINE
from callflow.clock import SimulatedClock
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.retention import destruction, disk, handover, holds
from models.database import Database
from models.tables import accounts, calls, metadata, recordings
from tests.integration.test_calls import PROMISED
from tests.integration.test_retention import Archive
from tests.world import MUNICIPALITY, build

CANARY = "試川"


@pytest.fixture
def archive(database: Database, clock: SimulatedClock, tmp_path: Path) -> Archive:
    archive = Archive(build(database, clock), tmp_path)
    archive.cases([*PROMISED, ("done", {})])
    archive.anchor()
    return archive


def returned(archive: Archive, name: str = "back") -> Path:
    folder = archive.folder / name
    anchors, now = archive.folder / "anchors", archive.world.clock.now()
    sound = archive.folder / "recordings"
    handover.give_back(archive.world.database, MUNICIPALITY, anchors, sound, folder, "契約の終了", archive.asks, now)
    return folder


def asked(archive: Archive, folder: Path) -> int:
    return destruction.ask(
        archive.world.database, MUNICIPALITY, folder, "契約の終了", archive.asks, archive.world.clock.now()
    )


def destroyed(archive: Archive, erasure: int, folder: Path) -> dict[str, object]:
    now = archive.world.clock.now()
    kept = destruction.Kept(archive.folder / "uploads", archive.folder / "recordings")
    return destruction.destroy(archive.world.database, MUNICIPALITY, erasure, folder, kept, archive.asks, now)


def test_everything_goes_back_and_then_goes(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    world = archive.world

    def overwritten_first(database: Database, tables: Any, *, rewrite: bool) -> None:
        disk.sweep_up(database, (), rewrite=False)
        assert CANARY.encode() not in archive.on_disk()  # not only let go by writing the file anew
        disk.sweep_up(database, tables, rewrite=rewrite)

    monkeypatch.setattr(destruction, "sweep_up", overwritten_first)
    if world.database.is_sqlite:
        assert CANARY.encode() in archive.on_disk()
    sound = archive.folder / "recordings" / str(MUNICIPALITY) / "7.cfr"
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"CFR1")
    folder = returned(archive)
    assert (folder / "recordings/7.cfr").read_bytes() == b"CFR1"
    manifest = handover.check(folder)
    tables = {Path(name).stem for name in manifest.files if name.endswith(".jsonl")}
    assert tables == {table.name for table in metadata.sorted_tables if "municipality_id" in table.c}
    debtors = [json.loads(line) for line in (folder / "tables/debtors.jsonl").read_text().splitlines()]
    assert [row["name"] for row in debtors] == ["試川　1郎"]
    assert "password_hash" not in (folder / "tables/accounts.jsonl").read_text()
    assert list((folder / "scripts").iterdir())
    assert list((folder / "anchors").glob("*.json"))
    erasure = asked(archive, folder)
    with pytest.raises(RefusedError, match="承認されていません"):
        destroyed(archive, erasure, folder)
    archive.decide(erasure)
    archive.forgetful()
    with pytest.raises(InputError, match="別の種類"):
        archive.run(erasure)
    done = destroyed(archive, erasure, folder)
    assert (done["manifest"], done["approved_by"]) == (manifest.digest, "ward02")
    assert destroyed(archive, erasure, folder) == done
    assert not sound.exists()
    with world.database.read() as conn:
        left = {
            table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table.name != "job_runs"
        }
        assert {name: rows for name, rows in left.items() if rows} == {
            "municipalities": 1,
            "organisations": 1,
            "accounts": 2,
            "account_roles": 2,
            "erasures": 1,
            "audit_events": 2,
        }
        assert set(conn.execute(select(accounts.c.login)).scalars()) == {"ward01", "ward02"}
    assert CANARY.encode() not in archive.on_disk()
    report = archive.verified()
    assert (report.exit_code, report.findings) == (FINE, [])
    archive.anchor()
    assert archive.verified().exit_code == FINE


def test_nothing_is_destroyed_that_was_not_returned(archive: Archive) -> None:
    world, now = archive.world, archive.world.clock.now()
    here, there = archive.folder, archive.folder / "x"
    with pytest.raises(InputError, match="理由"):
        handover.give_back(world.database, MUNICIPALITY, here, here, there, " ", archive.asks, now)
    with pytest.raises(RefusedError, match="区の職員だけ"):
        handover.give_back(world.database, MUNICIPALITY, here, here, there, "x", world.operator, now)
    folder = returned(archive)
    with pytest.raises(InputError, match="空ではありません"):
        returned(archive)
    hold = archive.hold("case:1")
    with pytest.raises(RefusedError, match="差し止め"):
        asked(archive, folder)
    world.database.transact(lambda conn: holds.lift(conn, MUNICIPALITY, hold, "確定", archive.asks, now))
    with pytest.raises(RefusedError, match="retention_holds"):
        asked(archive, folder)  # the hold itself came after the return
    waits = {"call_id": 1, "provider_ref": "RE1", "state": "waiting", "began_at": now, "seconds": 9}
    with world.database.write() as conn:
        own = {"municipality_id": MUNICIPALITY, "id": 1, "key_name": "", "sha256": "", "size": 0}
        conn.execute(recordings.insert().values(**own, **waits))
    with pytest.raises(RefusedError, match="事業者の側"):
        asked(archive, folder)
    with world.database.write() as conn:
        conn.execute(recordings.delete().where(recordings.c.municipality_id == MUNICIPALITY))
    folder = returned(archive, "again")
    erasure = asked(archive, folder)
    archive.decide(erasure)
    other = returned(archive, "third")
    with pytest.raises(RefusedError, match="別の返還"):
        destroyed(archive, erasure, other)
    with world.database.write() as conn:
        conn.execute(calls.update().values(provider_ref="x"))
    with pytest.raises(RefusedError, match="表 calls"):
        destroyed(archive, erasure, folder)
    with world.database.write() as conn:
        conn.execute(calls.update().values(provider_ref=""))
        audit(conn, MUNICIPALITY, now, archive.asks, "case:view", "case:1")
    with pytest.raises(RefusedError, match="case:view の記録"):
        destroyed(archive, erasure, folder)
    with world.database.read() as conn:
        assert conn.execute(select(func.count()).select_from(calls)).scalar_one() == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_spoilt_return_is_found_from_its_files_alone(archive: Archive) -> None:
    folder = returned(archive)
    with pytest.raises(NotFoundError, match=r"manifest\.json"):
        handover.check(archive.folder)

    def fault(name: str, content: bytes | None) -> str:
        spoilt = archive.folder / "spoilt"
        shutil.rmtree(spoilt, ignore_errors=True)
        shutil.copytree(folder, spoilt)
        if content is None:
            (spoilt / name).unlink()
        else:
            (spoilt / name).write_bytes(content)
        with pytest.raises(InputError) as refused:
            handover.check(spoilt)
        return str(refused.value)

    calls_file = (folder / "tables/calls.jsonl").read_bytes()
    assert "ありません" in fault("tables/calls.jsonl", None)
    assert "1 行のはずが 2 行" in fault("tables/calls.jsonl", 2 * calls_file)
    assert "1 行目を読めません" in fault("tables/calls.jsonl", b"{\n")
    assert "SHA-256" in fault("tables/calls.jsonl", calls_file.replace(b"outbound", b"inbound!"))
    assert "一覧にない" in fault("tables/more.jsonl", b"")
    assert "読めません" in fault("manifest.json", b"[]")
