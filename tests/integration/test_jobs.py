"""Of many clocks one fires; the row decides, on both databases."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from models.database import Database
from models.tables import job_runs
from scheduler.jobs import KEEP_RUNS, Job, Jobs, fire_time
from tests.conftest import START

MINUTE = timedelta(minutes=1)


def test_of_many_clocks_at_one_moment_one_fires(database: Database) -> None:
    ran: list[str] = []
    lock = threading.Lock()

    def clock(name: str) -> tuple[Jobs, Job]:
        def run(_moment: datetime) -> None:
            with lock:
                ran.append(name)

        job = Job("wake", MINUTE, run)
        return Jobs(database, [job], worker=name, now=lambda: START + timedelta(seconds=7)), job

    clocks = [clock(f"host{number}") for number in range(8)]
    together = threading.Barrier(len(clocks))
    fired: list[bool] = []

    def tick(jobs: Jobs, job: Job) -> None:
        together.wait()
        fired.append(jobs.fire(job))

    threads = [threading.Thread(target=tick, args=each) for each in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(fired) == [False] * 7 + [True]
    assert len(ran) == 1
    with database.read() as conn:
        row = conn.execute(select(job_runs)).one()
    assert (row.fire_time, row.worker, row.finished_at is not None) == (START, ran[0], True)


def test_the_next_moment_fires_again_and_a_late_clock_does_not(database: Database) -> None:
    moments: list[datetime] = []
    job = Job("wake", MINUTE, moments.append)
    at = START
    jobs = Jobs(database, [job], worker="host1", now=lambda: at)
    assert jobs.fire(job)
    at = START + MINUTE + timedelta(seconds=59)
    assert jobs.fire(job)
    assert not Jobs(database, [job], worker="host2", now=lambda: START + MINUTE).fire(job)
    assert moments == [START, START + MINUTE]


def test_old_rows_go_and_an_unfinished_one_stays_to_be_seen(database: Database) -> None:
    def fails(_moment: datetime) -> None:
        raise OSError("no disk")

    broken = Job("anchor", MINUTE, fails)
    now = START - KEEP_RUNS - 2 * MINUTE
    jobs = Jobs(database, [broken], worker="host1", now=lambda: now)
    with contextlib.suppress(OSError):
        jobs.fire(broken)
    with database.read() as conn:
        assert conn.execute(select(job_runs.c.finished_at)).one().finished_at is None
    now = START
    fine = Job("anchor", MINUTE, lambda _moment: None)
    assert jobs.fire(fine)
    with database.read() as conn:
        assert conn.execute(select(job_runs.c.fire_time)).scalars().all() == [START]


def test_a_started_clock_fires_at_once_and_goes_on_after_a_failure(database: Database) -> None:
    done = threading.Event()
    tries: list[datetime] = []

    def fails_first(moment: datetime) -> None:
        tries.append(moment)
        if len(tries) == 1:
            raise OSError("no disk")
        done.set()

    jobs = Jobs(
        database, [Job("wake", timedelta(seconds=1), fails_first)], worker="host1", now=lambda: datetime.now(UTC)
    )
    jobs.start()
    try:
        assert done.wait(20)
    finally:
        jobs.stop()
    assert len(set(tries)) == len(tries)


def test_all_clocks_name_a_firing_alike() -> None:
    assert fire_time(START + timedelta(seconds=59), MINUTE) == START
    assert fire_time(START - timedelta(microseconds=1), MINUTE) == START - MINUTE
