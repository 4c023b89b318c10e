"""Callbacks: the owner first, then everybody, missed ones listed and never lost, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callflow import callbacks as desk
from callflow.access.views import Viewer
from models.database import Database
from models.tables import callbacks, sessions
from scheduler.dealing import Deal, NothingNow
from scheduler.ranking import Motive
from tests.integration.test_switchboard import CAMPAIGN, VERIFIED, Shift, seconds, shift  # noqa: F401  the fixture
from tests.world import MUNICIPALITY, account

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)  # 14:00 in Tokyo, four hours after the tests begin


@pytest.fixture
def agreed(shift: Shift) -> Shift:  # noqa: F811
    """The resident asked to be called at 14:00 and the call has ended."""
    shift.dial()
    (*_, heard) = shift.wait(10)
    standing = heard.standing
    assert standing is not None
    told = ("told", {"callback.at": "2026-11-24 14:00"})
    for name, fields in [*VERIFIED[:-1], ("no", {}), told, ("this_number", {}), ("hang_up", {})]:
        standing = shift.world.calls.answer(standing.call_id, shift.world.operator, standing.step, name, fields=fields)
        assert not standing.refused
    closed = shift.board.finish(standing.call_id, f"operator:{shift.world.operator}")
    assert closed.disposition == "CB"
    return shift


def colleague(shift: Shift) -> int:  # noqa: F811
    with shift.world.database.write() as conn:
        return account(conn, 1, "op02", "見本 二号", "operator", shift.world.clock.now())


def at_terminal(shift: Shift, operator: int) -> None:  # noqa: F811
    now = shift.world.clock.now()
    with shift.world.database.write() as conn:
        conn.execute(
            sessions.insert().values(
                municipality_id=MUNICIPALITY,
                token_hash="t",
                account_id=operator,
                csrf="c",
                created_at=now,
                seen_at=now,
            )
        )


def state(shift: Shift) -> str:  # noqa: F811
    (row,) = shift.rows(callbacks)
    return str(row.state)


def test_the_owner_at_the_desk_has_it_first_and_everybody_after_the_grace(agreed: Shift) -> None:
    other, board, clock = colleague(agreed), agreed.board, agreed.world.clock
    assert agreed.entry.due_at == AT + timedelta(minutes=10)
    assert isinstance(board.deal(agreed.world.operator, [CAMPAIGN]), NothingNow)  # not before the agreed time
    clock.advance_to(AT)
    at_terminal(agreed, agreed.world.operator)
    assert board.attend_callbacks() == 0
    assert isinstance(board.deal(other, [CAMPAIGN]), NothingNow)
    dealt = board.deal(agreed.world.operator, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    assert dealt.rank.motive is Motive.CALLBACK
    board.give_back(dealt)
    assert agreed.entry.due_at == AT + timedelta(minutes=10)
    clock.advance(timedelta(minutes=10))
    board.attend_callbacks()
    agreed.wake()
    assert isinstance(board.deal(other, [CAMPAIGN]), Deal)


def test_of_an_absent_owner_it_is_everybodys_at_once_and_missed_but_never_lost(agreed: Shift) -> None:
    other, board, clock = colleague(agreed), agreed.board, agreed.world.clock
    clock.advance_to(AT)
    assert board.attend_callbacks() == 1
    dealt = board.deal(other, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    board.give_back(dealt)
    clock.advance(timedelta(minutes=30))
    assert board.attend_callbacks() == 1
    with agreed.world.database.read() as conn:
        (listed,) = desk.waiting(conn, MUNICIPALITY, None, missed=True)
        supervised = desk.waiting(
            conn, MUNICIPALITY, Viewer(agreed.world.supervisor, frozenset({"supervisor"}), "contractor")
        )
        foreign = desk.waiting(conn, MUNICIPALITY, Viewer(other, frozenset({"supervisor"}), "contractor"))
        own = desk.own(conn, MUNICIPALITY, agreed.world.operator, clock.now())
    assert (listed.case_id, listed.owner, listed.missed) == (agreed.case.case_id, "op01", True)
    assert supervised == [listed]
    assert foreign == []
    assert (own.due, own.next_at) == (1, AT)
    agreed.wake()
    dealt = board.deal(other, [CAMPAIGN])
    assert isinstance(dealt, Deal)
    assert dealt.rank.motive is Motive.CALLBACK
    agreed.does[:] = agreed.does[:1]
    board.dial(dealt, other)
    agreed.wait(31)
    assert state(agreed) == "done"


def test_a_fault_of_ours_is_no_attempt(agreed: Shift, database: Database) -> None:
    agreed.world.clock.advance_to(AT)
    dealt = agreed.deal()
    agreed.does[:] = [agreed.does[0].__class__(seconds(1), "failed")]
    agreed.board.dial(dealt, agreed.world.operator)
    agreed.wait(5)
    assert state(agreed) == "open"
