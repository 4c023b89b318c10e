"""An erasure killed at every point in turn, and run again after each: one end, every batch certified once."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callflow.access.verifier import FINE
from callflow.clock import SimulatedClock
from callflow.retention import erasing
from models.database import Database
from models.tables import audit_events, call_events
from tests.crash.points import Points
from tests.integration.test_calls import VERIFIED
from tests.integration.test_retention import LATER, Archive
from tests.world import MUNICIPALITY, build


def test_an_erasure_killed_at_every_point_ends_as_one_that_was_not(
    database: Database, clock: SimulatedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "CALLS_AT_ONCE", 1)
    archive = Archive(build(database, clock), tmp_path)
    archive.cases(*2 * [[*VERIFIED, ("hang_up", {})]])
    archive.anchor()
    clock.advance(LATER)
    erasure = archive.ask("call_log")
    archive.decide(erasure)
    points = Points(database)
    for point in count(1):
        killed = points.kill_at(point, lambda: archive.run(erasure))
        if point % 4 and killed:
            continue
        report = archive.verified()
        assert (report.exit_code, report.findings) == (FINE, [])  # at every moment what is gone is certified
        if not killed:
            break
    done = archive.run(erasure)
    with database.read() as conn:
        events = conn.execute(select(func.count()).select_from(call_events)).scalar_one()
        acts = dict(
            map(
                tuple,
                conn.execute(
                    select(audit_events.c.verb, func.count())
                    .where(audit_events.c.municipality_id == MUNICIPALITY)
                    .group_by(audit_events.c.verb)
                ),
            )
        )
    assert [(each["rows"], each["batches"]) for each in done["classes"]] == [(events, 2)]
    found = (report.erased, acts["retention:erase"], acts["retention:certify"], acts["retention:run"])
    assert found == (events, 2, 1, 1)
    assert point > 10
