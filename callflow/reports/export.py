"""A report that leaves the program: as a file, by the ward's staff alone, with a reason, on record before it is given.

The record holds the format, the number of rows and the file's SHA-256; the file itself holds no names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from callflow.access.auditlog import audit
from callflow.errors import InputError, RefusedError, Where
from callflow.reports import files, paper
from callflow.reports.figures import Report
from models.database import Database

EXPORTED: Final = "report:export"
LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Format:
    """`make` returns the file, and the letters that it had no place for, each with how often."""

    suffix: str
    media_type: str
    make: Callable[[Report], tuple[bytes, dict[str, int]]]


@dataclass(frozen=True, slots=True)
class File:
    """What is given out. `missing`: letters that the encoding has no place for, each with how often."""

    name: str
    media_type: str
    content: bytes
    missing: Mapping[str, int] = field(default_factory=dict)


def _whole(make: Callable[[Report], bytes]) -> Callable[[Report], tuple[bytes, dict[str, int]]]:
    return lambda report: (make(report), {})


FORMATS: Final[Mapping[str, Format]] = {
    "json": Format("json", "application/json", _whole(files.as_json)),
    "xlsx": Format("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _whole(files.xlsx)),
    "csv": Format("csv", "text/csv; charset=utf-8", _whole(files.csv_utf8)),
    "csv-cp932": Format("csv", "text/csv; charset=windows-31j", files.csv_cp932),
    "pdf": Format("pdf", "application/pdf", _whole(paper.pdf)),
}


def export(
    database: Database,
    municipality_id: int,
    account_id: int,
    roles: Iterable[str],
    report: Report,
    fmt: str,
    reason: str,
    now: datetime,
) -> File:
    """The file, once its record is committed. Raises RefusedError but for staff, InputError without a reason."""
    if "staff" not in roles:
        raise RefusedError("報告をファイルにできるのは区の職員だけです", mend="画面で見るか、区の職員に頼んでください")
    if not reason.strip():
        raise InputError("理由がありません", where=Where(field="reason"), mend="何のために要るかを書いてください")
    if fmt not in FORMATS:
        raise InputError(
            f"形式 {fmt} はありません", where=Where(field="format"), mend=f"使えるもの: {'、'.join(FORMATS)}"
        )
    shape = FORMATS[fmt]
    content, missing = shape.make(report)
    digest = hashlib.sha256(content).hexdigest()
    what = f"{fmt},{report.period.first}/{report.period.last},rows={report.row_count},sha256={digest}"
    database.transact(
        lambda conn: audit(
            conn,
            municipality_id,
            now,
            account_id,
            EXPORTED,
            f"report:{report.name}",
            purpose=reason.strip()[:LONGEST_REASON],
            fields=what,
        )
    )
    name = f"{report.name}_{report.period.first}_{report.period.last}.{shape.suffix}"
    return File(name, shape.media_type, content, missing)
