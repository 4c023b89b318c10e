"""What `callflow doctor` says of the periodic work, by the rhythm of each duty."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from callflow.clock import SimulatedClock
from callflow.doctor import storage
from callflow.work import DUTIES
from models.database import Database
from models.tables import job_runs
from tests.conftest import MUNICIPALITY


def test_a_duty_is_late_by_its_own_rhythm(database: Database, clock: SimulatedClock, tmp_path: Path) -> None:
    own = SimpleNamespace(municipality=SimpleNamespace(code="139999"))
    around: Any = SimpleNamespace(database=database, config=own, now=clock.now(), config_path=tmp_path)
    assert [each.words for each in storage.work(around)] == ["定期処理が一度も動いていません"]
    rows = [
        {"job": f"{MUNICIPALITY}:{duty.name}", "fire_time": clock.now(), "worker": "a", "finished_at": clock.now()}
        for duty in DUTIES
    ]
    with database.write() as conn:
        conn.execute(job_runs.insert(), rows)
    assert [each.level.code for each in storage.work(around)] == ["ok"]
    around.now = clock.now() + timedelta(minutes=5)
    late = {each.facts["job"] for each in storage.work(around)}
    assert "wake" in late
    assert "anchor" not in late
