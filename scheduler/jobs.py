"""Periodic work. APScheduler only wakes; the row in `job_runs` decides which of many clocks fires.

Jobs are kept in memory: APScheduler's job stores must not be shared between processes. A job missed for a
while runs once when it can (`coalesce`), for the last moment that it missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from models.database import Database
from models.tables import job_runs

Now = Callable[[], datetime]
MISFIRE_GRACE = timedelta(hours=1)  # the library's own is 1 s: it would skip a job that is late
KEEP_RUNS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Job:
    """`run` is called with the moment it is for, every `every`, on the same moments in every process."""

    name: str
    every: timedelta
    run: Callable[[datetime], None]


class Jobs:
    """The clock of one process. `now` is asked for the time; `worker` names the process in `job_runs`."""

    def __init__(self, database: Database, jobs: Sequence[Job], *, worker: str, now: Now) -> None:
        self._database, self._jobs, self._worker, self._now = database, tuple(jobs), worker, now
        self._clock = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(1, len(self._jobs)))},
            job_defaults={
                "misfire_grace_time": int(MISFIRE_GRACE.total_seconds()),
                "coalesce": True,
                "max_instances": 1,
            },
        )

    def start(self) -> None:
        for job in self._jobs:
            self._clock.add_job(
                partial(self.fire, job),
                "interval",
                seconds=job.every.total_seconds(),
                id=job.name,
                next_run_time=self._now(),
            )
        self._clock.start()

    def stop(self) -> None:
        """Waits for what is running."""
        self._clock.shutdown(wait=True)

    def fire(self, job: Job) -> bool:
        """Runs `job` for the current moment unless another process has. Returns whether it ran here."""
        moment = fire_time(self._now(), job.every)
        if not self._win(job.name, moment):
            return False
        job.run(moment)
        with self._database.write() as conn:
            mine = (job_runs.c.job == job.name) & (job_runs.c.fire_time == moment)
            conn.execute(update(job_runs).where(mine).values(finished_at=self._now()))
            old = (job_runs.c.job == job.name) & (job_runs.c.fire_time < moment - KEEP_RUNS)
            conn.execute(delete(job_runs).where(old))
        return True

    def _win(self, name: str, moment: datetime) -> bool:
        row = {"job": name, "fire_time": moment, "worker": self._worker}
        try:
            with self._database.write() as conn:
                conn.execute(job_runs.insert().values(**row))
        except IntegrityError:
            return False
        return True


def fire_time(now: datetime, every: timedelta) -> datetime:
    """The last whole multiple of `every` since 1970, so that all clocks name a firing alike."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (now - epoch) // every * every
