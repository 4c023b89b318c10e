"""A resident calls back: one answer or none, on record without its words, and a call from zero verification."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from callflow import strangers
from callflow.access.views import Viewer, see_case
from callflow.errors import InputError, NotFoundError, RefusedError
from callflow.inbound import Asked, Found, Inbound, NotFound, folded_kana
from callflow.switchboard import DialRefusedError
from models.tables import audit_events, callbacks, calls, cases, debtor_phones, debtors, households
from scheduler import queue
from scheduler.dealing import NothingNow
from tests.integration.test_callbacks import agreed  # noqa: F401  the fixture
from tests.integration.test_switchboard import CAMPAIGN, Shift, seconds, shift  # noqa: F401  the fixture
from tests.world import IDENTITY, MUNICIPALITY, TestCase, account, add_case

NUMBER = Asked(phone="０３（6659）0001")
NAME = Asked(kana="ためし がわ", born="S38.10.16")


@pytest.fixture
def line(shift: Shift) -> Inbound:  # noqa: F811
    world = shift.world
    return Inbound(
        world.database, world.clock, world.calls, world.shelf, MUNICIPALITY, area_code="03", searches_per_hour=20
    )


def another(shift: Shift, *, household: int | None = None) -> TestCase:  # noqa: F811
    """A second case in the campaign, of another person with the same number."""
    now = shift.world.clock.now()
    with shift.world.database.write() as conn:
        case = add_case(conn, 2, household=household)
        debtor = select(cases.c.debtor_id).where(cases.c.id == case.case_id).scalar_subquery()
        conn.execute(
            update(debtor_phones).where(debtor_phones.c.debtor_id == debtor).values(number_id=shift.case.number_id)
        )
        conn.execute(update(debtors).where(debtors.c.id == debtor).values(kana="ベツ　ノ"))
        entry = queue.Entry(case.case_id, case.household_id, now, priority=500)
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [entry])
    return case


def test_found_by_number_or_by_name_and_birth_date_and_by_nothing_less(shift: Shift, line: Inbound) -> None:  # noqa: F811
    who, found = shift.world.operator, Found(shift.case.case_id)
    assert line.find(who, NUMBER) == found
    assert line.find(who, NAME) == found
    assert line.find(who, Asked(kana="ﾀﾒｼｶﾞﾜ", born="1963-10-16")) == found
    assert line.find(who, Asked(phone="0366590001", kana="タメシ")) == NotFound()
    assert line.find(who, Asked(phone="03-6659-0002")) == NotFound()
    nameless, undated = Asked(born="S38.10.16"), Asked(kana="タメシガワ")
    for less in (Asked(phone="0001"), nameless, undated, Asked(), Asked(kana="タ", born="38")):
        with pytest.raises(InputError):
            line.find(who, less)
    with shift.world.database.read() as conn:
        rows = conn.execute(select(audit_events.c.object, audit_events.c.purpose, audit_events.c.fields)).all()
    assert [row.fields for row in rows] == ["phone", "kana,birth_date", "kana,birth_date", "phone,kana", "phone"]
    assert {row.object for row in rows} == {f"case:{shift.case.case_id}", "case:none"}
    assert not [row for row in rows if "6659" in str(row) or "シ" in str(row)]


def test_a_number_of_several_people_asks_for_the_name(shift: Shift, line: Inbound) -> None:  # noqa: F811
    other = another(shift)
    assert line.find(shift.world.operator, NUMBER) == NotFound(shared=True)
    named = Asked(phone=NUMBER.phone, kana="べつの")
    assert line.find(shift.world.operator, named) == Found(other.case_id)
    shift.change(households, protected=False)
    with shift.world.database.write() as conn:  # a protected household is not there, not even as a second one
        conn.execute(update(households).where(households.c.id == other.household_id).values(protected=True))
    assert line.find(shift.world.operator, named) == NotFound()
    assert line.find(shift.world.operator, NUMBER) == Found(shift.case.case_id)


@pytest.mark.parametrize("status", ["staff", "closed", "paid"])
def test_what_is_not_the_contractors_answers_like_what_is_not_there(shift: Shift, line: Inbound, status: str) -> None:  # noqa: F811
    shift.change(cases, status=status)
    assert line.find(shift.world.operator, NUMBER) == NotFound()


def test_searches_are_counted_by_the_hour_and_nobody_opens_what_they_did_not_find(shift: Shift, line: Inbound) -> None:  # noqa: F811
    who, clock = shift.world.operator, shift.world.clock
    with pytest.raises(NotFoundError):
        line.open(who, shift.case.case_id)
    for _ in range(20):
        line.find(who, NUMBER)
    with pytest.raises(RefusedError, match="20回"):
        line.find(who, NUMBER)
    viewer = Viewer(who, frozenset({"operator"}), "contractor")
    seen = see_case(shift.world.database, MUNICIPALITY, viewer, shift.case.case_id, ("party", "debt"), clock.now())
    assert (seen.kana, seen.instalments) == ("タメシガワ", None)
    clock.advance(timedelta(minutes=5))
    with pytest.raises(NotFoundError):
        line.open(who, shift.case.case_id)
    seen = see_case(shift.world.database, MUNICIPALITY, viewer, shift.case.case_id, ("party",), clock.now())
    assert seen.kana is None
    clock.advance(timedelta(hours=1))
    assert line.find(who, NUMBER) == Found(shift.case.case_id)


def test_the_call_begins_unverified_settles_the_callback_and_counts_against_nothing(
    agreed: Shift,  # noqa: F811
    line: Inbound,
) -> None:
    who, world = agreed.world.operator, agreed.world
    line.find(who, NUMBER)
    standing = line.open(who, agreed.case.case_id)
    assert (standing.state, standing.party, standing.facts) == ("inbound", None, {})
    world.clock.advance_to(agreed.rows(callbacks)[0].at + timedelta(minutes=10))
    agreed.wake()
    assert isinstance(agreed.board.deal(who + 1, [CAMPAIGN]), NothingNow)  # nobody dials while they talk to us
    said = [("debtor", {}), ("match", {"identity": IDENTITY}), ("yes", {}), ("refuses", {}), ("hang_up", {})]
    for name, fields in said:
        standing = world.calls.answer(standing.call_id, who, standing.step, name, fields=fields)
        assert not standing.refused
    closed = agreed.board.finish(standing.call_id, f"operator:{who}")
    call = next(row for row in agreed.rows(calls) if row.id == closed.call_id)
    assert (call.direction, call.attempt, call.contact, call.right_party) == ("inbound", 0, 1, 1)
    assert (call.campaign_id, call.number_id) == (None, agreed.case.number_id)
    assert [row.state for row in agreed.rows(callbacks)] == ["done"]
    assert agreed.entry.due_at == world.clock.now()  # judged again, by what was said
    agreed.wake()
    assert isinstance(agreed.board.deal(who, [CAMPAIGN]), NothingNow)
    assert agreed.entry.due_at > world.clock.now() + timedelta(days=6)


def test_who_is_being_called_already_is_said_in_words(shift: Shift, line: Inbound) -> None:  # noqa: F811
    with shift.world.database.write() as conn:
        other = account(conn, 1, "op02", "見本 二号", "operator", shift.world.clock.now())
    line.find(other, NUMBER)
    deal = shift.deal()
    standing = line.open(other, shift.case.case_id)
    with pytest.raises(DialRefusedError):  # the case on a colleague's screen is not dialled meanwhile
        shift.board.dial(deal, shift.world.operator)
    shift.world.calls.hang_up(standing.call_id, other, standing.step)
    shift.board.finish(standing.call_id, f"operator:{other}")
    line.find(shift.world.operator, NUMBER)
    line.open(shift.world.operator, shift.case.case_id)
    line.find(other, NUMBER)
    with pytest.raises(RefusedError, match="ほかの担当者が受けています"):
        line.open(other, shift.case.case_id)


def test_the_ward_is_asked_with_only_what_was_typed(shift: Shift) -> None:  # noqa: F811
    world, now = shift.world, shift.world.clock.now()
    asking = (world.database, MUNICIPALITY, world.operator, now)
    with pytest.raises(InputError):
        strangers.ask(*asking, name="タメシ", phone="")
    number = strangers.ask(*asking, name="試 一郎", phone="090-0000-0000", note="午後に")
    contractor = Viewer(world.supervisor, frozenset({"supervisor"}), "contractor")
    assert strangers.see_open(world.database, MUNICIPALITY, contractor, now) == []
    ward = Viewer(world.staff[0], frozenset({"staff"}), "ward")
    (one,) = strangers.see_open(world.database, MUNICIPALITY, ward, now)
    assert (one.operator, one.name, one.phone, one.note) == ("op01", "試 一郎", "090-0000-0000", "午後に")
    assert [row.verb for row in shift.rows(audit_events)] == ["ward_callback:ask", "ward_callback:view"]
    strangers.done(world.database, MUNICIPALITY, world.staff[0], number, now)
    assert strangers.see_open(world.database, MUNICIPALITY, ward, now) == []
    with pytest.raises(NotFoundError):
        strangers.done(world.database, MUNICIPALITY, world.staff[0], number, now)


@pytest.mark.parametrize("typed", ["ﾔﾏﾓﾄ ｼﾞﾕﾝ", "やまもと・じゅん", "ヤマモト　ジュン"])
def test_kana_are_compared_however_they_are_typed(typed: str) -> None:
    assert folded_kana(typed) == "ヤマモトジユン"
