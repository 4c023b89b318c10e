"""A ward after its calls: `world`, a call in hardship with slip and report, and a terminal over the same database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import insert

from callflow.access.views import Viewer
from callflow.cli.main import run
from callflow.clock import SimulatedClock
from callflow.config import load
from callflow.followup.history import Who
from callflow.followup.terms import Rules, rules_of
from models.database import Database
from models.migrate import config as alembic_config
from models.tables import campaigns
from scheduler import queue
from tests.integration.test_calls import whole
from tests.integration.test_holdings import HARD
from tests.shift import CONFIG
from tests.world import MUNICIPALITY, TestCase, World, add_case, build

SETTLED = timedelta(seconds=11)


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def case(world: World) -> TestCase:
    """In a campaign of the supervisor's."""
    with world.database.write() as conn:
        made, now = add_case(conn), world.clock.now()
        values = {"name": "見本", "claim_type": "national_health_insurance", "state": "running", "created_at": now}
        who = {"supervisor_id": world.supervisor, "created_by": world.supervisor, "script_hash": world.script_hash}
        conn.execute(insert(campaigns).values(municipality_id=MUNICIPALITY, id=1, **values, **who))
        queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(made.case_id, made.household_id, now, priority=500)])
    return made


@pytest.fixture
def hard(world: World, case: TestCase) -> int:
    """A call in which hardship and a sign of it were said, long enough ago to be seen. Returns its id."""
    call_id = whole(world, case, HARD).call_id
    world.clock.advance(SETTLED)
    return call_id


@pytest.fixture(scope="session")
def rules() -> Rules:
    return rules_of(load(CONFIG, {}))


def staff(world: World, which: int = 0) -> tuple[Who, Viewer]:
    one = world.staff[which]
    return Who(MUNICIPALITY, one, world.clock.now()), Viewer(one, frozenset({"staff"}), "ward")


def supervisor(world: World) -> tuple[Who, Viewer]:
    one = world.supervisor
    return Who(MUNICIPALITY, one, world.clock.now()), Viewer(one, frozenset({"supervisor"}), "contractor")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def terminal(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`terminal("ward01", "slip", "list")`: a command as a person types it, over `world`."""
    with world.database.write() as conn:
        command.stamp(alembic_config(conn), "head")
    monkeypatch.setenv("CALLFLOW_CONFIG", str(CONFIG))
    monkeypatch.setenv("CALLFLOW_MUNICIPALITY__CODE", "139999")
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", world.database.engine.url.render_as_string(hide_password=False))

    def type_in(login: str, *words: str) -> Said:
        monkeypatch.setenv("CALLFLOW_CLOCK", world.clock.now().isoformat())
        capsys.readouterr()
        code = run(["--as", login, *words])
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return type_in
