"""A desk phone: the number is shown, the operator dials it and tells what happened. Needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from callflow.clock import Clock
from callflow.errors import InputError
from callflow.line import LineEvent, LineEventKind, is_final
from callflow.telephony import allowed
from callflow.telephony.port import (
    HUNG_UP,
    NO_TRACE,
    KnownCall,
    PhoneEvent,
    Placed,
    PlacementRefusedError,
    Trace,
    must_be_in_time,
)

TOLD_BY_KEY: dict[str, LineEventKind] = {
    "1": "answered",
    "2": "no_answer",
    "3": "busy",
    "4": "machine",
    "5": "invalid_number",
    "6": "unreachable",
    "7": "fax",
    "8": "failed",
    "9": "ended",
}
"""What an operator can tell, by key: つながった 応答なし 話中 留守電 欠番 圏外 FAX 当方障害 切れた."""

_PREFIX = "manual:"


@dataclass(frozen=True, slots=True)
class ToDial:
    """What stands on the operator's screen until the call has an end."""

    attempt_ref: str
    e164: str
    ring_limit_s: int
    call_limit_s: int
    shown_at: datetime


class ManualPhone:
    """A `Phone` whose line is told by people. The limits of time are shown, and kept by the operator.

    It remembers nothing after a restart: a call that was on a screen then is unknown until its operator tells.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: dict[str, ToDial] = {}
        self._known: dict[str, KnownCall] = {}
        self._waiting: list[PhoneEvent] = []
        self._lock = Lock()

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",  # noqa: ARG002  whoever sees the number has the receiver
        may_record: bool = False,  # noqa: ARG002  nothing is recorded
        deadline: datetime | None = None,
    ) -> Placed:
        reason = allowed.why_not(e164)
        if reason:
            raise PlacementRefusedError(reason, disposition="DN")
        with self._lock:
            if attempt_ref in self._known:
                raise ValueError("this attempt was placed before")
            now, provider_ref = self._clock.now(), _PREFIX + attempt_ref
            must_be_in_time(now, deadline)
            self._shown[attempt_ref] = ToDial(attempt_ref, e164, ring_limit_s, call_limit_s, now)
            self._happened(attempt_ref, LineEvent("placed", now, provider_ref))
            return Placed(provider_ref)

    def to_dial(self, attempt_ref: str) -> ToDial | None:
        """What to show for an attempt; None when it is over or was never placed here."""
        with self._lock:
            return self._shown.get(attempt_ref)

    def tell(self, attempt_ref: str, kind: str, cause: str = "") -> None:
        """The operator's word for what happened, one of `TOLD_BY_KEY`; also for a call from before a restart.

        Raises InputError for any other word. The end of a call that was not answered is `no_answer`.
        """
        if kind not in TOLD_BY_KEY.values():
            raise InputError(f"回線の結果に {kind} はありません", mend=f"選べるもの: {'、'.join(TOLD_BY_KEY.values())}")
        with self._lock:
            known = self._known.get(attempt_ref)
            word: LineEventKind = kind  # type: ignore[assignment]
            if kind == "ended" and known and not _was_answered(known):
                word = "no_answer"
            self._happened(attempt_ref, LineEvent(word, self._clock.now(), _PREFIX + attempt_ref, cause))

    def hang_up(self, provider_ref: str) -> None:
        attempt_ref = provider_ref.removeprefix(_PREFIX)
        with self._lock:
            known = self._known.get(attempt_ref)
            if known is None or is_final(known.last.kind):
                return
            kind: LineEventKind = "ended" if _was_answered(known) else "no_answer"
            self._happened(attempt_ref, LineEvent(kind, self._clock.now(), provider_ref, HUNG_UP))

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:  # noqa: ARG002
        with self._lock:
            known = self._known.get(attempt_ref)
            return (known,) if known else ()

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        with self._lock:
            found = [known for known in self._known.values() if known.placed_at >= since]
        return tuple(sorted(found, key=lambda known: known.placed_at))

    def poll(self) -> Sequence[PhoneEvent]:
        with self._lock:
            events, self._waiting = self._waiting, []
            return events

    def _happened(self, attempt_ref: str, event: LineEvent) -> None:
        known = self._known.get(attempt_ref)
        if known and is_final(known.last.kind):
            return
        if known is None:
            known = KnownCall(attempt_ref, event.provider_ref, event.at, event)
        self._known[attempt_ref] = replace(known, last=event)
        self._waiting.append(PhoneEvent(attempt_ref, event))
        if is_final(event.kind):
            self._shown.pop(attempt_ref, None)


def _was_answered(known: KnownCall) -> bool:
    return known.last.kind in ("answered", "machine")
