"""Takes a backup while callflow works, and proves it before anybody relies on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from callflow import __version__
from callflow.access import verifier
from callflow.access.auditlog import audit
from callflow.backup import archive, postgresql, sqlite
from callflow.backup.archive import KIND_FILES, Archive, Contents, Kind, LogVerdict, Manifest
from callflow.backup.contents import contents_of, difference
from callflow.clock import TOKYO
from callflow.durable import flush
from callflow.errors import ConfigError, InputError, NotFoundError, Where
from models.database import Database
from models.migrate import HEAD, current

BEGUN, VERIFIED = "backup:begin", "backup:verify"
"""Verbs of the record: before anything is read, and when the file was read again and proved."""

_NAME = re.compile(r"callflow-\d{6}-\d{8}T\d{6}\.backup")


@dataclass(frozen=True, slots=True)
class Act:
    """Who takes or restores a backup, for which municipality, and since when; `clock`: what time it is by now."""

    municipality_id: int
    code: str
    actor_id: int
    now: datetime
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup on the disk. `removed`: older ones that went, as asked."""

    archive: Archive
    removed: tuple[Path, ...] = ()


def place(target: Path, act: Act) -> Path:
    """The file to write: `target`, or in the folder that it is, a name with the municipality and the time.

    Raises InputError if the file is there, NotFoundError if its folder is not.
    """
    if target.is_dir():
        target = target / f"callflow-{act.code}-{act.now.astimezone(TOKYO):%Y%m%dT%H%M%S}.backup"
    if target.exists():
        raise InputError(f"{target} はすでにあります", mend="別の名前にするか、フォルダーを指定してください")
    if not target.parent.is_dir():
        raise NotFoundError(f"フォルダー {target.parent} がありません", mend="先に作ってください")
    return target


def back_up(database: Database, anchors: Path, target: Path, act: Act, *, keep: int | None = None) -> Taken:
    """Writes a backup to `target`, reads it again and proves it; on the record before and after.

    The anchors are copied first, so that the log in the backup holds all that they cover. Raises ConfigError for a
    database of another version, and what `place` raises.
    """
    if current(database) != HEAD:
        raise ConfigError("データベースの版がこのプログラムと違います", mend="callflow db current で確かめてください")
    target = place(target, act)
    _on_record(database, act, BEGUN, "")
    with archive.staging(target.parent) as folder:
        members = {f"anchors/{path.name}": path for path in _copied_anchors(anchors, folder / "anchors")}
        kind: Kind = "sqlite" if database.is_sqlite else "postgresql"
        copy = folder / KIND_FILES[kind]
        contents = _copied(database, copy)
        log = _verdict(f"sqlite:///{copy}" if database.is_sqlite else database.url, folder / "anchors")
        members = {copy.name: copy, **members}
        manifest = Manifest(
            format=1,
            program=__version__,
            created_at=act.now,
            kind=kind,
            schema_version=HEAD,
            contents=contents,
            log=log,
            files={name: archive.facts_of(path) for name, path in members.items()},
        )
        draft = folder / "draft"
        archive.write(draft, manifest, members)
        written = archive.read(draft)
        if database.is_sqlite:  # a dump was held against its counts when it was made
            _same(manifest.contents, _contents_of_file(copy), target)
        draft.rename(target)
        flush(target.parent)
    _on_record(database, act, VERIFIED, f"sha256 {written.digest}")
    whole = Archive(target, manifest, written.digest, written.offsets)
    return Taken(whole, tuple(_removed(target, keep)) if keep else ())


def examine(path: Path) -> Archive:
    """Proves a backup from the file alone: every byte, the database's own checks, its rows and heads against the
    manifest. Needs room beside the file. Raises InputError at the first fault."""
    found = archive.read(path)
    with archive.staging(path.parent) as folder:
        prove_copy(found, found.extract(KIND_FILES[found.manifest.kind], folder / "database"))
    return found


def prove_copy(found: Archive, copy: Path) -> None:
    """Raises InputError unless the extracted database holds what the manifest says."""
    if found.manifest.kind == "sqlite":
        sqlite.check(copy)
        held = _contents_of_file(copy, found.manifest.contents)
    else:
        held = postgresql.dumped(copy, postgresql.newest_reader())
    _same(found.manifest.contents, held, found.path)


def _copied_anchors(anchors: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    for path in sorted(anchors.glob("*")) if anchors.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            yield Path(shutil.copyfile(path, folder / path.name))


def _copied(database: Database, copy: Path) -> Contents:
    """Copies the database and counts what is in the copy."""
    if database.is_sqlite:
        sqlite.copy(sqlite.path_of(database.url), copy)
        return _contents_of_file(copy)
    with database.one_moment() as conn:
        counted = contents_of(conn)
        postgresql.dump(conn, database.url, copy)
        tool = postgresql.programs(postgresql.server_version(conn)).restore
    _same(counted, postgresql.dumped(copy, tool), copy)
    return counted


def _contents_of_file(path: Path, as_in: Contents | None = None) -> Contents:
    database = Database(f"sqlite:///{path}")
    try:
        with database.read() as conn:
            return contents_of(conn, as_in.tables if as_in else None)
    finally:
        database.close()
        sqlite.settle(path)


def _verdict(url: str, anchors: Path) -> LogVerdict:
    connection = verifier.connect(url)
    try:
        report = verifier.verify(connection, anchors)
    finally:
        connection.close()
    return LogVerdict(
        calls=report.calls,
        events=report.events,
        found=report.found,
        anchored=report.anchors > 0,
        last_anchor=report.last_anchor,
        last_anchor_hash=report.last_anchor_hash,
    )


def _same(written: Contents, held: Contents, path: Path) -> None:
    if fault := difference(written, held):
        raise InputError(f"控えを使えません: {fault}", where=Where(str(path)), mend="もう一度控えを取ってください")


def _removed(newest: Path, keep: int) -> Iterator[Path]:
    """Of the backups that we named, all but the newest `keep` go."""
    ours = sorted(path for path in newest.parent.iterdir() if _NAME.fullmatch(path.name) and path != newest)
    for path in ours[: max(0, len(ours) - (keep - 1))]:
        path.unlink()
        yield path


def _on_record(database: Database, act: Act, verb: str, purpose: str) -> None:
    def record(conn: Connection) -> None:
        audit(conn, act.municipality_id, act.clock(), act.actor_id, verb, "database", purpose=purpose)

    database.transact(record)
