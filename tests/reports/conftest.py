"""A municipality with calls whose counts are known, on both databases, and a terminal over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.reports.asking import Ask
from callflow.reports.figures import Period
from models.database import Database
from models.tables import calls, campaigns
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.followup.conftest import terminal  # noqa: F401  a fixture
from tests.shift import CONFIG
from tests.world import TestCase, World, add_case, build

TALKED = ("PP", "PX", "HS", "HC", "RF", "HU1", "TP", "OS", "VD", "WN")
RIGHT = ("PP", "PX", "HS", "HC", "RF", "HU1")
DAY = Period(date(2026, 11, 24), date(2026, 11, 24))


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


def campaign(world: World, name: str, cases: Sequence[TestCase]) -> int:
    """A running campaign with these cases in its queue."""
    with world.database.write() as conn:
        made = 1 + len(conn.execute(campaigns.select()).all())
        own = {"municipality_id": MUNICIPALITY, "id": made, "name": name, "created_at": world.clock.now()}
        who = {"supervisor_id": world.supervisor, "created_by": world.supervisor, "script_hash": world.script_hash}
        kind = {"claim_type": "national_health_insurance", "state": "running"}
        conn.execute(insert(campaigns).values(**own, **who, **kind))
        entries = [queue.Entry(each.case_id, each.household_id, world.clock.now(), priority=500) for each in cases]
        queue.enqueue(conn, MUNICIPALITY, made, entries)
    return made


def cases(world: World, count: int) -> list[TestCase]:
    with world.database.write() as conn:
        return [add_case(conn, number) for number in range(1, count + 1)]


def ended(
    conn: Connection, world: World, case: TestCase, code: str, at: datetime, *, campaign_id: int | None = 1, **more: Any
) -> int:
    """One call that has ended with this code, as its row; A, C and R by the table of domain.md. Returns its id."""
    number = 1 + len(conn.execute(calls.select().with_only_columns(calls.c.id)).all())
    contact, right = int(code in TALKED or code == "AB"), int(code in RIGHT)
    row = {
        "campaign_id": campaign_id,
        "case_id": case.case_id,
        "household_id": case.household_id,
        "number_id": case.number_id,
        "operator_id": world.operator,
        "direction": "outbound",
        "script_hash": world.script_hash,
        "attempt_ref": f"ref{number}",
        "line_state": "ended",
        "talk_state": "END" if contact else "",
        "live": False,
        "disposition": code,
        "attempt": int(code != "TF"),
        "contact": contact,
        "right_party": right,
        "opened_at": at,
        "placed_at": at,
        "answered_at": at + timedelta(seconds=10) if contact else None,
        "closed_at": at + timedelta(seconds=100),
        "last_event_at": at + timedelta(seconds=100),
    }
    conn.execute(insert(calls).values(municipality_id=MUNICIPALITY, id=number, **(row | more)))
    return number


@pytest.fixture
def asked(world: World) -> Callable[..., Ask]:
    """`asked(conn, period)`: a question of the ward; more of it by name."""
    config = load(CONFIG, {})

    def ask(conn: Connection, period: Period = DAY, **more: Any) -> Ask:
        who: dict[str, Any] = {"kind": "ward", "account_id": world.staff[0]}
        return Ask(conn, MUNICIPALITY, period, world.clock.now(), config, **(who | more))

    return ask


def at(hour: int, minute: int = 0, *, day: int = 24) -> datetime:
    """An instant of November 2026 by Tokyo's clock."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=9)
