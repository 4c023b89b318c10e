"""What the radar looks at: the talks that are going on now, in one statement by the index of live calls."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final, Literal

from sqlalchemy import Connection, select

from callflow import calllog
from callflow.board import OperatorNow
from callflow.calllog import Event
from callflow.radar import Glance, Step
from callflow.shelf import Shelf
from models.tables import call_events, calls, is_live

_KINDS: Final[dict[str, Literal["begin", "answer", "back"]]] = {
    calllog.BEGIN: "begin",
    calllog.ANSWER: "answer",
    calllog.BACK: "back",
}


def glances(conn: Connection, shelf: Shelf, municipality_id: int, operators: tuple[OperatorNow, ...]) -> list[Glance]:
    """One for each operator. Help that a supervisor has acknowledged is waited for no more."""
    steps = _steps(conn, municipality_id)
    return [
        Glance(
            each.account_id,
            shelf.flow(conn, municipality_id, each.call.script_hash).script if each.call else None,
            steps.get(each.call.call_id, ()) if each.call else (),
            each.help_since if each.help_seen_at is None else None,
        )
        for each in operators
    ]


def steps_of(events: Iterable[Event]) -> tuple[Step, ...]:
    """The acts of one talk, from its log."""
    return tuple(
        Step(_KINDS[each.kind], each.at, *(str(each.payload.get(name, "")) for name in ("state", "answer", "to")))
        for each in events
        if each.kind in _KINDS and each.payload is not None
    )


def _steps(conn: Connection, municipality_id: int) -> dict[int, tuple[Step, ...]]:
    e, c = call_events.c, calls.c
    live = select(c.id).where(c.municipality_id == municipality_id, is_live)
    query = (
        select(*calllog.COLUMNS[:6], e.call_id)
        .where(e.municipality_id == municipality_id, e.call_id.in_(live), e.kind.in_(list(_KINDS)))
        .order_by(e.call_id, e.seq)
    )
    return {
        call_id: steps_of(map(calllog.event, rows))
        for call_id, rows in groupby(conn.execute(query), key=attrgetter("call_id"))
    }
