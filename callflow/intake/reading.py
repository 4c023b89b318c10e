"""A whole file read row by row: what is good is handed on, what is not is kept in words, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from callflow.intake.columns import ListMapping
from callflow.intake.duplicates import Suspects, repeated
from callflow.intake.faults import BadRow
from callflow.intake.rows import RowReader, Values
from callflow.intake.source import Source
from callflow.intake.staging import BATCH, INSTALMENT, Staging

MAX_FAULTS = 10_000
"""How many bad rows are kept in words; the rest is only counted, so that memory stays flat."""

_KEY = slice(INSTALMENT.index("claim_type"), INSTALMENT.index("levy_year") + 1)
_NUMBER, _CLAIM = INSTALMENT.index("instalment"), INSTALMENT.index("claim_type")
_AS_OF = -1  # the last value of both kinds of row


class Reading:
    """One file. After `check` or `stage` it says what the file held."""

    def __init__(
        self,
        source: Source,
        mapping: ListMapping,
        default_area_code: str,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._source = source
        self._progress = progress or (lambda _rows, _all: None)
        self._reader = RowReader(source.places, source.width, mapping, default_area_code, suspicious=source.facts.odd)
        self.rows = self.bad_row_count = self.quarantined_count = 0
        self.as_of: date | None = None
        self.claims: set[str] = set()
        self.bad_rows: list[BadRow] = []
        self.quarantined: list[BadRow] = []

    def check(self) -> None:
        """Reads everything, for its faults."""
        self._read(None)

    def stage(self, staging: Staging) -> None:
        """Reads everything and stages the good rows."""
        self._read(staging)

    def payments(self) -> Iterator[list[Values]]:
        """The good rows of a file of payments once more, in batches."""
        batch: list[Values] = []
        for line, cells in self._source.rows():
            if (payment := self._reader.payment(line, cells)) is not None:
                batch.append(payment)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, staging: Staging | None) -> None:
        latest = self._read_payments(staging) if self._source.kind == "payments" else self._read_arrears(staging)
        self.as_of = date.fromisoformat(latest) if latest else None
        if staging:
            staging.flush()
        self._progress(self.rows, self.rows)

    def _read_payments(self, staging: Staging | None) -> str:
        latest = ""
        for line, cells in self._counted():
            payment = self._reader.payment(line, cells)
            if payment is None:
                self._keep(self._reader)
                continue
            latest = max(latest, payment[_AS_OF])
            if staging:
                staging.payment(payment)
        return latest

    def _read_arrears(self, staging: Staging | None) -> str:
        latest, suspects, reader = "", Suspects(), self._reader
        for line, cells in self._counted():
            found = reader.arrears(line, cells)
            if found is None or reader.quarantined:
                self._keep(reader)
            if found is None:
                if key := reader.key():
                    suspects.add(key)
                continue
            person, instalment = found
            suspects.add((*instalment[_KEY], instalment[_NUMBER]))
            latest = max(latest, instalment[_AS_OF])
            if staging:
                staging.arrears(person, instalment)
            self.claims.add(instalment[_CLAIM])
        if suspects.keys:
            if staging:
                staging.flush()
            self._settle_repeated(suspects, staging)
        return latest

    def _counted(self) -> Iterator[tuple[int, list[str]]]:
        for found in self._source.rows():
            self.rows += 1
            if self.rows % BATCH == 0:
                self._progress(self.rows, self._source.facts.lines)
            yield found

    def _keep(self, reader: RowReader) -> None:
        if reader.faults:
            self.bad_row_count += 1
            if len(self.bad_rows) < MAX_FAULTS:
                self.bad_rows += reader.faults
        self.quarantined_count += len(reader.quarantined)
        if reader.quarantined and len(self.quarantined) < MAX_FAULTS:
            self.quarantined += reader.quarantined

    def _settle_repeated(self, suspects: Suspects, staging: Staging | None) -> None:
        """A repeated row is reported as that and nothing else, and the row that it repeats stays."""
        twice = dict(repeated(self._keys(), suspects.keys))
        if not twice:
            return
        bad = {row.line for row in self.bad_rows}
        self.bad_row_count += len([line for line in twice if line not in bad])
        self.bad_rows = [row for row in self.bad_rows if row.line not in twice]
        found = [row for row in self.quarantined if row.line not in twice]
        self.quarantined_count -= len(self.quarantined) - len(found)
        self.quarantined = found
        told = [
            BadRow(line, 0, "", "", f"{first} 行目と同じ期別です", "重複した行を除いてください")
            for line, first in list(twice.items())[:MAX_FAULTS]
        ]
        self.bad_rows = sorted([*self.bad_rows, *told], key=lambda row: (row.line, row.column))[:MAX_FAULTS]
        if staging:
            staging.drop(sorted(twice))

    def _keys(self) -> Iterator[tuple[int, tuple[object, ...]]]:
        for line, cells in self._source.rows():
            found = self._reader.arrears(line, cells)
            key = (*found[1][_KEY], found[1][_NUMBER]) if found else self._reader.key()
            if key:
                yield line, key
