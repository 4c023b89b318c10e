"""The operator's own telephone at the desk: connected before a resident is called; and the caps on dialling."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from callflow import attendance, dialcaps
from callflow.access.sessions import log_in
from callflow.console.app import create_app
from callflow.console.site import Site
from callflow.errors import RefusedError
from models.database import Database
from tests.conftest import MUNICIPALITY
from tests.peers.twilio_peer import RECEIVER, TwilioPeer
from tests.web.conftest import Browser
from tests.web.test_hooks import give, peer, room, row  # noqa: F401  fixtures
from tests.world import World


def test_a_receiver_is_connected_then_the_resident_called_held_and_left(
    room: Site,  # noqa: F811
    world: World,
    peer: TwilioPeer,  # noqa: F811
) -> None:
    config = room.config.model_copy(
        update={"twilio": room.config.twilio.model_copy(update={"desks": {"op01": RECEIVER, "sv01": RECEIVER}})}
    )
    site = replace(room, config=config)
    with site.database.write() as conn:
        attendance.call(conn, MUNICIPALITY, world.operator, site.clock.now())
        token = log_in(conn, MUNICIPALITY, "op01", "", "testclient", site.clock.now(), fits=True)
    assert isinstance(token, str)
    app = create_app(site, with_errands=False)
    web, operator = TestClient(app), Browser(app, follow_redirects=True)
    operator.cookies.set(site.cookie, token, domain="testserver.local", path="/")
    operator.see("/desk")
    operator.submit("/desk/receiver", on="1")
    with site.database.read() as conn:
        found = attendance.receiver_of(conn, MUNICIPALITY, world.operator)
    assert found
    assert found.state == "calling"
    assert give(web, peer.outbox[-1]) == 204
    assert "電話はつながっています" in operator.see("/desk").text
    operator.submit("/desk/next")
    case = operator.see("/desk").text.partition('name="case" value="')[2].partition('"')[0]
    operator.submit("/desk/dial", case=case)
    call = row(site)
    assert call.line_state == "ringing"
    peer.happens(call.attempt_ref, "in-progress")
    assert give(web, peer.outbox[-1]) == 204
    talk = operator.see("/desk")
    assert "責任者に引き継ぐ" in talk.text
    operator.submit("/desk/hold", call=str(call.id), on="1")
    people = peer.conferences[peer.resident(call.attempt_ref).conference].people
    assert people[call.provider_ref]["hold"] is True
    operator.submit("/desk/supervisor", call=str(call.id))
    operator.submit("/desk/supervisor", call=str(call.id), leave="1")
    assert [each.get("end_conference_on_exit") for each in people.values()] == [False, None, True]
    operator.submit("/desk/receiver", on="")
    assert not people


def test_nobody_is_called_before_the_operators_telephone_is_connected(
    room: Site,  # noqa: F811
    world: World,
    peer: TwilioPeer,  # noqa: F811
) -> None:
    with room.database.write() as conn:
        found = attendance.receiver_of(conn, MUNICIPALITY, world.operator)
        assert found
        gone = attendance.DeskEvent(found.desk, "gone")
        assert attendance.heard(conn, MUNICIPALITY, gone, room.clock.now()) == world.operator
        assert attendance.heard(conn, MUNICIPALITY, gone, room.clock.now()) is None
        there = attendance.DeskEvent(found.desk, "there")
        assert attendance.heard(conn, MUNICIPALITY, there, room.clock.now()) is None, "what is late moves nothing back"


def test_caps_are_counted_by_the_minute_the_day_and_the_campaign(world: World, database: Database) -> None:
    now = world.clock.now()

    def dial(minutes: float, campaign: int, caps: dialcaps.Caps) -> None:
        at = now + timedelta(minutes=minutes)
        database.transact(lambda conn: dialcaps.count(conn, MUNICIPALITY, campaign, at, caps))

    few = dialcaps.Caps(per_minute=2, per_day=5, per_campaign=4)
    for minutes in (0, 0.5):
        dial(minutes, 1, few)
    with pytest.raises(RefusedError, match="1分間"):
        dial(0.6, 1, few)
    for minutes in (1, 2):
        dial(minutes, 1, few)
    with pytest.raises(RefusedError, match="キャンペーン"):
        dial(3, 1, few)
    dial(3, 2, few)
    with pytest.raises(RefusedError, match="1日"):
        dial(4, 2, few)
    dial(24 * 60, 2, few)  # the next day; what was refused was not counted
