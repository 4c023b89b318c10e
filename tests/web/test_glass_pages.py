"""A protected household is opened by staff with a reason, for a quarter of an hour, and reviewed by somebody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from callflow.access import glass, replays
from callflow.access.glass import SealedError
from callflow.access.views import Viewer
from callflow.cli import main as command_line
from callflow.console.site import Site
from callflow.errors import InputError, NotFoundError, RefusedError
from models.tables import audit_events, calls, households
from tests.conftest import MUNICIPALITY
from tests.web.test_desk import desk  # noqa: F401  a fixture
from tests.web.test_replay_pages import promised  # noqa: F401
from tests.world import World, add_case


@pytest.fixture
def case(site: Site) -> int:
    with site.database.write() as conn:
        found = add_case(conn, 31)
        conn.execute(update(households).where(households.c.id == found.household_id).values(protected=True))
    return found.case_id


def staff(world: World, number: int = 0) -> Viewer:
    return Viewer(world.staff[number], frozenset({"staff"}), "ward")


def test_it_is_opened_with_a_reason_and_reviewed_by_another(site: Site, world: World, logged_in, case: int) -> None:  # type: ignore[no-untyped-def]
    one = logged_in("staff")
    one.see(f"/glass?case={case}")
    assert one.submit("/glass", case=str(case), reason="ああ").status_code == 422
    assert one.submit("/glass", case="999", reason="納付相談に答えるため").status_code == 404
    assert (
        one.submit("/glass", case=str(case), reason="納付相談に答えるため").headers["location"] == "/glass?said=opened"
    )
    page = one.see("/glass").text
    assert "納付相談に答えるため" in page
    assert "ほかの職員の確かめ待ち" in page
    assert one.submit("/glass/1", verdict="fine").status_code == 409
    assert logged_in("auditor").submit("/glass/1", verdict="fine").status_code == 403
    with pytest.raises(InputError):
        glass.review(site.database, MUNICIPALITY, staff(world, 1), 1, "not_fine", "", world.clock.now())
    glass.review(site.database, MUNICIPALITY, staff(world, 1), 1, "fine", "", world.clock.now())
    with pytest.raises(NotFoundError):
        glass.review(site.database, MUNICIPALITY, staff(world, 1), 1, "fine", "", world.clock.now())
    assert "✓ 妥当" in one.see("/glass").text
    with site.database.read() as conn:
        e = audit_events.c
        acts = conn.execute(select(e.verb, e.object, e.purpose).where(e.verb.startswith("glass:")).order_by(e.id)).all()
    assert acts == [("glass:break", f"case:{case}", "納付相談に答えるため"), ("glass:review", "glass:1", "")]


def test_only_staff_open_and_nobody_with_an_old_opening_unreviewed(site: Site, world: World, case: int) -> None:
    for role, kind in (("auditor", "ward"), ("admin", "ward"), ("supervisor", "contractor")):
        viewer = Viewer(world.staff[1], frozenset({role}), kind)  # type: ignore[arg-type]
        with pytest.raises(RefusedError, match="区の職員だけ"):
            glass.break_glass(site.database, MUNICIPALITY, viewer, case, "納付相談に答えるため", world.clock.now())
    for _ in range(2):
        glass.break_glass(site.database, MUNICIPALITY, staff(world), case, "納付相談に答えるため", world.clock.now())
    world.clock.advance(timedelta(days=7, seconds=1))
    with pytest.raises(RefusedError, match="確かめが済んでいません"):
        glass.break_glass(site.database, MUNICIPALITY, staff(world), case, "納付相談に答えるため", world.clock.now())
    glass.break_glass(site.database, MUNICIPALITY, staff(world, 1), case, "納付相談に答えるため", world.clock.now())


def test_a_call_of_a_protected_household_is_behind_the_glass_too(
    promised: int,  # noqa: F811
    site: Site,
    world: World,
    logged_in,  # type: ignore[no-untyped-def]
) -> None:
    with site.database.write() as conn:
        conn.execute(update(households).values(protected=True))
        case_id = conn.execute(select(calls.c.case_id).where(calls.c.id == promised)).scalar_one()
    browser = logged_in("staff")
    answer = browser.submit(f"/calls/{promised}/open", purpose="complaint")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/glass?case={case_id}")
    now = world.clock.now()
    with pytest.raises(SealedError):
        replays.give_purpose(site.database, MUNICIPALITY, staff(world), promised, "complaint", "", now)
    glass.break_glass(site.database, MUNICIPALITY, staff(world), case_id, "苦情の確認のため", now)
    replays.give_purpose(site.database, MUNICIPALITY, staff(world), promised, "complaint", "", now)
    assert replays.see_call(site.database, MUNICIPALITY, staff(world), promised, now) == "complaint"
    with pytest.raises(SealedError):  # the purpose holds for half an hour, the opening for a quarter
        replays.see_call(site.database, MUNICIPALITY, staff(world), promised, now + timedelta(minutes=16))


def test_the_commands_do_the_same(
    site: Site, world: World, case: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLFLOW_CONFIG", str(site.config_path))
    monkeypatch.setenv("CALLFLOW_DATABASE__URL", site.database.url)
    monkeypatch.setenv("CALLFLOW_CLOCK", world.clock.now().isoformat())
    run = command_line.run
    assert run(["--as", "ward01", "case", "show", str(case)]) == 5
    assert run(["--as", "ward01", "glass", "break", str(case), "--reason", "納付相談に答えるため"]) == 0
    assert run(["--as", "ward01", "case", "show", str(case)]) == 0
    assert run(["--as", "ward01", "glass", "review", "1", "--verdict", "fine"]) == 5
    assert run(["--as", "ward02", "glass", "review", "1", "--verdict", "fine"]) == 0
    capsys.readouterr()
    assert run(["--as", "audit01", "glass", "list", "--json"]) == 0
    assert '"verdict": "fine"' in capsys.readouterr().out
