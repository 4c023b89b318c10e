"""However long the log is, a screen of the desk asks for its few rows by an index."""

from __future__ import annotations

from callflow.console.site import Site
from scheduler import queue
from tests.conftest import MUNICIPALITY
from tests.plans import many_calls, walks
from tests.web.desktop import Desk
from tests.world import World, add_case, running_campaign


def test_no_screen_of_a_shift_walks_through_the_log(world: World, site: Site, logged_in) -> None:  # type: ignore[no-untyped-def]
    now = world.clock.now()
    with world.database.write() as conn:
        running_campaign(conn, world)
        for number in range(1, 6):
            case = add_case(conn, number)
            queue.enqueue(conn, MUNICIPALITY, 1, [queue.Entry(case.case_id, case.household_id, now, number)])
        queue.wake(conn, MUNICIPALITY, now)
    desk = Desk(logged_in("operator"))
    desk.play("Enter", "Enter", "1", "3", "1", "Enter")
    with world.database.write() as conn:
        many_calls(conn, 3_000, [add_case(conn, number) for number in range(100, 400)])

    def shift() -> None:
        desk.play("Enter", "1", "1", "1")
        desk.type(i__name="1", i__birth_date="S38.10.16")
        desk.play("Enter", "Backspace")
        desk.type(i__name="1", i__birth_date="S38.10.16")
        desk.play("Enter", "h", "Enter")
        assert "電話をかける" in desk.play("Enter", "2")
        assert "通話" in desk.browser.see("/desk/mine").text

    assert walks(world.database, shift) == []
