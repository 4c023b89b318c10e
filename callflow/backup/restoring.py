"""Puts a backup in the place of a database: proved before, proved after, and what is lost is told.

What was there stays until the new one is proved. Afterwards nobody is logged in and no campaign runs: payments,
suppressions and calls from after the backup are missing, and dialling on without them would be wrong.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, update

from callflow.access import verifier
from callflow.access.auditlog import audit
from callflow.backup import archive, postgresql, sqlite
from callflow.backup.archive import KIND_FILES, Archive
from callflow.backup.contents import contents_of, difference
from callflow.backup.taking import Act, prove_copy
from callflow.clock import TOKYO
from callflow.errors import InputError, RefusedError, Where
from models.database import Database
from models.migrate import HEAD, known, upgrade
from models.tables import campaigns, sessions

RESTORED = "backup:restore"
PAUSED_BECAUSE = "控えから戻した"

Admit = Callable[[Database], Act]
"""Who restores, according to what is restored. Raises what the accounts raise."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore would do. `empty`: nothing is in the way; `behind`: the backup's tables are an older version."""

    archive: Archive
    empty: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. `lost`: how many things the anchors in place prove that the backup does not hold."""

    paused: int
    logged_out: int
    lost: int
    log: verifier.Report
    database_aside: Path | None = None
    anchors_aside: Path | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a person said yes to."""

    overwrite: bool = False
    upgrade: bool = False
    broken_log: bool = False


def plan(file: Path, url: str, allowed: Allowed) -> Plan:
    """Whether the backup can go in. Raises InputError for one that is damaged or of another kind of database,
    RefusedError for what was not allowed."""
    found = archive.read(file)
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    if found.manifest.kind != kind:
        mend = f"database.url を {found.manifest.kind} のものにしてください"
        raise InputError(f"{found.manifest.kind} の控えは {kind} に戻せません", where=Where(str(file)), mend=mend)
    behind = found.manifest.schema_version != HEAD
    if behind and not known(found.manifest.schema_version):
        mend = f"callflow {found.manifest.program} 以降で戻してください"
        raise RefusedError(f"控えの版 {found.manifest.schema_version} をこのプログラムは知りません", mend=mend)
    if behind and not allowed.upgrade:
        mend = f"callflow {found.manifest.program} で戻すか、--upgrade を付けて版 {HEAD} に上げてください"
        raise RefusedError(f"控えの版は {found.manifest.schema_version} です（要る版: {HEAD}）", mend=mend)
    if found.manifest.log.found and not allowed.broken_log:
        mend = "調べたうえで、それでも戻すなら --accept-broken-log を付けてください"
        raise RefusedError(f"控えを取った時に、記録に破れが {found.manifest.log.found} 件ありました", mend=mend)
    empty = _is_empty(url)
    if not empty and not allowed.overwrite:
        mend = "いまの中身を捨ててよければ --overwrite を付けてください"
        raise RefusedError("データベースは空ではありません", mend=mend)
    return Plan(found, empty, behind)


def restore(planned: Plan, url: str, anchors: Path, admit: Admit, now: datetime, allowed: Allowed) -> Restored:
    """Restores. Until the restored database is proved, the one before stays as it was."""
    found = planned.archive
    beside = sqlite.path_of(url).parent if found.manifest.kind == "sqlite" else found.path.parent
    beside.mkdir(parents=True, exist_ok=True)
    with archive.staging(beside) as folder:
        copy = found.extract(KIND_FILES[found.manifest.kind], folder / KIND_FILES[found.manifest.kind])
        prove_copy(found, copy)
        staged_anchors = folder / "anchors"
        staged_anchors.mkdir()
        for each in found.manifest.anchors:
            found.extract(each, staged_anchors / Path(each).name)
        site = _Site(found, staged_anchors, anchors, admit, now, allowed)
        if found.manifest.kind == "sqlite":
            done = site.made_good(f"sqlite:///{copy}")
            sqlite.settle(copy)
            aside = sqlite.put_in_place(copy, sqlite.path_of(url), now)
        else:
            database, aside = Database(url), None
            with postgresql.replaced(database, copy):
                done = site.made_good(url)
            database.close()
        moved = _anchors_in_place(staged_anchors, anchors, now) if found.manifest.anchors else None
    return Restored(done.paused, done.logged_out, done.lost, done.log, aside, moved)


@dataclass(frozen=True, slots=True)
class _Site:
    found: Archive
    staged_anchors: Path
    anchors: Path
    admit: Admit
    now: datetime
    allowed: Allowed

    def made_good(self, url: str) -> Restored:
        """Proves what was restored and leaves it as it may be worked with."""
        log, lost = self._log(url, self.staged_anchors), 0
        if log.found and not self.allowed.broken_log:
            raise InputError(f"戻した記録に破れが {log.found} 件あります: {log.findings[0]}")
        if _newest(self.anchors) != _newest(self.staged_anchors):
            lost = self._log(url, self.anchors).found
        with _open(url) as database:
            with database.read() as conn:
                held = contents_of(conn, self.found.manifest.contents.tables)
            if fault := difference(self.found.manifest.contents, held):
                raise InputError(f"戻した中身が控えと違います: {fault}")
            if self.found.manifest.schema_version != HEAD:
                upgrade(database)
            act = self.admit(database)
            with database.write() as conn:
                paused, logged_out = _paused(conn, act), _logged_out(conn, act)
                purpose = f"sha256 {self.found.digest}"
                audit(conn, act.municipality_id, act.clock(), act.actor_id, RESTORED, "database", purpose=purpose)
        return Restored(paused, logged_out, lost, log)

    @staticmethod
    def _log(url: str, anchors: Path) -> verifier.Report:
        connection = verifier.connect(url)
        try:
            return verifier.verify(connection, anchors)
        finally:
            connection.close()


@contextmanager
def _open(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _paused(conn: Connection, act: Act) -> int:
    """Every running campaign, of every municipality in the database."""
    c = campaigns.c
    running = conn.execute(select(c.municipality_id, c.id).where(c.state == "running")).all()
    conn.execute(update(campaigns).where(c.state == "running").values(state="paused", state_reason=PAUSED_BECAUSE))
    for municipality_id, campaign_id in running:
        by = act.actor_id if municipality_id == act.municipality_id else None
        audit(conn, municipality_id, act.clock(), by, "campaign:pause", f"campaign:{campaign_id}", purpose=RESTORED)
    return len(running)


def _logged_out(conn: Connection, act: Act) -> int:
    open_ = sessions.c.ended_at.is_(None)
    return conn.execute(update(sessions).where(open_).values(ended_at=act.now, end_reason="restored")).rowcount


def _anchors_in_place(staged: Path, anchors: Path, now: datetime) -> Path | None:
    """The backup's anchors go where anchors are. What stood there is evidence and stays beside, under another name."""
    if _newest(staged) == _newest(anchors):
        return None
    aside = None
    if anchors.is_dir() and any(anchors.iterdir()):
        aside = anchors.with_name(f"{anchors.name}.before-restore-{now.astimezone(TOKYO):%Y%m%dT%H%M%S}")
        anchors.rename(aside)
    anchors.mkdir(parents=True, exist_ok=True)
    for path in staged.iterdir():
        shutil.copyfile(path, anchors / path.name)
    return aside


def _newest(anchors: Path) -> bytes:
    names = sorted(anchors.glob("[0-9]*.json"))
    return names[-1].read_bytes() if names else b""


def _is_empty(url: str) -> bool:
    if url.startswith("sqlite"):
        return sqlite.is_empty(sqlite.path_of(url))
    with _open(url) as database, database.read() as conn:
        return postgresql.is_empty(conn)
