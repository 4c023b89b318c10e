"""A CSV file as rows with the line where each begins; what kind of list it is by its headings."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import InputError, Where
from callflow.intake.columns import ARREARS, OPTIONAL, PAYMENTS, ListMapping
from callflow.intake.encoding import FileFacts, inspect

_MEGABYTE = 1_000_000
_QUOTES = "引用符の対応を確かめる"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may be at most (config.yaml `import:`), so that no mistake fills the disk."""

    max_megabytes: int = 2_000
    max_rows: int = 5_000_000
    max_cell: int = 1_000


@dataclass(frozen=True)
class Source:
    """`places` maps each of our headings to its index in a row; absent optional ones are left out.

    `ignored`: headings that mean nothing to us, and whose columns are not read.
    """

    path: Path
    facts: FileFacts
    kind: str
    width: int
    places: dict[str, int]
    limits: Limits = Limits()
    ignored: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every row after the headings with its first line, in flat memory; empty lines are skipped.

        Raises InputError where the file is no CSV (unclosed quote, endless cell) or has too many rows.
        """
        with self.path.open(encoding=self.facts.encoding, newline="") as stream:
            csv.field_size_limit(self.limits.max_cell)
            reader = csv.reader(stream, strict=True)
            next(reader)
            start, count = reader.line_num + 1, 0
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    raise self._broken(error, start) from error
                if row is None:
                    return
                if row:
                    count += 1
                    if count > self.limits.max_rows:
                        raise self._too_many(start)
                    yield start, row
                start = reader.line_num + 1

    def _broken(self, error: csv.Error, line: int) -> InputError:
        where = Where(str(self.path), line)
        if "field larger than" in str(error):
            what = f"一つの値が {self.limits.max_cell:,} 文字を超えています"
            return InputError(what, where=where, mend=_QUOTES + "。本当に長い値なら import.max_cell を上げる")
        return InputError("CSV として読めません", where=where, mend=_QUOTES)

    def _too_many(self, line: int) -> InputError:
        what = f"行が多すぎます（上限 {self.limits.max_rows:,} 行）"
        mend = "ファイルを分けるか、config.yaml の import.max_rows を上げてください"
        return InputError(what, where=Where(str(self.path), line), mend=mend)


def open_source(path: Path, mapping: ListMapping, limits: Limits | None = None) -> Source:
    """Raises InputError when the file cannot be read, is too long, or is neither list."""
    limits = limits or Limits()
    facts = inspect(path, max_bytes=limits.max_megabytes * _MEGABYTE)
    headings = _headings(path, facts, limits)
    where = {heading: place for place, heading in enumerate(headings)}
    payments = mapping.columns.get("収納日", "収納日") in where and mapping.columns.get("未納額", "未納額") not in where
    kind, wanted = ("payments", PAYMENTS) if payments else ("arrears", ARREARS)
    places = {ours: where[name] for ours in wanted if (name := mapping.columns.get(ours, ours)) in where}
    missing = [ours for ours in wanted if ours not in places and ours not in OPTIONAL]
    if missing:
        mend = "--mapping で列名の対応を与えるか、出力項目を足してください"
        raise InputError("必要な列がありません: " + "、".join(missing), where=Where(str(path), 1), mend=mend)
    ignored = tuple(name for place, name in enumerate(headings) if name and place not in places.values())
    return Source(path, facts, kind, len(headings), places, limits, ignored)


def _headings(path: Path, facts: FileFacts, limits: Limits) -> list[str]:
    first = Where(str(path), 1)
    csv.field_size_limit(limits.max_cell)
    with path.open(encoding=facts.encoding, newline="") as stream:
        try:
            headings = [heading.strip() for heading in next(csv.reader(stream, strict=True), [])]
        except csv.Error as error:
            raise InputError("見出し行を CSV として読めません", where=first, mend=_QUOTES) from error
    if not any(headings):
        mend = "見出しの行から始まる CSV を指定してください"
        raise InputError("空のファイルか、見出しがありません", where=first, mend=mend)
    if len(headings) == 1 and (other := next((sign for sign in "\t;|，" if sign in headings[0]), "")):
        name = "タブ" if other == "\t" else f"「{other}」"
        raise InputError(f"区切りが {name} です", where=first, mend="カンマ区切りの CSV で出力し直してください")
    twice = sorted({heading for heading in headings if heading and headings.count(heading) > 1})
    if twice:
        what = "同じ見出しが二つあります: " + "、".join(twice)
        raise InputError(what, where=first, mend="どちらかの列を除くか、名前を変えてください")
    return headings
