"""The dry run: what of each class falls due, how much is held, and how old it is. Erases nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, exists, func, literal_column, not_, or_, select, true

from callflow.keeping import CLASSES, Class
from callflow.retention.classes import KEPT_VERBS, PARTS, Part
from callflow.retention.holds import Holds, in_force
from models.tables import audit_events, call_events, calls


@dataclass(frozen=True, slots=True)
class Due:
    """What would go: calls, acts or rows (`count`), of which moments; `held` of them stay."""

    kind: Class
    before: datetime
    count: int = 0
    held: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None


def plan(conn: Connection, municipality_id: int, before: Mapping[str, datetime]) -> list[Due]:
    """What falls due in each class, holds subtracted."""
    holds = in_force(conn, municipality_id)
    return [_due(conn, municipality_id, each, before[each.name], holds) for each in CLASSES if each.name in before]


def _due(conn: Connection, m: int, kind: Class, before: datetime, holds: Holds) -> Due:
    count = held = 0
    ages: list[datetime] = []
    for where, age, kept in _sources(m, kind, before, holds):
        of = (func.count(), func.min(age).filter(not_(kept)), func.max(age).filter(not_(kept)))
        found = conn.execute(select(*of, func.count().filter(kept)).where(*where)).one()
        stays = found[0] if kind.name in holds.classes else found[3]
        count, held = count + found[0] - stays, held + stays
        ages += [at for at in found[1:3] if at is not None and stays < found[0]]
    return Due(kind, before, count, held, min(ages, default=None), max(ages, default=None))


def _sources(
    m: int, kind: Class, before: datetime, holds: Holds
) -> Iterator[tuple[list[ColumnElement[bool]], Any, ColumnElement[bool]]]:
    """Of each table of a class: what is due, its age, and what of it is held."""
    if kind.chained == "call":
        yield calls_due(m, before), calls.c.last_event_at, holds.on(calls)
    if kind.chained == "audit":
        yield acts_due(m, before), audit_events.c.at, held_acts(holds)
    for part in PARTS.get(kind.name, ()):
        yield part.where(m, before), part.age(m), holds.over(part, m)


def calls_due(m: int, before: datetime) -> list[ColumnElement[bool]]:
    """Ended calls whose last event is old, and whose content is there."""
    c, e = calls.c, call_events.c
    first = select(e.seq).where(e.municipality_id == m, e.call_id == c.id, e.seq == 1, e.payload.is_not(None))
    return [c.municipality_id == m, literal_column("NOT live"), c.last_event_at < before, exists(first)]


def acts_due(m: int, before: datetime) -> list[ColumnElement[bool]]:
    """Old acts whose content is there, but for those that prove erasures and exports."""
    a = audit_events.c
    kept = or_(*(a.verb.like(verb) for verb in KEPT_VERBS))
    return [a.municipality_id == m, a.at < before, a.salt.is_not(None), ~kept]


def held_acts(holds: Holds) -> ColumnElement[bool]:
    return audit_events.c.object.in_(holds.objects)


def unheld(kind: Class, holds: Holds, kept: ColumnElement[bool]) -> ColumnElement[bool]:
    """What of a class may go under these holds."""
    return not_(true()) if kind.name in holds.classes else not_(kept)


def key_text(part: Part) -> ColumnElement[str]:
    """A row's key as the certificate's hash names it: `municipality/key/…`."""
    first, *rest = part.table.primary_key.columns
    found: ColumnElement[str] = cast(first, String)
    for column in rest:
        found = found + "/" + cast(column, String)
    return found
