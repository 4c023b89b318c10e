"""The telephone as a port. Whatever places calls — a desk phone, a provider, a simulation — is a `Phone`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from callflow.errors import AskPersonError, CallflowError, TryLaterError
from callflow.line import LineEvent

HUNG_UP = "hung_up"
"""The cause of an event that our own hanging up brought about."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The telephone has taken the call and calls it `provider_ref`."""

    provider_ref: str


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """Something that happened to the call of `attempt_ref`."""

    attempt_ref: str
    event: LineEvent


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call as the telephone knows it: since when, and the last that happened to it."""

    attempt_ref: str
    provider_ref: str
    placed_at: datetime
    last: LineEvent


class PlacementRefusedError(CallflowError):
    """Nothing was dialled, and the same number would be refused again. `disposition`: how the call ends."""

    def __init__(self, what: str, *, disposition: str = "TF", mend: str = "") -> None:
        super().__init__(what, mend=mend)
        self.disposition = disposition


class PlacementUnknownError(AskPersonError):
    """It may ring or not. Never place it again: ask `fetch` by the attempt, else a person."""


class PhoneBusyError(TryLaterError):
    """Nothing was dialled: the telephone takes no more calls for the time being, at least for `pause`."""

    def __init__(self, what: str, *, pause: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(what, mend=f"{pause.total_seconds():.0f}秒以上おいてから、もう一度発信してください")
        self.pause = pause


class PhoneUnavailableError(TryLaterError):
    """The telephone gave no answer to a question or to `hang_up`; asking again is safe."""


class Phone(Protocol):
    """Places calls and says what becomes of them.

    Identity: `attempt_ref` is ours, opaque, and all that the telephone learns besides the number. `provider_ref`
    is its own name for the call.

    Repeating: `place` is not idempotent, so each attempt is placed once at most; a telephone that notices a second
    `place` of the same attempt raises ValueError and dials nothing. Everything else may be repeated freely.

    Order and time: events may come late, twice and in any order; `LineEvent.at` is when it happened (aware, by the
    telephone's clock), and `callflow.line` sorts out what they amount to. Each call comes to one last event, which
    is `ended` only if it was answered. Events that were polled are not kept: what is lost between `poll` and a
    commit is found again by `fetch`.

    Failure: only the errors named below, none of them with the number in its text.
    """

    def place(self, attempt_ref: str, e164: str, ring_limit_s: int, call_limit_s: int) -> Placed:
        """Dials `e164`. It stops ringing after `ring_limit_s` and is cut after `call_limit_s` where the telephone
        can do so. A number outside `callflow.telephony.allowed` is refused before anything is dialled.

        Raises PlacementRefusedError and PhoneBusyError (nothing was dialled), PlacementUnknownError (it may have been).
        """
        ...

    def hang_up(self, provider_ref: str) -> None:
        """Ends a call: `no_answer` follows if it still rang, `ended` if it was answered, both with the cause
        `HUNG_UP`. A call that is over or unknown is left alone. Raises PhoneUnavailableError."""
        ...

    def fetch(self, attempt_ref: str) -> tuple[KnownCall, ...]:
        """All calls that the telephone knows for an attempt. None known is no proof that none was placed, and
        more than one is for a person to sort out. Raises PhoneUnavailableError."""
        ...

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        """All calls placed at or after `since`, oldest first. Raises PhoneUnavailableError."""
        ...

    def poll(self) -> Sequence[PhoneEvent]:
        """What happened since the last `poll`, without waiting. Raises PhoneUnavailableError."""
        ...
