"""The desk under each mode: looked at, dialled at once, or left to what is dialled ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callflow.access.sessions import log_in
from callflow.console.app import create_app
from callflow.console.site import Site
from callflow.switchboard import Switchboard
from callflow.telephony.simulated import Happening, SimulatedPhone
from models.tables import campaigns
from scheduler import queue
from tests.web.conftest import Browser
from tests.world import MUNICIPALITY, World, add_case


@pytest.mark.parametrize(
    ("mode", "dialled", "shown"),
    [("preview", 0, 'name="case"'), ("progressive", 1, "呼び出しています"), ("predictive", 0, "先行発信中です")],
)
def test_what_happens_to_the_next_case(world: World, site: Site, mode: str, dialled: int, shown: str) -> None:
    now = world.clock.now()
    with world.database.write() as conn:
        whose = {"script_hash": world.script_hash, "supervisor_id": world.supervisor, "created_by": world.supervisor}
        values = {"name": "見本", "claim_type": "national_health_insurance", "state": "running", "created_at": now}
        conn.execute(campaigns.insert().values(municipality_id=MUNICIPALITY, id=1, mode=mode, **whose, **values))
        case = add_case(conn, 1)
        queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(case.case_id, case.household_id, now, 1)])
        queue.wake(conn, MUNICIPALITY, now)
        token = log_in(conn, MUNICIPALITY, "op01", "", "testclient", now, fits=True)
    assert isinstance(token, str)
    phone = SimulatedPhone(world.clock, lambda *_: [Happening(timedelta(seconds=2), "ringing")])
    board = Switchboard(world.database, world.clock, world.calls, phone, MUNICIPALITY, site.rules_of)
    desk = Browser(create_app(replace(site, phone=phone, switchboard=board), with_errands=False), follow_redirects=True)
    desk.cookies.set(site.cookie, token, domain="testserver.local", path="/")
    desk.see("/desk")
    assert shown in desk.submit("/desk/next").text
    assert len(phone.list_since(datetime.min.replace(tzinfo=UTC))) == dialled
