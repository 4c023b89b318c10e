"""What must hold of the stored calls at any moment, whatever happened before: one module, used by every harness.

I1 one live attempt per case, number, household and operator · I3 a call that is over has one outcome, whole ·
I4 slip, hardship and living report go together · I5 no debt before verification · I6 the log replays ·
I7 the chain holds up to its head (`callflow audit verify` holds it to the anchors) · I9 nothing is placed while
suppressed · I11 a campaign's counts of outcomes are those of its calls. I10, that nothing acknowledged is lost, needs
to know what was acknowledged: `lost`.
I2 is counted by `callflow.simulation.breaches`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, exists, select, text

from callflow import calllog, replay
from callflow.calllog import Broken
from callflow.errors import CallflowError
from callflow.playback import against_records, verify_all
from callflow.replay import Told
from callflow.script.model import END, Level, Script
from callflow.shelf import Shelf
from callflow.tallies import astray
from models.tables import (
    call_events,
    callbacks,
    calls,
    contact_slips,
    living_report_links,
    municipalities,
    negotiation_records,
    off_scripts,
    promises,
    signals,
    slip_reasons,
    suppressions,
    ward_tasks,
)


@dataclass(frozen=True, slots=True)
class Violation:
    """Which invariant is broken, by which call, and how."""

    invariant: str
    call_id: int
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} 通話 {self.call_id}: {self.what}"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What somebody was told: of call `call_id`, `events` events are written; with `disposition`, it is over."""

    call_id: int
    events: int
    disposition: str = ""


def check(conn: Connection, shelf: Shelf | None = None) -> list[Violation]:
    """Everything that is broken, over all municipalities; empty if all is well. Costs a replay of every call."""
    shelf = shelf or Shelf()
    found: list[Violation] = []
    for invariant, what, query in _QUERIES:
        found += [Violation(invariant, row[0], what) for row in conn.execute(text(query))]
    for municipality_id in conn.execute(select(municipalities.c.id)).scalars().all():
        found += _replayed(conn, municipality_id, shelf)
        found += _outcomes(conn, municipality_id, shelf)
        for (campaign, code), by in astray(conn, municipality_id).items():
            found.append(Violation("I11", 0, f"キャンペーン {campaign} の {code} が {by:+} 件違います"))
    return found


def lost(conn: Connection, municipality_id: int, told: Iterable[Acknowledged]) -> list[Violation]:
    """I10: what was acknowledged and is not there any more."""
    found = []
    for one in told:
        row = conn.execute(
            select(calls.c.event_count, calls.c.disposition).where(
                calls.c.municipality_id == municipality_id, calls.c.id == one.call_id
            )
        ).first()
        if row is None or row.event_count < one.events:
            have = row.event_count if row else 0
            found.append(Violation("I10", one.call_id, f"{one.events} 件と答えましたが、{have} 件しかありません"))
        elif one.disposition and row.disposition != one.disposition:
            what = f"結果 {one.disposition} と答えましたが、{row.disposition} になっています"
            found.append(Violation("I10", one.call_id, what))
    return found


_LIVE_TWICE = (
    "SELECT min(id) FROM calls WHERE live AND {0} IS NOT NULL GROUP BY municipality_id, {0} HAVING count(*) > 1"
)
_QUERIES: tuple[tuple[str, str, str], ...] = (
    ("I1", "同じ案件に、終わっていない通話が二つあります", _LIVE_TWICE.format("case_id")),
    ("I1", "同じ番号に、終わっていない通話が二つあります", _LIVE_TWICE.format("number_id")),
    ("I1", "同じ世帯に、終わっていない通話が二つあります", _LIVE_TWICE.format("household_id")),
    ("I1", "同じ担当者に、終わっていない通話が二つあります", _LIVE_TWICE.format("operator_id")),
    (
        "I3",
        "終わった通話に、結果・終了日時・回線の終わりのどれかがありません",
        "SELECT id FROM calls WHERE NOT live AND (disposition IS NULL OR closed_at IS NULL OR line_state <> 'ended')",
    ),
    (
        "I3",
        "終わっていない通話に、結果があります",
        "SELECT id FROM calls WHERE live AND (disposition IS NOT NULL OR closed_at IS NOT NULL)",
    ),
    (
        "I4",
        "連絡票に理由がありません",
        "SELECT s.call_id FROM contact_slips s WHERE NOT EXISTS (SELECT 1 FROM slip_reasons r"
        " WHERE r.municipality_id = s.municipality_id AND r.slip_id = s.id)",
    ),
    (
        "I4",
        "生活困窮を聞きましたが、生活状況報告書につながっていません",
        "SELECT s.call_id FROM contact_slips s JOIN slip_reasons r ON r.municipality_id = s.municipality_id"
        " AND r.slip_id = s.id AND r.reason = 'hardship' JOIN calls c ON c.municipality_id = s.municipality_id"
        " AND c.id = s.call_id WHERE c.disposition NOT IN ('DV', 'DC', 'GD', 'LW')"
        " AND s.state <> 'cancelled' AND NOT EXISTS (SELECT 1 FROM living_report_links l"
        " WHERE l.municipality_id = s.municipality_id AND l.call_id = s.call_id"
        " AND l.kind NOT IN ('cancelled', 'withdrawn'))",
    ),
    (
        "I4",
        "生活困窮を聞いていませんが、生活状況報告書につながっています",
        "SELECT c.id FROM living_report_links l JOIN calls c ON c.municipality_id = l.municipality_id"
        " AND c.id = l.call_id WHERE l.kind NOT IN ('cancelled', 'withdrawn')"
        " AND (c.disposition IN ('DV', 'DC', 'GD', 'LW') OR NOT EXISTS (SELECT 1 FROM contact_slips s"
        " JOIN slip_reasons r ON r.municipality_id = s.municipality_id AND r.slip_id = s.id AND r.reason = 'hardship'"
        " WHERE s.municipality_id = l.municipality_id AND s.call_id = l.call_id AND s.state <> 'cancelled'))",
    ),
    (
        "I4",
        "別の世帯の生活状況報告書につながっています",
        "SELECT c.id FROM calls c JOIN living_report_links l ON l.municipality_id = c.municipality_id"
        " AND l.call_id = c.id JOIN living_reports p ON p.municipality_id = l.municipality_id"
        " AND p.id = l.report_id WHERE p.household_id <> c.household_id",
    ),
    (
        "I4",
        "同じ世帯に、生きている生活状況報告書が二つあります",
        "SELECT min(l.call_id) FROM living_reports p LEFT JOIN living_report_links l"
        " ON l.municipality_id = p.municipality_id AND l.report_id = p.id"
        " WHERE p.state IN ('requested', 'sent', 're_requested')"
        " GROUP BY p.municipality_id, p.household_id HAVING count(DISTINCT p.id) > 1",
    ),
    (
        "I9",
        "架電停止中に発信しました",
        "SELECT c.id FROM calls c JOIN suppressions s ON s.municipality_id = c.municipality_id"
        " AND (s.case_id = c.case_id OR s.household_id = c.household_id)"
        " WHERE c.direction = 'outbound' AND c.placed_at > s.since"
        " AND (s.lifted_at IS NULL OR c.placed_at < s.lifted_at) AND (s.until IS NULL OR c.placed_at < s.until)",
    ),
)


def _replayed(conn: Connection, municipality_id: int, shelf: Shelf) -> Iterator[Violation]:
    for verdict in against_records(conn, municipality_id, verify_all(conn, shelf, municipality_id)):
        if not verdict.proved:
            invariant = "I7" if isinstance(verdict.fault, Broken) else "I6"
            yield Violation(invariant, verdict.call_id, str(verdict.fault))
    without = select(calls.c.id).where(calls.c.municipality_id == municipality_id, calls.c.event_count == 0)
    for call_id in conn.execute(without).scalars():
        yield Violation("I7", call_id, "記録が一件もありません")


Consequence = tuple[object, ...]


def _outcomes(conn: Connection, municipality_id: int, shelf: Shelf) -> Iterator[Violation]:
    """What each log amounts to against the rows that stand: all of it, nothing twice, and nothing else."""
    stand = _consequences(conn, municipality_id)
    for call_id, script, events in _logs(conn, municipality_id, shelf):
        if any(event.payload is None for event in events):
            stand.pop(call_id, None)
            continue
        due: Counter[Consequence] = Counter()
        told = Told()
        for event in events:
            try:
                told = replay.tell(script, told, event)
            except (CallflowError, replay.ReplayError):
                break  # I6 says so
            if _shows_debt(script, told):
                yield Violation("I5", call_id, f"通番 {event.seq}: 本人確認の前に債務に触れる台詞です")
        due.update(("signal", signal.seq) for signal in told.signals)
        if told.closed is not None:
            due.update(each for effect in told.closed["effects"] for each in _due(effect))
        for each, count in _difference(due, stand.pop(call_id, Counter())):
            invariant = "I4" if each[0] in ("slip", "reason", "report") else "I3"
            yield Violation(invariant, call_id, f"{each} が {count:+} 件です")
    for call_id in stand:
        yield Violation("I3", call_id, "記録のない通話から生じたものがあります")


def _difference(due: Counter[Consequence], stand: Counter[Consequence]) -> list[tuple[Consequence, int]]:
    return [(each, stand[each] - due[each]) for each in due | stand if stand[each] != due[each]]


def _shows_debt(script: Script, told: Told) -> bool:
    talk = told.talk
    if talk is None or talk.state == END or talk.party is not None:
        return False
    return replay.level_of(script, told, talk.state) is Level.DEBT


def _logs(conn: Connection, municipality_id: int, shelf: Shelf) -> Iterator[tuple[int, Script, list[calllog.Event]]]:
    query = (
        select(*calllog.COLUMNS, call_events.c.call_id, calls.c.script_hash)
        .join(calls, (calls.c.municipality_id == call_events.c.municipality_id) & (calls.c.id == call_events.c.call_id))
        .where(call_events.c.municipality_id == municipality_id)
        .order_by(call_events.c.call_id, call_events.c.seq)
    )
    for (call_id, script_hash), rows in groupby(conn.execute(query), key=lambda row: (row.call_id, row.script_hash)):
        events = [calllog.event(row) for row in rows]
        try:
            script = shelf.flow(conn, municipality_id, script_hash).script
        except CallflowError:
            continue  # I6 says so
        yield call_id, script, events


def _due(effect: dict[str, Any]) -> list[Consequence]:
    """The rows that an effect in the log must have made."""
    match effect["effect"]:
        case "RecordNegotiation":
            return [("negotiation", effect["code"])]
        case "MakePromise":
            return [("promise", effect["due_on"], effect["amount"])]
        case "RaiseContactSlip":
            return [("slip", effect["urgency"]), *(("reason", reason) for reason in effect["reasons"])]
        case "RequestLivingReport":
            return [("report",)]
        case "ScheduleCallback":
            return [("callback",)]
        case "SuppressCase":
            return [("suppression", effect["reason"])]
        case "RaiseTask":
            return [("task", effect["kind"])]
        case "NoteOffScript":
            return [("off_script", effect["seq"])]
    return []


def _consequences(conn: Connection, municipality_id: int) -> dict[int, Counter[Consequence]]:
    """The rows that calls have made, by call."""
    found: dict[int, Counter[Consequence]] = {}
    for name, query in _MADE:
        table = query.selected_columns[0].table
        for call_id, *values in conn.execute(query.where(table.c.municipality_id == municipality_id)):
            shown = (value.isoformat() if isinstance(value, date) else value for value in values)
            found.setdefault(call_id, Counter())[(name, *shown)] += 1
    return found


_SLIP_REASONS = contact_slips.join(
    slip_reasons,
    (slip_reasons.c.municipality_id == contact_slips.c.municipality_id)
    & (slip_reasons.c.slip_id == contact_slips.c.id),
)
_n, _l, _slip, _off = negotiation_records.c, living_report_links.c, contact_slips.c, off_scripts.c
_corrections = negotiation_records.alias("corrections")
_is_corrected = exists().where(
    _corrections.c.municipality_id == _n.municipality_id, _corrections.c.corrects_id == _n.id
)


def _is_over(row: Any) -> Any:
    """The call has an end now: one whose end was taken back keeps what happened, without an outcome."""
    return exists().where(calls.c.municipality_id == row.municipality_id, calls.c.id == row.call_id, text("NOT live"))


_MADE: tuple[tuple[str, Select[Any]], ...] = (
    ("negotiation", select(_n.call_id, _n.disposition).where(_is_over(_n), ~_is_corrected)),
    (
        "promise",
        select(promises.c.call_id, promises.c.due_on, promises.c.amount).where(promises.c.state != "cancelled"),
    ),
    ("slip", select(_slip.call_id, _slip.urgency).where(_slip.state != "cancelled", _slip.origin == "call")),
    (
        "reason",
        select(_slip.call_id, slip_reasons.c.reason)
        .select_from(_SLIP_REASONS)
        .where(_slip.state != "cancelled", _slip.origin == "call"),
    ),
    ("report", select(_l.call_id).where(_l.kind.in_(("created", "reminded")))),
    ("callback", select(callbacks.c.call_id).where(callbacks.c.state != "cancelled")),
    (
        "suppression",
        select(suppressions.c.call_id, suppressions.c.reason).where(
            suppressions.c.call_id.is_not(None), suppressions.c.lifted_at.is_(None)
        ),
    ),
    ("task", select(ward_tasks.c.call_id, ward_tasks.c.kind).where(ward_tasks.c.state != "cancelled")),
    ("signal", select(signals.c.call_id, signals.c.seq)),
    ("off_script", select(_off.call_id, _off.seq).where(_is_over(_off))),
)
