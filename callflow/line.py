"""The telephone line of one call: fixed code, monotone.

    claimed → placing → ringing → answered → ended        needs_review: the truth is unknown

A line only ever moves towards its end, whatever a provider sends late, twice or out of order: each event has one
state that it leads to, and leads there only from a state before it. `placing` is our own intent, committed before
the telephone is asked; the first word from the telephone leaves it. `needs_review` stands just before `ended`:
only a definite end resolves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from transitions import Machine

LineState = Literal["claimed", "placing", "ringing", "answered", "needs_review", "ended"]
LineEventKind = Literal[
    "placing",
    "placed",
    "ringing",
    "answered",
    "machine",
    "busy",
    "no_answer",
    "failed",
    "fax",
    "invalid_number",
    "unreachable",
    "abandoned",
    "ended",
    "unknown",
]

ORDER: Final[tuple[LineState, ...]] = ("claimed", "placing", "ringing", "answered", "needs_review", "ended")
"""The states in the only order in which a line passes them; any of them but the first and last may be skipped."""

LEADS_TO: Final[dict[LineEventKind, LineState]] = {
    "placing": "placing",
    "placed": "ringing",
    "ringing": "ringing",
    "answered": "answered",
    "machine": "answered",
    "busy": "ended",
    "no_answer": "ended",
    "failed": "ended",
    "fax": "ended",
    "invalid_number": "ended",
    "unreachable": "ended",
    "abandoned": "ended",
    "ended": "ended",
    "unknown": "needs_review",
}

_FINAL: Final = frozenset(kind for kind, target in LEADS_TO.items() if target == "ended")

_CODES: Final[dict[str, str]] = {
    "placed": "NA",
    "ringing": "NA",
    "answered": "AB",
    "machine": "AM0",
    "busy": "BZ",
    "no_answer": "NA",
    "failed": "TF",
    "fax": "FX",
    "invalid_number": "DN",
    "unreachable": "NW",
    "abandoned": "AB",
    "unknown": "UD",
}


@dataclass(frozen=True, slots=True)
class LineEvent:
    """What the telephone said of one call. `at`: when it happened, aware; `cause`: the provider's own word."""

    kind: LineEventKind
    at: datetime
    provider_ref: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The line is now in `state`. `code`: what the line alone now says of the call; None: nothing new."""

    state: LineState
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing moved: the event came twice (`repeated`), after a later one (`late`), or is no event at all."""

    reason: Literal["repeated", "late", "unknown_event"]


class _Probe:
    """What the machine moves instead of a call: thrown away after one question."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


_machine = Machine(
    model=None,
    states=list(ORDER),
    initial=None,
    transitions=[
        {"trigger": kind, "source": list(ORDER[: ORDER.index(target)]), "dest": target}
        for kind, target in LEADS_TO.items()
    ],
    auto_transitions=False,
    send_event=True,
)


def move(state: str, event_kind: str) -> Moved | Ignored:
    """Where an event leads from `state`. Raises ValueError if there is no such state."""
    if state not in ORDER:
        raise ValueError(f"no state of a line: {state}")
    if event_kind not in _machine.events:
        return Ignored("unknown_event")
    event, target = _machine.events[event_kind], _leads_to(event_kind)
    if state not in event.transitions:
        return Ignored("repeated" if target == state else "late")
    event.trigger(_Probe(state))
    return Moved(target, _code(state, event_kind))


def disposition_of(event_kind: str) -> str | None:
    """What a call amounts to if this is the last that is heard of its line and no talk began; None: no change.

    Our own failure (TF) until the telephone says more. `answered` without a talk is an abandoned call (AB),
    `ringing` without an end one that nobody answered.
    """
    return _CODES.get(event_kind)


def is_over(state: str) -> bool:
    """Whether no event can move the line any more."""
    return state == ORDER[-1]


def is_final(event_kind: str) -> bool:
    """Whether an event is the last of its call."""
    return event_kind in _FINAL


def _leads_to(event_kind: str) -> LineState:
    return LEADS_TO[event_kind]  # type: ignore[index]


def _code(state: str, event_kind: str) -> str | None:
    """`ended` means the end of an answered call: before its answer was heard of, it brings that too."""
    if event_kind == "ended" and state != "answered":
        return disposition_of("answered")
    return disposition_of(event_kind)
