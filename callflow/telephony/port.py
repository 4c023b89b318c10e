"""The telephone as a port. Whatever places calls — a desk phone, a provider, a simulation — is a `Phone`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, runtime_checkable

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
class DeskEvent:
    """What became of an operator's receiver: it was taken `there`, or it is `gone`."""

    desk: str
    state: Literal["there", "gone"]


@dataclass(frozen=True, slots=True)
class RecordingReady:
    """The provider has recorded a call, from `began_at` on."""

    attempt_ref: str
    provider_ref: str
    began_at: datetime
    seconds: int


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call as the telephone knows it: since when, and the last that happened to it.

    `unknown` is the last of a call that was placed and is over, and of whose end the telephone does not know.
    """

    attempt_ref: str
    provider_ref: str
    placed_at: datetime
    last: LineEvent


@dataclass(frozen=True, slots=True)
class Trace:
    """What our own records know of an attempt, for a telephone that cannot be asked by the attempt alone.

    `since`: the intent to dial was committed then; nothing that was placed earlier is meant. `answered`: it was.
    """

    provider_ref: str = ""
    e164: str = ""
    since: datetime | None = None
    answered: bool = False


NO_TRACE: Final = Trace()


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


class DeskAbsentError(PhoneBusyError):
    """Nothing was dialled: nobody's receiver is off the hook to speak to the resident."""

    def __init__(self) -> None:
        super().__init__("担当者の電話がつながっていません", pause=timedelta(0))
        self.mend = "電話をつないでから、もう一度発信してください"


class TooLateError(PhoneBusyError):
    """Nothing was dialled: the deadline had passed before the resident's telephone could be asked to ring."""

    def __init__(self) -> None:
        super().__init__("期限を過ぎた発信の指図なので、かけていません")


def must_be_in_time(now: datetime, deadline: datetime | None) -> None:
    """The last thing that a telephone asks itself before it dials. Raises TooLateError."""
    if deadline is not None and now >= deadline:
        raise TooLateError


class PhoneUnavailableError(TryLaterError):
    """The telephone gave no answer to a question or to `hang_up`; asking again is safe."""


class Phone(Protocol):
    """Places calls and says what becomes of them.

    Identity: `attempt_ref` is ours, opaque, and all that the telephone learns besides the number. `provider_ref`
    is its own name for the call. `desk`, opaque too, is one taking of an operator's receiver, where that matters.

    Repeating: `place` is not idempotent, so each attempt is placed once at most; a telephone that notices a second
    `place` of the same attempt raises ValueError and dials nothing. Everything else may be repeated freely.

    Order and time: events may come late, twice and in any order; `LineEvent.at` is when it happened (aware, by the
    telephone's clock), and `callflow.line` sorts out what they amount to. Each call comes to one last event, which
    is `ended` only if it was answered. Events that were polled are not kept: what is lost between `poll` and a
    commit is found again by `fetch`.

    Failure: only the errors named below, none of them with the number in its text.
    """

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",
        may_record: bool = False,
        deadline: datetime | None = None,
    ) -> Placed:
        """Dials `e164`. It stops ringing after `ring_limit_s` and is cut after `call_limit_s` (seconds) where the
        telephone can do so. A number outside `callflow.telephony.allowed` is refused before anything is dialled.
        `may_record`: the call's script tells the resident that it is recorded; without it nothing is. From
        `deadline` on nothing is dialled, however long the preparations took.

        Raises PlacementRefusedError and PhoneBusyError (nothing was dialled), PlacementUnknownError (it may have been).
        """
        ...

    def hang_up(self, provider_ref: str) -> None:
        """Ends a call: `no_answer` follows if it still rang, `ended` if it was answered, both with the cause
        `HUNG_UP`. A call that is over or unknown is left alone. Raises PhoneUnavailableError."""
        ...

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:
        """All calls that the telephone knows for an attempt. None known is no proof that none was placed, and
        more than one is for a person to sort out. Raises PhoneUnavailableError."""
        ...

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        """All calls placed at or after `since`, oldest first; `attempt_ref` is empty where the telephone cannot
        tell it. Raises PhoneUnavailableError."""
        ...

    def poll(self) -> Sequence[PhoneEvent]:
        """What happened since the last `poll`, without waiting. Raises PhoneUnavailableError."""
        ...


@runtime_checkable
class AttendedPhone(Phone, Protocol):
    """A `Phone` that calls the operator first: residents are called to a receiver that is off the hook already.

    `desk` is ours, opaque, new each time that a receiver is called; what becomes of it is told under that name.
    `address` is whatever the telephone rings: a number, an extension, a browser. All of it may be repeated; ringing
    again does no harm. Raises PlacementRefusedError, PhoneBusyError and PhoneUnavailableError.
    """

    def call_desk(self, desk: str, address: str) -> None:
        """Rings the operator's receiver, which then waits for residents."""
        ...

    def hang_up_desk(self, desk: str) -> None:
        """Puts the operator's receiver down, and with it ends a talk that nobody took over."""
        ...

    def hold(self, desk: str, provider_ref: str, *, on: bool) -> None:
        """The resident waits with music, or hears the room again."""
        ...

    def bring_in(self, desk: str, address: str) -> None:
        """Calls a supervisor into the talk."""
        ...

    def hand_over(self, desk: str) -> None:
        """The supervisor who was brought in keeps the talk; the operator may leave it. RefusedError without one."""
        ...


class BrowserPhone(Protocol):
    """What an operator's browser needs to be a receiver of an `AttendedPhone`. It can be called and calls nobody.

    `caller`: the number that calls it, `edge`: where it connects to, `hosts`: all that the page may connect to.
    """

    @property
    def caller(self) -> str: ...

    @property
    def edge(self) -> str: ...

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def address(self, municipality_id: int, account_id: int) -> str:
        """The `address` of an account's browser."""
        ...

    def token(self, municipality_id: int, account_id: int, now: datetime) -> str:
        """A secret of minutes by which the account's browser is this address and no other."""
        ...


@runtime_checkable
class ListeningPhone(Phone, Protocol):
    """A `Phone` that keeps a connection open on which it is told what happens, between `start` and `close`."""

    def start(self) -> None: ...

    def close(self) -> None: ...

    def poll_desks(self) -> Sequence[DeskEvent]:
        """What became of operators' receivers since this was last asked, in any order and repeated."""
        ...


@runtime_checkable
class WatchedPhone(Phone, Protocol):
    """A `Phone` that knows when nothing can be dialled. `trouble`: why, in words for people; empty: nothing."""

    @property
    def trouble(self) -> str: ...


class RecordingSource(Protocol):
    """Where recordings are until we have them. Both may be repeated and raise PhoneUnavailableError."""

    def fetch(self, provider_ref: str) -> Iterator[bytes]:
        """The sound, piece by piece."""
        ...

    def forget(self, provider_ref: str) -> None:
        """Has the provider delete it; one that it does not have is forgotten already."""
        ...
