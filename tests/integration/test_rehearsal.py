"""A draft is rehearsed on what was really said."""

from __future__ import annotations

import shutil
from pathlib import Path

from callflow.clock import SimulatedClock
from callflow.rehearsal import rehearse
from callflow.script.reader import read
from models.database import Database
from tests.integration.test_calls import PROMISED, whole
from tests.world import MUNICIPALITY, SCRIPTS, add_case, build


def test_a_draft_that_asks_otherwise_parts_where_it_differs(
    database: Database, clock: SimulatedClock, tmp_path: Path
) -> None:
    world = build(database, clock)
    with database.write() as conn:
        case = add_case(conn)
    whole(world, case, [*PROMISED, ("done", {})])
    whole(world, case, [("wrong_number", {}), ("done", {})])
    drafts = shutil.copytree(SCRIPTS, tmp_path / "drafts")
    payment = drafts / "shared" / "payment.yaml"
    text = payment.read_text(encoding="utf-8")
    payment.write_text(text.replace("to: slip_check, needs", "to: read_back, needs"), encoding="utf-8")
    with database.read() as conn:
        unchanged = list(rehearse(conn, MUNICIPALITY, read(SCRIPTS / "nhi-premium.yaml")))
        changed = list(rehearse(conn, MUNICIPALITY, read(drafts / "nhi-premium.yaml")))
    assert [one.same for one in unchanged] == [True, True]
    assert [(one.was, one.would_be, one.same) for one in changed] == [("PP", "HU1", False), ("WN", "WN", True)]
    assert changed[0].state == "read_back"
