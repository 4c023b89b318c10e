"""The relay itself: takes orders, drives its telephone, and writes down each act before it is done.

An attempt is ordered once. Its order is on the disk before the telephone is asked; after a crash one without a fate is
asked about, never dialled again. What was asked about and never ordered can no longer be ordered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, assert_never

from callflow.clock import Clock
from callflow.errors import CallflowError
from callflow.telephony import allowed
from callflow.telephony.port import (
    AttendedPhone,
    DeskAbsentError,
    DeskEvent,
    KnownCall,
    Phone,
    PhoneBusyError,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
    TooLateError,
    Trace,
)
from callflow.telephony.relay.book import NEVER_DIALLED, Order, book_of
from callflow.telephony.relay.journal import Journal, instant_text
from callflow.telephony.relay.wire import (
    EVENTS_AT_ONCE,
    Answer,
    Ask,
    BringIn,
    Call,
    CallDesk,
    CallSeen,
    Event,
    Fate,
    HandOver,
    HangUp,
    HangUpDesk,
    Hello,
    Hold,
    Seat,
    Since,
)

_CAUSE: Final = re.compile(r"[A-Za-z0-9_-]{0,40}", re.ASCII)
_FULL: Final = timedelta(seconds=60)
_DONE: Final = Answer(result="done")
_TOO_LATE: Final = Answer(result="busy", pause_s=1, what="期限を過ぎた発信の指図なので、かけていません")
_CAPPED: Final = Answer(
    result="busy",
    pause_s=_FULL.total_seconds(),
    what="中継の発信の上限に達しています",
    mend="中継の設定を確かめてください",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many orders the relay takes, and how long it lets a telephone ring and a call last (seconds)."""

    per_minute: int
    per_day: int
    ring_s: int = 30
    call_s: int = 3600


class Relay:
    """One telephone, one file. Safe to share between threads. `receivers`: the operators' numbers by name."""

    def __init__(
        self,
        phone: Phone,
        journal: Journal,
        clock: Clock,
        limits: Limits,
        version: str,
        receivers: Mapping[str, str] | None = None,
    ) -> None:
        self._phone, self._journal, self._clock, self.limits = phone, journal, clock, limits
        self._receivers = receivers or {}
        self._book = book_of(journal.lines)
        journal.lines.clear()
        self._in_flight: set[str] = set()
        self._lock = Lock()
        self._note("start", version=version, ring_s=str(limits.ring_s), limit_s=str(limits.call_s))

    @property
    def file(self) -> str:
        """Which file it writes: the hash of its first line."""
        return self._journal.first

    @property
    def head(self) -> tuple[int, str]:
        return self._journal.head

    def answer(self, ask: Ask) -> Answer:
        """Does what is asked, as far as it may be done."""
        match ask:
            case Hello():
                return _DONE
            case Call():
                return self._call(ask)
            case Seat():
                self._note("seat", attempt=ask.attempt, desk=ask.desk)
                return _DONE
            case HangUp():
                return self._hang_up(ask)
            case Fate():
                return self._fate(ask.attempt)
            case Since():
                return self._asked(lambda: self._phone.list_since(ask.since))
            case CallDesk() | HangUpDesk() | Hold() | BringIn() | HandOver():
                return self._desk(ask)
            case _:
                assert_never(ask)

    def news(self, after: tuple[str, int]) -> list[Event]:
        """What happened after a line of a file; of another file than ours, everything."""
        for told in self._phone.poll():
            event = told.event
            cause = event.cause if _CAUSE.fullmatch(event.cause) else "other"
            with self._lock:
                if told.attempt_ref in self._book.orders:
                    self._write(
                        "happened", attempt=told.attempt_ref, ref=event.provider_ref, kind=event.kind,
                        told=instant_text(event.at), cause=cause,
                    )  # fmt: skip
        with self._lock:
            return self._book.events_after(after[1] if after[0] == self.file else 0, EVENTS_AT_ONCE)

    def desk_told(self, event: DeskEvent) -> None:
        """What became of a receiver that was called."""
        with self._lock:
            if event.desk in self._book.desks:
                self._write("desk", desk=event.desk, state=event.state, told=instant_text(self._clock.now()))

    def _call(self, order: Call) -> Answer:
        attempt = order.attempt
        with self._lock:
            if attempt in self._book.orders:
                return Answer(result="repeated")
            now = self._clock.now()
            if reason := allowed.why_not(order.number):
                self._write("forbidden", attempt=attempt)
                return Answer(result="refused", disposition="DN", what=reason)
            if now >= order.deadline:
                self._write("expired", attempt=attempt, deadline=instant_text(order.deadline))
                return _TOO_LATE
            if self._is_full(now):
                self._write("capped", attempt=attempt)
                return _CAPPED
            desk = self._book.seats.get(attempt, "")
            self._write("order", attempt=attempt, number=order.number, deadline=instant_text(order.deadline))
            self._in_flight.add(attempt)
        try:
            return self._dial(order, desk)
        finally:
            with self._lock:
                self._in_flight.discard(attempt)

    def _is_full(self, now: datetime) -> bool:
        book, limits = self._book, self.limits
        return (
            book.ordered_since(now - timedelta(minutes=1)) >= limits.per_minute
            or book.ordered_since(now - timedelta(days=1)) >= limits.per_day
        )

    def _dial(self, order: Call, desk: str) -> Answer:
        ring_s, call_s = self.limits.ring_s, self.limits.call_s
        try:
            placed = self._phone.place(order.attempt, order.number, ring_s, call_s, desk=desk, deadline=order.deadline)
        except TooLateError:
            self._note("expired", attempt=order.attempt, deadline=instant_text(order.deadline))
            return _TOO_LATE
        except PlacementRefusedError as error:
            self._note("refused", attempt=order.attempt, disposition=error.disposition)
            return Answer(result="refused", disposition=error.disposition, what=error.what, mend=error.mend)
        except PhoneBusyError as error:
            self._note("busy", attempt=order.attempt)
            return _busy(error)
        except PlacementUnknownError as error:
            self._note("unknown", attempt=order.attempt)
            return Answer(result="unknown", what=error.what)
        self._note("placed", attempt=order.attempt, ref=placed.provider_ref)
        return Answer(result="placed", ref=placed.provider_ref)

    def _fate(self, attempt: str) -> Answer:
        with self._lock:
            order = self._book.orders.get(attempt)
            if order is None:
                self._write("void", attempt=attempt)
            if order is None or order.outcome in NEVER_DIALLED:
                return Answer(result="calls")
            if attempt in self._in_flight:
                return Answer(result="unavailable", what="中継がいま発信しています")
        trace = Trace(order.ref, order.number, order.at)
        return self._asked(lambda: self._phone.fetch(attempt, trace))

    def _hang_up(self, ask: HangUp) -> Answer:
        """Only what the relay placed."""
        with self._lock:
            attempt = self._book.by_ref.get(ask.ref)
            if attempt is None:
                return _DONE
            self._write("hang_up", attempt=attempt, ref=ask.ref)
        return _doing(lambda: self._phone.hang_up(ask.ref))

    def _desk(self, ask: CallDesk | HangUpDesk | Hold | BringIn | HandOver) -> Answer:
        phone = self._phone
        if not isinstance(phone, AttendedPhone):
            return Answer(result="refused", what="中継の電話は担当者の電話を呼びません")
        match ask:
            case CallDesk() | BringIn():
                if self._clock.now() >= ask.deadline:
                    return _TOO_LATE
                address = self._receivers.get(ask.receiver)
                if address is None:
                    return Answer(
                        result="refused",
                        what=f"中継は担当者の電話 {ask.receiver} を知りません",
                        mend="中継の設定の twilio.desks を確かめてください",
                    )
                self._note(ask.ask, desk=ask.desk, receiver=ask.receiver)
                ring = phone.call_desk if isinstance(ask, CallDesk) else phone.bring_in
                return _doing(lambda: ring(ask.desk, address))
            case Hold():
                self._note("hold", desk=ask.desk, ref=ask.ref, on=_flag(ask.on))
                return _doing(lambda: phone.hold(ask.desk, ask.ref, on=ask.on))
            case HangUpDesk() | HandOver():
                self._note(ask.ask, desk=ask.desk)
                act = phone.hang_up_desk if isinstance(ask, HangUpDesk) else phone.hand_over
                return _doing(lambda: act(ask.desk))
            case _:
                assert_never(ask)

    def _asked(self, ask: Callable[[], tuple[KnownCall, ...]]) -> Answer:
        try:
            known = ask()
        except PhoneUnavailableError as error:
            return Answer(result="unavailable", what=error.what, mend=error.mend)
        with self._lock:
            return Answer(result="calls", calls=[self._seen(each) for each in known])

    def _seen(self, known: KnownCall) -> CallSeen:
        last = known.last
        order: Order | None = self._book.orders.get(known.attempt_ref)
        attempt = order.attempt if order else self._book.by_ref.get(known.provider_ref, "")
        return CallSeen(
            attempt=attempt,
            ref=known.provider_ref,
            placed_at=known.placed_at,
            kind=last.kind,
            at=last.at,
            cause=last.cause,
        )

    def _note(self, what: str, **fields: str) -> None:
        with self._lock:
            self._write(what, **fields)

    def _write(self, what: str, **fields: str) -> None:
        """Only with the lock held: the book is what the file says."""
        self._book.take(self._journal.write(what, **fields))


def _doing(act: Callable[[], None]) -> Answer:
    try:
        act()
    except PhoneBusyError as error:
        return _busy(error)
    except PhoneUnavailableError as error:
        return Answer(result="unavailable", what=error.what, mend=error.mend)
    except CallflowError as error:
        disposition = error.disposition if isinstance(error, PlacementRefusedError) else ""
        return Answer(result="refused", disposition=disposition, what=error.what, mend=error.mend)
    return _DONE


def _busy(error: PhoneBusyError) -> Answer:
    if isinstance(error, DeskAbsentError):
        return Answer(result="absent")
    return Answer(result="busy", pause_s=error.pause.total_seconds(), what=error.what)


def _flag(on: bool) -> str:
    return "yes" if on else "no"
