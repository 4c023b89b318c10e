"""Asterisk's words in ours: names of channels and bridges, states, outcomes, causes. Pure.

Sources: Asterisk's ARI models (2.0.0), `causes.h` (ITU-T Q.850), and the causes that its SIP channel makes of a
network's answers (404 → 1, 408 → 18, 410 → 22, 480 → 19, 484 → 28, 486 → 17, 502 → 27, 603 → 21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from callflow.line import LineEventKind

Role = Literal["call", "desk", "boss"]
"""Whose channel: a resident's, an operator's receiver, a supervisor's who was called in."""

Place = Literal["room", "hold", "over"]
"""A desk's bridges: where its receiver is, where a resident waits with music, where a handed-over talk goes on."""

_NAME: Final = re.compile(r"(?P<app>[a-z][a-z0-9]*)-(?P<role>call|desk|boss|room|hold|over)-(?P<ref>[A-Za-z0-9]{1,40})")

KIND_OF_STATE: Final[dict[str, LineEventKind]] = {"Ring": "ringing", "Ringing": "ringing", "Up": "answered"}
"""What a channel that we placed says of its line; every other state is `placed`."""

KIND_OF_DIALLING: Final[dict[str, LineEventKind]] = {"RINGING": "ringing", "ANSWER": "answered"}
"""What a `Dial` event says while the call lives on; the other statuses say how it ends."""

KIND_OF_CAUSE: Final[dict[int, LineEventKind]] = {
    1: "invalid_number",  # unallocated
    22: "invalid_number",  # number changed; also "gone"
    28: "invalid_number",  # address incomplete
    17: "busy",
    18: "unreachable",  # no user responding
    20: "unreachable",  # subscriber absent
    27: "unreachable",  # destination out of order
    19: "no_answer",
    21: "no_answer",  # rejected: a person who declines is nobody who answered
}
"""Causes that say it all. 16 says nothing of who ended a call that was not answered; 34 and the rest are faults."""

KIND_OF_STATUS: Final[dict[str, LineEventKind]] = {
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "CANCEL": "no_answer",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
}

_TRUNK_REFUSED: Final = frozenset({401, 403, 407})
_NORMAL: Final = 16


@dataclass(frozen=True, slots=True)
class Name:
    """One of our names at Asterisk. `ref`: the attempt of a call, else the desk."""

    role: str
    ref: str


def name(app: str, role: Role | Place, ref: str) -> str:
    """The channel or bridge of an attempt or a desk; the same every time, so that Asterisk refuses a second one."""
    return f"{app}-{role}-{ref}"


def named(app: str, given: str) -> Name | None:
    """What a name stands for; None if it is not one of this application's."""
    found = _NAME.fullmatch(given)
    return Name(found["role"], found["ref"]) if found and found["app"] == app else None


def end_of(
    *, answered: bool, dialled: bool, status: str = "", cause: int = 0, sip: int | None = None
) -> tuple[LineEventKind, str]:
    """What the end of a call amounts to, and why in a word.

    `dialled`: a `Dial` event was seen; `status`: the last of them; `cause`: of `ChannelDestroyed`, with the SIP answer
    behind it where Asterisk tells that. Without a `Dial` event and a cause, the dialled extension does not exist.
    """
    why = "-".join(filter(None, [status, str(cause), str(sip or "")]))
    if answered:
        return "ended", why
    if sip in _TRUNK_REFUSED:
        return "failed", why
    if cause == 0 and not dialled:
        return "failed", "no_extension"
    kind = KIND_OF_CAUSE.get(cause) or KIND_OF_STATUS.get(status)
    return kind or ("no_answer" if cause == _NORMAL else "failed"), why


def instant_of(message: Mapping[str, Any], now: datetime) -> datetime:
    """When an event happened; now where that is not said or no aware date."""
    try:
        at = datetime.fromisoformat(str(message.get("timestamp", "")))
    except ValueError:
        return now
    return at if at.tzinfo else now
