"""A file becomes cases: every row is validated and staged, then all of it becomes active at once, or nothing does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, text, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, TryLaterError, Where
from callflow.followup.promises import judge_imported
from callflow.followup.terms import Rules
from callflow.intake.activation import activate_arrears
from callflow.intake.columns import ListMapping
from callflow.intake.faults import BadRow
from callflow.intake.reading import Reading
from callflow.intake.settling import activate_payments, unknown_notices
from callflow.intake.sharing import shared
from callflow.intake.source import Limits, Source, open_source
from callflow.intake.staging import Staging, clear
from models.database import Database
from models.ids import new_id
from models.tables import (
    arrears,
    cases,
    debtor_phones,
    debtors,
    households,
    import_arrears,
    import_payments,
    import_people,
    imports,
    municipalities,
    payments,
    phone_numbers,
)

UNMATCHED = "unmatched"
"""The stored result's key for how many payments fitted nothing."""

SILENT = timedelta(minutes=15)
"""An import that nobody has heard of for so long was killed."""


@dataclass
class ImportReport:
    """What a file held and what it changed. `state`: active, unchanged (imported before), checked (dry run), refused.

    `bad_rows` stop an import; `quarantined` numbers are kept and never dialled; `unmatched` payments fit no instalment.
    `counts` is what changed, `shared` what the list's people have in common. The lists hold the first
    `reading.MAX_FAULTS`; `ignored` are headings that mean nothing to us.
    """

    file: str
    kind: str
    encoding: str
    state: str = "checked"
    rows: int = 0
    bad_row_count: int = 0
    quarantined_count: int = 0
    as_of: date | None = None
    import_id: int | None = None
    ignored: tuple[str, ...] = ()
    bad_rows: list[BadRow] = field(default_factory=list)
    quarantined: list[BadRow] = field(default_factory=list)
    unmatched: list[BadRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    shared: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> bool:
        return any(self.counts.values())

    def as_data(self) -> dict[str, Any]:
        lists = {
            name: [row.as_data() for row in getattr(self, name)] for name in ("bad_rows", "quarantined", "unmatched")
        }
        names = ("file", "kind", "encoding", "state", "rows", "bad_row_count", "quarantined_count", "import_id")
        as_of = self.as_of.isoformat() if self.as_of else None
        plain = {name: getattr(self, name) for name in names}
        return {
            **plain,
            "as_of": as_of,
            "ignored": list(self.ignored),
            "counts": dict(self.counts),
            "shared": dict(self.shared),
            **lists,
        }


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
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], datetime] | None = None,
    rules: Rules | None = None,
    called: str = "",
) -> ImportReport:
    """Imports a list of arrears or of payments; which one, its headings say.

    Nothing becomes active when a row is bad, unless `allow_bad_rows`, which leaves the bad ones out. `full`: what an
    earlier list of the same claim named and this one does not is deactivated. `progress` hears the rows read so far and
    about how many there are; `clock` is asked as the import goes on, `now` is when it began; `called`: the file's name
    for people, if not that of `path`. With `rules` the
    promises of the cases that payments name are judged in the same transaction. Raises InputError when the
    file as a whole cannot be read, TryLaterError when another import took its place.
    """
    source = open_source(path, mapping or ListMapping(), limits)
    if full and source.kind == "payments":
        raise InputError("収納の一覧に --full は使えません", where=Where(str(path)))
    if full and allow_bad_rows:
        mend = "行を直してから --full で取り込んでください"
        raise InputError("除いた行は「消えた期別」と区別できません", where=Where(str(path)), mend=mend)
    reading = Reading(source, mapping or ListMapping(), default_area_code, progress)
    report = ImportReport(called or path.name, source.kind, source.facts.encoding, ignored=source.ignored)
    run = _Run(database, municipality_id, actor_id, source, reading, report, rules)
    if dry_run:
        run.check()
        return report
    before = run.imported_before(full=full)
    if before == "whole":
        report.state = "unchanged"
        return report
    sweep(database, municipality_id, now)
    staging = run.open(now, clock or (lambda: now), full=full)
    try:
        reading.stage(staging)
        run.tell()
        if reading.bad_row_count and not allow_bad_rows:
            report.state = "refused"
            run.check_notices()
        else:
            run.activate((clock or (lambda: now))(), full=full)
            if before and not report.counts:
                report.state = "unchanged"
    finally:
        run.end()
    return report


def sweep(database: Database, municipality_id: int, now: datetime) -> int:
    """What killed imports left behind goes: of those that had ended, and of those that nobody hears of. How many."""
    silent = or_(imports.c.alive_at.is_(None), imports.c.alive_at < now - SILENT)
    _abandon(database, and_(imports.c.municipality_id == municipality_id, imports.c.staged, silent))
    left = select(imports.c.id).where(
        imports.c.municipality_id == municipality_id, imports.c.staged, imports.c.state != "staging"
    )
    with database.read() as conn:
        ended = list(conn.execute(left).scalars())
    for one in ended:
        clear(database, municipality_id, one)
    return len(ended)


def _abandon(database: Database, which: ColumnElement[bool]) -> None:
    over = update(imports).where(which, imports.c.state == "staging").values(state="abandoned")
    database.transact(lambda conn: conn.execute(over))


class _Run:
    """One file on its way in."""

    def __init__(
        self,
        database: Database,
        municipality_id: int,
        actor_id: int,
        source: Source,
        reading: Reading,
        report: ImportReport,
        rules: Rules | None,
    ) -> None:
        self._rules = rules
        self._database = database
        self._municipality = municipality_id
        self._actor = actor_id
        self._source, self._reading, self.report = source, reading, report

    def check(self) -> None:
        """A dry run: every row is read, nothing is written."""
        self._reading.check()
        self.tell()
        self.check_notices()

    def tell(self) -> None:
        """What was read stands in the report."""
        reading, report = self._reading, self.report
        report.rows, report.as_of = reading.rows, reading.as_of
        report.bad_row_count, report.bad_rows = reading.bad_row_count, reading.bad_rows
        report.quarantined_count, report.quarantined = reading.quarantined_count, reading.quarantined

    def imported_before(self, *, full: bool) -> Literal["", "in part", "whole"]:
        """Whether this very file is active already. A full list taken as a differential one may come again, and
        payments of which some fitted nothing: their list may have come meanwhile."""
        here = (imports.c.municipality_id == self._municipality, imports.c.file_hash == self._source.facts.digest)
        query = select(imports.c.full_list, imports.c.result).where(*here, imports.c.state == "active")
        with self._database.read() as conn:
            done = conn.execute(query).first()
        if done is None or (full and not done.full_list):
            return ""
        return "in part" if json.loads(done.result).get(UNMATCHED) else "whole"

    def open(self, now: datetime, clock: Callable[[], datetime], *, full: bool) -> Staging:
        def insert(conn: Connection) -> int:
            one = new_id(conn, imports, self._municipality)
            facts = {"encoding": self.report.encoding, "file_hash": self._source.facts.digest, "full_list": full}
            names = {"kind": self.report.kind, "file_name": self.report.file, "state": "staging", "alive_at": clock()}
            who = {"municipality_id": self._municipality, "id": one, "actor_id": self._actor, "started_at": now}
            conn.execute(imports.insert().values(**facts, **names, **who))
            return one

        one = self._database.transact(insert)
        self.report.import_id = one
        return Staging(self._database, self._municipality, one, clock)

    def check_notices(self) -> None:
        """Which payments would fit no instalment, without writing."""
        if self.report.kind != "payments":
            return
        with self._database.read() as conn:
            for batch in self._reading.payments():
                self.report.unmatched += unknown_notices(conn, self._municipality, batch)

    def activate(self, now: datetime, *, full: bool) -> None:
        """All staged rows at once, in one transaction."""
        self._count(import_people, import_arrears, import_payments)
        self.report.counts, self.report.unmatched = self._database.transact(lambda conn: self._apply(conn, now, full))
        self._count(households, debtors, cases, arrears, debtor_phones, phone_numbers, payments)
        self.report.state = "active"
        if self.report.kind == "arrears" and self.report.import_id is not None:
            with self._database.read() as conn:
                self.report.shared = shared(conn, self._municipality, self.report.import_id)

    def _count(self, *tables: Table) -> None:
        """What was written a moment ago is not in PostgreSQL's statistics yet: to plan a campaign over 200,000 new
        cases it would join them one by one. SQLite plans without.
        """
        if not self._database.is_sqlite:
            with self._database.write() as conn:
                conn.execute(text(f"ANALYZE {', '.join(table.name for table in tables)}"))

    def _apply(self, conn: Connection, now: datetime, full: bool) -> tuple[Counter[str], list[BadRow]]:
        one = self.report.import_id
        assert one is not None
        # One import becomes active at a time; FOR NO KEY UPDATE, so that whoever refers to the municipality goes on.
        ours = select(municipalities.c.id).where(municipalities.c.id == self._municipality)
        conn.execute(ours.with_for_update(key_share=True))
        same = and_(imports.c.file_hash == self._source.facts.digest, imports.c.state == "active")
        conn.execute(
            update(imports).where(imports.c.municipality_id == self._municipality, same).values(state="abandoned")
        )
        begun = update(imports).where(self._is(one), imports.c.state == "staging").values(state="active")
        if conn.execute(begun).rowcount != 1:
            raise TryLaterError("この取り込みは別の処理に打ち切られました", mend="もう一度取り込んでください")
        unmatched: list[BadRow] = []
        if self.report.kind == "arrears":
            claims = self._reading.claims
            counts = activate_arrears(conn, self._municipality, one, now, claims=claims, full=full)
        else:
            counts, unmatched = activate_payments(conn, self._municipality, one)
            if self._rules:
                counts["promises_judged"] = judge_imported(conn, self._municipality, one, now, self._rules)
        result = json.dumps({**+counts, UNMATCHED: len(unmatched)})
        done = {"activated_at": now, "as_of": self.report.as_of, "result": result}
        seen = {"row_count": self.report.rows, "bad_row_count": self.report.bad_row_count}
        conn.execute(update(imports).where(self._is(one)).values(**done, **seen))
        audit(conn, self._municipality, now, self._actor, "case:import", f"import:{one}")
        return +counts, unmatched

    def end(self) -> None:
        """Staged rows go, whatever became of them; an import that is not active is marked as abandoned."""
        if (one := self.report.import_id) is not None:
            _abandon(self._database, self._is(one))
            clear(self._database, self._municipality, one)

    def _is(self, one: int) -> ColumnElement[bool]:
        return and_(imports.c.municipality_id == self._municipality, imports.c.id == one)
