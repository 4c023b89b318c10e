"""A telephone that rings nowhere: what residents do is given, and every fault of a provider comes on demand."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import count
from threading import Lock
from typing import Literal

from callflow.clock import Clock
from callflow.line import LineEvent, LineEventKind, is_final
from callflow.telephony import allowed
from callflow.telephony.port import (
    HUNG_UP,
    NO_TRACE,
    KnownCall,
    PhoneBusyError,
    PhoneEvent,
    PhoneUnavailableError,
    Placed,
    PlacementRefusedError,
    PlacementUnknownError,
    Trace,
    must_be_in_time,
)

Operation = Literal["place", "hang_up", "fetch", "list", "poll"]


class Fault(Enum):
    """What goes wrong. `…_BEFORE`: the request had no effect; `…_AFTER`: it had, and only its answer was lost."""

    REFUSED = "refused"  # 4xx: nothing dialled, final
    INVALID_NUMBER = "invalid_number"  # 4xx: no such number
    TOO_MANY = "too_many"  # 429
    ERROR_BEFORE = "error_before"  # 5xx
    ERROR_AFTER = "error_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RESET = "reset"  # the connection breaks after the request was taken
    TWICE = "twice"  # of `place`: two calls are dialled for the one request, and its answer is lost
    DUPLICATED = "duplicated"  # of `poll`: all events twice
    REORDERED = "reordered"  # of `poll`: last first
    LATE = "late"  # of `poll`: nothing now, all of it with the next one
    LOST = "lost"  # of `poll`: these events never come; of `fetch` and `list`: they know of nothing


_AFTER = frozenset({Fault.ERROR_AFTER, Fault.TIMEOUT_AFTER, Fault.RESET, Fault.TWICE})
_OF_EVENTS = frozenset({Fault.DUPLICATED, Fault.REORDERED, Fault.LATE, Fault.LOST})


@dataclass(frozen=True, slots=True)
class Happening:
    """What the other side does, `after` the call was placed. A kind of `callflow.line`, and the provider's word."""

    after: timedelta
    kind: LineEventKind
    cause: str = ""


Behaviour = Callable[[str, str, datetime], Sequence[Happening]]
"""What happens on a call, given its attempt, number and moment; called once per call, in the order of time.

Nothing after the first final event counts, nor what would be answered after the ring limit.
"""


@dataclass(slots=True)
class _Call:
    attempt_ref: str
    provider_ref: str
    placed_at: datetime
    last: LineEvent
    answered: bool = False

    @property
    def known(self) -> KnownCall:
        return KnownCall(self.attempt_ref, self.provider_ref, self.placed_at, self.last)


def nobody_answers(_attempt_ref: str, _e164: str, _at: datetime) -> Sequence[Happening]:
    """A telephone that rings until the limit."""
    return (Happening(timedelta(seconds=3), "ringing"),)


class SimulatedPhone:
    """A `Phone` in which time passes by the given clock alone. Safe to share between threads."""

    def __init__(self, clock: Clock, behaviour: Behaviour = nobody_answers) -> None:
        self._clock = clock
        self._behaviour = behaviour
        self._calls: dict[str, _Call] = {}
        self._by_attempt: dict[str, list[_Call]] = defaultdict(list)
        self._coming: list[tuple[datetime, int, _Call, LineEvent]] = []
        self._order = count()
        self._waiting: list[PhoneEvent] = []
        self._faults: dict[Operation, deque[Fault]] = defaultdict(deque)
        self._lock = Lock()

    def fail_next(self, operation: Operation, fault: Fault, times: int = 1) -> None:
        """The next `times` requests of this kind meet `fault`; faults wait in line."""
        with self._lock:
            self._faults[operation].extend([fault] * times)

    def next_at(self) -> datetime | None:
        """When something will happen next if nobody does anything; None: nothing will."""
        with self._lock:
            while self._coming and is_final(self._coming[0][2].last.kind):
                heapq.heappop(self._coming)
            return self._coming[0][0] if self._coming else None

    def resident_hangs_up(self, attempt_ref: str) -> None:
        """The other side puts the receiver down, if it had answered."""
        with self._lock:
            now = self._pass_time()
            for call in self._by_attempt.get(attempt_ref, []):
                if call.answered:
                    self._happen(call, LineEvent("ended", now, call.provider_ref))

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",  # noqa: ARG002  nobody needs a receiver
        may_record: bool = False,  # noqa: ARG002  nothing is recorded
        deadline: datetime | None = None,
    ) -> Placed:
        reason = allowed.why_not(e164)
        if reason:
            raise PlacementRefusedError(reason, disposition="DN")
        with self._lock:
            if attempt_ref in self._by_attempt:
                raise ValueError("this attempt was placed before")
            must_be_in_time(self._clock.now(), deadline)
            fault = self._fault("place")
            _refuse(fault)
            if fault is not None and fault not in _AFTER:
                raise PlacementUnknownError(f"電話の応答がありません（{fault.value}）")
            for _ in range(2 if fault is Fault.TWICE else 1):
                call = self._dial(attempt_ref, e164, timedelta(seconds=ring_limit_s), timedelta(seconds=call_limit_s))
            if fault is not None:
                raise PlacementUnknownError(f"電話の応答がありません（{fault.value}）")
            return Placed(call.provider_ref)

    def hang_up(self, provider_ref: str) -> None:
        with self._lock:
            fault = self._fault("hang_up")
            if fault is None or fault in _AFTER:
                now, call = self._pass_time(), self._calls.get(provider_ref)
                if call is not None:
                    kind: LineEventKind = "ended" if call.answered else "no_answer"
                    self._happen(call, LineEvent(kind, now, provider_ref, HUNG_UP))
            _raise_unavailable(fault)

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:  # noqa: ARG002
        with self._lock:
            self._pass_time()
            calls = self._by_attempt.get(attempt_ref, [])
            return self._answer("fetch", [call.known for call in calls])

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        with self._lock:
            self._pass_time()
            return self._answer("list", [call.known for call in self._calls.values() if call.placed_at >= since])

    def poll(self) -> Sequence[PhoneEvent]:
        with self._lock:
            self._pass_time()
            fault = self._fault("poll")
            if fault is Fault.LATE:
                return []
            if fault is not None and fault not in _AFTER | _OF_EVENTS:
                _raise_unavailable(fault)
            events, self._waiting = self._waiting, []
            _raise_unavailable(fault if fault in _AFTER else None)
            return _spoilt(events, fault)

    def _dial(self, attempt_ref: str, e164: str, ring_limit: timedelta, call_limit: timedelta) -> _Call:
        now = self._clock.now()
        provider_ref = f"sim-{len(self._calls) + 1}"
        call = _Call(attempt_ref, provider_ref, now, LineEvent("placed", now, provider_ref))
        self._calls[provider_ref] = call
        self._by_attempt[attempt_ref].append(call)
        self._waiting.append(PhoneEvent(attempt_ref, call.last))
        for happening in _within_limits(self._behaviour(attempt_ref, e164, now), ring_limit, call_limit):
            event = LineEvent(happening.kind, now + happening.after, provider_ref, happening.cause)
            heapq.heappush(self._coming, (event.at, next(self._order), call, event))
        return call

    def _pass_time(self) -> datetime:
        now = self._clock.now()
        while self._coming and self._coming[0][0] <= now:
            _, _, call, event = heapq.heappop(self._coming)
            self._happen(call, event)
        return now

    def _happen(self, call: _Call, event: LineEvent) -> None:
        if is_final(call.last.kind):
            return
        call.last = event
        call.answered = call.answered or event.kind in _ANSWERS
        self._waiting.append(PhoneEvent(call.attempt_ref, event))

    def _fault(self, operation: Operation) -> Fault | None:
        planned = self._faults[operation]
        return planned.popleft() if planned else None

    def _answer(self, operation: Operation, calls: list[KnownCall]) -> tuple[KnownCall, ...]:
        fault = self._fault(operation)
        if fault is Fault.LOST:
            return ()
        _raise_unavailable(fault)
        return tuple(calls)


_ANSWERS = frozenset({"answered", "machine"})


def _within_limits(happenings: Sequence[Happening], ring_limit: timedelta, call_limit: timedelta) -> list[Happening]:
    """What becomes true of a behaviour: up to its first end, the ring limit, or the call limit after the answer."""
    ends = Happening(ring_limit, "no_answer", "ring_limit")
    kept: list[Happening] = []
    for happening in sorted(happenings, key=lambda each: each.after):
        if happening.after >= ends.after:
            break
        kept.append(happening)
        if is_final(happening.kind):
            return kept
        if happening.kind in _ANSWERS and ends.kind == "no_answer":
            ends = Happening(happening.after + call_limit, "ended", "call_limit")
    return [*kept, ends]


def _refuse(fault: Fault | None) -> None:
    match fault:
        case Fault.REFUSED:
            raise PlacementRefusedError("電話が発信を断りました")
        case Fault.INVALID_NUMBER:
            raise PlacementRefusedError("使われていない番号です", disposition="DN")
        case Fault.TOO_MANY:
            raise PhoneBusyError("電話が込み合っています")


def _raise_unavailable(fault: Fault | None) -> None:
    if fault is not None:
        raise PhoneUnavailableError(f"電話の応答がありません（{fault.value}）")


def _spoilt(events: list[PhoneEvent], fault: Fault | None) -> Sequence[PhoneEvent]:
    match fault:
        case Fault.DUPLICATED:
            return [event for event in events for _ in range(2)]
        case Fault.REORDERED:
            return events[::-1]
        case Fault.LOST:
            return []
    return events
