"""Calls that are open: what the telephone says of them is taken in, and it is asked where its answer was lost.

A placement of unknown fate is never repeated: the telephone is asked by the attempt, and what it does not know for
certain waits in `needs_review`. `recover` does so for whatever a crash left behind, and may be repeated at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, bindparam, select
from sqlalchemy.exc import DBAPIError

from callflow import attendance, floor, line
from callflow.calls import Calls
from callflow.clock import Clock
from callflow.errors import CallflowError, NotFoundError, RefusedError
from callflow.line import Ignored, LineEvent
from callflow.replay import UNENDED
from callflow.script.model import END
from callflow.standing import Closed, Standing
from callflow.telephony.port import AttendedPhone, Phone, PhoneEvent, PhoneUnavailableError, Trace
from models.database import Database, Fault, fault_of
from models.tables import calls, holds_operator, is_live, phone_numbers
from scheduler import dealing, queue
from scheduler.dealing import Rules
from scheduler.policy import AFTER_LIMIT
from scheduler.queue import Claim
from scheduler.settings import Policy

PATIENCE = timedelta(seconds=60)
"""Longer than any request to a telephone: an intent without an answer after that was left by a crash."""

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event amounted to. `standing` where a talk has begun, `closed` where the call is over."""

    call_id: int
    line_state: str
    standing: Standing | None = None
    closed: Closed | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A call that a recovery could not settle, and why."""

    call_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the calls that a recovery looked at, by their ids."""

    resumed: tuple[int, ...] = ()  # the telephone knew them: their line moved on
    in_review: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    failed: tuple[Unsettled, ...] = ()

    @property
    def settled(self) -> int:
        return len(self.resumed) + len(self.in_review) + len(self.closed)


class OpenLines:
    """The open calls of one municipality over one telephone. Safe to share between threads and processes.

    `rules_of` gives a campaign's policy and calendar as they are now; `on_duty`: the operators who take calls, if not
    those who are at a terminal and on no break.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calls_desk: Calls,
        phone: Phone,
        municipality_id: int,
        rules_of: Callable[[int], Rules],
        *,
        on_duty: Callable[[Connection, datetime], Collection[int]] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calls = calls_desk
        self._phone = phone
        self._municipality_id = municipality_id
        self._rules_of = rules_of
        self._on_duty = on_duty or (lambda conn, now: floor.on_duty(conn, municipality_id, now))
        self._attended = isinstance(phone, AttendedPhone)

    def listen(self) -> list[Heard]:
        """Everything that the telephone has to say now. Raises PhoneUnavailableError: listen again later."""
        return [heard for event in self._phone.poll() if (heard := self.hear(event)) is not None]

    def hear(self, event: PhoneEvent) -> Heard | None:
        """Takes one event in; None if it belongs to no call of ours. May be repeated."""
        with self._database.read() as conn:
            row = conn.execute(_BY_ATTEMPT, {"m": self._municipality_id, "attempt": event.attempt_ref}).one_or_none()
        if row is None:
            return None
        if not row.live or _is_stale(row.line_state, event.event.kind):
            return Heard(row.id, row.line_state)
        happened = self._as_attended(row, event.event)
        heard = self._take_in(row, happened)
        if happened.kind in _LEFT_ON_THE_LINE:
            with suppress(PhoneUnavailableError):  # it is cut by its limit, and before the desk's next call
                self._phone.hang_up(happened.provider_ref)
        return heard

    def receiver_is_gone(self, operator_id: int) -> None:
        """An operator's receiver is gone: who is still being called would find nobody, and whom they talk to was left
        (AB, unless the talk has settled more than that it was cut).

        Raises PhoneUnavailableError.
        """
        with self._database.read() as conn:
            row = conn.execute(_LIVE_OF, {"m": self._municipality_id, "operator": operator_id}).one_or_none()
        if row is None or row.talk_state == END:
            return
        if row.talk_state:
            self._take_in(row, self._own("abandoned", "担当者の電話が切れました"))
        self.hang_up(row.id)

    def hang_up(self, call_id: int) -> None:
        """Puts the receiver down; what becomes of it is heard like every other event.

        Raises PhoneUnavailableError: nothing is lost by trying again.
        """
        row = self._row(call_id)
        if row.provider_ref:
            self._phone.hang_up(row.provider_ref)

    def finish(self, call_id: int, actor: str, *, reason: str = "ended") -> Closed:
        """Ends a call with its outcome; its case goes back to the queue in the same transaction."""
        return self._calls.close(call_id, actor, reason=reason, then=self._release)

    def put_through(self, call_id: int) -> Standing | None:
        """Brings an answered call that was dialled ahead to the operator who is free longest; None: nobody is."""
        now = self._clock.now()
        with self._database.read() as conn:
            free = floor.free_operators(conn, self._municipality_id, now, self._on_duty(conn, now))
        for operator_id in free:
            with suppress(RefusedError):  # taken meanwhile; then every further try is refused too
                return self._calls.put_through(call_id, operator_id)
        return None

    def abandon(self, call_id: int) -> Heard:
        """Ends an answered call that nobody could take (AB)."""
        row = self._row(call_id)
        heard = self._take_in(row, self._own("abandoned", "応対できる担当者がいません"))
        if heard.closed is not None and row.provider_ref:
            with suppress(PhoneUnavailableError):  # it is cut by its limit
                self._phone.hang_up(row.provider_ref)
        return heard

    def take_over(self, campaign_id: int) -> None:
        """Asks what became of the lines that a vanished process had opened ahead in a campaign.

        Only for whoever now holds the campaign's lease: nobody else places its calls.
        """
        with self._database.read() as conn:
            rows = conn.execute(_AHEAD, {"m": self._municipality_id, "campaign": campaign_id}).all()
        for row in rows:
            if row.line_state == "claimed":
                self._take_in(row, self._own("failed", "発信の前に中断しました"))
            elif row.line_state == "placing":
                self._ask(row)
            else:
                self._ask_for_news(row)

    def recover(self, *, patience: timedelta = PATIENCE) -> Recovered:
        """Settles what was left behind: intents without an answer, lost events, calls that nobody ended.

        Only calls untouched for `patience` are looked at; zero if no other process can be placing calls. Never
        dials. Repeating it changes nothing more. A call that cannot be settled does not stop the others; a database
        that is gone or full does.
        """
        now = self._clock.now()
        resumed, in_review, closed, failed = [], [], [], []
        with self._database.read() as conn:
            live = conn.execute(_LIVE, {"m": self._municipality_id}).all()
        for row in live:
            if (row.placed_at or row.opened_at) + patience > now:
                continue
            try:
                heard = self._settle(row, now)
            except Exception as error:
                if isinstance(error, DBAPIError) and fault_of(error) in (Fault.GONE, Fault.FULL):
                    raise
                why = str(error.what) if isinstance(error, CallflowError) else type(error).__name__
                failed.append(Unsettled(row.id, why))
                continue
            if heard.closed is not None:
                closed.append(row.id)
            elif heard.line_state == "needs_review":
                in_review.append(row.id)
            elif heard.line_state != row.line_state:
                resumed.append(row.id)
        return Recovered(tuple(resumed), tuple(in_review), tuple(closed), tuple(failed))

    def _ask(self, row: Row[Any]) -> Heard:
        """What the telephone knows of an attempt; what it does not know for certain is for a person."""
        trace = _trace(row)
        try:
            known = self._phone.fetch(row.attempt_ref, trace)
        except PhoneUnavailableError:
            return self._take_in(row, self._own("unknown", "電話に照会できません"))
        if len(known) == 1:
            return self._take_in(row, known[0].last)
        return self._take_in(row, self._own("unknown", f"電話側の該当は{len(known)}件です"))

    def _take_in(self, row: Row[Any], event: LineEvent) -> Heard:
        if line.is_final(event.kind):
            return Heard(row.id, "ended", closed=self._calls.end_line(row.id, event, SYSTEM, self._release))
        if not row.unattended:
            state, standing = self._calls.pick_up(row.id, event, row.operator_id)
            return Heard(row.id, state, standing=standing)
        state = self._calls.line(row.id, event.kind, at=event.at, provider_ref=event.provider_ref, cause=event.cause)
        return Heard(row.id, state, standing=self.put_through(row.id) if state == "answered" else None)

    def _as_attended(self, row: Row[Any], event: LineEvent) -> LineEvent:
        """A resident who answers when the operator's receiver is gone already was abandoned (AB)."""
        is_answer = event.kind in _ANSWERS and row.line_state in _NOT_ANSWERED
        if not self._attended or row.unattended or not is_answer:
            return event
        with self._database.read() as conn:
            found = attendance.receiver_of(conn, self._municipality_id, row.operator_id)
        return replace(event, kind="abandoned") if found is not None and found.state == "gone" else event

    def _settle(self, row: Row[Any], now: datetime) -> Heard:
        policy = self._rules_of(row.campaign_id).policy if row.campaign_id else Policy()
        longest = timedelta(seconds=policy.ring_seconds, minutes=policy.call_limit_minutes) + AFTER_LIMIT
        if row.line_state == "claimed":
            return self._take_in(row, self._own("failed", "発信の前に中断しました"))
        if row.line_state == "ended" and not row.talk_state:
            return Heard(row.id, "ended", closed=self.finish(row.id, SYSTEM))
        if now >= (row.placed_at or row.opened_at) + longest:
            return self._give_up(row)
        if row.line_state == "ended":
            return Heard(row.id, row.line_state)
        return self._ask(row) if row.line_state == "placing" else self._ask_for_news(row)

    def _ask_for_news(self, row: Row[Any]) -> Heard:
        """Events may have been lost: what the telephone now says counts, what it does not know changes nothing.

        A call that was in review and turns out to ring or talk has nobody to speak to it: it is hung up.
        """
        trace = _trace(row)
        try:
            known = self._phone.fetch(row.attempt_ref, trace)
            if row.line_state == "needs_review":
                for each in known:
                    self._phone.hang_up(each.provider_ref)
                known = self._phone.fetch(row.attempt_ref, trace)
        except PhoneUnavailableError:
            return Heard(row.id, row.line_state)
        return self._take_in(row, known[0].last) if len(known) == 1 else Heard(row.id, row.line_state)

    def _give_up(self, row: Row[Any]) -> Heard:
        """No call lasts so long: it ends as what its log amounts to, or as 未確定."""
        self._calls.line(row.id, "unknown", cause="制限時間を過ぎました")
        try:
            closed = self.finish(row.id, SYSTEM)
        except RefusedError:
            closed = self.finish(row.id, SYSTEM, reason=UNENDED)
        return Heard(row.id, "ended", closed=closed)

    def _release(self, conn: Connection, closed: Closed) -> None:
        """Joins the transaction that ends a call: its case is due when it may next be called.

        A claim that ran out meanwhile is another's now and is left alone.
        """
        now = self._clock.now()
        if closed.campaign_id is None:  # a resident called back: what their cases wait for has changed
            queue.judge_again(conn, self._municipality_id, closed.household_id, now)
            return
        claim = Claim(
            self._municipality_id, closed.campaign_id, closed.case_id, closed.household_id, "", closed.fence, now
        )
        dealing.put_back(conn, claim, self._rules_of(closed.campaign_id), now)

    def _own(self, kind: line.LineEventKind, cause: str) -> LineEvent:
        return LineEvent(kind, self._clock.now(), cause=cause)

    def _row(self, call_id: int) -> Row[Any]:
        with self._database.read() as conn:
            return self._row_in(conn, call_id)

    def _row_in(self, conn: Connection, call_id: int) -> Row[Any]:
        row: Row[Any] | None = conn.execute(_BY_ID, {"m": self._municipality_id, "call": call_id}).one_or_none()
        if row is None:
            raise NotFoundError(f"通話 {call_id} はありません")
        return row


def _trace(row: Row[Any]) -> Trace:
    answered = row.line_state == "answered"
    return Trace(row.provider_ref, row.e164 or "", row.placed_at or row.opened_at, answered)


def _is_stale(line_state: str, kind: str) -> bool:
    """Whether an event moves nothing on a line that still rings; then it does not a moment later either."""
    return line_state in _RINGS and isinstance(line.move(line_state, kind), Ignored)


_ANSWERS = frozenset({"answered", "machine"})
_NOT_ANSWERED = frozenset({"claimed", "placing", "ringing"})
_RINGS = frozenset({"placing", "ringing"})
_LEFT_ON_THE_LINE = frozenset({"fax", "abandoned"})
"""What ends a call for us while somebody or something is still on the line."""

_TENANT = bindparam("m", type_=Integer)
_COLUMNS: tuple[ColumnElement[Any], ...] = (
    calls.c.id,
    calls.c.campaign_id,
    calls.c.household_id,
    calls.c.operator_id,
    calls.c.unattended,
    calls.c.attempt_ref,
    calls.c.provider_ref,
    calls.c.line_state,
    calls.c.talk_state,
    calls.c.live,
    calls.c.opened_at,
    calls.c.placed_at,
    phone_numbers.c.e164,
)
_ABOUT = (
    select(*_COLUMNS)
    .outerjoin(
        phone_numbers,
        (phone_numbers.c.municipality_id == calls.c.municipality_id) & (phone_numbers.c.id == calls.c.number_id),
    )
    .where(calls.c.municipality_id == _TENANT)
)
_BY_ID = _ABOUT.where(calls.c.id == bindparam("call"))
_BY_ATTEMPT = _ABOUT.where(calls.c.attempt_ref == bindparam("attempt"))
_LIVE = _ABOUT.where(is_live).order_by(calls.c.id)
_AHEAD = _LIVE.where(calls.c.unattended, calls.c.campaign_id == bindparam("campaign"))
_LIVE_OF = _ABOUT.where(is_live, holds_operator, calls.c.operator_id == bindparam("operator"))
