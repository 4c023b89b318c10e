"""A copy of a SQLite database while it is written, and a copy put in its place."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from callflow.backup.archive import created
from callflow.clock import TOKYO
from callflow.durable import flush
from callflow.errors import InputError, TryLaterError, Where


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def copy(source: Path, target: Path) -> None:
    """Copies with SQLite's online backup: one snapshot, writers go on meanwhile. The copy is one file, checked."""
    with created(target):
        pass
    with closing(sqlite3.connect(source)) as conn, closing(sqlite3.connect(target)) as out:
        conn.backup(out, pages=-1)  # all in one read transaction: in steps, every write would begin it anew
        out.execute("PRAGMA journal_mode=DELETE")
    check(target)


def check(path: Path) -> None:
    """SQLite's own integrity and foreign keys. Raises InputError with the first fault."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as conn:
            (verdict,) = conn.execute("PRAGMA integrity_check(1)").fetchone()
            orphan = conn.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise InputError("SQLite のデータベースとして読めません", where=Where(str(path))) from error
    if verdict != "ok":
        raise InputError("SQLite の整合性検査に合格しません", where=Where(str(path)))
    if orphan:
        raise InputError(f"表 {orphan[0]} に、参照先のない行があります", where=Where(str(path)))


def is_empty(path: Path) -> bool:
    """Whether there is nothing to lose: no file, or no table in it."""
    if not path.exists() or not path.stat().st_size:
        return True
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as conn:
            return not conn.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return False


def settle(path: Path) -> None:
    """Makes a database one file again, nothing left in its WAL."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode=DELETE")


def put_in_place(copy: Path, target: Path, now: datetime) -> Path | None:
    """`copy` becomes `target` in one step; what was there stays beside it, whose path is returned.

    Raises TryLaterError while another process has the database open: it would go on writing into the old one.
    """
    aside = None
    if target.exists():
        aside = target.with_name(f"{target.name}.before-restore-{now.astimezone(TOKYO):%Y%m%dT%H%M%S}")
        _alone(target)
        os.link(target, aside)
        for suffix in ("-wal", "-shm"):  # left only beside a database that SQLite could not open
            rest = target.with_name(target.name + suffix)
            if rest.exists():
                rest.rename(f"{aside}{suffix}")
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.replace(target)
    flush(target.parent)
    return aside


def _alone(path: Path) -> None:
    """Only a database that nobody else has open can leave WAL mode."""
    try:
        with closing(sqlite3.connect(path, timeout=1)) as conn:
            conn.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise in_use() from error
    except sqlite3.DatabaseError:
        return  # it is damaged: that is why it is replaced


def in_use() -> TryLaterError:
    return TryLaterError(
        "ほかの処理がデータベースを開いています", mend="callflow serve と work を止めて、もう一度実行してください"
    )
