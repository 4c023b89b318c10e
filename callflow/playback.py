"""Replays ended calls from their logs and says of each whether it is proved.

A call is proved when its chain holds up to the head that stands on the call, and when the script that it was
pinned to, run over the recorded answers, gives the same states, the same lines and the same effects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from callflow import calllog, replay
from callflow.calllog import Event, Head
from callflow.errors import CallflowError, NotFoundError
from callflow.replay import ReplayError, Told
from callflow.script.model import Script
from callflow.shelf import Shelf
from models.tables import call_events, calls


@dataclass(frozen=True, slots=True)
class Verdict:
    """`fault` is empty if the call is proved; `erased` if its words are gone by rule and its chain is whole."""

    call_id: int
    events: int
    fault: str = ""
    seq: int = 0
    erased: str = ""

    @property
    def proved(self) -> bool:
        return not self.fault


_COLUMNS = (
    call_events.c.call_id,
    call_events.c.seq,
    call_events.c.at,
    call_events.c.kind,
    call_events.c.actor,
    call_events.c.payload,
    call_events.c.salt,
    call_events.c.commitment,
    call_events.c.hash,
    call_events.c.erased_under,
    calls.c.event_count,
    calls.c.head_hash,
    calls.c.script_hash,
    calls.c.live,
    calls.c.disposition,
)


def verify_call(conn: Connection, shelf: Shelf, municipality_id: int, call_id: int) -> Verdict:
    """The verdict on one call. Raises NotFoundError if there is none."""
    for verdict in _verdicts(conn, shelf, municipality_id, calls.c.id == call_id):
        return verdict
    raise NotFoundError(f"通話 {call_id} はありません")


def verify_all(conn: Connection, shelf: Shelf, municipality_id: int, *, first: int = 0) -> Iterator[Verdict]:
    """The verdict on every call from id `first` on, read in one pass in the log's own order."""
    yield from _verdicts(conn, shelf, municipality_id, calls.c.id >= first)


def _verdicts(conn: Connection, shelf: Shelf, municipality_id: int, which: Any) -> Iterator[Verdict]:
    query = (
        select(*_COLUMNS)
        .join(
            calls,
            (calls.c.municipality_id == call_events.c.municipality_id) & (calls.c.id == call_events.c.call_id),
        )
        .where(call_events.c.municipality_id == municipality_id, which)
        .order_by(call_events.c.municipality_id, call_events.c.call_id, call_events.c.seq)
        .execution_options(yield_per=1_000)
    )
    for call_id, group in groupby(conn.execute(query), key=attrgetter("call_id")):
        rows = list(group)
        try:
            script = shelf.flow(conn, municipality_id, rows[0].script_hash).script
        except CallflowError as error:
            yield Verdict(call_id, len(rows), f"台本を読めません: {error}")
            continue
        yield judge(script, rows, municipality_id, call_id)


def judge(script: Script, rows: list[Any], municipality_id: int, call_id: int) -> Verdict:
    """The verdict on one call's rows (the columns above). Pure."""
    first = rows[0]
    broken = calllog.first_fault(rows, municipality_id, call_id, Head(first.event_count, first.head_hash))
    if broken:
        return Verdict(call_id, len(rows), broken, broken.seq)
    erased = next((row.erased_under for row in rows if row.erased_under), "")
    if erased:
        return Verdict(call_id, len(rows), erased=erased)
    try:
        told = replay.tell_all(script, map(calllog.event, rows), check=True)
    except ReplayError as error:
        return Verdict(call_id, len(rows), error.what, error.seq)
    except CallflowError as error:
        return Verdict(call_id, len(rows), str(error))
    if not first.live and (told.closed is None or told.closed["disposition"] != first.disposition):
        return Verdict(call_id, len(rows), f"通話の結果 {first.disposition} が記録と違います", len(rows))
    return Verdict(call_id, len(rows))


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of a talk as it was: the event, and where the call stood after it."""

    event: Event
    told: Told


def scenes(conn: Connection, shelf: Shelf, municipality_id: int, call_id: int) -> list[Scene]:
    """A call from its log, moment by moment. Raises NotFoundError if there is none."""
    script_hash = conn.execute(
        select(calls.c.script_hash).where(calls.c.municipality_id == municipality_id, calls.c.id == call_id)
    ).scalar()
    if script_hash is None:
        raise NotFoundError(f"通話 {call_id} はありません")
    script = shelf.flow(conn, municipality_id, script_hash).script
    found, told = [], Told()
    for event in calllog.read(conn, municipality_id, call_id):
        if event.payload is not None:
            told = replay.tell(script, told, event)
        found.append(Scene(event, told))
    return found
