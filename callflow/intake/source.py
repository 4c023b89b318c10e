"""A CSV file as rows with the line where each begins; what kind of list it is by its headings."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import InputError, Where
from callflow.intake.columns import ARREARS, OPTIONAL, PAYMENTS, ListMapping
from callflow.intake.encoding import FileFacts, inspect


@dataclass(frozen=True)
class Source:
    """`places` maps each of our headings to its index in a row; absent optional ones are left out."""

    path: Path
    facts: FileFacts
    kind: str
    width: int
    places: dict[str, int]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every row after the headings with its first line, in flat memory; empty lines are skipped."""
        with self.path.open(encoding=self.facts.encoding, newline="") as stream:
            reader = csv.reader(stream, strict=True)
            next(reader)
            start = reader.line_num + 1
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    where = Where(str(self.path), start)
                    raise InputError("CSV として読めません", where=where, mend="引用符の対応を確かめる") from error
                if row is None:
                    return
                if row:
                    yield start, row
                start = reader.line_num + 1


def open_source(path: Path, mapping: ListMapping) -> Source:
    """Raises InputError when the file cannot be read or is neither list."""
    facts = inspect(path)
    with path.open(encoding=facts.encoding, newline="") as stream:
        try:
            headings = [heading.strip() for heading in next(csv.reader(stream, strict=True), [])]
        except csv.Error as error:
            raise InputError("見出し行を CSV として読めません", where=Where(str(path), 1)) from error
    if not headings:
        raise InputError("空のファイルです", where=Where(str(path), 1))
    twice = sorted({heading for heading in headings if heading and headings.count(heading) > 1})
    if twice:
        raise InputError("同じ見出しが二つあります: " + "、".join(twice), where=Where(str(path), 1))
    where = {heading: place for place, heading in enumerate(headings)}
    payments = mapping.columns.get("収納日", "収納日") in where and mapping.columns.get("未納額", "未納額") not in where
    kind, wanted = ("payments", PAYMENTS) if payments else ("arrears", ARREARS)
    places = {ours: where[name] for ours in wanted if (name := mapping.columns.get(ours, ours)) in where}
    missing = [ours for ours in wanted if ours not in places and ours not in OPTIONAL]
    if missing:
        mend = "--mapping で列名の対応を与えるか、出力項目を足してください"
        raise InputError("必要な列がありません: " + "、".join(missing), where=Where(str(path), 1), mend=mend)
    return Source(path, facts, kind, len(headings), places)
