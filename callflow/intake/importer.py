"""A file becomes cases: every row is validated and staged, then all of it becomes active at once, or nothing does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from callflow.errors import InputError, Where
from callflow.intake.activation import BATCH, activate_arrears
from callflow.intake.columns import ListMapping
from callflow.intake.duplicates import Suspects, repeated
from callflow.intake.faults import BadRow
from callflow.intake.rows import RowReader
from callflow.intake.settling import activate_payments, unknown_notices
from callflow.intake.source import Source, open_source
from models.database import Database
from models.ids import new_id
from models.tables import import_rows, imports

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
MAX_FAULTS = 10_000
"""How many bad rows are kept in words; the rest is only counted, so that memory stays flat."""

LONGEST_IMPORT = timedelta(hours=6)
"""An import that is still staging after that was killed."""


@dataclass
class ImportReport:
    """What a file held and what it changed. `state`: active, unchanged (imported before), checked (dry run), refused.

    `bad_rows` stop an import; `quarantined` numbers are kept and never dialled; `unmatched` payments fit no instalment.
    """

    file: str
    kind: str
    encoding: str
    state: str = "checked"
    rows: int = 0
    bad_row_count: int = 0
    as_of: date | None = None
    import_id: int | None = None
    bad_rows: list[BadRow] = field(default_factory=list)
    quarantined: list[BadRow] = field(default_factory=list)
    unmatched: list[BadRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> bool:
        return any(self.counts.values())

    def as_data(self) -> dict[str, Any]:
        lists = {
            name: [row.as_data() for row in getattr(self, name)] for name in ("bad_rows", "quarantined", "unmatched")
        }
        plain = {name: getattr(self, name) for name in ("file", "kind", "encoding", "state", "rows", "bad_row_count")}
        as_of = self.as_of.isoformat() if self.as_of else None
        return {**plain, "as_of": as_of, "import_id": self.import_id, "counts": dict(self.counts), **lists}


def import_file(
    database: Database,
    path: Path,
    *,
    municipality_id: int,
    actor_id: int,
    now: datetime,
    mapping: ListMapping | None = None,
    dry_run: bool = False,
    allow_bad_rows: bool = False,
    full: bool = False,
    default_area_code: str = "03",
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Imports a list of arrears or of payments; which one, its headings say.

    Nothing becomes active when a row is bad, unless `allow_bad_rows`, which leaves the bad ones out. `full`: what an
    earlier list of the same claim named and this one does not is deactivated. `progress` hears the rows read so far.
    Raises InputError when the file as a whole cannot be read.
    """
    run = _Run(database, path, mapping or ListMapping(), default_area_code, municipality_id)
    report = run.report
    if full and report.kind == "payments":
        raise InputError("収納の一覧に --full は使えません", where=Where(str(path)))
    if full and allow_bad_rows:
        mend = "行を直してから --full で取り込んでください"
        raise InputError("除いた行は「消えた期別」と区別できません", where=Where(str(path)), mend=mend)
    if not dry_run and run.imported_before(full=full):
        report.state = "unchanged"
        return report
    if not dry_run:
        run.sweep(now)
        run.open(actor_id, now, full=full)
    try:
        run.read(progress, stage=not dry_run)
        refused = bool(report.bad_row_count) and not allow_bad_rows
        if dry_run or refused:
            run.check_notices()
            report.state = "checked" if dry_run else "refused"
        else:
            run.activate(now, full=full)
    finally:
        run.abandon()
    return report


class _Run:
    """One file on its way in."""

    def __init__(self, database: Database, path: Path, mapping: ListMapping, area: str, municipality_id: int) -> None:
        self._database = database
        self._municipality = municipality_id
        self._source: Source = open_source(path, mapping)
        self._reader = RowReader(self._source.places, self._source.width, mapping, area)
        self._take = self._reader.arrears if self._source.kind == "arrears" else self._reader.payment
        self.report = ImportReport(path.name, self._source.kind, self._source.facts.encoding)

    def imported_before(self, *, full: bool) -> bool:
        """Whether this very file is active already; a full list taken as a differential one may come again."""
        here = (imports.c.municipality_id == self._municipality, imports.c.file_hash == self._source.facts.digest)
        with self._database.read() as conn:
            done = conn.execute(select(imports.c.full_list).where(*here, imports.c.state == "active")).scalar()
        return done is not None and (done or not full)

    def open(self, actor_id: int, now: datetime, *, full: bool) -> None:
        def insert(conn: Connection) -> int:
            one = new_id(conn, imports, self._municipality)
            facts = {"encoding": self.report.encoding, "file_hash": self._source.facts.digest, "full_list": full}
            names = {"kind": self.report.kind, "file_name": self.report.file, "state": "staging"}
            who = {"municipality_id": self._municipality, "id": one, "actor_id": actor_id, "started_at": now}
            conn.execute(imports.insert().values(**facts, **names, **who))
            return one

        self.report.import_id = self._database.transact(insert)

    def read(self, progress: Callable[[int], None] | None, *, stage: bool) -> None:
        """Validates every row; stages the good ones in short transactions."""
        report, reader, suspects = self.report, self._reader, Suspects()
        batch: list[dict[str, Any]] = []
        latest = ""
        for line, cells in self._source.rows():
            report.rows += 1
            if report.kind == "arrears" and (key := reader.key(cells)):
                suspects.add(key)
            values = self._take(line, cells)
            self._keep(reader.faults, reader.quarantined)
            if values is not None:
                latest = max(latest, values[-1])
                batch.append({"line": line, "row": _ENCODE(values)})
            if report.rows % BATCH == 0:
                self._stage(batch, stage=stage)
                batch = []
                if progress:
                    progress(report.rows)
        self._stage(batch, stage=stage)
        report.as_of = date.fromisoformat(latest) if latest else None
        if suspects.keys:
            self._settle_repeated(suspects, stage=stage)

    def check_notices(self) -> None:
        """Which payments would fit no instalment, without writing."""
        if self.report.kind != "payments":
            return
        with self._database.read() as conn:
            batch: list[tuple[int, list[Any]]] = []
            for line, cells in chain(self._source.rows(), [(0, [])]):
                values = self._take(line, cells) if line else None
                if values is not None:
                    batch.append((line, values))
                if len(batch) >= BATCH or (batch and not line):
                    self.report.unmatched += unknown_notices(conn, self._municipality, batch)
                    batch = []

    def activate(self, now: datetime, *, full: bool) -> None:
        """All staged rows at once, in one transaction."""
        one = self.report.import_id
        assert one is not None

        def work(conn: Connection) -> tuple[Counter[str], list[BadRow]]:
            if self.report.kind == "arrears":
                counts = activate_arrears(conn, self._municipality, one, now, full=full)
                unmatched: list[BadRow] = []
            else:
                counts, unmatched = activate_payments(conn, self._municipality, one)
            same = imports.c.file_hash == self._source.facts.digest
            before = and_(imports.c.municipality_id == self._municipality, same, imports.c.state == "active")
            conn.execute(update(imports).where(before).values(state="abandoned"))
            done = {"state": "active", "activated_at": now, "as_of": self.report.as_of, "result": json.dumps(+counts)}
            seen = {"row_count": self.report.rows, "bad_row_count": self.report.bad_row_count}
            conn.execute(update(imports).where(self._is(one)).values(**done, **seen))
            return +counts, unmatched

        self.report.counts, self.report.unmatched = self._database.transact(work)
        self.report.state = "active"

    def abandon(self) -> None:
        """Staged rows go, whatever became of them; an import that is not active is marked as abandoned."""
        if self.report.import_id is not None:
            self._abandon(self.report.import_id, over=self.report.state != "active")

    def sweep(self, now: datetime) -> None:
        """What a killed import left behind goes, once it is older than any import lasts."""
        left = select(imports.c.id).where(
            imports.c.municipality_id == self._municipality,
            imports.c.state == "staging",
            imports.c.started_at < now - LONGEST_IMPORT,
        )
        with self._database.read() as conn:
            killed = list(conn.execute(left).scalars())
        for one in killed:
            self._abandon(one, over=True)

    def _abandon(self, one: int, *, over: bool) -> None:
        rows = import_rows.c
        ours = and_(rows.municipality_id == self._municipality, rows.import_id == one)
        with self._database.read() as conn:
            last = conn.execute(select(func.max(rows.line)).where(ours)).scalar_one() or 0
        for until in range(BATCH, last + BATCH, BATCH):
            self._drop(one, rows.line <= until)
        if over:
            self._database.transact(
                lambda conn: conn.execute(update(imports).where(self._is(one)).values(state="abandoned"))
            )

    def _drop(self, one: int, which: ColumnElement[bool]) -> None:
        """Staged rows of an import, in a short transaction."""
        rows = import_rows.c
        ours = and_(rows.municipality_id == self._municipality, rows.import_id == one)
        self._database.transact(lambda conn: conn.execute(delete(import_rows).where(ours, which)))

    def _is(self, one: int) -> ColumnElement[bool]:
        return and_(imports.c.municipality_id == self._municipality, imports.c.id == one)

    def _keep(self, faults: list[BadRow], quarantined: list[BadRow]) -> None:
        if faults:
            self.report.bad_row_count += 1
            if len(self.report.bad_rows) < MAX_FAULTS:
                self.report.bad_rows += faults
        if quarantined and len(self.report.quarantined) < MAX_FAULTS:
            self.report.quarantined += quarantined

    def _stage(self, batch: list[dict[str, Any]], *, stage: bool) -> None:
        if batch and stage:
            here = {"municipality_id": self._municipality, "import_id": self.report.import_id}
            rows = [{**here, **row} for row in batch]
            self._database.transact(lambda conn: conn.execute(import_rows.insert(), rows))

    def _settle_repeated(self, suspects: Suspects, *, stage: bool) -> None:
        """A repeated row is reported as that and nothing else, and the row that it repeats stays."""
        twice = dict(repeated(self._keys(), suspects.keys))
        if not twice:
            return
        report = self.report
        bad = {row.line for row in report.bad_rows}
        report.bad_row_count += len([line for line in twice if line not in bad])
        report.bad_rows = [row for row in report.bad_rows if row.line not in twice]
        report.quarantined = [row for row in report.quarantined if row.line not in twice]
        report.bad_rows += [
            BadRow(line, 0, "", "", f"{first} 行目と同じ期別です", "重複した行を除いてください")
            for line, first in twice.items()
        ]
        report.bad_rows.sort(key=lambda row: (row.line, row.column))
        one = report.import_id
        if stage and one is not None:
            rows = import_rows.c
            lines = sorted(twice)
            for start in range(0, len(lines), BATCH):
                some = rows.line.in_(lines[start : start + BATCH])
                self._drop(one, some)

    def _keys(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        for line, cells in self._source.rows():
            if key := self._reader.key(cells):
                yield line, key
