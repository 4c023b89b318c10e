"""Replays ended calls from their logs and says of each whether it is proved.

A call is proved when its chain holds up to the head that stands on the call, and when the script that it was
pinned to, run over the recorded answers, gives the same states, the same lines and the same effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, select

from callflow import calllog, holdings, replay
from callflow.calllog import Event, Head
from callflow.effects import Effect, from_data
from callflow.errors import CallflowError, NotFoundError, RefusedError
from callflow.replay import ReplayError, Told
from callflow.script.model import Script
from callflow.shelf import Shelf
from callflow.ways import Ways
from models.tables import call_events, calls


@dataclass(frozen=True, slots=True)
class Verdict:
    """`fault` is empty if the call is proved; `erased` if its words are gone by rule and its chain is whole."""

    call_id: int
    events: int
    fault: str = ""
    seq: int = 0
    erased: str = ""
    effects: tuple[Effect, ...] | None = None  # of an ended call that is proved: what its records must be

    @property
    def proved(self) -> bool:
        return not self.fault


_CHAINED = (calls.c.id, calls.c.event_count, calls.c.head_hash, calls.c.script_hash)
_CALL = (
    *_CHAINED,
    calls.c.live,
    calls.c.line_state,
    calls.c.talk_state,
    calls.c.disposition,
    calls.c.attempt,
    calls.c.contact,
    calls.c.right_party,
    calls.c.case_id,
    calls.c.campaign_id,
    calls.c.household_id,
    calls.c.number_id,
    calls.c.operator_id,
    calls.c.direction,
    calls.c.attempt_ref,
    calls.c.party,
    calls.c.opened_at,
    calls.c.placed_at,
    calls.c.answered_at,
    calls.c.closed_at,
)

_ERASED = calllog.COLUMNS.index(call_events.c.erased_under)
RECORDS_AT_ONCE = 500
UNREADABLE = "読めない値があります（日時か内容の列が書き換えられています）"
"""SQLite keeps whatever was written into a column; an instant that is none cannot be read."""
ODD_FORM = "記録の内容が、callflow の書く形ではありません"


def verify_call(
    conn: Connection, shelf: Shelf, municipality_id: int, call_id: int, *, states_only: bool = False
) -> Verdict:
    """The verdict on one call. Raises NotFoundError if there is none."""
    try:
        for verdict in _verdicts(conn, shelf, municipality_id, call_id, call_id, states_only):
            return verdict
    except ValueError:
        return Verdict(call_id, 0, UNREADABLE)
    raise NotFoundError(f"通話 {call_id} はありません")


def verify_all(
    conn: Connection, shelf: Shelf, municipality_id: int, *, first: int = 0, states_only: bool = False
) -> Iterator[Verdict]:
    """The verdict on every call from id `first` on, read in one pass in the log's own order.

    `states_only`: chain, states and outcomes, neither lines nor effects.
    """
    judged = first - 1
    try:
        for verdict in _verdicts(conn, shelf, municipality_id, first, None, states_only):
            judged = verdict.call_id
            yield verdict
    except ValueError:  # some value cannot be read: which call's it is shows only one by one
        left = select(calls.c.id).where(calls.c.municipality_id == municipality_id, calls.c.id > judged)
        for call_id in conn.execute(left.order_by(calls.c.id)).scalars().all():
            yield verify_call(conn, shelf, municipality_id, call_id, states_only=states_only)


def _verdicts(
    conn: Connection, shelf: Shelf, municipality_id: int, first: int, last: int | None, states_only: bool
) -> Iterator[Verdict]:
    """Calls and events are read side by side, both in the order of the calls."""

    def those(column: Column[int]) -> ColumnElement[bool]:
        return column >= first if last is None else column.between(first, last)

    m, ways = municipality_id, dict[str, Ways]() if states_only else None
    rows = (
        select(*(_CHAINED if states_only else _CALL))
        .where(calls.c.municipality_id == m, those(calls.c.id))
        .order_by(calls.c.id)
    )
    log = select(*calllog.chain_columns(conn)).where(call_events.c.municipality_id == m, those(call_events.c.call_id))
    log = log.order_by(call_events.c.municipality_id, call_events.c.call_id, call_events.c.seq)
    told = groupby(conn.execute(log.execution_options(yield_per=1_000)), key=itemgetter(-1))
    logged, events = next(told, (None, iter(())))
    for call in conn.execute(rows.execution_options(yield_per=1_000)):
        while logged is not None and logged < call.id:
            logged, events = next(told, (None, iter(())))
        its_own = list(events) if logged == call.id else []
        yield _verdict(conn, shelf, call, its_own, m, ways)


def _verdict(
    conn: Connection, shelf: Shelf, call: Any, rows: list[Any], municipality_id: int, ways: dict[str, Ways] | None
) -> Verdict:
    if not rows:
        return Verdict(call.id, 0, "記録がありません", 1)
    try:
        script = shelf.flow(conn, municipality_id, call.script_hash).script
    except CallflowError as error:
        return Verdict(call.id, len(rows), f"台本を読めません: {error}")
    if ways is None:
        return judge(script, call, rows, municipality_id)
    its_ways = ways.get(call.script_hash) or ways.setdefault(call.script_hash, Ways(script))
    return judge(script, call, rows, municipality_id, its_ways)


def judge(script: Script, call: Any, rows: list[Any], municipality_id: int, ways: Ways | None = None) -> Verdict:
    """The verdict on one call's row and those of its log (the columns above).

    `ways`: of this script, to look at chain, states and outcome alone.
    """
    call_id = call.id
    broken = calllog.first_fault(rows, municipality_id, call_id, Head(call.event_count, call.head_hash))
    if broken:
        return Verdict(call_id, len(rows), broken, broken.seq)
    erased = next((row[_ERASED] for row in rows if row[_ERASED]), "")
    if erased:
        return Verdict(call_id, len(rows), erased=erased)
    try:
        if ways is None:
            return _replayed(script, call, rows)
        ways.check(rows)
        return Verdict(call_id, len(rows))
    except ReplayError as error:
        return Verdict(call_id, len(rows), error.what, error.seq)
    except CallflowError as error:
        return Verdict(call_id, len(rows), str(error))
    except (AttributeError, LookupError, TypeError, ValueError):  # a log chained anew by whoever could, not by us
        return Verdict(call_id, len(rows), ODD_FORM)


def _replayed(script: Script, call: Any, rows: list[Any]) -> Verdict:
    events = list(map(calllog.proved, rows))
    told = replay.tell_all(script, events, check=True)
    wrong = _row_fault(script, call, events, told)
    if wrong:
        return Verdict(call.id, len(rows), wrong, len(rows))
    effects = tuple(map(from_data, told.closed["effects"])) if told.closed else None
    return Verdict(call.id, len(rows), effects=effects)


def _row_fault(script: Script, row: Any, events: Sequence[Event], told: Told) -> str:
    """What stands on the call itself and is not what its log says; empty if nothing."""
    if row.live and told.closed is not None:
        return "記録では終わった通話が、通話中とされています"
    if not row.live and (told.closed is None or told.closed["disposition"] != row.disposition):
        return f"通話の結果 {row.disposition} が記録と違います"
    if not row.live and (row.attempt, row.contact, row.right_party) != replay.counted(script, told, row.disposition):
        return "架電・接触・本人の数え方が記録と違います"
    if not row.live and (row.line_state, row.talk_state or "") != ("ended", told.talk.state if told.talk else ""):
        return "通話の回線・場面が記録と違います"
    logged = _logged(events, told)
    parted = [label for name, label in _ON_THE_CALL.items() if name in logged and getattr(row, name) != logged[name]]
    return f"通話の{'・'.join(parted)}が記録と違います" if parted else ""


_ON_THE_CALL = {
    "case_id": "案件",
    "campaign_id": "キャンペーン",
    "household_id": "世帯",
    "number_id": "番号",
    "operator_id": "担当者",
    "direction": "向き",
    "attempt_ref": "発信の識別子",
    "script_hash": "台本",
    "party": "相手",
    "opened_at": "開始時刻",
    "placed_at": "発信時刻",
    "answered_at": "応答時刻",
    "closed_at": "終了時刻",
}


def _logged(events: Sequence[Event], told: Told) -> dict[str, Any]:
    """The columns of a call as its log tells them, so far as it does."""
    opened = events[0].payload or {}
    names = {"case": "case_id", "campaign": "campaign_id", "household": "household_id", "number": "number_id"}
    names |= {"direction": "direction", "attempt_ref": "attempt_ref", "script": "script_hash"}
    logged = {column: opened[name] for name, column in names.items() if name in opened}
    logged |= {"opened_at": events[0].at, "party": told.talk.party if told.talk else None}
    logged |= {"placed_at": None, "answered_at": events[0].at if told.direction == "inbound" else None}
    logged["closed_at"] = None
    if events[0].actor.startswith(_OPERATOR):  # a call that was dialled ahead has nobody as yet
        logged["operator_id"] = int(events[0].actor.removeprefix(_OPERATOR))
    for event in events:
        payload = event.payload or {}
        match event.kind:
            case calllog.LINE if payload["to"] in _LINE_TIMES:
                logged[_LINE_TIMES[payload["to"]]] = event.at
            case calllog.BEGIN:
                logged["operator_id"] = int(event.actor.removeprefix(_OPERATOR))
            case calllog.CLOSE:
                logged["closed_at"] = event.at
            case calllog.TAKE_BACK:
                logged["closed_at"] = None
    return logged


_OPERATOR = "operator:"
_LINE_TIMES = {"placing": "placed_at", "answered": "answered_at"}


def against_records(conn: Connection, municipality_id: int, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """The same verdicts, each proved one held against what the database has made of the call."""
    coming = iter(verdicts)
    while some := list(islice(coming, RECORDS_AT_ONCE)):
        ended = {each.call_id: each.effects for each in some if each.effects is not None}
        found = _held(conn, municipality_id, ended)
        for each in some:
            yield replace(each, fault=found[each.call_id], seq=each.events) if each.call_id in found else each


def _held(conn: Connection, municipality_id: int, ended: dict[int, tuple[Effect, ...]]) -> dict[int, str]:
    try:
        return dict(holdings.faults(conn, municipality_id, ended))
    except ValueError:
        if len(ended) == 1:
            return dict.fromkeys(ended, UNREADABLE)
    return {
        call_id: fault
        for one, effects in ended.items()
        for call_id, fault in _held(conn, municipality_id, {one: effects}).items()
    }


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
    try:
        events = list(calllog.read(conn, municipality_id, call_id))
    except ValueError as error:
        raise RefusedError(f"通話 {call_id} の記録に{UNREADABLE}") from error
    for event in events:
        try:
            told = told if event.payload is None else replay.tell(script, told, event)
        except ReplayError as error:
            raise RefusedError(f"通話 {call_id} の記録は台本と合いません: {error}") from error
        except (AttributeError, LookupError, TypeError) as error:
            raise RefusedError(f"通話 {call_id}: {ODD_FORM}") from error
        found.append(Scene(event, told))
    return found
