"""What the radar looks at: the talks that are going on now."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final, Literal

from sqlalchemy import Connection, select

from callflow import calllog
from callflow.board import LiveCall, OperatorNow
from callflow.calllog import Event
from callflow.radar import Glance, Step
from callflow.shelf import Shelf
from models.tables import call_events

_KINDS: Final[dict[str, Literal["begin", "answer", "back"]]] = {
    calllog.BEGIN: "begin",
    calllog.ANSWER: "answer",
    calllog.BACK: "back",
}
_NONE: Final[tuple[int, tuple[Step, ...]]] = (0, ())


class Sightings:
    """The acts of the talks that go on, as they were last read: a log is only added to, so a look reads anew the talks
    that have gone on since. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, tuple[Step, ...]]] = {}

    def glances(
        self, conn: Connection, shelf: Shelf, municipality_id: int, operators: tuple[OperatorNow, ...]
    ) -> list[Glance]:
        """One for each operator. Help that a supervisor has acknowledged is waited for no more."""
        steps = self._steps(conn, municipality_id, [each.call for each in operators if each.call])
        return [
            Glance(
                each.account_id,
                shelf.flow(conn, municipality_id, each.call.script_hash).script if each.call else None,
                steps[each.call.call_id] if each.call else (),
                each.help_since if each.help_seen_at is None else None,
            )
            for each in operators
        ]

    def _steps(self, conn: Connection, municipality_id: int, live: list[LiveCall]) -> dict[int, tuple[Step, ...]]:
        known = self._known
        behind = {call.call_id for call in live if known.get(call.call_id, _NONE)[0] != call.events}
        read = _read(conn, municipality_id, behind)
        self._known = {
            call.call_id: (call.events, read.get(call.call_id, ())) if call.call_id in behind else known[call.call_id]
            for call in live
        }
        return {call_id: steps for call_id, (_, steps) in self._known.items()}


def steps_of(events: Iterable[Event]) -> tuple[Step, ...]:
    """The acts of one talk, from its log."""
    return tuple(
        Step(_KINDS[each.kind], each.at, *(str(each.payload.get(name, "")) for name in ("state", "answer", "to")))
        for each in events
        if each.kind in _KINDS and each.payload is not None
    )


def _read(conn: Connection, municipality_id: int, call_ids: set[int]) -> dict[int, tuple[Step, ...]]:
    if not call_ids:
        return {}
    e = call_events.c
    query = (
        select(*calllog.COLUMNS[:6], e.call_id)
        .where(e.municipality_id == municipality_id, e.call_id.in_(call_ids), e.kind.in_(list(_KINDS)))
        .order_by(e.call_id, e.seq)
    )
    return {
        call_id: steps_of(map(calllog.event, rows))
        for call_id, rows in groupby(conn.execute(query), key=attrgetter("call_id"))
    }
