"""An operator's own calls of today: numbers and outcomes, no names; from here a later correction is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from starlette.responses import Response

from callflow.console import correcting
from callflow.console.listing import Listing, asked
from callflow.console.visit import Visit
from callflow.errors import NotFoundError
from models.tables import called_by, calls
from scheduler.calendar import tokyo_date, tokyo_midnight


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A line of the list."""

    id: int
    at: datetime
    case_id: int
    inbound: bool
    live: bool
    code: str
    label: str


def mine_page(visit: Visit) -> Response:
    """Today's, the newest first."""
    wanted = asked(visit.query, sorts=("at",), descending=True)
    with visit.site.database.read() as conn:
        rows = _today(conn, visit)
        shown = rows[wanted.offset : wanted.offset + wanted.size]
    labels = {each: correcting.labels_of(visit, each) for each in {row.script_hash for row in shown}}
    found = [
        OwnCall(
            row.id,
            row.opened_at,
            row.case_id,
            row.direction == "inbound",
            row.live,
            row.disposition or "",
            labels[row.script_hash].get(row.disposition, ""),
        )
        for row in shown
    ]
    return visit.page("desk/mine.html", listing=Listing(wanted, found, len(rows)))


def correction_page(visit: Visit) -> Response:
    return correcting.form_for(visit, _ended(visit), "/desk/mine")


def correct(visit: Visit) -> Response:
    return correcting.correct(visit, _ended(visit), "/desk/mine")


def _ended(visit: Visit) -> Row[Any]:
    with visit.site.database.read() as conn:
        row = next((each for each in _today(conn, visit) if each.id == visit.id()), None)
    if row is None or row.live:
        raise NotFoundError("今日のあなたの通話に、その番号のものはありません")
    return row


def _today(conn: Connection, visit: Visit) -> list[Row[Any]]:
    c = calls.c
    since = tokyo_midnight(tokyo_date(visit.now))
    columns = (c.id, c.opened_at, c.case_id, c.direction, c.live, c.disposition, c.script_hash)
    mine = (
        c.municipality_id == visit.site.municipality_id,
        c.opened_at >= since,
        called_by(visit.who.account_id),
    )
    return sorted(conn.execute(select(*columns).where(*mine)), key=lambda row: row.id, reverse=True)
