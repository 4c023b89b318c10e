"""A file on its way through the import wizard: kept, checked, confirmed, taken in. Its row says where it stands.

Whoever reads a file (`work`) claims its row first and tells there how far it is, so that a page can show it, a reload
loses nothing, and a process that died is followed by another. The file and the values of bad rows go when it is over.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

import structlog
from sqlalchemy import Connection, Row, and_, or_, select, update

from callflow.clock import Clock
from callflow.config import Config
from callflow.errors import CallflowError, InputError, NotFoundError, RefusedError, Where
from callflow.followup.terms import rules_of
from callflow.intake.columns import ListMapping, known_claims, load_mapping
from callflow.intake.importer import ImportReport, import_file
from callflow.intake.source import Limits, Source, open_source
from models.database import Database
from models.ids import new_id
from models.tables import import_uploads

log = structlog.get_logger("callflow.intake")

SILENT: Final = timedelta(minutes=2)
"""A file whose reader nobody has heard of for so long is read again by another."""
KEPT: Final = timedelta(days=1)
"""A file that nobody confirms goes after that."""
SHOWN: Final = 2_000
"""Faults that are kept in words for the page and its list."""
OPEN: Final = ("waiting", "checked", "confirmed", "failed")
IN_THE_CLEAR: Final = frozenset(
    {
        "科目コード",
        "科目名",
        "賦課年度",
        "相当年度",
        "期別",
        "納期限",
        "督促状発送日",
        "収納データ基準日",
        "収納日",
        "取消区分",
        "言語",
    }
)
"""The columns whose sample is shown as it is; of every other only the first character."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a file stands. `report`: what was found so far (`work`)."""

    id: int
    file_name: str
    state: str
    full: bool
    uploaded_at: datetime
    rows_read: int
    rows_all: int
    report: dict[str, Any]

    @property
    def moving(self) -> bool:
        """Somebody is to read it, or is reading it."""
        return self.state in ("waiting", "confirmed")


class Uploads:
    """The uploads of one municipality and their folder."""

    def __init__(self, database: Database, municipality_id: int, config: Config) -> None:
        self._database = database
        self._municipality = municipality_id
        self._config = config
        self._folder = config.imports.uploads

    def receive(
        self, name: str, file: BinaryIO, mapping: BinaryIO | None, *, full: bool, by: int, now: datetime
    ) -> int:
        """Keeps a file and has it checked. Raises InputError for an empty one."""
        stored = secrets.token_hex(16)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for suffix, stream in ((".csv", file), (".yaml", mapping)):
            if stream is not None:
                path = self._path(stored, suffix)
                path.touch(mode=0o600)
                with path.open("wb") as kept:
                    shutil.copyfileobj(stream, kept)
        if not self._path(stored).stat().st_size:
            self._remove(stored)
            raise InputError("ファイルが空です", where=Where(field="file"), mend="CSV のファイルを選んでください")

        def insert(conn: Connection) -> int:
            one = new_id(conn, import_uploads, self._municipality)
            who = {"municipality_id": self._municipality, "id": one, "actor_id": by, "uploaded_at": now}
            what = {"file_name": Path(name).name[:200], "stored_as": stored, "full_list": full, "state": "waiting"}
            conn.execute(import_uploads.insert().values(**who, **what))
            return one

        return self._database.transact(insert)

    def get(self, upload_id: int) -> Upload:
        """Raises NotFoundError."""
        with self._database.read() as conn:
            row = conn.execute(select(import_uploads).where(self._is(upload_id))).one_or_none()
        if row is None:
            raise NotFoundError(f"アップロード {upload_id} はありません")
        return _upload(row)

    def open(self) -> list[Upload]:
        """What is not over, newest first."""
        u = import_uploads.c
        query = select(import_uploads).where(u.municipality_id == self._municipality, u.state.in_(OPEN))
        with self._database.read() as conn:
            return [_upload(row) for row in conn.execute(query.order_by(u.id.desc()))]

    def confirm(self, upload_id: int, by: int, *, without_bad_rows: bool) -> None:
        """The checked file is to be taken in. Raises RefusedError."""
        one = self.get(upload_id)
        if one.state != "checked":
            raise RefusedError("この取り込みは確定できる状態ではありません", mend="画面を開き直してください")
        if one.report["bad_row_count"] and not without_bad_rows:
            raise RefusedError("誤りのある行があります", mend="行を直したファイルを、もう一度選んでください")
        report = json.dumps({**one.report, "without_bad_rows": without_bad_rows}, ensure_ascii=False)
        values = {"state": "confirmed", "alive_at": None, "actor_id": by, "rows_read": 0, "report": report}
        self._move(upload_id, ("checked",), **values)

    def drop(self, upload_id: int) -> None:
        """The file is not taken in; it and what was found in it go."""
        self._move(upload_id, ("waiting", "checked", "failed"), state="dropped", report="{}")
        self._remove(self._stored(upload_id))

    def claim(self, now: datetime) -> int | None:
        """The next file to read, for this process alone; None if there is none. Old ones go meanwhile."""
        u = import_uploads.c
        idle = or_(u.alive_at.is_(None), u.alive_at < now - SILENT)
        free = and_(u.municipality_id == self._municipality, u.state.in_(("waiting", "confirmed")), idle)
        old = and_(
            u.municipality_id == self._municipality, u.state.in_(("checked", "failed")), u.uploaded_at < now - KEPT
        )
        with self._database.read() as conn:
            found = conn.execute(select(u.id).where(free).order_by(u.id).limit(1)).scalar()
            over = list(conn.execute(select(u.id).where(old)).scalars())
        for one in over:
            self.drop(one)
        if found is None:
            return None
        taken = update(import_uploads).where(free, u.id == found).values(alive_at=now)
        return found if self._database.transact(lambda conn: conn.execute(taken).rowcount) else None

    def work(self, upload_id: int, clock: Clock) -> None:
        """Checks a claimed file, or takes it in if that was confirmed; what came of it stands in its row."""
        one = self.get(upload_id)
        stored = self._stored(upload_id)
        try:
            if one.state == "waiting":
                self._check(one, stored, clock)
            else:
                self._take_in(one, stored, clock)
        except CallflowError as error:
            self._fail(upload_id, {"what": error.what, "line": error.where.line, "mend": error.mend})
        except Exception as error:  # a file that breaks its reader must not be read again and again
            log.error("upload", upload=upload_id, kind=type(error).__name__)
            self._fail(upload_id, {"what": "思わぬ誤りで止まりました", "line": 0, "mend": "もう一度お試しください"})

    def _fail(self, upload_id: int, told: dict[str, Any]) -> None:
        self._move(upload_id, ("waiting", "confirmed"), state="failed", report=json.dumps(told, ensure_ascii=False))

    def _check(self, one: Upload, stored: str, clock: Clock) -> None:
        source = open_source(self._path(stored), self._mapping(stored), self._limits)
        columns = sample(source, self._mapping(stored))
        report = self._import(one, stored, clock, dry_run=True)
        found = {**_told(report), "columns": columns, "ignored": list(report.ignored)}
        self._move(one.id, ("waiting",), state="checked", report=json.dumps(found, ensure_ascii=False))

    def _take_in(self, one: Upload, stored: str, clock: Clock) -> None:
        report = self._import(one, stored, clock, dry_run=False)
        told = _told(report)
        over = report.state in ("active", "unchanged")
        if over:
            told = {name: value for name, value in told.items() if name not in ("bad_rows", "quarantined", "unmatched")}
        kept = told if over else {**one.report, **told}
        state, text = "done" if over else "checked", json.dumps(kept, ensure_ascii=False)
        self._move(one.id, ("confirmed",), state=state, report=text)
        if over:
            self._remove(stored)

    def _import(self, one: Upload, stored: str, clock: Clock, *, dry_run: bool) -> ImportReport:
        return import_file(
            self._database,
            self._path(stored),
            municipality_id=self._municipality,
            actor_id=self._actor(one.id),
            now=clock.now(),
            mapping=self._mapping(stored),
            dry_run=dry_run,
            allow_bad_rows=bool(one.report.get("without_bad_rows")),
            full=one.full,
            default_area_code=self._config.imports.default_area_code,
            limits=self._limits,
            progress=self._teller(one.id, clock),
            clock=clock.now,
            rules=rules_of(self._config),
            called=one.file_name,
        )

    def _teller(self, upload_id: int, clock: Clock) -> Callable[[int, int], None]:
        """Tells how far it is, at most twice a second."""
        last = 0.0

        def tell(rows: int, of: int) -> None:
            nonlocal last
            if time.monotonic() - last >= 0.5 or rows == of:
                last = time.monotonic()
                self._move(upload_id, ("waiting", "confirmed"), rows_read=rows, rows_all=of, alive_at=clock.now())

        return tell

    def _mapping(self, stored: str) -> ListMapping:
        path, claims = self._path(stored, ".yaml"), known_claims(self._config.claim_types)
        return load_mapping(path, claims) if path.exists() else ListMapping(known=claims)

    @property
    def _limits(self) -> Limits:
        caps = self._config.imports
        return Limits(caps.max_megabytes, caps.max_rows, caps.max_cell)

    def _move(self, upload_id: int, states: tuple[str, ...], **values: Any) -> None:
        here = update(import_uploads).where(self._is(upload_id), import_uploads.c.state.in_(states)).values(**values)
        if not self._database.transact(lambda conn: conn.execute(here).rowcount):
            raise RefusedError("この取り込みは、もうこの状態ではありません", mend="画面を開き直してください")

    def _stored(self, upload_id: int) -> str:
        with self._database.read() as conn:
            return str(conn.execute(select(import_uploads.c.stored_as).where(self._is(upload_id))).scalar_one())

    def _actor(self, upload_id: int) -> int:
        with self._database.read() as conn:
            return int(conn.execute(select(import_uploads.c.actor_id).where(self._is(upload_id))).scalar_one())

    def _is(self, upload_id: int) -> Any:
        return and_(import_uploads.c.municipality_id == self._municipality, import_uploads.c.id == upload_id)

    def _path(self, stored: str, suffix: str = ".csv") -> Path:
        return self._folder / f"{stored}{suffix}"

    def _remove(self, stored: str) -> None:
        for suffix in (".csv", ".yaml"):
            with suppress(FileNotFoundError):
                self._path(stored, suffix).unlink()


def sample(source: Source, mapping: ListMapping) -> list[dict[str, str]]:
    """What each column is taken for, with the first row's value, masked where it says something of a person."""
    _line, first = next(source.rows(), (0, [""] * source.width))
    return [
        {
            "ours": ours,
            "theirs": mapping.columns.get(ours, ours),
            "value": _shown(ours, first[place] if place < len(first) else ""),
        }
        for ours, place in source.places.items()
    ]


def _shown(column: str, value: str) -> str:
    return value if column in IN_THE_CLEAR or not value else value[0] + "＊" * min(len(value) - 1, 6)


def _told(report: ImportReport) -> dict[str, Any]:
    """The report with at most `SHOWN` of each kind of fault."""
    return {name: value[:SHOWN] if isinstance(value, list) else value for name, value in report.as_data().items()}


def _upload(row: Row[Any]) -> Upload:
    report = json.loads(row.report)
    return Upload(row.id, row.file_name, row.state, row.full_list, row.uploaded_at, row.rows_read, row.rows_all, report)
