"""The demo that people click through: a prepared campaign with a little history, and its own time."""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from callflow.access.accounts import Account, Accounts
from callflow.clock import TOKYO, SimulatedClock
from callflow.config import Config
from callflow.simulation.residents import Knowledge, Resident
from callflow.simulation.sample import generate, write
from callflow.simulation.stage import set_stage
from callflow.telephony.simulated import Happening
from models.database import Database
from models.tables import call_events, municipalities

OPENS = datetime(2026, 11, 24, 10, 0, tzinfo=TOKYO).astimezone(UTC)
"""A Tuesday, so that the demo works at night, on holidays and next year."""

LAST_START = OPENS + timedelta(hours=6)
"""A demo whose day is nearly over is built anew."""

HISTORY = datetime(2026, 11, 20, 10, 0, tzinfo=TOKYO).astimezone(UTC)
HISTORY_LASTS = timedelta(minutes=40)
HOUSEHOLDS = 120
OPERATORS = 3
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another


def build(database: Database, config: Config, script: Path, step: Callable[[str], None] = lambda _words: None) -> None:
    """Fills an empty database: a list, a running campaign, and calls of the Friday before."""
    clock = SimulatedClock(HISTORY)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demo-list.csv"
        write(file, generate(HOUSEHOLDS, 1, date(2026, 11, 19)), encoding="cp932")
        stage = set_stage(database, config, script, clock, file, operators=OPERATORS, mode="preview", step=step)
    step("金曜日の架電を再現")
    stage.room.run(HISTORY + HISTORY_LASTS)


def starts_at(database: Database) -> datetime | None:
    """When the clock of a built demo must start: never before what its log holds. None: build it (anew)."""
    with database.read() as conn:
        if not database.engine.dialect.has_table(conn, call_events.name):
            return None
        last = conn.execute(select(func.max(call_events.c.at))).scalar()
    if last is None or last >= LAST_START:
        return None
    moment: datetime = last + timedelta(seconds=1)
    return max(OPENS, moment)


def new_passwords(database: Database, now: datetime) -> list[tuple[Account, str]]:
    """A one-time password for every account; whoever was logged in is out."""
    with database.write() as conn:
        municipality_id = conn.execute(select(municipalities.c.id)).scalar_one()
        desk = Accounts(conn, municipality_id, now)
        given = [(account, _password()) for account in desk.all() if account.active]
        for account, password in given:
            desk.set_password(account.login, password, by=None, once=True)
    return given


def residents(_attempt_ref: str, e164: str, at: datetime) -> Sequence[Happening]:
    """Most answer within a few seconds; so that a demo never waits long, nobody lets it ring for more than six."""
    chance = random.Random(f"{e164}:{at.isoformat()}")
    kind = Resident(chance, Knowledge("", "", 0)).line()
    ringing = Happening(timedelta(seconds=1), "ringing")
    return (ringing, Happening(timedelta(seconds=chance.uniform(2, 6)), kind))  # type: ignore[arg-type]


def _password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))
