"""The periodic work: done once of many, taken over from the dead, silent about nothing, ended by a full disk."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from callflow.clock import AFTER_JUMP, SimulatedClock, SystemClock
from callflow.config import load
from callflow.errors import CallflowError, TryLaterError
from callflow.followup.terms import rules_of
from callflow.simulation.room import Room
from callflow.storage import in_words
from callflow.work import Duty, Work, Workplace
from models.database import Database, Fault, fault_of
from models.tables import calls, job_runs, queue_entries
from scheduler.jobs import Job, Jobs
from tests.conftest import START
from tests.shift import CONFIG, begin

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
RULES = rules_of(load(CONFIG, {}))


class Jumping(SimulatedClock):
    """A simulated clock that says it has jumped."""

    by = timedelta(0)

    def jumped(self) -> timedelta:
        return self.by


@pytest.fixture
def room(empty_database: Database, tmp_path: Path) -> Room:
    return begin(empty_database, tmp_path).room(empty_database)


def place(room: Room, folder: Path) -> Workplace:
    return Workplace(
        room.database,
        room.clock,
        room.municipality_id,
        room.switchboard,
        folder / "anchors",
        folder / "key",
        lambda _campaign: room.rules,
        RULES,
    )


def test_what_is_due_is_woken_and_the_day_is_anchored(room: Room, tmp_path: Path) -> None:
    said: list[str] = []
    work = Work(place(room, tmp_path), worker="a", tell=said.append)
    assert all(work.once().values())
    assert not any(Work(place(room, tmp_path), worker="b", tell=said.append).once().values())
    with room.database.read() as conn:
        states = conn.execute(select(queue_entries.c.state).where(queue_entries.c.state == "ready")).all()
    assert states
    assert f"架電時刻になった案件を待ち行列に出す: {len(states):,}件" in said
    assert list((tmp_path / "anchors").glob("*.json"))
    assert all(last and last.worker == "a" and last.finished_at for _, last in work.last_runs())


def test_a_run_that_its_process_did_not_finish_is_taken_over_and_no_longer_its_own(database: Database) -> None:
    at = START
    ran: list[str] = []

    def dies(_moment: datetime) -> None:
        raise KeyboardInterrupt

    def late(_moment: datetime) -> None:
        """The first holder comes back while the second works, and may not call the run finished."""
        ran.append("b")
        with database.read() as conn:
            assert conn.execute(select(job_runs.c.worker, job_runs.c.finished_at)).one() == ("b", None)

    with pytest.raises(KeyboardInterrupt):
        Jobs(database, [], worker="a", now=lambda: at).fire(Job("anchor", HOUR, dies))
    job = Job("anchor", HOUR, late)
    second = Jobs(database, [], worker="b", now=lambda: at)
    at = START + job.limit
    assert not second.fire(job)
    at = START + job.limit + timedelta(seconds=1)
    assert second.fire(job)
    assert not second.fire(job)
    assert ran == ["b"]


def test_a_jump_of_the_clock_stops_what_judges_by_it_and_is_said(room: Room, tmp_path: Path) -> None:
    room.clock.__class__ = Jumping
    said: list[str] = []
    work = Work(place(room, tmp_path), worker="a", tell=said.append)
    room.clock.by = HOUR  # type: ignore[attr-defined]
    work.once()
    assert said[0] == "時計が +1:00:00（時:分:秒）飛びました。架電にかかわる仕事を止めています"
    with room.database.read() as conn:
        assert conn.execute(select(queue_entries.c.state).where(queue_entries.c.state == "ready")).all() == []
    with pytest.raises(TryLaterError, match="発信を止めています"):
        room.switchboard.deal(room.operators[0], [room.campaign_id])
    assert list((tmp_path / "anchors").glob("*.json"))
    room.clock.by = timedelta(0)  # type: ignore[attr-defined]
    room.clock.advance(timedelta(minutes=1))
    work.once()
    assert "時計は落ち着きました。架電にかかわる仕事を再開します" in said


def test_the_hosts_clock_is_watched_by_one_that_nobody_sets() -> None:
    wall, runs = 1_000_000.0, 50.0
    clock = SystemClock(lambda: wall, lambda: runs)
    wall, runs = wall + 100, runs + 100.4  # NTP slews
    assert not clock.jumped()
    wall, runs = wall - 30, runs + 1
    clock.now()
    assert clock.jumped() == timedelta(seconds=-31)
    wall, runs = wall + 59, runs + 59
    assert clock.jumped()
    wall, runs = wall + 2, runs + 2
    assert not clock.jumped()
    assert AFTER_JUMP.total_seconds() == 60


def test_a_transaction_is_tried_again_while_the_database_is_busy_or_gone(database: Database) -> None:
    tries = 0

    def work(conn: object) -> int:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly"))
        return tries

    assert database.transact(work) == 4
    tries = -10_000
    with pytest.raises(OperationalError):
        database.transact(work, patience=0.2)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB, or a skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_the_dialling_and_loses_nothing(full: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{full}/callflow.sqlite")
    room = begin(database, tmp_path, households=60).room(database)
    work = Work(place(room, tmp_path), worker="a", tell=lambda _words: None)
    work.once()
    room.run(START + timedelta(minutes=10))
    with database.read() as conn:
        before = conn.execute(select(calls.c.id, calls.c.event_count, calls.c.disposition)).all()
        conn.exec_driver_sql("COMMIT").close()
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")  # the room that the log has would do for a while
        conn.exec_driver_sql("BEGIN")
    _fill(full / "ballast")
    dialled = len(room.phone.list_since(START - HOUR))
    with pytest.raises(OperationalError) as stopped:
        room.run(START + timedelta(minutes=20))
    assert fault_of(stopped.value) is Fault.FULL
    assert "架電を止めました" in str(in_words(stopped.value))
    assert len(room.phone.list_since(START - HOUR)) == dialled
    failing = Duty("wake", "x", timedelta(seconds=1), lambda at, _now: _write(at.database))
    with pytest.raises(CallflowError, match="ディスク"):
        Work(place(room, tmp_path), worker="b", tell=lambda _words: None, duties=[failing]).run()
    (full / "ballast").unlink()
    with database.read() as conn:
        assert conn.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        assert conn.execute(select(calls.c.id, calls.c.event_count, calls.c.disposition)).all() == before
    room.run(START + timedelta(minutes=20))
    with database.read() as conn:
        assert len(conn.execute(select(calls.c.id)).all()) > len(before)
    database.close()


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _write(database: Database) -> int:
    with database.write() as conn:
        conn.execute(job_runs.insert(), [{"job": f"{n}", "fire_time": START, "worker": "x" * 60} for n in range(3000)])
    return 0


def test_the_process_ends_its_work_when_it_is_told_to(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CALLFLOW_CONFIG": str(ROOT / "config.yaml"),
        "CALLFLOW_DATABASE__URL": f"sqlite:///{tmp_path}/callflow.sqlite",
        "CALLFLOW_AUDIT__ANCHORS": str(tmp_path / "anchors"),
        "CALLFLOW_AUDIT__SIGNING_KEY": str(tmp_path / "key"),
    }
    command = [sys.executable, "-m", "callflow.cli"]
    missing = subprocess.run([*command, "work"], check=False, env=environment, capture_output=True, text=True)
    assert (missing.returncode, "callflow init" in missing.stderr) == (4, True)
    subprocess.run([*command, "init"], env=environment, check=True, capture_output=True)
    process = subprocess.Popen([*command, "work"], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert "始めます" in process.stderr.readline()
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.endswith("止まりました\n")) == (0, True)


def test_of_two_processes_each_moment_is_worked_on_once(room: Room, tmp_path: Path) -> None:
    done: list[datetime] = []
    lock = threading.Lock()

    def act(_place: Workplace, now: datetime) -> int:
        with lock:
            done.append(now)
        return 0

    duty = Duty("x", "x", timedelta(minutes=1), act)
    works = [Work(place(room, tmp_path), worker=name, tell=lambda _: None, duties=[duty]) for name in "abcd"]
    threads = [threading.Thread(target=work.run) for work in works]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    for work in works:
        work.stop()
    for thread in threads:
        thread.join(20)
    assert len(done) == 1
