"""What happened becomes deliveries: once for each webhook and thing, whenever it is looked for and however often."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, String, Table, and_, cast, exists, literal, select, update

from callflow.caserecord import SETTLING_TIME, visible_from
from callflow.webhooks.rows import Hook
from models.ids import new_ids
from models.tables import (
    contact_slips,
    follow_up_events,
    living_reports,
    negotiation_records,
    promises,
    signals,
    slip_reasons,
    webhook_deliveries,
    webhooks,
)

AT_ONCE: Final = 500
OVERLAP: Final = timedelta(minutes=10)
"""How far back is looked again each time: longer than any transaction that wrote a moment and then took its time."""

NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event comes from. `at`: the moment that orders it; `until`: what may be told at a moment; `told`: which
    ids and codes."""

    table: Table
    at: str
    until: Callable[[datetime], ColumnElement[bool]]
    told: tuple[str, ...]
    only: tuple[ColumnElement[bool], ...] = ()
    key: tuple[str, ...] = ("id",)


def _settled(column: ColumnElement[datetime]) -> Callable[[datetime], ColumnElement[bool]]:
    return lambda now: column <= now - SETTLING_TIME


_r, _p, _l, _s, _f = (each.c for each in (negotiation_records, promises, living_reports, signals, follow_up_events))
SOURCES: Final[Mapping[str, Source]] = {
    "signal.raised": Source(
        signals, "at", lambda now: _s.at <= now, ("call_id", "seq", "case_id", "kind"), key=("call_id", "seq")
    ),
    "slip.raised": Source(contact_slips, "visible_at", visible_from, ("id", "call_id", "case_id", "urgency", "origin")),
    "call.recorded": Source(
        negotiation_records,
        "at",
        _settled(_r.at),
        ("id", "call_id", "case_id", "disposition"),
        only=(_r.corrects_id.is_(None),),
    ),
    "call.corrected": Source(
        negotiation_records,
        "at",
        _settled(_r.at),
        ("id", "call_id", "case_id", "disposition", "corrects_id"),
        only=(_r.corrects_id.is_not(None),),
    ),
    "promise.made": Source(promises, "made_at", _settled(_p.made_at), ("id", "call_id", "case_id", "state")),
    "report.requested": Source(living_reports, "requested_at", _settled(_l.requested_at), ("id", "case_id", "state")),
    "follow_up.changed": Source(
        follow_up_events, "at", lambda now: _f.at <= now, ("id", "thing", "thing_id", "act", "before", "after")
    ),
}


def look(conn: Connection, municipality_id: int, hook: Hook, now: datetime) -> int:
    """Makes a delivery of everything that a webhook has not been told yet; how many."""
    made, all_of_it = 0, True
    for event in (event for event in SOURCES if event in hook.events):  # the urgent ones first
        rows = _new(conn, municipality_id, hook, event, now)
        made += len(rows)
        all_of_it &= len(rows) < AT_ONCE
        if rows:
            _deliver(conn, municipality_id, hook, event, rows, now)
    if all_of_it and (made or now - hook.looked_until > NOTED_EVERY):
        mine = (webhooks.c.municipality_id == municipality_id, webhooks.c.id == hook.id)
        conn.execute(update(webhooks).where(*mine).values(looked_until=now))
    return made


def _new(conn: Connection, municipality_id: int, hook: Hook, event: str, now: datetime) -> list[dict[str, Any]]:
    source, d = SOURCES[event], webhook_deliveries.c
    t = source.table.c
    thing: ColumnElement[str] = literal(f"{source.table.name}:")
    for place, name in enumerate(source.key):
        thing = thing + (literal("-") + cast(t[name], String) if place else cast(t[name], String))
    told = exists().where(
        and_(d.municipality_id == t.municipality_id, d.webhook_id == hook.id, d.event == event, d.thing == thing)
    )
    since = max(hook.looked_until - OVERLAP, hook.created_at)
    query = (
        select(*(t[name] for name in source.told), t[source.at].label("_at"), thing.label("_thing"))
        .where(t.municipality_id == municipality_id, t[source.at] >= since, source.until(now), *source.only, ~told)
        .order_by(t[source.at], *(t[name] for name in source.key))
        .limit(AT_ONCE)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _deliver(
    conn: Connection, municipality_id: int, hook: Hook, event: str, rows: list[dict[str, Any]], now: datetime
) -> None:
    reasons = _reasons(conn, municipality_id, [row["id"] for row in rows]) if event == "slip.raised" else {}
    ids = new_ids(conn, webhook_deliveries, municipality_id, len(rows))
    values = []
    for one, row in zip(ids, rows, strict=True):
        at, thing = row.pop("_at"), row.pop("_thing")
        data = row | ({"reasons": reasons.get(row["id"], [])} if event == "slip.raised" else {})
        body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False)
        own = {"municipality_id": municipality_id, "id": one, "webhook_id": hook.id, "event": event, "thing": thing}
        values.append(
            own | {"body": body, "made_at": now, "state": "waiting", "attempts": 0, "next_at": now, "answer": ""}
        )
    conn.execute(webhook_deliveries.insert(), values)


def _reasons(conn: Connection, municipality_id: int, slips: list[int]) -> dict[int, list[str]]:
    r = slip_reasons.c
    query = select(r.slip_id, r.reason).where(r.municipality_id == municipality_id, r.slip_id.in_(slips))
    found: dict[int, list[str]] = {}
    for row in conn.execute(query.order_by(r.slip_id, r.reason)):
        found.setdefault(row.slip_id, []).append(row.reason)
    return found
