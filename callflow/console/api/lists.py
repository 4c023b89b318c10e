"""Lists in: cases and payments, by the same importer and the same rules as `callflow case import`."""

from __future__ import annotations

import csv
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from callflow.access.clients import Clients
from callflow.console.api.gate import Asked, MayWriteCases, MayWritePayments
from callflow.console.api.problems import Problem
from callflow.console.api.shapes import CrossingOut, ImportOut
from callflow.intake.columns import known_claims, load_mapping
from callflow.intake.crossing import crossings
from callflow.intake.importer import ImportReport, import_file
from callflow.intake.source import Limits, open_source

router = APIRouter(tags=["lists in"])

Cell = str | int | None
CSV, JSON = "text/csv", "application/json"
MOST_ROWS: Final = 100_000
_KINDS: Final = {"arrears": "滞納一覧", "payments": "収納"}


class Rows(BaseModel):
    """A list as JSON: each row by the same headings as the CSV file (docs/import.md)."""

    rows: Annotated[list[dict[str, Cell]], Field(min_length=1, max_length=MOST_ROWS)]


@dataclass(frozen=True, slots=True)
class Options:
    """How a list is taken, as on the command line."""

    dry_run: bool
    allow_bad_rows: bool
    full: bool = False


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{0,80}$",
        description="the same key with other content is refused (409); with the same content it changes nothing twice",
    ),
]
DryRun = Annotated[bool, Query(description="validate and write nothing")]
WithoutBad = Annotated[bool, Query(description="leave bad rows out instead of refusing the whole list")]
Full = Annotated[bool, Query(description="the list is whole: instalments that it does not name are deactivated")]
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            CSV: {"schema": {"type": "string", "format": "binary", "description": "UTF-8 or cp932"}},
            JSON: {"schema": Rows.model_json_schema()},
        },
    }
}


@router.post("/cases", response_model=ImportOut, openapi_extra=BODY, summary="滞納一覧を送る")
async def cases(
    request: Request,
    asked: MayWriteCases,
    key: Key = "",
    dry_run: DryRun = False,
    allow_bad_rows: WithoutBad = False,
    full: Full = False,
) -> Any:
    """Differential unless `full`; a row that is there already changes nothing. All of it or nothing is taken."""
    return await _taken_in(request, asked, "arrears", key, Options(dry_run, allow_bad_rows, full))


@router.post("/payments", response_model=ImportOut, openapi_extra=BODY, summary="収納を送る（取消を含む）")
async def payments(
    request: Request,
    asked: MayWritePayments,
    key: Key = "",
    dry_run: DryRun = False,
    allow_bad_rows: WithoutBad = False,
) -> Any:
    """A case that is paid off is not dialled any more, even if an operator has it already. `crossed`: 行き違い."""
    return await _taken_in(request, asked, "payments", key, Options(dry_run, allow_bad_rows))


async def _taken_in(request: Request, asked: Asked, kind: str, key: str, options: Options) -> Any:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in (CSV, JSON):
        raise Problem(415, "この形は読めません", where="Content-Type", mend=f"{CSV} か {JSON} で送ってください")
    with tempfile.TemporaryDirectory(prefix="callflow-api-") as folder:
        path, digest = Path(folder) / f"{asked.client.name}.csv", hashlib.sha256(repr((kind, options)).encode())
        with path.open("wb") as file:
            async for chunk in request.stream():
                digest.update(chunk)
                await run_in_threadpool(file.write, chunk)
        if given == JSON:
            await run_in_threadpool(_as_csv, path)
        return await run_in_threadpool(_import, asked, path, kind, key, digest.hexdigest(), options)


def _as_csv(path: Path) -> None:
    """The rows of a JSON body as the file that the importer reads."""
    try:
        rows = Rows.model_validate_json(path.read_bytes()).rows
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        what = f"要求の形が合いません: {first['msg']}"
        raise Problem(422, what, where=where, mend='{"rows": [{"見出し": "値"}]} の形で送ってください') from None
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headings)
        writer.writerows([_cell(row.get(heading)) for heading in headings] for row in rows)


def _cell(value: Cell) -> str:
    return "" if value is None else str(value)


def _import(asked: Asked, path: Path, kind: str, key: str, digest: str, options: Options) -> ImportOut:
    site, caps = asked.site, asked.site.config.imports
    limits = Limits(caps.max_megabytes, caps.max_rows, caps.max_cell)
    mapping = load_mapping(None, known_claims(site.config.claim_types))
    found = open_source(path, mapping, limits).kind
    if found != kind:
        raise Problem(422, f"これは{_KINDS[found]}です", where="見出し", mend=f"{_KINDS[kind]}を送ってください")
    if key:
        site.database.transact(
            lambda conn: Clients(conn, site.municipality_id, asked.now).remember(asked.client.account_id, key, digest)
        )
    report = import_file(
        site.database,
        path,
        municipality_id=site.municipality_id,
        actor_id=asked.client.account_id,
        now=asked.now,
        mapping=mapping,
        default_area_code=caps.default_area_code,
        limits=limits,
        clock=site.clock.now,
        dry_run=options.dry_run,
        allow_bad_rows=options.allow_bad_rows,
        full=options.full,
    )
    told = report.as_data()
    if report.bad_row_count and not (options.allow_bad_rows and report.state != "refused"):
        mend = "行を直すか、allow_bad_rows=true で除いて送ってください"
        what = f"誤りのある行が {report.bad_row_count} 行あります。何も取り込んでいません"
        raise Problem(422, what, mend=mend, report=told)
    return ImportOut(**told, crossed=_crossed(asked, report))


def _crossed(asked: Asked, report: ImportReport) -> list[CrossingOut]:
    if report.kind != "payments" or report.state != "active":
        return []
    with asked.site.database.read() as conn:
        found, _ = crossings(conn, asked.site.municipality_id, import_id=report.import_id, limit=10_000)
    return [CrossingOut.model_validate(one, from_attributes=True) for one in found]
