"""From the queue to the end of a call over a telephone that fails in every way, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, select, update

from callflow.calls import Calls
from callflow.clock import SimulatedClock
from callflow.errors import RefusedError
from callflow.line import LineEvent
from callflow.openlines import Heard
from callflow.playback import verify_call
from callflow.shelf import Shelf
from callflow.switchboard import DialRefusedError, Switchboard
from callflow.telephony.manual import ManualPhone
from callflow.telephony.port import PhoneEvent, PhoneUnavailableError
from callflow.telephony.simulated import Fault, Happening, Operation, SimulatedPhone
from models.database import Database
from models.ids import new_id
from models.tables import (
    abandonments,
    arrears,
    calls,
    campaigns,
    cases,
    dial_refusals,
    phone_numbers,
    queue_entries,
    suppressions,
)
from scheduler import queue
from scheduler.calendar import Calendar
from scheduler.dealing import Deal, Rules
from scheduler.settings import Policy
from scheduler.verdict import Notice
from tests.world import DESK, IDENTITY, MUNICIPALITY, TestCase, World, add_case, build, counted_salt

CAMPAIGN = 1
LONGEST = timedelta(seconds=30, minutes=70)
VERIFIED: list[tuple[str, Mapping[str, Any]]] = [
    ("yes", {}),
    ("yes", {}),
    ("match", {"identity": IDENTITY}),
    ("yes", {}),
]


PAID: list[tuple[str, Mapping[str, Any]]] = [
    ("paid", {}),
    ("told", {"paid.date": "R8.11.20", "paid.place": "銀行"}),
]


def rules(campaign_id: int) -> Rules:
    return Rules(campaign_id, Policy(), Calendar())


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass
class Shift:
    """One operator, one running campaign with one case, and a telephone."""

    world: World
    phone: SimulatedPhone
    board: Switchboard
    case: TestCase
    does: list[Happening]

    def deal(self) -> Deal:
        dealt = self.board.deal(self.world.operator, [CAMPAIGN])
        assert isinstance(dealt, Deal), dealt
        return dealt

    def dial(self) -> Heard:
        return self.board.dial(self.deal(), self.world.operator)

    def wait(self, count: float) -> list[Heard]:
        self.world.clock.advance(seconds(count))
        return self.board.listen()

    def wake(self) -> None:
        with self.world.database.write() as conn:
            queue.wake(conn, MUNICIPALITY, self.world.clock.now())

    def rows(self, table: Table) -> list[Any]:
        with self.world.database.read() as conn:
            return list(conn.execute(select(table)).all())

    @property
    def call(self) -> Any:
        (row,) = self.rows(calls)
        return row

    @property
    def entry(self) -> Any:
        (row,) = self.rows(queue_entries)
        return row

    def change(self, table: Table, **values: Any) -> None:
        with self.world.database.write() as conn:
            conn.execute(update(table).values(**values))

    @property
    def dialled(self) -> int:
        return len(self.phone.list_since(datetime.min.replace(tzinfo=UTC)))


@pytest.fixture
def shift(database: Database, clock: SimulatedClock) -> Shift:
    world = build(database, clock)
    with database.write() as conn:
        case = add_case(conn)
        conn.execute(
            campaigns.insert().values(
                municipality_id=MUNICIPALITY,
                id=CAMPAIGN,
                name="見本の架電",
                claim_type="national_health_insurance",
                script_hash=world.script_hash,
                state="running",
                supervisor_id=world.supervisor,
                created_at=clock.now(),
                created_by=world.supervisor,
            )
        )
        queue.enqueue(
            conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(case.case_id, case.household_id, clock.now(), priority=500)]
        )
        queue.wake(conn, MUNICIPALITY, clock.now())
    does = [Happening(seconds(2), "ringing"), Happening(seconds(8), "answered")]
    phone = SimulatedPhone(clock, lambda *_: does)
    board = Switchboard(database, clock, world.calls, phone, MUNICIPALITY, rules)
    return Shift(world, phone, board, case, does)


def test_a_call_from_the_queue_to_its_outcome(shift: Shift) -> None:
    heard = shift.dial()
    assert (heard.line_state, heard.standing, shift.dialled) == ("ringing", None, 1)
    (*_, heard) = shift.wait(10)
    assert heard.standing is not None
    assert (heard.line_state, heard.standing.state) == ("answered", "greeting")
    standing = heard.standing
    for name, fields in [*VERIFIED, ("refuses", {}), ("hang_up", {})]:
        standing = shift.world.calls.answer(standing.call_id, shift.world.operator, standing.step, name, fields=fields)
        assert not standing.refused
    closed = shift.board.finish(heard.call_id, f"operator:{shift.world.operator}")
    assert closed.disposition == "HU1"
    assert shift.entry.state == "scheduled"
    assert shift.entry.due_at == shift.call.placed_at + timedelta(days=7)
    assert not shift.call.live


def test_nobody_answers_and_the_case_waits_for_another_band(shift: Shift) -> None:
    shift.does[:] = [Happening(seconds(2), "ringing")]
    shift.dial()
    (*_, heard) = shift.wait(31)
    assert heard.closed is not None
    assert heard.closed.disposition == "NA"
    assert (shift.entry.state, shift.entry.claimed_by) == ("scheduled", None)
    assert shift.entry.due_at >= shift.world.clock.now() + timedelta(hours=2, minutes=59)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("busy", "BZ"), ("fax", "FX"), ("invalid_number", "DN"), ("unreachable", "NW"), ("failed", "TF")],
)
def test_what_the_line_alone_says(shift: Shift, kind: Any, code: str) -> None:
    shift.does[:] = [Happening(seconds(3), kind)]
    shift.dial()
    shift.wait(5)
    assert (shift.call.disposition, shift.call.attempt) == (code, 0 if code == "TF" else 1)
    assert shift.rows(phone_numbers)[0].status == ("invalid" if code in ("DN", "FX") else "usable")


@pytest.mark.parametrize(
    ("fault", "state", "code", "dialled"),
    [
        (Fault.REFUSED, "ended", "TF", 0),
        (Fault.INVALID_NUMBER, "ended", "DN", 0),
        (Fault.TOO_MANY, "ended", "TF", 0),
        (Fault.ERROR_BEFORE, "needs_review", None, 0),
        (Fault.TIMEOUT_BEFORE, "needs_review", None, 0),
        (Fault.ERROR_AFTER, "ringing", None, 1),
        (Fault.TIMEOUT_AFTER, "ringing", None, 1),
        (Fault.RESET, "ringing", None, 1),
        (Fault.TWICE, "needs_review", None, 2),
    ],
)
def test_every_fault_of_placing(shift: Shift, fault: Fault, state: str, code: str | None, dialled: int) -> None:
    shift.phone.fail_next("place", fault)
    heard = shift.dial()
    assert (heard.line_state, shift.call.line_state) == (state, state)
    assert (shift.call.disposition, shift.dialled) == (code, dialled)
    for _ in range(3):
        shift.board.recover(patience=timedelta(0))
    assert shift.dialled == dialled


@pytest.mark.parametrize(
    ("said", "code"),
    [([], "AB"), (VERIFIED, "AB"), ([*VERIFIED, *PAID], "PD")],
    ids=["greeting", "verified", "settled"],
)
def test_a_resident_whose_operators_line_drops_in_the_talk_was_abandoned_unless_something_was_settled(
    shift: Shift, said: list[tuple[str, Mapping[str, Any]]], code: str
) -> None:
    shift.dial()
    (*_, heard) = shift.wait(9)
    assert heard.standing is not None
    desk, operator, standing = shift.world.calls, shift.world.operator, heard.standing
    for name, fields in said:
        standing = desk.answer(standing.call_id, operator, standing.step, name, fields=fields)
        assert not standing.refused, standing
    shift.phone.fail_next("hang_up", Fault.ERROR_BEFORE)
    with pytest.raises(PhoneUnavailableError):
        shift.board.receiver_is_gone(operator)
    shift.board.receiver_is_gone(operator)
    shift.wait(1)
    assert (shift.call.live, shift.call.line_state) == (True, "ended"), "the record is the operator's to end"
    desk.hang_up(standing.call_id, operator, desk.standing(standing.call_id, operator).step)
    closed = shift.board.finish(standing.call_id, f"operator:{operator}")
    assert closed.disposition == code
    incidents = [(each.call_id, each.cause) for each in shift.rows(abandonments)]
    assert incidents == ([(standing.call_id, "operator_left")] if code == "AB" else [])
    if code == "AB":
        assert shift.entry.due_at == shift.call.placed_at + timedelta(hours=72)
        shift.world.clock.advance_to(shift.entry.due_at)
        shift.wake()
        assert Notice.LIVE_OPERATOR_ONLY in shift.deal().notices
    with shift.world.database.read() as conn:
        assert verify_call(conn, shift.world.shelf, MUNICIPALITY, standing.call_id).proved


def test_a_busy_telephone_is_left_alone_for_a_while(shift: Shift) -> None:
    shift.phone.fail_next("place", Fault.TOO_MANY)
    heard = shift.dial()
    assert heard.closed is not None
    assert shift.call.attempt == 0
    assert shift.board.paused_until == shift.world.clock.now() + seconds(1)
    assert not isinstance(shift.board.deal(shift.world.operator, [CAMPAIGN]), Deal)
    shift.world.clock.advance(seconds(1))
    assert shift.board.paused_until is None


def test_an_unknown_call_counts_as_live_until_no_call_lasts_so_long(shift: Shift) -> None:
    shift.phone.fail_next("place", Fault.TIMEOUT_BEFORE)
    shift.dial()
    shift.world.clock.advance(LONGEST - seconds(1))
    assert shift.board.recover().closed == ()
    assert shift.call.live
    shift.world.clock.advance(seconds(1))
    assert shift.board.recover().closed == (shift.call.id,)
    assert (shift.call.disposition, shift.call.attempt, shift.entry.state) == ("UD", 1, "scheduled")
    assert shift.dialled == 0


def test_a_call_that_was_in_review_and_is_found_ringing_is_hung_up(shift: Shift) -> None:
    shift.phone.fail_next("place", Fault.TIMEOUT_AFTER)
    shift.phone.fail_next("fetch", Fault.LOST)
    assert shift.dial().line_state == "needs_review"
    shift.world.clock.advance(seconds(1))
    assert shift.board.recover(patience=timedelta(0)).closed == (shift.call.id,)
    assert (shift.call.disposition, shift.dialled) == ("NA", 1)
    shift.wait(60)
    assert shift.phone.next_at() is None


def test_the_telephone_cannot_even_be_asked(shift: Shift) -> None:
    shift.phone.fail_next("place", Fault.ERROR_AFTER)
    shift.phone.fail_next("fetch", Fault.TIMEOUT_BEFORE)
    assert shift.dial().line_state == "needs_review"
    shift.phone.fail_next("fetch", Fault.TIMEOUT_BEFORE)
    assert shift.board.recover(patience=timedelta(0)).in_review == (shift.call.id,)


@pytest.mark.parametrize(
    ("table", "values", "reason", "state"),
    [
        (arrears, {"unpaid": 0, "paid": 12_000}, "nothing_owed", "done"),
        (cases, {"status": "paid"}, "nothing_owed", "done"),
        (cases, {"status": "staff"}, "staff_in_charge", "held"),
        (cases, {"payments_as_of": date(2026, 11, 1)}, "payments_stale", "scheduled"),
        (phone_numbers, {"status": "wrong"}, "number_unusable", "held"),
        (campaigns, {"state": "stopped"}, "campaign_not_running", "scheduled"),
        (campaigns, {"supervisor_id": None}, "no_supervisor", "scheduled"),
    ],
)
def test_what_changed_between_claim_and_placing_stops_the_dial(
    shift: Shift, table: Table, values: dict[str, Any], reason: str, state: str
) -> None:
    deal = shift.deal()
    shift.change(table, **values)
    with pytest.raises(DialRefusedError) as refused:
        shift.board.dial(deal, shift.world.operator)
    assert reason in [each.code for each in refused.value.refused.reasons]
    (row,) = shift.rows(dial_refusals)
    assert (row.stage, row.case_id) == ("placing", shift.case.case_id)
    assert reason in row.reasons.split(",")
    assert (shift.entry.state, shift.entry.claimed_by) == (state, None)
    assert (shift.rows(calls), shift.dialled) == ([], 0)


def test_a_suppression_between_claim_and_placing_stops_the_dial_until_it_ends(shift: Shift) -> None:
    deal, now = shift.deal(), shift.world.clock.now()
    until = now + timedelta(days=1)
    with shift.world.database.write() as conn:
        conn.execute(
            suppressions.insert().values(
                municipality_id=MUNICIPALITY,
                id=new_id(conn, suppressions, MUNICIPALITY),
                case_id=shift.case.case_id,
                reason="staff",
                since=now,
                until=until,
            )
        )
    with pytest.raises(DialRefusedError):
        shift.board.dial(deal, shift.world.operator)
    (row,) = shift.rows(dial_refusals)
    assert row.earliest == shift.entry.due_at == until
    assert shift.dialled == 0


def test_the_hours_may_end_while_a_case_is_looked_at(shift: Shift) -> None:
    deal = shift.deal()
    shift.world.clock.advance(timedelta(hours=6, minutes=51))  # 16:51: the last ten minutes
    with pytest.raises(DialRefusedError):
        shift.board.dial(deal, shift.world.operator)
    assert shift.entry.due_at == datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
    assert shift.dialled == 0


def test_a_claim_that_was_lost_dials_nothing(shift: Shift) -> None:
    deal = shift.deal()
    shift.world.clock.advance(timedelta(minutes=16))
    with shift.world.database.write() as conn:
        queue.expire_leases(conn, MUNICIPALITY, shift.world.clock.now())
    with pytest.raises(RefusedError, match="割り当て"):
        shift.board.dial(deal, shift.world.operator)
    assert (shift.rows(calls), shift.dialled, shift.entry.state) == ([], 0, "ready")


def test_an_operator_in_a_call_gets_no_second_one(shift: Shift) -> None:
    shift.dial()
    shift.wait(10)
    with shift.world.database.write() as conn:
        other = add_case(conn, 2)
        now = shift.world.clock.now()
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(other.case_id, other.household_id, now, 1)])
        queue.wake(conn, MUNICIPALITY, now)
    with pytest.raises(RefusedError, match="まだ終わっていない通話"):
        shift.dial()
    waiting = [row.state for row in shift.rows(queue_entries) if row.case_id == other.case_id]
    assert (waiting, shift.dialled) == (["scheduled"], 1)


def test_a_case_that_is_not_called_goes_back(shift: Shift) -> None:
    deal = shift.deal()
    shift.board.give_back(deal)
    shift.board.give_back(deal)
    assert (shift.entry.state, shift.entry.due_at) == ("scheduled", shift.world.clock.now())


@pytest.mark.parametrize(
    "fault", [None, Fault.DUPLICATED, Fault.REORDERED, Fault.LATE, Fault.LOST, Fault.TIMEOUT_BEFORE]
)
def test_however_events_arrive_the_call_ends_the_same(shift: Shift, fault: Fault | None) -> None:
    shift.does[:] = [Happening(seconds(2), "ringing"), Happening(seconds(9), "busy")]
    shift.dial()
    shift.world.clock.advance(seconds(12))
    if fault is not None:
        shift.phone.fail_next("poll", fault)
    ended = []
    for _ in range(2):
        with suppress(PhoneUnavailableError):
            ended += [heard for heard in shift.board.listen() if heard.closed]
    shift.board.recover(patience=timedelta(0))
    assert shift.call.disposition == "BZ"
    assert len(ended) == (0 if fault is Fault.LOST else 1)


def test_an_event_of_nobodys_call_is_left_alone(shift: Shift) -> None:
    event = LineEvent("answered", shift.world.clock.now())
    assert shift.board.hear(PhoneEvent("another system's", event)) is None


def test_what_comes_after_the_close_is_heard_and_changes_nothing(shift: Shift) -> None:
    shift.does[:] = [Happening(seconds(3), "busy")]
    shift.dial()
    shift.wait(5)
    before = shift.call
    late = PhoneEvent(before.attempt_ref, LineEvent("answered", shift.world.clock.now()))
    heard = shift.board.hear(late)
    assert heard == Heard(before.id, "ended")
    assert shift.call == before


def test_the_line_ends_but_the_talk_is_the_operators_to_end(shift: Shift) -> None:
    heard = shift.dial()
    (*_, heard) = shift.wait(10)
    shift.phone.resident_hangs_up(shift.call.attempt_ref)
    (heard,) = shift.board.listen()
    assert (heard.line_state, heard.closed, shift.call.live) == ("ended", None, True)
    standing = shift.world.calls.standing(heard.call_id, shift.world.operator)
    shift.world.calls.hang_up(heard.call_id, shift.world.operator, standing.step)
    assert shift.board.finish(heard.call_id, "operator:1").disposition == "HU0"


def test_our_hanging_up_while_it_rings_is_no_answer(shift: Shift) -> None:
    heard = shift.dial()
    shift.board.hang_up(heard.call_id)
    assert [each.closed.disposition for each in shift.board.listen() if each.closed] == ["NA"]
    shift.board.hang_up(heard.call_id)


def test_a_talk_that_nobody_ends_is_undecided(shift: Shift) -> None:
    shift.dial()
    shift.wait(10)
    shift.world.clock.advance(LONGEST)
    shift.board.recover()
    assert (shift.call.disposition, shift.call.live, shift.entry.state) == ("UD", False, "scheduled")


def test_the_desk_phone_from_the_shown_number_to_the_talk(shift: Shift) -> None:
    phone = ManualPhone(shift.world.clock)
    board = Switchboard(shift.world.database, shift.world.clock, shift.world.calls, phone, MUNICIPALITY, rules)
    board.dial(shift.deal(), shift.world.operator)
    shown = phone.to_dial(shift.call.attempt_ref)
    assert shown is not None
    assert shown.e164 == "+81366590001"
    phone.tell(shown.attempt_ref, "answered")
    (*_, heard) = board.listen()
    assert heard.standing is not None


class Killed(BaseException):
    """The process is gone."""


class Dying(Database):
    """A database whose process dies before or after its nth transaction."""

    def __init__(self, database: Database, tick: Callable[[], None]) -> None:
        self.url, self.engine, self._tick = database.url, database.engine, tick

    def transact(self, work: Callable[..., Any], *, patience: float = 10.0) -> Any:
        self._tick()
        done = super().transact(work, patience=patience)
        self._tick()
        return done


class DyingPhone(SimulatedPhone):
    """The same telephone, asked by a process that dies before the question or before it hears the answer."""

    def __init__(self, phone: SimulatedPhone, tick: Callable[[], None]) -> None:
        self._phone, self._tick = phone, tick

    def place(self, *args: Any, **named: Any) -> Any:
        self._tick()
        placed = self._phone.place(*args, **named)
        self._tick()
        return placed

    def poll(self) -> Sequence[PhoneEvent]:
        return self._phone.poll()


def test_a_crash_at_any_point_dials_once_at_most_and_loses_nothing(shift: Shift) -> None:
    world, points = shift.world, 0
    shift.does[:] = [Happening(seconds(5), "no_answer")]
    for fatal in range(1, 40):
        left = fatal

        def tick() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        dying = Dying(world.database, tick)
        desk = Calls(dying, world.clock, Shelf(), DESK, MUNICIPALITY, counted_salt_from(fatal))
        board = Switchboard(dying, world.clock, desk, DyingPhone(shift.phone, tick), MUNICIPALITY, rules)
        before = shift.dialled
        try:
            dealt = board.deal(world.operator, [CAMPAIGN])
            assert isinstance(dealt, Deal)
            board.dial(dealt, world.operator)
            world.clock.advance(seconds(6))
            board.listen()
            died = False
        except Killed:
            died, points = True, points + 1
        after_the_crash(shift)
        assert shift.dialled - before <= 1
        if not died:
            break
        a_new_day(shift)
    assert points >= 8
    with world.database.read() as conn:
        codes = set(conn.execute(select(calls.c.disposition)).scalars())
    assert codes <= {"NA", "UD"}


def counted_salt_from(start: int) -> Callable[[int], bytes]:
    salt = counted_salt()
    return lambda size: bytes([start]) + salt(size - 1)


def after_the_crash(shift: Shift) -> None:
    """A new process recovers, three times over; then nothing is live and the case is back in the queue."""
    world = shift.world
    board = Switchboard(world.database, world.clock, world.calls, shift.phone, MUNICIPALITY, rules)
    board.recover(patience=timedelta(0))
    world.clock.advance(timedelta(minutes=16))
    with world.database.write() as conn:
        queue.expire_leases(conn, MUNICIPALITY, world.clock.now())
    board.recover()
    world.clock.advance(LONGEST)
    board.recover()
    board.recover()
    assert not any(row.live for row in shift.rows(calls))
    assert all(row.disposition for row in shift.rows(calls))
    assert shift.entry.state in ("scheduled", "ready")


def a_new_day(shift: Shift) -> None:
    """Long enough later for the limits to be free again; the payment data is fresh."""
    world = shift.world
    world.clock.advance_to((world.clock.now() + timedelta(days=14)).replace(hour=1, minute=0))
    while Calendar().window_at(world.clock.now()) is None:
        world.clock.advance(timedelta(days=1))
    today = world.clock.now().date()
    shift.change(cases, payments_as_of=today)
    shift.change(calls, campaign_id=None)  # the limit of attempts in a campaign is not what this is about
    shift.change(arrears, due_on=today - timedelta(days=90), reminder_on=today - timedelta(days=60))
    with world.database.write() as conn:
        now = world.clock.now()
        case = shift.case
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [queue.Entry(case.case_id, case.household_id, now, 500)])
        queue.wake(conn, MUNICIPALITY, now)


@pytest.mark.parametrize("operation", ["hang_up", "fetch"])
def test_recovery_itself_may_fail_and_be_repeated(shift: Shift, operation: Operation) -> None:
    shift.phone.fail_next("place", Fault.TIMEOUT_AFTER)
    shift.phone.fail_next("fetch", Fault.LOST)
    shift.dial()
    shift.phone.fail_next(operation, Fault.TIMEOUT_BEFORE)
    assert shift.board.recover(patience=timedelta(0)).in_review == (shift.call.id,)
    assert shift.board.recover(patience=timedelta(0)).closed == (shift.call.id,)
    assert shift.dialled == 1


def test_a_call_that_another_process_may_be_placing_is_left_alone(shift: Shift) -> None:
    deal = shift.deal()
    opening, _ = shift.board._opening(deal, shift.world.operator, rules(CAMPAIGN), ahead=False)
    call_id = shift.world.calls.open(opening, placing=True)
    shift.world.clock.advance(seconds(59))
    assert shift.board.recover().in_review == ()
    shift.world.clock.advance(seconds(1))
    assert shift.board.recover().in_review == (call_id,)


def test_a_call_that_was_opened_and_never_intended_ends_as_our_fault(shift: Shift) -> None:
    deal = shift.deal()
    opening, _ = shift.board._opening(deal, shift.world.operator, rules(CAMPAIGN), ahead=False)
    shift.world.calls.open(opening)
    shift.world.clock.advance(seconds(60))
    assert shift.board.recover().closed == (shift.call.id,)
    assert (shift.call.disposition, shift.call.attempt, shift.entry.state) == ("TF", 0, "scheduled")


def test_a_call_in_review_frees_its_operator_but_not_its_case_and_one_bad_call_stops_no_recovery(shift: Shift) -> None:
    """The operator calls on; both calls are unsettled, and the rules of the first cannot be read any more."""
    first, board, world = shift.deal(), shift.board, shift.world
    with world.database.write() as conn:
        other = add_case(conn, 2)
        entry = queue.Entry(other.case_id, other.household_id, world.clock.now(), priority=500)
        queue.enqueue(conn, MUNICIPALITY, CAMPAIGN, [entry])
        queue.wake(conn, MUNICIPALITY, world.clock.now())
    for deal in (first, shift.deal()):
        shift.phone.fail_next("place", Fault.TIMEOUT_BEFORE)
        assert board.dial(deal, world.operator).line_state == "needs_review"
    opening, _ = board._opening(first, world.operator, rules(CAMPAIGN), ahead=False)
    with pytest.raises(RefusedError):
        world.calls.open(opening, placing=True)
    bad, settle = min(row.id for row in shift.rows(calls)), board._settle

    def broken(row: Any, now: datetime) -> Heard:
        if row.id == bad:
            raise RefusedError("設定が読めません")
        return settle(row, now)

    world.clock.advance(LONGEST)
    board._settle = broken  # type: ignore[method-assign]
    found = board.recover()
    assert [(each.call_id, each.why) for each in found.failed] == [(bad, "設定が読めません")]
    assert len(found.closed) == found.settled == 1
