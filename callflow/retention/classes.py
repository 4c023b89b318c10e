"""Which rows each class of `callflow.keeping` is: from which moment their days count, and what of them is erased.

An event of a call and an act of the record lose their content and keep their place in the chain. Of other rows the
personal texts become empty, or the row goes where nothing counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, exists, or_, select, text

from callflow.keeping import CLASSES
from models.tables import (
    audit_alerts,
    calls,
    cases,
    contact_slips,
    follow_up_events,
    glass_breaks,
    households,
    import_changes,
    import_uploads,
    imports,
    living_reports,
    login_failures,
    memos,
    practices,
    promises,
    report_contents,
    sessions,
    staff_calls,
    visits,
    ward_callbacks,
    webhook_deliveries,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """`column` leads to a row of `table`; of follow-up events, where they are about that `thing`."""

    column: str
    table: Table
    thing: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table. `since`: the instant from which their days count. `blank`: what becomes of which columns;
    None: the rows go. `due`: what else must be so. `of`: whose they are, so that a hold can be heard."""

    table: Table
    since: Callable[[int], ColumnElement[Any]] | Column[Any]
    blank: Mapping[str, Any] | None = None
    due: Callable[[int], ColumnElement[bool]] | None = None
    of: tuple[Owner, ...] = ()

    def age(self, municipality_id: int) -> ColumnElement[Any]:
        return self.since if isinstance(self.since, Column) else self.since(municipality_id)

    def where(self, municipality_id: int, before: datetime) -> list[ColumnElement[bool]]:
        """The rows that fall due, and of which something is left to erase."""
        found = [self.table.c.municipality_id == municipality_id, self.age(municipality_id) < before]
        found += [self.due(municipality_id)] if self.due else []
        if self.blank is not None:
            found.append(or_(*(self.table.c[name] != value for name, value in self.blank.items())))
        return found


def _import_began(municipality_id: int) -> ColumnElement[Any]:
    i = imports.c
    return (
        select(i.started_at)
        .where(i.municipality_id == municipality_id, i.id == import_changes.c.import_id)
        .scalar_subquery()
    )


def _over(municipality_id: int) -> ColumnElement[bool]:
    c = calls.c
    live = select(c.id).where(c.municipality_id == municipality_id, c.id == memos.c.call_id, text("calls.live"))
    return ~exists(live)


def _uploaded(_m: int) -> ColumnElement[bool]:
    return import_uploads.c.state.in_(("done", "failed", "dropped"))


def _report_over(municipality_id: int) -> ColumnElement[bool]:
    r = living_reports.c
    over = r.state.in_(("reviewed", "cancelled"))
    return exists(select(r.id).where(r.municipality_id == municipality_id, r.id == report_contents.c.report_id, over))


def _import_over(municipality_id: int) -> ColumnElement[bool]:
    i = imports.c
    ended = select(i.id).where(i.municipality_id == municipality_id, i.id == import_changes.c.import_id)
    return exists(ended.where(i.state != "staging"))


PARTS: Final[Mapping[str, tuple[Part, ...]]] = {
    "access_log": (
        Part(
            glass_breaks,
            glass_breaks.c.reviewed_at,
            {"reason": "", "note": ""},
            of=(Owner("case_id", cases), Owner("household_id", households)),
        ),
        Part(audit_alerts, audit_alerts.c.found_at, {"note": ""}),
    ),
    "living_reports": (
        Part(
            report_contents,
            report_contents.c.at,
            {"content": "{}"},
            _report_over,
            (Owner("report_id", living_reports),),
        ),
    ),
    "follow_up": (
        Part(
            follow_up_events,
            follow_up_events.c.at,
            {"note": ""},
            of=(
                Owner("thing_id", contact_slips, "slip"),
                Owner("thing_id", living_reports, "report"),
                Owner("thing_id", promises, "promise"),
                Owner("thing_id", visits, "visit"),
            ),
        ),
        Part(staff_calls, staff_calls.c.closed_at, {"outcome": ""}, of=(Owner("slip_id", contact_slips),)),
        Part(visits, visits.c.closed_at, {"note": ""}, of=(Owner("case_id", cases),)),
    ),
    "callers": (Part(ward_callbacks, ward_callbacks.c.done_at, {"name": "", "phone": "", "note": ""}),),
    "memos": (Part(memos, memos.c.at, None, _over, (Owner("call_id", calls),)),),
    "imports": (
        Part(import_changes, _import_began, None, _import_over),
        Part(import_uploads, import_uploads.c.uploaded_at, {"file_name": "", "report": "{}"}, _uploaded),
    ),
    "training": (Part(practices, practices.c.at),),
    "webhooks": (Part(webhook_deliveries, webhook_deliveries.c.ended_at),),
    "logins": (Part(sessions, sessions.c.ended_at), Part(login_failures, login_failures.c.last_at)),
}
KEPT_VERBS: Final = (
    *("retention:%", "report:export", "visit:export", "audit:pack"),
    *("report:print", "slip:print", "evidence:export"),
)
"""Acts that are never erased: they prove erasures and what left the program."""


def cutoffs(days: Mapping[str, int], now: datetime) -> dict[str, datetime]:
    """By class, the moment before which it falls due."""
    return {each.name: now - timedelta(days=days[each.name]) for each in CLASSES}
