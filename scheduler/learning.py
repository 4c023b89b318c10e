"""Counts each day's calls by group, and draws the rates that the next day's ranks are made with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, func, insert, select

from models.database import Database
from models.tables import calls, cases, contact_rates, contact_tallies, debtors, phone_numbers
from scheduler.calendar import Band, Calendar, tokyo_date, tokyo_midnight
from scheduler.chances import Tally, drawn_rates, segment_of
from scheduler.facts import Cell

REMEMBERED: Final = timedelta(days=90)
"""Older calls say nothing any more: people and lists change [O]."""
COUNTED_AGAIN: Final = timedelta(days=2)
"""Outcomes that are corrected so long after the call still count as corrected [O]."""
AHEAD: Final = timedelta(hours=2)
"""From 22:00 on it is the next day that is prepared: nobody is called any more."""


def learn(database: Database, municipality_id: int, claim_type: str, calendar: Calendar, now: datetime) -> int:
    """Brings one claim type up to date; returns how many counts were written. Repeating it changes nothing.

    A day's rates come from the days before it alone, so that they are the same whenever they are drawn.
    """
    today = tokyo_date(now + AHEAD)
    with database.read() as conn:
        days = list(_days_to_count(conn, municipality_id, claim_type, today))
    written = 0
    for day in days:
        written += database.transact(partial(_count, municipality_id, claim_type, calendar, day))
    database.transact(lambda conn: _draw(conn, municipality_id, claim_type, today))
    return written


def _days_to_count(conn: Connection, municipality_id: int, claim_type: str, today: date) -> Iterator[date]:
    """From the last days counted up to yesterday; a day without calls leaves no row and is asked for again."""
    last = conn.execute(
        select(func.max(contact_tallies.c.day)).where(*_of(contact_tallies, municipality_id, claim_type))
    ).scalar()
    day = max(today - REMEMBERED, last - COUNTED_AGAIN if last else today - REMEMBERED)
    while day < today:
        yield day
        day += timedelta(days=1)


def _count(municipality_id: int, claim_type: str, calendar: Calendar, day: date, conn: Connection) -> int:
    tallies: defaultdict[Cell, Tally] = defaultdict(Tally)
    began = func.coalesce(calls.c.placed_at, calls.c.opened_at)
    query = (
        select(began.label("began"), calls.c.right_party, debtors.c.birth_date, phone_numbers.c.e164)
        .join(cases, and_(cases.c.municipality_id == calls.c.municipality_id, cases.c.id == calls.c.case_id))
        .join(debtors, and_(debtors.c.municipality_id == cases.c.municipality_id, debtors.c.id == cases.c.debtor_id))
        .join(
            phone_numbers,
            and_(phone_numbers.c.municipality_id == calls.c.municipality_id, phone_numbers.c.id == calls.c.number_id),
        )
        .where(
            calls.c.municipality_id == municipality_id,
            cases.c.claim_type == claim_type,
            calls.c.opened_at >= tokyo_midnight(day),
            calls.c.opened_at < tokyo_midnight(day + timedelta(days=1)),
            calls.c.direction == "outbound",
            calls.c.attempt == 1,
            calls.c.disposition.is_not(None),
        )
    )
    for row in conn.execute(query):
        cell = segment_of(row.birth_date, row.e164, day), calendar.band_of(row.began)
        tallies[cell] += Tally(1, int(row.right_party == 1))
    of_day = {"municipality_id": municipality_id, "claim_type": claim_type, "day": day}
    conn.execute(
        delete(contact_tallies).where(*_of(contact_tallies, municipality_id, claim_type), contact_tallies.c.day == day)
    )
    if tallies:
        conn.execute(
            insert(contact_tallies),
            [
                {**of_day, **_named(cell), "tried": tally.tried, "reached": tally.reached}
                for cell, tally in tallies.items()
            ],
        )
    return len(tallies)


def _draw(conn: Connection, municipality_id: int, claim_type: str, today: date) -> None:
    for table in (contact_tallies, contact_rates):
        conn.execute(delete(table).where(*_of(table, municipality_id, claim_type), table.c.day < today - REMEMBERED))
    rates = drawn_rates(known(conn, municipality_id, claim_type, today), f"{municipality_id}:{claim_type}:{today}")
    conn.execute(
        delete(contact_rates).where(*_of(contact_rates, municipality_id, claim_type), contact_rates.c.day == today)
    )
    of_day = {"municipality_id": municipality_id, "claim_type": claim_type, "day": today}
    conn.execute(insert(contact_rates), [{**of_day, **_named(cell), "rate": rate} for cell, rate in rates.items()])


def known(conn: Connection, municipality_id: int, claim_type: str, today: date) -> dict[Cell, Tally]:
    """What the days before `today` say, by group."""
    t = contact_tallies.c
    rows = conn.execute(
        select(t.segment, t.band, func.sum(t.tried).label("tried"), func.sum(t.reached).label("reached"))
        .where(*_of(contact_tallies, municipality_id, claim_type), t.day >= today - REMEMBERED, t.day < today)
        .group_by(t.segment, t.band)
    )
    return {(row.segment, Band[row.band.upper()]): Tally(int(row.tried), int(row.reached)) for row in rows}


def _of(table: Table, municipality_id: int, claim_type: str) -> tuple[Any, ...]:
    return table.c.municipality_id == municipality_id, table.c.claim_type == claim_type


def _named(cell: Cell) -> dict[str, str]:
    segment, band = cell
    return {"segment": segment, "band": band.name.lower()}
