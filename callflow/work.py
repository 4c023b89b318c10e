"""What must happen without anybody asking: the periodic duties of an installation, in one table, and who does them.

Any number of processes on any number of hosts may do this work. Their clocks only wake them; a row decides which of
them acts (`scheduler.jobs`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from callflow import storage, tallies
from callflow.access import alarms, anchors
from callflow.ahead import stop_over_cap
from callflow.clock import Clock, in_hours
from callflow.errors import CallflowError
from callflow.followup import promises, reports
from callflow.followup.terms import Rules as FollowUpRules
from callflow.intake.importer import sweep
from callflow.keeping import CLASSES
from callflow.recordings import shelf
from callflow.recordings.shelf import Room
from callflow.retention.classes import cutoffs
from callflow.retention.plan import plan
from callflow.switchboard import Switchboard
from callflow.webhooks import delivery
from models.database import Database, Fault, fault_of
from models.tables import campaigns, job_runs
from scheduler import queue
from scheduler.dealing import Rules
from scheduler.jobs import Job, Jobs, fire_time
from scheduler.learning import learn
from scheduler.reranking import remake_ranks

NIGHT = timedelta(hours=13)
"""22:00 in Tokyo, after the last hour in which anybody may be called."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the duties of one municipality need."""

    database: Database
    clock: Clock
    municipality_id: int
    switchboard: Switchboard
    anchors: Path
    signing_key: Path
    rules_of: Callable[[int], Rules]
    follow_up: FollowUpRules
    thresholds: alarms.Thresholds = field(default_factory=alarms.Thresholds)
    webhook_hosts: Collection[str] = ()
    recordings: Room | None = None
    kept_for: Mapping[str, int] = field(default_factory=lambda: {each.name: each.default for each in CLASSES})


@dataclass(frozen=True, slots=True)
class Duty:
    """Something done every `every`. `act` says how many rows it moved. `judges`: by the clock, so not after a jump."""

    name: str
    ja: str
    every: timedelta
    act: Callable[[Workplace, datetime], int]
    judges: bool = True
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last moment for which a duty was begun, by which process, and when it was finished (UTC)."""

    fire_time: datetime
    worker: str
    finished_at: datetime | None


def _wake(place: Workplace, now: datetime) -> int:
    return _all(place, partial(queue.wake, municipality_id=place.municipality_id, now=now))


def _free(place: Workplace, now: datetime) -> int:
    return _all(place, partial(queue.expire_leases, municipality_id=place.municipality_id, now=now))


def _all(place: Workplace, some: Callable[[Connection], int]) -> int:
    """In transactions of `queue.WAKE_AT_ONCE` rows, so that nobody waits long for one."""
    moved = 0
    while done := place.database.transact(some):
        moved += done
        if done < queue.WAKE_AT_ONCE:
            break
    return moved


def _tally(place: Workplace, _now: datetime) -> int:
    return _all(place, partial(tallies.count_in, municipality_id=place.municipality_id))


def _recover(place: Workplace, _now: datetime) -> int:
    found = place.switchboard.recover()
    if found.failed:
        each = "、".join(f"通話 {one.call_id}: {one.why}" for one in found.failed)
        raise CallflowError(f"{each}。ほかの {found.settled:,} 件は済みました")
    return found.settled


def _attend(place: Workplace, _now: datetime) -> int:
    return place.switchboard.attend_callbacks()


def _sweep(place: Workplace, now: datetime) -> int:
    return sweep(place.database, place.municipality_id, now)


def _promises(place: Workplace, now: datetime) -> int:
    return promises.judge_due(place.database, place.municipality_id, now, place.follow_up)


def _reports(place: Workplace, now: datetime) -> int:
    return reports.mark(place.database, place.municipality_id, now, place.follow_up)


def _anchor(place: Workplace, now: datetime) -> int:
    with place.database.read() as conn:
        return anchors.anchor(conn, place.anchors, place.signing_key, now).leaves


def _remake_ranks(place: Workplace, now: datetime) -> int:
    """Of the running campaigns: what waits is ranked for the hours that begin."""
    return sum(
        remake_ranks(place.database, place.municipality_id, place.rules_of(each), now) for each in _running(place)
    )


def _running(place: Workplace) -> list[int]:
    with place.database.read() as conn:
        found = conn.execute(
            select(campaigns.c.id)
            .where(campaigns.c.municipality_id == place.municipality_id, campaigns.c.state == "running")
            .order_by(campaigns.c.id)
        )
        return list(found.scalars())


def _learn(place: Workplace, now: datetime) -> int:
    """Of each claim type that has a campaign which is not over."""
    with place.database.read() as conn:
        newest = conn.execute(
            select(campaigns.c.claim_type, func.max(campaigns.c.id))
            .where(campaigns.c.municipality_id == place.municipality_id, campaigns.c.state != "stopped")
            .group_by(campaigns.c.claim_type)
        ).all()
    return sum(
        learn(place.database, place.municipality_id, claim_type, place.rules_of(campaign_id).calendar, now)
        for claim_type, campaign_id in newest
    )


def _watch(place: Workplace, now: datetime) -> int:
    return alarms.watch(place.database, place.municipality_id, place.thresholds, now)


def _tell(place: Workplace, _now: datetime) -> int:
    return delivery.tell(place.database, place.municipality_id, place.webhook_hosts, place.clock.now)


def _forget_told(place: Workplace, now: datetime) -> int:
    return place.database.transact(lambda conn: delivery.forget(conn, place.municipality_id, now))


def _collect(place: Workplace, now: datetime) -> int:
    room = place.recordings
    if room is None or room.source is None or room.keys is None:
        return 0
    found = shelf.collect(place.database, place.municipality_id, room.source, room.folder, room.keys, now)
    if found.failed:
        raise CallflowError(f"録音 {found.failed} 件をまだ受け取れません。{found.kept} 件は済みました")
    return found.kept


def _erase_sound(place: Workplace, now: datetime) -> int:
    room = place.recordings
    if room is None:
        return 0
    with place.database.read() as conn:
        rows = shelf.due(conn, place.municipality_id, now, room.keep)
    return shelf.erase(place.database, place.municipality_id, rows, room.folder, now)


def _cap(place: Workplace, now: datetime) -> int:
    """Of the running campaigns of every mode: who abandons too many calls stops."""
    return sum(
        place.database.transact(partial(stop_over_cap, place.municipality_id, each, now, place.rules_of(each)))
        for each in _running(place)
    )


def _fallen_due(place: Workplace, now: datetime) -> int:
    """What may be erased by now. It is said, never done: that takes two persons."""
    with place.database.read() as conn:
        return sum(due.count for due in plan(conn, place.municipality_id, cutoffs(place.kept_for, now)))


DUTIES: tuple[Duty, ...] = (
    Duty("wake", "架電時刻になった案件を待ち行列に出す", timedelta(seconds=10), _wake),
    Duty("callbacks", "再架電の時刻を見て、不在の担当者の分を全員に回す", timedelta(seconds=15), _attend),
    Duty("leases", "期限の切れた割り当てを待ち行列に戻す", timedelta(seconds=30), _free),
    Duty("recover", "途切れた発信を確かめ、終わらない通話を未確定で閉じる", timedelta(seconds=30), _recover),
    Duty("abandoned", "放棄呼が上限を超えたキャンペーンを止める", timedelta(seconds=30), _cap),
    Duty("tallies", "終わった通話の結果を数え置く", timedelta(minutes=1), _tally, judges=False),
    Duty("ranks", "時間帯に合わせて架電の順を付け直す", timedelta(hours=1), _remake_ranks),
    Duty("learn", "つながった割合を時間帯ごとに数え、翌日の見込みを引く", timedelta(days=1), _learn, offset=NIGHT),
    Duty("promises", "納付約束の履行を判定する", timedelta(minutes=10), _promises),
    Duty("reports", "返送のない報告書に印を付ける", timedelta(hours=1), _reports),
    Duty("staging", "中断した取込の残りを消す", timedelta(hours=1), _sweep),
    Duty("webhooks", "区のプログラムに出来事を知らせる", timedelta(seconds=2), _tell, judges=False),
    Duty("told", "届いて久しい知らせの控えを消す", timedelta(days=1), _forget_told, offset=NIGHT),
    Duty("recordings", "録音を受け取って保管し、事業者の側から消す", timedelta(seconds=30), _collect, judges=False),
    Duty("sound", "保管の日数を過ぎた録音を消す", timedelta(days=1), _erase_sound, offset=NIGHT),
    Duty("sights", "閲覧の記録を見て、警告を残す", timedelta(minutes=10), _watch, judges=False),
    Duty("retention", "消去の時期になったもの（自動では消えない）", timedelta(days=1), _fallen_due, offset=NIGHT),
    Duty("anchor", "記録の錨を書く", timedelta(days=1), _anchor, judges=False, offset=NIGHT),
)


class Work:
    """The duties of one municipality in one process. `tell` hears in words what happened."""

    def __init__(
        self, place: Workplace, *, worker: str, tell: Callable[[str], None], duties: Sequence[Duty] = DUTIES
    ) -> None:
        self._place, self._tell = place, tell
        self._duties = {_job_name(place.municipality_id, duty): duty for duty in duties}
        self._stop = threading.Event()
        self._broken: CallflowError | None = None
        self._gone = False
        self._jumped = timedelta(0)
        self._jobs_of = [
            Job(name, duty.every, partial(self._act, duty), duty.offset) for name, duty in self._duties.items()
        ]
        self._jobs = Jobs(
            place.database,
            self._jobs_of,
            worker=worker,
            now=place.clock.now,
            failed=self._failed,
        )

    def run(self) -> None:
        """Works until `stop`. Raises CallflowError when going on would be pointless: the disk is full or broken."""
        self._jobs.start()
        try:
            self._stop.wait()
        finally:
            self._jobs.stop()
        if self._broken:
            raise self._broken

    def stop(self) -> None:
        """May be called from a signal handler; what is running is finished first."""
        self._stop.set()

    def once(self) -> dict[str, bool]:
        """What is due and nobody has done, now, in this process. By duty: whether it was done here."""
        return {self._duties[job.name].name: self._jobs.fire(job) for job in self._jobs_of}

    def last_runs(self) -> list[tuple[Duty, LastRun | None]]:
        with self._place.database.read() as conn:
            return last_runs(conn, self._place.municipality_id, tuple(self._duties.values()))

    def _act(self, duty: Duty, _moment: datetime) -> None:
        jump = self._place.clock.jumped()
        if jump != self._jumped:
            self._jumped = jump
            self._tell(
                f"時計が {in_hours(jump)}（時:分:秒）飛びました。架電にかかわる仕事を止めています"
                if jump
                else "時計は落ち着きました。架電にかかわる仕事を再開します"
            )
        if jump and duty.judges:
            return
        moved = duty.act(self._place, self._place.clock.now())
        if self._gone:
            self._gone = False
            self._tell("データベースにつながりました")
        if moved:
            self._tell(f"{duty.ja}: {moved:,}件")

    def _failed(self, job: Job, error: Exception) -> None:
        """A duty that failed is tried again at its next moment, or after its limit; a full disk ends the work."""
        words = storage.in_words(error)
        fault = fault_of(error) if isinstance(error, DBAPIError) else None
        if fault is Fault.FULL:
            self._broken = words
            self._stop.set()
        elif fault is Fault.GONE:
            if not self._gone:
                self._tell(f"{words.what if words else ''}。つながるまで待ちます")
            self._gone = True
        else:
            said = words.what if words else error.what if isinstance(error, CallflowError) else type(error).__name__
            self._tell(f"{self._duties[job.name].ja}: できませんでした（{said}）")


def last_runs(
    conn: Connection, municipality_id: int, duties: Sequence[Duty] = DUTIES
) -> list[tuple[Duty, LastRun | None]]:
    """When each duty of a municipality was last begun, by any process."""
    found = []
    for duty in duties:
        runs = job_runs.c
        row = conn.execute(
            select(runs.fire_time, runs.worker, runs.finished_at)
            .where(runs.job == _job_name(municipality_id, duty))
            .order_by(runs.fire_time.desc())
            .limit(1)
        ).one_or_none()
        found.append((duty, LastRun(*row) if row else None))
    return found


def _job_name(municipality_id: int, duty: Duty) -> str:
    return f"{municipality_id}:{duty.name}"


def is_late(duty: Duty, last: LastRun | None, now: datetime) -> bool:
    """Whether a moment of the duty went by and nobody finished it."""
    due = fire_time(now, duty.every, duty.offset) - duty.every
    return last is None or last.fire_time < due or (last.finished_at is None and last.fire_time <= due)
