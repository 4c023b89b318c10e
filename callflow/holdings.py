"""What the database holds of an ended call, against what its log amounts to.

A log alone proves what was said. That nothing was lost on the way to the case record, and nothing added or altered
there since, is proved here: each effect of the call stands in its table, and no row names the call without an effect.
Cancelled rows are history; how a promise, a slip or a task went on afterwards is not the call's to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, select

from callflow.effects import (
    CancelLivingReport,
    Effect,
    MakePromise,
    NoteOffScript,
    RaiseContactSlip,
    RaiseSignal,
    RaiseTask,
    RecordNegotiation,
    RequestLivingReport,
    ScheduleCallback,
    SuppressCase,
)
from models.tables import (
    callbacks,
    calls,
    contact_slips,
    living_report_links,
    negotiation_records,
    off_scripts,
    promises,
    signals,
    slip_reasons,
    suppressions,
    ward_tasks,
)

Facts = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of record: `facts` are what the call decided of a row, `gone` says that the row no longer stands."""

    label: str
    table: Table
    facts: Callable[[Any], Facts]
    gone: Callable[[Any], bool] = lambda _row: False
    stays: bool = False  # a row that no longer stands was lifted later, not withdrawn: its effect still counts


def _link_kind(row: Any) -> Facts:
    return ("cancelled",) if row.kind == "cancelled" else ("asked",)


_KINDS: Mapping[str, _Kind] = {
    "record": _Kind("交渉経過", negotiation_records, lambda r: (r.disposition, r.party, r.text, bool(r.ack_candidate))),
    "promise": _Kind(
        "納付約束",
        promises,
        lambda r: (r.due_on.isoformat(), r.amount, r.place, r.promiser),
        lambda r: r.state == "cancelled",
    ),
    "slip": _Kind(
        "連絡票", contact_slips, lambda r: (r.urgency, r.consultation, r.text), lambda r: r.state == "cancelled"
    ),
    "report": _Kind("生活状況報告書", living_report_links, _link_kind, lambda r: r.kind == "withdrawn"),
    "callback": _Kind(
        "かけ直し",
        callbacks,
        lambda r: (r.at.isoformat(), r.phone, bool(r.unverified)),
        lambda r: r.state == "cancelled",
    ),
    "suppression": _Kind(
        "架電の停止",
        suppressions,
        lambda r: (r.reason, r.household_id is not None),
        lambda r: r.lifted_at is not None,
        stays=True,
    ),
    "task": _Kind("区への依頼", ward_tasks, lambda r: (r.kind,), lambda r: r.state == "cancelled"),
    "signal": _Kind("シグナル", signals, lambda r: (r.kind, r.reason, r.seq)),
    "off_script": _Kind("台本外", off_scripts, lambda r: (r.state, r.reason, r.seq)),
}


@singledispatch
def _expected(_effect: Effect) -> tuple[str, Facts] | None:
    """The row that an effect makes; None for one that makes none of the call's own."""
    return None


@_expected.register
def _(effect: RecordNegotiation) -> tuple[str, Facts]:
    return "record", (effect.code, effect.party, effect.text, effect.ack_candidate)


@_expected.register
def _(effect: MakePromise) -> tuple[str, Facts]:
    return "promise", (effect.due_on, effect.amount, effect.place, effect.promiser)


@_expected.register
def _(effect: RaiseContactSlip) -> tuple[str, Facts]:
    return "slip", (effect.urgency, effect.consultation, effect.text, effect.reasons)


@_expected.register
def _(_effect: RequestLivingReport) -> tuple[str, Facts]:
    return "report", ("asked",)


@_expected.register
def _(_effect: CancelLivingReport) -> tuple[str, Facts]:
    return "report", ("cancelled",)


@_expected.register
def _(effect: ScheduleCallback) -> tuple[str, Facts]:
    return "callback", (effect.at, effect.phone, effect.unverified)


@_expected.register
def _(effect: SuppressCase) -> tuple[str, Facts]:
    return "suppression", (effect.reason, effect.household)


@_expected.register
def _(effect: RaiseTask) -> tuple[str, Facts]:
    return "task", (effect.kind,)


@_expected.register
def _(effect: RaiseSignal) -> tuple[str, Facts]:
    return "signal", (effect.kind, effect.reason, effect.seq)


@_expected.register
def _(effect: NoteOffScript) -> tuple[str, Facts]:
    return "off_script", (effect.state, effect.reason, effect.seq)


_MAY_FIND_NOTHING: tuple[str, Facts] = ("report", ("cancelled",))
"""A code cancels the household's open report; there may have been none."""


def faults(conn: Connection, municipality_id: int, ended: Mapping[int, Sequence[Effect]]) -> dict[int, str]:
    """The calls of `ended` whose records part from their effects, each with what is wrong in words."""
    standing, ever = _held(conn, municipality_id, ended)
    found = {}
    for call_id, effects in ended.items():
        wanted = {each for effect in effects if (each := _expected(effect)) is not None}
        missing = {
            each
            for each in wanted
            if each not in (ever if _KINDS[each[0]].stays else standing)[call_id] and each != _MAY_FIND_NOTHING
        }
        surplus = standing[call_id] - wanted
        if missing or surplus:
            found[call_id] = _in_words(missing, surplus)
    return found


def _in_words(missing: Iterable[tuple[str, Facts]], surplus: Iterable[tuple[str, Facts]]) -> str:
    lost, added = ({_KINDS[kind].label for kind, _ in each} for each in (missing, surplus))
    parts = [f"{label}が記録から導かれるものと違います" for label in sorted(lost & added)]
    parts += [f"{label}がありません" for label in sorted(lost - added)]
    parts += [f"記録にない{label}があります" for label in sorted(added - lost)]
    return "、".join(parts)


Held = defaultdict[int, set[tuple[str, Facts]]]


def _held(conn: Connection, municipality_id: int, call_ids: Iterable[int]) -> tuple[Held, Held]:
    """What stands for each call, and what has ever been made for it."""
    standing, ever = Held(set), Held(set)
    about = {"m": municipality_id, "calls": list(call_ids)}
    reasons = _reasons(conn, about)
    owners = {row.id: row for row in conn.execute(_OWNERS, about)}
    for name, kind in _KINDS.items():
        rows = [row for row in conn.execute(_OF_CALLS[name], about) if name != "slip" or row.origin == "call"]
        corrected = {row.corrects_id for row in rows} if name == "record" else set()
        for row in rows:
            facts = (*kind.facts(row), tuple(sorted(reasons[row.id]))) if name == "slip" else kind.facts(row)
            if _elsewhere(row, owners[row.call_id]):
                facts = ("another case", *facts)
            ever[row.call_id].add((name, facts))
            if not kind.gone(row) and not (corrected and row.id in corrected):
                standing[row.call_id].add((name, facts))
    return standing, ever


def _elsewhere(row: Any, call: Any) -> bool:
    """Whether a record stands with another case or household than its call."""
    names = ("case_id", "household_id")
    return any(getattr(row, name, None) not in (None, getattr(call, name)) for name in names)


def _reasons(conn: Connection, about: Mapping[str, Any]) -> defaultdict[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for slip_id, reason in conn.execute(_SLIP_REASONS, about):
        found[slip_id].add(reason)
    return found


def _mine(table: Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.municipality_id == bindparam("m"), table.c.call_id.in_(bindparam("calls", expanding=True))


_OWNERS = select(calls.c.id, calls.c.case_id, calls.c.household_id).where(
    calls.c.municipality_id == bindparam("m"), calls.c.id.in_(bindparam("calls", expanding=True))
)
_OF_CALLS = {name: select(kind.table).where(*_mine(kind.table)) for name, kind in _KINDS.items()}
_SLIP_REASONS = (
    select(slip_reasons.c.slip_id, slip_reasons.c.reason)
    .join(
        contact_slips,
        (contact_slips.c.municipality_id == slip_reasons.c.municipality_id)
        & (contact_slips.c.id == slip_reasons.c.slip_id),
    )
    .where(*_mine(contact_slips))
)
