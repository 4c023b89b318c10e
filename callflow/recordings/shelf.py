"""The rows of recordings: told of, kept, erased. Their files are `callflow.recordings.vault`'s."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from callflow.access.auditlog import audit
from callflow.recordings import vault
from callflow.recordings.vault import Keys
from callflow.retention import holds
from callflow.telephony.port import PhoneUnavailableError, RecordingReady, RecordingSource
from models.database import Database
from models.ids import new_id
from models.tables import calls, recordings

TRY_AGAIN: Final = timedelta(minutes=5)
AT_ONCE: Final = 50
_r = recordings.c


@dataclass(frozen=True, slots=True)
class Room:
    """Where recordings come from and go to, and for how long they are kept. `source`: None where nobody records."""

    folder: Path
    keep: timedelta
    source: RecordingSource | None = None
    keys: Keys | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of the recordings that waited."""

    kept: int = 0
    failed: int = 0


def heard_of(conn: Connection, municipality_id: int, ready: RecordingReady, now: datetime) -> bool:
    """Notes that the provider has a recording of a call of ours; False if it is noted already or of no call."""
    call = conn.execute(
        select(calls.c.id).where(calls.c.municipality_id == municipality_id, calls.c.attempt_ref == ready.attempt_ref)
    ).scalar()
    known = select(_r.id).where(_r.municipality_id == municipality_id, _r.provider_ref == ready.provider_ref)
    if call is None or conn.execute(known).first() is not None:
        return False
    conn.execute(
        insert(recordings).values(
            municipality_id=municipality_id, id=new_id(conn, recordings, municipality_id), call_id=call,
            provider_ref=ready.provider_ref, state="waiting", began_at=ready.began_at, seconds=ready.seconds,
            next_try_at=now, key_name="", sha256="", size=0,
        )
    )  # fmt: skip
    return True


def collect(
    database: Database, municipality_id: int, source: RecordingSource, folder: Path, keys: Keys, now: datetime
) -> Collected:
    """Fetches what waits; once it is kept and on record, the provider's own copy goes. May be repeated at any time."""
    with database.read() as conn:
        todo = conn.execute(
            select(recordings)
            .where(_r.municipality_id == municipality_id, _r.state.in_(("waiting", "kept")), _r.next_try_at <= now)
            .order_by(_r.id)
            .limit(AT_ONCE)
        ).all()
    kept = failed = 0
    for row in todo:
        try:
            if row.state == "waiting":
                _fetch(database, row, source, folder, keys, now)
            source.forget(row.provider_ref)
            _set(database, row, next_try_at=None)
            kept += 1
        except (PhoneUnavailableError, OSError):
            _set(database, row, next_try_at=now + TRY_AGAIN)
            failed += 1
    return Collected(kept, failed)


def _fetch(database: Database, row: Row[Any], source: RecordingSource, folder: Path, keys: Keys, now: datetime) -> None:
    found = vault.keep(path_of(folder, row), name_of(row), source.fetch(row.provider_ref), keys)
    _set(database, row, state="kept", kept_at=now, key_name=found.key, sha256=found.sha256, size=found.size)


def of_call(conn: Connection, municipality_id: int, call_id: int) -> list[Row[Any]]:
    """The recordings of a call that can be played, in their order."""
    query = select(recordings).where(_r.municipality_id == municipality_id, _r.call_id == call_id, _r.state == "kept")
    return list(conn.execute(query.order_by(_r.began_at, _r.id)))


def listed(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    """All of them, the newest first."""
    return list(conn.execute(select(recordings).where(_r.municipality_id == municipality_id).order_by(_r.id.desc())))


def is_due(began_at: datetime, now: datetime, keep: timedelta) -> bool:
    """Whether a recording has been kept for as long as the ward's policy says. Pure."""
    return now - began_at >= keep


def due(conn: Connection, municipality_id: int, now: datetime, keep: timedelta) -> list[Row[Any]]:
    """What must be erased now; what a hold covers stays."""
    held = holds.in_force(conn, municipality_id).things["call"]
    rows = conn.execute(
        select(recordings).where(_r.municipality_id == municipality_id, _r.state == "kept").order_by(_r.id)
    )
    return [row for row in rows if is_due(row.began_at, now, keep) and row.call_id not in held]


def erase(database: Database, municipality_id: int, rows: Iterable[Row[Any]], folder: Path, now: datetime) -> int:
    """Deletes files, each on record; the rows stay and say so. Returns how many."""
    count = 0
    for row in rows:
        path_of(folder, row).unlink(missing_ok=True)
        _erased(database, municipality_id, row, now)
        count += 1
    return count


def _erased(database: Database, municipality_id: int, row: Row[Any], now: datetime) -> None:
    def work(conn: Connection) -> None:
        mine = (_r.municipality_id == municipality_id) & (_r.id == row.id)
        conn.execute(update(recordings).where(mine).values(state="erased", erased_at=now))
        audit(conn, municipality_id, now, None, "recording:erase", f"call:{row.call_id}")

    database.transact(work)


def whole(row: Row[Any], folder: Path) -> bool:
    """Whether a kept file is, byte for byte, the one that was written."""
    try:
        return bool(vault.sha256_of(path_of(folder, row)) == row.sha256)
    except OSError:
        return False


def path_of(folder: Path, row: Row[Any]) -> Path:
    """Where a recording's file is: by municipality and number alone."""
    return folder / str(row.municipality_id) / f"{row.id}.cfr"


def name_of(row: Row[Any]) -> str:
    """What its pieces are bound to."""
    return f"{row.municipality_id}/{row.id}"


def _set(database: Database, row: Row[Any], **values: Any) -> None:
    mine = (_r.municipality_id == row.municipality_id) & (_r.id == row.id)
    database.transact(lambda conn: conn.execute(update(recordings).where(mine).values(**values)))
