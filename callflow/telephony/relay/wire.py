"""What the closed side and the relay say to each other: every form of it, its seal, and what was heard before. Pure.

A message is one JSON text; its seal is an HMAC over direction and text, so that an answer cannot pass for a question.
A sender numbers its messages; the nonce binds an answer to its question.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from callflow.line import LineEventKind

SEAL: Final = "x-callflow-seal"
PATH: Final = "/exchange"
LARGEST: Final = 64 * 1024
"""Bytes of a message of the closed side."""

SKEW: Final = timedelta(seconds=30)
"""By how much the clocks of both sides may differ, and how old a message may be."""

EVENTS_AT_ONCE: Final = 200
SHORTEST_KEY: Final = 32
_MOST_SENDERS: Final = 64
_WINDOW: Final = 1024

Direction = Literal["to the relay", "from the relay"]
Opaque = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$")]
ProviderRef = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Number = Annotated[str, Field(pattern=r"^\+[0-9]{7,15}$")]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Form):
    """An order to call a resident, worth nothing from `deadline` on. No other message names a resident's number."""

    ask: Literal["call"] = "call"
    attempt: Opaque
    number: Number
    deadline: AwareDatetime


class Seat(_Form):
    """Which receiver an attempt is for, said before its order."""

    ask: Literal["seat"] = "seat"
    attempt: Opaque
    desk: Opaque


class HangUp(_Form):
    ask: Literal["hang_up"] = "hang_up"
    ref: ProviderRef


class Fate(_Form):
    """What became of an attempt. One that was never ordered can no longer be."""

    ask: Literal["fate"] = "fate"
    attempt: Opaque


class Since(_Form):
    ask: Literal["since"] = "since"
    since: AwareDatetime


class Hello(_Form):
    """Nothing but the news."""

    ask: Literal["hello"] = "hello"


class CallDesk(_Form):
    """Rings an operator; `receiver` names a number that only the relay knows."""

    ask: Literal["call_desk"] = "call_desk"
    desk: Opaque
    receiver: Opaque
    deadline: AwareDatetime


class HangUpDesk(_Form):
    ask: Literal["hang_up_desk"] = "hang_up_desk"
    desk: Opaque


class Hold(_Form):
    ask: Literal["hold"] = "hold"
    desk: Opaque
    ref: ProviderRef
    on: bool


class BringIn(_Form):
    ask: Literal["bring_in"] = "bring_in"
    desk: Opaque
    receiver: Opaque
    deadline: AwareDatetime


class HandOver(_Form):
    ask: Literal["hand_over"] = "hand_over"
    desk: Opaque


Ask = Call | Seat | HangUp | Fate | Since | Hello | CallDesk | HangUpDesk | Hold | BringIn | HandOver


class Message(_Form):
    """`after`: the file and number of the last event that this sender has heard of."""

    sender: Hex
    seq: int = Field(ge=1)
    nonce: Hex
    time: AwareDatetime
    after: tuple[str, int] = ("", 0)
    ask: Ask = Field(discriminator="ask")


class Event(_Form):
    """What happened to a call (`attempt`) or to a receiver (`desk`). `number`: of its line in the relay's file."""

    number: int
    attempt: Opaque | Literal[""] = ""
    desk: Opaque | Literal[""] = ""
    kind: str
    at: AwareDatetime
    ref: str = ""
    cause: str = ""


class CallSeen(_Form):
    """A call as the relay's telephone knows it."""

    attempt: Opaque | Literal[""]
    ref: ProviderRef
    placed_at: AwareDatetime
    kind: LineEventKind
    at: AwareDatetime
    cause: str = ""


Result = Literal[
    "done",
    "placed",
    "refused",
    "busy",
    "absent",
    "unknown",
    "repeated",
    "unavailable",
    "calls",
    "skew",
    "old",
]


class Answer(_Form):
    """`result` says which of the others count. `what` and `mend`: words for the operator, with no number in them."""

    result: Result
    ref: str = ""
    disposition: str = ""
    what: str = ""
    mend: str = ""
    pause_s: float = 0
    calls: list[CallSeen] = []


class Reply(_Form):
    """`file`: the relay's file, by the hash of its first line; `head`: number and hash of its last one. `ring_s` and
    `limit_s`: how long the relay lets a telephone ring, and a call last."""

    nonce: Hex
    time: AwareDatetime
    file: str
    head: tuple[int, str]
    ring_s: int
    limit_s: int
    answer: Answer
    events: list[Event] = []


@dataclass(frozen=True, slots=True)
class Keys:
    """The first one seals; all of them are accepted, so that a key can be exchanged without a gap."""

    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Keys({len(self.secrets)})"


def seal(direction: Direction, body: bytes, keys: Keys) -> str:
    """The seal of a text under the first key, in hexadecimal."""
    return _mac(direction, body, keys.secrets[0])


def is_sealed(direction: Direction, body: bytes, given: str, keys: Keys) -> bool:
    """Whether a seal is of one of the keys."""
    if not re.fullmatch(r"[0-9a-f]{64}", given, re.ASCII):
        return False
    return any(hmac.compare_digest(_mac(direction, body, key), given) for key in keys.secrets)


def _mac(direction: Direction, body: bytes, key: bytes) -> str:
    return hmac.new(key, f"callflow relay 1, {direction}\n".encode() + body, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Heard:
    """Which numbers of which senders came before. In any order; far behind the newest counts as heard."""

    _of: OrderedDict[str, tuple[int, frozenset[int]]] = field(default_factory=OrderedDict)

    def is_new(self, sender: str, seq: int) -> bool:
        """Takes note of a message; False if it came before."""
        newest, seen = self._of.get(sender, (0, frozenset()))
        if seq in seen or seq <= newest - _WINDOW:
            return False
        newest = max(newest, seq)
        self._of[sender] = (newest, frozenset(each for each in seen | {seq} if each > newest - _WINDOW))
        self._of.move_to_end(sender)
        while len(self._of) > _MOST_SENDERS:
            self._of.popitem(last=False)
        return True


def keys_of(lines: Sequence[str]) -> Keys | None:
    """Keys from a file's or a variable's lines; None if there is none or one is too short to be safe."""
    found = tuple(line.strip().encode() for line in lines if line.strip())
    return Keys(found) if found and min(map(len, found)) >= SHORTEST_KEY else None
