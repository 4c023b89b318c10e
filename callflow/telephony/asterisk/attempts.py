"""What this process was told of each attempt, in whatever order; what it amounts to is said once. No I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final

from callflow.line import LineEvent, LineEventKind, is_final
from callflow.telephony.asterisk.words import KIND_OF_DIALLING, KIND_OF_STATE, end_of
from callflow.telephony.port import HUNG_UP, KnownCall, PhoneEvent

MOST_REMEMBERED: Final = 5_000


@dataclass(slots=True)
class _Attempt:
    placed_at: datetime
    provider_ref: str = ""
    last: LineEvent | None = None
    dialled: bool = False
    status: str = ""
    hung_up: bool = False
    seen: set[LineEventKind] = field(default_factory=set)

    @property
    def answered(self) -> bool:
        return "answered" in self.seen

    @property
    def is_over(self) -> bool:
        return any(is_final(kind) for kind in self.seen)


class Attempts:
    """Safe to share between threads. `ref` is the attempt; `channel` is as Asterisk describes it."""

    def __init__(self) -> None:
        self._by_ref: OrderedDict[str, _Attempt] = OrderedDict()
        self._waiting: deque[PhoneEvent] = deque()
        self._lock = Lock()

    def begin(self, ref: str, now: datetime) -> None:
        """Raises ValueError for an attempt that is known already."""
        with self._lock:
            if ref in self._by_ref:
                raise ValueError("this attempt was placed before")
            self._remember(ref, _Attempt(now))

    def forget(self, ref: str) -> None:
        """Nothing was dialled."""
        with self._lock:
            self._by_ref.pop(ref, None)

    def happened(self, ref: str, provider_ref: str, kind: LineEventKind, at: datetime, cause: str = "") -> None:
        """Each kind of happening counts once, and nothing after the end of a call."""
        with self._lock:
            one = self._by_ref.get(ref) or self._remember(ref, _Attempt(at))
            self._say(ref, one, provider_ref, kind, at, cause)

    def seen(self, ref: str, channel: Mapping[str, Any], at: datetime) -> None:
        """The channel exists, in the state that it says."""
        with self._lock:
            one = self._of(ref, channel, at)
            kind = KIND_OF_STATE.get(str(channel.get("state")), "placed")
            self._say(ref, one, str(channel["id"]), kind, one.placed_at if kind == "placed" else at)

    def dialled(self, ref: str, channel: Mapping[str, Any], status: str, at: datetime) -> None:
        """What a `Dial` event said; how it ends is said by the channel's end."""
        with self._lock:
            one = self._of(ref, channel, at)
            one.dialled, one.status = True, status or one.status
            if kind := KIND_OF_DIALLING.get(status):
                self._say(ref, one, str(channel["id"]), kind, at)

    def destroyed(self, ref: str, channel: Mapping[str, Any], cause: int, sip: int | None, at: datetime) -> None:
        with self._lock:
            one = self._of(ref, channel, at)
            answered = one.answered or KIND_OF_STATE.get(str(channel.get("state"))) == "answered"
            kind, why = end_of(answered=answered, dialled=one.dialled, status=one.status, cause=cause, sip=sip)
            if one.hung_up:
                kind, why = "ended" if answered else "no_answer", HUNG_UP
            self._say(ref, one, str(channel["id"]), kind, at, why)

    def gone(self, ref: str, provider_ref: str, now: datetime, *, answered: bool = False) -> None:
        """The channel was there and is no more, and its end was not heard: `unknown` unless what went before tells."""
        with self._lock:
            one = self._by_ref.get(ref) or self._remember(ref, _Attempt(now))
            kind: LineEventKind = "unknown"
            if one.answered or answered:
                kind = "ended"
            elif one.hung_up:
                kind = "no_answer"
            self._say(ref, one, provider_ref, kind, now, HUNG_UP if one.hung_up else "gone")

    def hanging_up(self, ref: str, *, ours: bool = True) -> None:
        """The end of this call will be our doing; or it is not, because it had ended."""
        with self._lock:
            if one := self._by_ref.get(ref):
                one.hung_up = ours

    def known(self, ref: str) -> KnownCall | None:
        with self._lock:
            one = self._by_ref.get(ref)
            return _known(ref, one) if one else None

    def all_known(self) -> list[KnownCall]:
        with self._lock:
            return [known for ref, one in self._by_ref.items() if (known := _known(ref, one))]

    def in_the_air(self) -> list[str]:
        """Attempts that were placed and of whose end nothing was heard."""
        with self._lock:
            return [ref for ref, one in self._by_ref.items() if one.last and not one.is_over]

    def take(self) -> list[PhoneEvent]:
        """What happened since this was last asked."""
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
            return events

    def _of(self, ref: str, channel: Mapping[str, Any], at: datetime) -> _Attempt:
        return self._by_ref.get(ref) or self._remember(ref, _Attempt(_created(channel, at)))

    def _remember(self, ref: str, one: _Attempt) -> _Attempt:
        self._by_ref[ref] = one
        while len(self._by_ref) > MOST_REMEMBERED:
            self._by_ref.popitem(last=False)
        return one

    def _say(
        self, ref: str, one: _Attempt, provider_ref: str, kind: LineEventKind, at: datetime, cause: str = ""
    ) -> None:
        if kind in one.seen or one.is_over:
            return
        one.seen.add(kind)
        one.provider_ref = one.provider_ref or provider_ref
        event = LineEvent(kind, at, provider_ref, cause)
        if kind not in ("placed", "ringing") or not one.answered:
            one.last = event
        self._waiting.append(PhoneEvent(ref, event))


def _known(ref: str, one: _Attempt) -> KnownCall | None:
    return KnownCall(ref, one.provider_ref, one.placed_at, one.last) if one.last else None


def _created(channel: Mapping[str, Any], at: datetime) -> datetime:
    try:
        created = datetime.fromisoformat(str(channel.get("creationtime")))
    except ValueError:
        return at
    return created if created.tzinfo else at
