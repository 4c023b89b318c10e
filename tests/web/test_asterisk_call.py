"""A whole call through the desk and the switchboard over an Asterisk; a dialler that dies while it is in the air."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from callflow import attendance
from callflow.access.sessions import log_in
from callflow.console import receivers
from callflow.console.app import create_app
from callflow.console.site import Site
from callflow.sections import Asterisk
from callflow.switchboard import Switchboard
from callflow.telephony.asterisk.phone import AsteriskPhone
from models.tables import calls, campaigns
from scheduler import queue
from scheduler.dealing import Deal
from tests.conftest import MUNICIPALITY
from tests.peers.asterisk_peer import RECEIVERS, AsteriskPeer, HeardPhone
from tests.web.conftest import Browser
from tests.world import World, add_case

CAMPAIGN = 1


@pytest.fixture
def peer(world: World) -> Iterator[AsteriskPeer]:
    made = AsteriskPeer(world.clock)
    yield made
    made.close()
    assert made.violations == []


@pytest.fixture
def phone(peer: AsteriskPeer) -> Iterator[HeardPhone]:
    made = HeardPhone(peer)
    made.start()
    assert made.wait(5)
    yield made
    made.close()


@pytest.fixture
def room(site: Site, world: World, phone: HeardPhone) -> Site:
    """A console over Asterisk, and a campaign with one case."""
    now, people = world.clock.now(), {"supervisor_id": world.supervisor, "created_by": world.supervisor}
    values = {"id": CAMPAIGN, "name": "見本", "claim_type": "national_health_insurance", "state": "running", **people}
    with world.database.write() as conn:
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY, script_hash=world.script_hash, created_at=now, **values
            )
        )
        case = add_case(conn)
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(case.case_id, case.household_id, now, 1)])
        queue.wake(conn, MUNICIPALITY, now)
    telephony = site.config.telephony.model_copy(update={"phone": "asterisk"})
    desks = {"op01": RECEIVERS[0], "sv01": RECEIVERS[1]}
    config = site.config.model_copy(update={"telephony": telephony, "asterisk": Asterisk(desks=desks)})
    return replace(site, phone=phone, config=config, switchboard=switchboard(world, site, phone))


def switchboard(world: World, site: Site, phone: AsteriskPhone) -> Switchboard:
    return Switchboard(world.database, world.clock, world.calls, phone, MUNICIPALITY, site.rules_of)


def heard(room: Site, phone: HeardPhone) -> Any:
    """The call after everything that was told."""
    phone.settle()
    receivers.listen(room, phone)
    room.switchboard.listen()
    with room.database.read() as conn:
        return conn.execute(select(calls)).one_or_none()


def dial(room: Site, world: World, phone: HeardPhone) -> Any:
    """The operator's receiver is taken, and the case called."""
    now = world.clock.now()
    with room.database.write() as conn:
        desk = attendance.call(conn, MUNICIPALITY, world.operator, now)
    phone.call_desk(desk, RECEIVERS[0])
    heard(room, phone)
    dealt = room.switchboard.deal(world.operator, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    room.switchboard.dial(dealt, world.operator)
    return heard(room, phone)


def test_a_receiver_is_taken_a_resident_called_talked_to_held_and_handed_over(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone
) -> None:
    with room.database.write() as conn:
        token = log_in(conn, MUNICIPALITY, "op01", "", "testclient", room.clock.now(), fits=True)
    operator = Browser(create_app(room, with_errands=False), follow_redirects=True)
    operator.cookies.set(room.cookie, str(token), domain="testserver.local", path="/")
    operator.see("/desk")
    operator.submit("/desk/receiver", on="1")
    assert heard(room, phone) is None
    assert "電話はつながっています" in operator.see("/desk").text
    operator.submit("/desk/next")
    case = operator.see("/desk").text.partition('name="case" value="')[2].partition('"')[0]
    operator.submit("/desk/dial", case=case)
    call = heard(room, phone)
    assert (call.line_state, call.provider_ref) == ("ringing", f"callflow-call-{call.attempt_ref}")
    peer.answers(call.provider_ref)
    call = heard(room, phone)
    assert (call.line_state, bool(call.talk_state)) == ("answered", True)
    (name,) = (each for each in peer.bridges if each.startswith("callflow-room-"))
    assert peer.bridges[name]["channels"][1:] == [call.provider_ref]
    assert "責任者に引き継ぐ" in operator.see("/desk").text
    operator.submit("/desk/hold", call=str(call.id), on="1")
    assert peer.bridges[name.replace("room", "hold")]["moh"]
    operator.submit("/desk/hold", call=str(call.id))
    operator.submit("/desk/supervisor", call=str(call.id))
    phone.settle()
    operator.submit("/desk/supervisor", call=str(call.id), leave="1")
    assert len(peer.bridges[name.replace("room", "over")]["channels"]) == 2
    peer.ends(call.provider_ref)
    assert heard(room, phone).line_state == "ended"
    operator.submit("/desk/receiver", on="")
    heard(room, phone)
    assert not peer.channels
    with room.database.read() as conn:
        found = attendance.receiver_of(conn, MUNICIPALITY, world.operator)
    assert found
    assert found.state == "gone"


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [(17, "BUSY", "BZ"), (19, "NOANSWER", "NA"), (1, "CHANUNAVAIL", "DN"), (34, "CONGESTION", "TF")],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_end_without_an_answer_is_a_disposition(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone, cause: int, status: str, code: str
) -> None:
    call = dial(room, world, phone)
    peer.ends(call.provider_ref, cause, status)
    call = heard(room, phone)
    assert (call.disposition, call.live) == (code, False)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_receiver_that_is_put_down_takes_the_ringing_call_along(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone
) -> None:
    dial(room, world, phone)
    peer.put_down(next(each for each in peer.channels if "-desk-" in each).rpartition("-")[2])
    heard(room, phone)  # the receiver is gone, and the call is hung up
    call = heard(room, phone)
    assert (call.disposition, call.live, peer.channels) == ("NA", False, {})


@pytest.mark.parametrize("meanwhile", ["rings", "talks", "vanishes", "ends_unheard"])
def test_a_dialler_that_dies_in_the_air_is_followed_by_one_that_knows_and_never_dials_again(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone, meanwhile: str
) -> None:
    call = dial(room, world, phone)
    if meanwhile in ("talks", "ends_unheard"):
        peer.answers(call.provider_ref)
        heard(room, phone)
    phone.close()
    if meanwhile in ("vanishes", "ends_unheard"):
        peer.ends(call.provider_ref)
    later = HeardPhone(peer)
    later.start()
    assert later.wait(5)
    after = replace(room, phone=later, switchboard=switchboard(world, room, later))
    world.clock.advance(timedelta(minutes=2))
    after.switchboard.recover()
    again = after.switchboard.recover()  # and however often it is asked, nothing more is concluded
    found = heard(after, later)
    expected = {"rings": "ringing", "talks": "answered", "vanishes": "needs_review", "ends_unheard": "ended"}
    assert found.line_state == expected[meanwhile]
    assert (again.closed, again.resumed, again.failed) == ((), (), ())
    if meanwhile in ("rings", "talks"):
        peer.ends(call.provider_ref, 19 if meanwhile == "rings" else 16)
        assert heard(after, later).line_state == "ended"
    assert sum("-call-" in each.id for each in peer.dialled) == 1
    later.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_placement_without_an_answer_is_settled_by_its_channel_or_waits_for_a_person(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone
) -> None:
    peer.faults["place"].append("slow")  # the receiver
    peer.faults["place"].append("5xx_after")
    assert dial(room, world, phone).line_state == "ringing"
    peer.ends(next(each for each in peer.channels if "-call-" in each), 17, "BUSY")
    assert heard(room, phone).disposition == "BZ"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_process_that_only_dials_and_the_console_hear_of_each_others_calls(
    room: Site, world: World, peer: AsteriskPeer, phone: HeardPhone
) -> None:
    with room.database.write() as conn:
        desk = attendance.call(conn, MUNICIPALITY, world.operator, world.clock.now())
    phone.call_desk(desk, RECEIVERS[0])
    heard(room, phone)
    dialler = HeardPhone(peer)
    dialler.start()
    assert dialler.wait(5)
    board = switchboard(world, room, dialler)
    dealt = board.deal(world.operator, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    board.dial(dealt, world.operator)
    channel = next(each for each in peer.channels if "-call-" in each)
    peer.answers(channel)
    dialler.settle()
    board.listen()
    assert peer.bridges[f"callflow-room-{desk}"]["channels"] == [f"callflow-desk-{desk}", channel]
    assert heard(room, phone).line_state == "answered"
    peer.put_down(desk)
    assert heard(room, phone).line_state == "ended"
    assert [each.event.kind for each in dialler.poll()] == ["ended"], "told to who dialled it"
    dialler.close()
