"""What may still happen to a call after its end, through the real database: the log grows, nothing in it changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, Table, func, select, update

from callflow.clock import SimulatedClock
from callflow.corrections import OUTCOMES, Corrections, Request
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.playback import verify_call
from callflow.shelf import Shelf
from callflow.simulation.invariants import check
from callflow.standing import Opening, Standing
from models.database import Database
from models.tables import (
    call_events,
    calls,
    contact_slips,
    households,
    living_reports,
    negotiation_records,
    phone_numbers,
    promises,
    suppressions,
)
from tests.integration.test_calls import PROMISED, VERIFIED
from tests.world import MUNICIPALITY, TestCase, World, add_case, build, counted_salt

Steps = Iterable[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def world(database: Database, clock: SimulatedClock) -> World:
    return build(database, clock)


@pytest.fixture
def case(world: World) -> TestCase:
    with world.database.write() as conn:
        return add_case(conn)


@pytest.fixture
def desk(world: World) -> Corrections:
    return Corrections(world.database, world.clock, world.shelf, MUNICIPALITY, counted_salt())


def connected(world: World, case: TestCase) -> Standing:
    call_id = world.calls.open(Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id))
    for event in ("placing", "ringing", "answered"):
        world.calls.line(call_id, event)
    return world.calls.begin(call_id, world.operator)


def talked(world: World, case: TestCase, steps: Steps) -> Standing:
    standing = connected(world, case)
    for name, fields in steps:
        standing = world.calls.answer(standing.call_id, world.operator, standing.step, name, fields=fields)
        assert not standing.refused, standing.refused
    return standing


def ended(world: World, case: TestCase, steps: Steps) -> int:
    standing = talked(world, case, steps)
    if not standing.talk_ended:
        standing = world.calls.hang_up(standing.call_id, world.operator, standing.step)
    world.calls.close(standing.call_id, f"operator:{world.operator}")
    return standing.call_id


def of_call(world: World, table: Table, call_id: int) -> list[Row[Any]]:
    with world.database.read() as conn:
        return list(conn.execute(select(table).where(table.c.call_id == call_id).order_by(table.c.id)))


def call_row(world: World, call_id: int) -> Row[Any]:
    with world.database.read() as conn:
        return conn.execute(select(calls).where(calls.c.id == call_id)).one()


def hold(world: World, call_id: int) -> None:
    """Chain, replay and every invariant, judged anew."""
    with world.database.read() as conn:
        verdict = verify_call(conn, Shelf(), MUNICIPALITY, call_id)
        assert verdict.proved, verdict.fault
        assert check(conn, Shelf()) == []


def events_of(world: World, call_id: int) -> int:
    with world.database.read() as conn:
        return conn.execute(select(func.count()).where(call_events.c.call_id == call_id)).scalar_one()


def test_a_mistyped_amount(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    before = events_of(world, call_id)
    done = desk.correct(call_id, world.operator, Request("打ち間違い", fields={"promise.amount": "12,000"}))
    assert (done.before, done.disposition, done.seq) == ("PP", "PP", before + 1)
    made = of_call(world, promises, call_id)
    assert [(one.state, one.amount) for one in made] == [("cancelled", 18_000), ("open", 12_000)]
    records = of_call(world, negotiation_records, call_id)
    assert [record.corrects_id for record in records] == [None, records[0].id]
    hold(world, call_id)


def test_another_outcome_takes_its_promise_away(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    done = desk.correct(call_id, world.supervisor, Request("聞き違い", code="PD"))
    assert done.disposition == call_row(world, call_id).disposition == "PD"
    assert [one.state for one in of_call(world, promises, call_id)] == ["cancelled"]
    hold(world, call_id)


def test_a_promise_needs_what_the_talk_would_have_needed(world: World, case: TestCase, desk: Corrections) -> None:
    verified = ended(world, case, VERIFIED)
    with pytest.raises(InputError, match=r"promise\.due"):
        desk.correct(verified, world.operator, Request("約束していた", code="PP"))
    typed = {"promise.due": "2026-12-04", "promise.amount": "12000", "promise.place": "金融機関"}
    desk.correct(verified, world.operator, Request("約束していた", code="PP", fields=typed))
    assert [one.state for one in of_call(world, promises, verified)] == ["open"]
    hold(world, verified)


def test_nobody_is_verified_afterwards(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, [])
    typed = {"promise.due": "2026-12-04", "promise.amount": "12000", "promise.place": "金融機関"}
    with pytest.raises(RefusedError, match="本人確認"):
        desk.correct(call_id, world.operator, Request("約束していた", code="PP", fields=typed))
    hold(world, call_id)


def test_a_rehearsal_writes_nothing(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    before = (events_of(world, call_id), call_row(world, call_id))
    done = desk.correct(call_id, world.operator, Request("試し", code="PD"), dry_run=True)
    assert done.disposition == "PD"
    assert (events_of(world, call_id), call_row(world, call_id)) == before
    assert [one.state for one in of_call(world, promises, call_id)] == ["open"]


def test_an_operator_corrects_only_today_and_only_own_calls(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    request = Request("翌日", code="PD")
    with pytest.raises(NotFoundError):
        desk.correct(call_id, 999, request)
    world.clock.advance(timedelta(days=1))
    with pytest.raises(RefusedError, match="その日"):
        desk.correct(call_id, world.operator, request)
    desk.correct(call_id, world.staff[0], request)
    hold(world, call_id)


def test_what_was_judged_meanwhile_is_not_undone(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    with world.database.write() as conn:
        conn.execute(update(promises).where(promises.c.call_id == call_id).values(state="kept"))
    with pytest.raises(RefusedError, match="履行"):
        desk.correct(call_id, world.staff[0], Request("聞き違い", code="PD"))
    assert call_row(world, call_id).disposition == "PP"


def test_a_later_call_has_another_promise(world: World, case: TestCase, desk: Corrections) -> None:
    first = ended(world, case, PROMISED)
    world.clock.advance(timedelta(hours=4))
    second = ended(world, case, PROMISED)
    with pytest.raises(RefusedError, match="あとの通話"):
        desk.correct(first, world.staff[0], Request("金額", fields={"promise.amount": "12000"}))
    desk.correct(second, world.operator, Request("聞き違い", code="PD"))
    assert [one.state for one in of_call(world, promises, first)] == ["open"]
    hold(world, first)
    hold(world, second)


def test_nothing_to_correct_and_nonsense(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    for request, words in (
        (Request("何も"), "訂正する内容"),
        (Request("", code="PD"), "理由"),
        (Request("x", code="QQ"), "QQ"),
        (Request("x", withdraw=frozenset({"hardship"})), "hardship"),
        (Request("x", fields={"promise.amount": "多い"}), "金額"),
        (Request("x", fields={"nonsense": "1"}), "この台本にない"),
    ):
        with pytest.raises(InputError, match=words):
            desk.correct(call_id, world.operator, request)


def test_an_end_is_taken_back_and_ended_anew(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    world.clock.advance(timedelta(seconds=9))
    desk.take_back(call_id, world.operator)
    assert call_row(world, call_id).live
    assert [one.state for one in of_call(world, promises, call_id)] == ["cancelled"]
    standing = world.calls.standing(call_id, world.operator)
    standing = world.calls.back(call_id, world.operator, standing.step)
    assert not standing.refused
    world.calls.hang_up(call_id, world.operator, standing.step)
    world.calls.close(call_id, f"operator:{world.operator}")
    assert len(of_call(world, negotiation_records, call_id)) == 2
    hold(world, call_id)


def test_after_ten_seconds_it_is_a_correction(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    with pytest.raises(NotFoundError):
        desk.take_back(call_id, world.supervisor)
    world.clock.advance(timedelta(seconds=10))
    with pytest.raises(RefusedError, match="10秒"):
        desk.take_back(call_id, world.operator)
    assert not call_row(world, call_id).live


def test_an_end_is_not_taken_back_under_the_next_call(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, PROMISED)
    with world.database.write() as conn:
        another = add_case(conn, 2)
    connected(world, another)
    with pytest.raises(RefusedError, match="次の通話"):
        desk.take_back(call_id, world.operator)
    assert not call_row(world, call_id).live
    assert [one.state for one in of_call(world, promises, call_id)] == ["open"]


def hardship(world: World, case: TestCase) -> int:
    standing = talked(world, case, VERIFIED)
    names = [answer.name for answer in standing.answers]
    assert "hardship" in names, names
    standing = world.calls.answer(standing.call_id, world.operator, standing.step, "hardship")
    assert not standing.refused, standing.refused
    standing = world.calls.hang_up(standing.call_id, world.operator, standing.step)
    world.calls.close(standing.call_id, f"operator:{world.operator}")
    return standing.call_id


def test_hardship_is_withdrawn_with_slip_and_report(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = hardship(world, case)
    assert [slip.state for slip in of_call(world, contact_slips, call_id)] == ["raised"]
    made = desk.correct(call_id, world.operator, Request("言っていない", withdraw=frozenset({"hardship"}), code="PD"))
    assert {type(effect).__name__ for effect in made.withdrawn} >= {"RequestLivingReport"}
    with world.database.read() as conn:
        assert set(conn.execute(select(living_reports.c.state)).scalars()) == {"cancelled"}
    hold(world, call_id)


def test_a_slip_that_the_ward_has_received_is_the_wards(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = hardship(world, case)
    with world.database.write() as conn:
        conn.execute(update(contact_slips).where(contact_slips.c.call_id == call_id).values(state="received"))
    request = Request("言っていない", withdraw=frozenset({"hardship"}), code="PD")
    with pytest.raises(RefusedError, match="受理"):
        desk.correct(call_id, world.operator, request)
    assert call_row(world, call_id).disposition != "PD"


def protected(world: World) -> tuple[set[bool], int]:
    with world.database.read() as conn:
        standing = select(func.count()).select_from(suppressions).where(suppressions.c.lifted_at.is_(None))
        return set(conn.execute(select(households.c.protected)).scalars()), conn.execute(standing).scalar_one()


def test_a_wrong_number_heard_of_later_is_not_dialled_again_until_it_is_taken_back(
    world: World, case: TestCase, desk: Corrections
) -> None:
    def standing() -> tuple[str, int | None]:
        with world.database.read() as conn:
            row = conn.execute(select(phone_numbers).where(phone_numbers.c.id == case.number_id)).one()
        return row.status, row.status_call_id

    call_id = ended(world, case, [("yes", {})])
    assert (call_row(world, call_id).disposition, standing()) == ("HU0", ("usable", None))
    done = desk.correct(call_id, world.operator, Request("番号違いだった", code="WN"))
    assert (done.disposition, standing()) == ("WN", ("wrong", call_id))
    hold(world, call_id)
    desk.correct(call_id, world.supervisor, Request("聞き違いだった", code="HU0"))
    assert standing() == ("usable", None)
    hold(world, call_id)


def test_only_the_ward_lifts_a_protection(world: World, case: TestCase, desk: Corrections) -> None:
    call_id = ended(world, case, VERIFIED)
    desk.correct(call_id, world.operator, Request("言われていた", code="NC"))
    assert protected(world)[1] == 1
    with pytest.raises(RefusedError, match="区だけ"):
        desk.correct(call_id, world.operator, Request("誤り", code="PD"))
    desk.correct(call_id, world.staff[0], Request("誤り", code="PD"))
    assert protected(world)[1] == 0
    hold(world, call_id)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_person_settles_a_call_in_review(world: World, case: TestCase, desk: Corrections, outcome: str) -> None:
    call_id = world.calls.open(Opening(case.case_id, world.operator, world.script_hash, {}, number_id=case.number_id))
    for event in ("placing", "unknown"):
        world.calls.line(call_id, event)
    assert call_row(world, call_id).line_state == "needs_review"
    with pytest.raises(RefusedError):
        desk.resolve(world.calls, call_id, world.operator, outcome, "電話会社に確かめた")
    closed = desk.resolve(world.calls, call_id, world.supervisor, outcome, "電話会社に確かめた")
    row = call_row(world, call_id)
    assert not row.live
    assert row.disposition == closed.disposition
    hold(world, call_id)
