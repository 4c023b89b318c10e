"""Counts what must never happen, from the stored calls alone, without asking the policy that should prevent it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from sqlalchemy import Connection, select

from callflow.clock import TOKYO
from models.tables import calls, households, suppressions
from scheduler.calendar import Calendar
from scheduler.settings import Policy


def breaches(conn: Connection, municipality_id: int, calendar: Calendar, policy: Policy) -> Counter[str]:
    """Dials out of hours, over a daily limit, to a suppressed case or a protected household."""
    c = calls.c
    rows = conn.execute(
        select(c.case_id, c.household_id, c.number_id, c.placed_at, c.attempt, households.c.protected)
        .join(
            households,
            (households.c.municipality_id == c.municipality_id) & (households.c.id == c.household_id),
        )
        .where(c.municipality_id == municipality_id, c.direction == "outbound", c.placed_at.is_not(None))
        .order_by(c.placed_at)
    ).all()
    stopped = _stopped(conn, municipality_id)
    found: Counter[str] = Counter()
    per_day: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        day = row.placed_at.astimezone(TOKYO).date()
        if calendar.window_at(row.placed_at) is None:
            found["時間外の発信"] += 1
        for whom in (("household", row.household_id, day), ("number", row.number_id, day)):
            per_day[whom] += row.attempt
            if row.attempt and per_day[whom] > policy.attempts_per_day:
                found["一日の上限を超えた発信"] += 1
        since = min(stopped["case", row.case_id], stopped["household", row.household_id])
        if row.placed_at > since:
            found["架電停止中の発信"] += 1
    return found


def _stopped(conn: Connection, municipality_id: int) -> dict[tuple[str, int], datetime]:
    """From when a case or household must not be called; far in the future for all others."""
    never = datetime.max.replace(tzinfo=TOKYO)
    found: dict[tuple[str, int], datetime] = defaultdict(lambda: never)
    s = suppressions.c
    for row in conn.execute(select(s.case_id, s.household_id, s.since).where(s.municipality_id == municipality_id)):
        key = ("case", row.case_id) if row.case_id is not None else ("household", row.household_id)
        found[key] = min(found[key], row.since)
    return found
