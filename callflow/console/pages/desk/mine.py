"""An operator's own calls of today: numbers and outcomes, no names; from here a later correction is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from starlette.responses import Response

from callflow import calllog, replay
from callflow.console.listing import Listing, asked
from callflow.console.visit import Visit
from callflow.corrections import Corrected, Request
from callflow.effects import EFFECT_LABELS, EFFECT_WORDS
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.script.model import Field, Script
from models.tables import calls
from scheduler.calendar import tokyo_date, tokyo_midnight

CORRECTED_FIELDS = ("promise.due", "promise.amount", "promise.place", "callback.at", "callback.phone")
"""What is mended most; everything else of a script by `callflow correct call --field`."""


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
        labels = {row.script_hash: _labels(visit, conn, row.script_hash) for row in shown}
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
    return _form(visit)


def correct(visit: Visit) -> Response:
    """Shows what a correction would do, or records it."""
    call_id, who = visit.id(), visit.who.account_id
    typed = {name: visit.typed(f"f:{name}") for name in CORRECTED_FIELDS if visit.typed(f"f:{name}")}
    withdraw = frozenset(str(name) for name in visit.form.getlist("withdraw"))
    request = Request(visit.typed("reason"), visit.typed("code"), typed, withdraw, visit.typed("note"))
    recorded = visit.typed("act") == "record"
    try:
        done = visit.site.corrections.correct(call_id, who, request, dry_run=not recorded)
    except (InputError, RefusedError) as error:
        return _form(visit, status=422, wrong=f"{error.what} {error.mend}".strip())
    return visit.go("/desk/mine", said="corrected") if recorded else _form(visit, done=done)


def _form(visit: Visit, *, status: int = 200, wrong: str = "", done: Corrected | None = None) -> Response:
    with visit.site.database.read() as conn:
        row = next((each for each in _today(conn, visit) if each.id == visit.id()), None)
        if row is None or row.live:
            raise NotFoundError("今日のあなたの通話に、その番号のものはありません")
        script = _script(visit, conn, row.script_hash)
        told = replay.tell_all(script, calllog.read(conn, visit.site.municipality_id, row.id))
        ending = replay.corrected_ending(script, told, told.amendment)
        labels = _labels(visit, conn, row.script_hash)
    fields: Mapping[str, Field] = script.fields
    return visit.page(
        "desk/correct.html",
        status=status,
        call=row,
        labels=labels,
        fields=[fields[name] for name in CORRECTED_FIELDS if name in fields],
        earned={name: EFFECT_WORDS[name] for name in sorted(ending.earned)},
        wrong=wrong,
        preview=_words(done, labels) if done else None,
        typed={name: visit.typed(name) for name in visit.form if name != "withdraw"},
        withdrawn=set(map(str, visit.form.getlist("withdraw"))),
    )


def _words(done: Corrected, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "before": f"{done.before} {labels.get(done.before, '')}".strip(),
        "after": f"{done.disposition} {labels.get(done.disposition, '')}".strip(),
        "gone": [EFFECT_LABELS[type(each).__name__] for each in done.withdrawn],
        "made": [EFFECT_LABELS[type(each).__name__] for each in done.made],
    }


def _today(conn: Connection, visit: Visit) -> list[Row[Any]]:
    c = calls.c
    since = tokyo_midnight(tokyo_date(visit.now))
    columns = (c.id, c.opened_at, c.case_id, c.direction, c.live, c.disposition, c.script_hash)
    mine = (
        c.municipality_id == visit.site.municipality_id,
        c.opened_at >= since,
        c.operator_id == visit.who.account_id,
    )
    return list(conn.execute(select(*columns).where(*mine).order_by(c.id.desc())))


def _script(visit: Visit, conn: Connection, script_hash: str) -> Script:
    return visit.site.shelf.flow(conn, visit.site.municipality_id, script_hash).script


def _labels(visit: Visit, conn: Connection, script_hash: str) -> dict[str, str]:
    return {code: each.name for code, each in _script(visit, conn, script_hash).dispositions.items()}
