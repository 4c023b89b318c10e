"""Runs the recorded calls through a draft: which would part from what happened, where, and how they would end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from callflow import calllog
from callflow.calllog import Event
from callflow.script.model import Script
from callflow.script.talk import NotTaken, Talk, advance, begin, outcome, step_back
from models.tables import call_events, calls, script_versions


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One call under the draft. `parted_at` 0: it goes the same way; else the event where it parts, and why."""

    call_id: int
    was: str
    would_be: str
    parted_at: int = 0
    state: str = ""
    why: str = ""

    @property
    def same(self) -> bool:
        return self.parted_at == 0 and self.was == self.would_be

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def rehearse(conn: Connection, municipality_id: int, draft: Script) -> Iterator[Rehearsed]:
    """Every ended call of a script of the draft's name, in the order of the calls; erased ones are left out."""
    e, c, v = call_events.c, calls.c, script_versions.c
    joined = call_events.join(calls, (c.municipality_id == e.municipality_id) & (c.id == e.call_id)).join(
        script_versions, (v.municipality_id == c.municipality_id) & (v.hash == c.script_hash)
    )
    query = (
        select(*calllog.COLUMNS, e.call_id, c.disposition)
        .select_from(joined)
        .where(e.municipality_id == municipality_id, c.live.is_(False), v.name == draft.name)
        .order_by(e.municipality_id, e.call_id, e.seq)
        .execution_options(yield_per=1_000)
    )
    for call_id, group in groupby(conn.execute(query), key=attrgetter("call_id")):
        rows = list(group)
        events = [calllog.event(row) for row in rows]
        if all(event.payload is not None for event in events):
            yield rehearse_call(draft, call_id, events, rows[0].disposition)


def rehearse_call(draft: Script, call_id: int, events: Sequence[Event], was: str) -> Rehearsed:
    """One call's recorded answers through the draft. Pure."""
    talk: Talk | None = None
    opened: dict[str, Any] = {}
    for event in events:
        payload = dict(event.payload or {})
        if event.kind == calllog.OPEN:
            opened = payload
        elif event.kind == calllog.BEGIN:
            talk = begin(draft, opened["direction"], opened["conditions"])
            if talk.state != payload["to"]:
                return _parted(draft, call_id, was, event, talk, f"最初の台詞が {payload['to']} ではありません")
        elif talk is not None and event.kind in (calllog.ANSWER, calllog.BACK):
            after = _step(draft, talk, event.kind, payload, opened["conditions"])
            if isinstance(after, NotTaken):
                chosen = payload.get("answer", "ひとつ戻る")
                why = f"{chosen} を選べません（{after.reason}{f': {after.detail}' if after.detail else ''}）"
                return _parted(draft, call_id, was, event, talk, why)
            if after.state != payload["to"]:
                return _parted(draft, call_id, was, event, after, f"{payload['to']} ではなく {after.state} へ進みます")
            talk = after
    return Rehearsed(call_id, was, was if talk is None or was == "UD" else outcome(draft, talk))


def _step(
    draft: Script, talk: Talk, kind: str, payload: dict[str, Any], conditions: dict[str, bool]
) -> Talk | NotTaken:
    if kind == calllog.BACK:
        return step_back(draft, talk)
    holds = {**conditions, **payload["holds"]}
    taken = advance(draft, talk, payload["answer"], fields=frozenset(payload["fields"]), holds=holds)
    return taken if isinstance(taken, NotTaken) else taken.talk


def _parted(draft: Script, call_id: int, was: str, event: Event, talk: Talk, why: str) -> Rehearsed:
    return Rehearsed(call_id, was, outcome(draft, talk), event.seq, talk.state, why)
