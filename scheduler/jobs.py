"""Periodic work. APScheduler only wakes; the row in `job_runs` decides which of many clocks fires.

Jobs are kept in memory: APScheduler's job stores must not be shared between processes. A job missed for a
while runs once when it can (`coalesce`), for the last moment that it missed. A run that its process did not finish
is taken over by another after the job's `limit`; whoever lost it so may no longer call it finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from models.database import Database
from models.tables import job_runs

Now = Callable[[], datetime]
MISFIRE_GRACE = timedelta(hours=1)  # the library's own is 1 s: it would skip a job that is late
LOOK_EVERY = timedelta(minutes=1)  # at most: a rare job is looked for this often, so that none is missed by a restart
KEEP_RUNS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Job:
    """`run` is called with the moment it is for, every `every`, on the same moments in every process.

    The moments are whole multiples of `every` since 1970, moved by `offset`. `limit`: no run takes longer.
    """

    name: str
    every: timedelta
    run: Callable[[datetime], None]
    offset: timedelta = timedelta(0)
    limit: timedelta = timedelta(minutes=10)


class Jobs:
    """The clock of one process. `now` is asked for the time; `worker` names the process in `job_runs`.

    `failed` hears of an error in a run; without it APScheduler logs the error.
    """

    def __init__(
        self,
        database: Database,
        jobs: Sequence[Job],
        *,
        worker: str,
        now: Now,
        failed: Callable[[Job, Exception], None] | None = None,
    ) -> None:
        self._failed = failed
        self._database, self._jobs, self._worker, self._now = database, tuple(jobs), worker, now
        self._over: dict[str, datetime] = {}  # by job, the moment that is known to be done
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
                partial(self._tick, job),
                "interval",
                seconds=min(job.every, LOOK_EVERY).total_seconds(),
                id=job.name,
                next_run_time=self._now(),
            )
        self._clock.start()

    def stop(self) -> None:
        """Waits for what is running."""
        self._clock.shutdown(wait=True)

    def _tick(self, job: Job) -> None:
        try:
            self.fire(job)
        except Exception as error:
            if self._failed is None:
                raise
            self._failed(job, error)

    def fire(self, job: Job) -> bool:
        """Runs `job` for the current moment unless another process has. Returns whether it ran here."""
        started = self._now()
        moment = fire_time(started, job.every, job.offset)
        if self._over.get(job.name) == moment or not self._win(job, moment, started):
            return False
        job.run(moment)

        def finish(conn: Connection) -> None:
            runs = job_runs.c
            mine = (runs.job == job.name, runs.fire_time == moment, runs.worker == self._worker)
            conn.execute(update(job_runs).where(*mine, runs.started_at == started).values(finished_at=self._now()))
            conn.execute(delete(job_runs).where(runs.job == job.name, runs.fire_time < moment - KEEP_RUNS))

        self._database.transact(finish)
        self._over[job.name] = moment
        return True

    def _win(self, job: Job, moment: datetime, started: datetime) -> bool:
        """Whether the run is ours: nobody has begun it, or who did is dead."""
        runs = job_runs.c
        this = (runs.job == job.name, runs.fire_time == moment)
        left = (runs.finished_at.is_(None), runs.started_at < started - job.limit)
        ours = {"worker": self._worker, "started_at": started}
        try:
            with self._database.write() as conn:
                conn.execute(job_runs.insert().values(job=job.name, fire_time=moment, **ours))
                return True
        except IntegrityError:
            pass
        with self._database.write() as conn:
            taken = conn.execute(update(job_runs).where(*this, *left).values(**ours)).rowcount == 1
            if not taken and conn.execute(select(runs.finished_at).where(*this)).scalar() is not None:
                self._over[job.name] = moment  # not asked again until the next moment
            return taken


def fire_time(now: datetime, every: timedelta, offset: timedelta = timedelta(0)) -> datetime:
    """The last whole multiple of `every` since 1970, moved by `offset`, so that all clocks name a firing alike."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC) + offset
    return epoch + (now - epoch) // every * every
