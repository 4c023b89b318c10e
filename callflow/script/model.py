"""What a script is once it has been read: frozen data, one class per notion of the format.

The file format is described in docs/call-script.md. `read` in `callflow.script.reader` is the only
builder; everything else (engine, checker, renderer, diagram) only reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

END, SAME, RESUME = "end", "same", "resume"
RESERVED_TARGETS = frozenset({END, SAME, RESUME})
BUILT_IN_CONDITIONS = frozenset({"verified", "unverified", "householder", "spouse", "settled", "hardship", "else"})

CALL_CONDITIONS = frozenset({"spouse_may_hear", "first_attempt", "may_leave_message"})
"""The conditions of kind `call` that a call is told when it opens; no other one can ever hold."""

Party = Literal["householder", "spouse"]


class Level(IntEnum):
    """How much a line gives away about the person called: each level includes the ones below it."""

    NOTHING = 0
    NAME = 1
    TOPIC = 2
    DEBT = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a piece of the script stands (1-based)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` or `not name`; `else` always holds."""

    name: str
    negated: bool = False

    def __str__(self) -> str:
        return f"not {self.name}" if self.negated else self.name


@dataclass(frozen=True, slots=True)
class Choice:
    """The first branch whose condition holds; the last is always `else`. A plain value is one `else` branch."""

    branches: tuple[tuple[Condition, str], ...]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(value for _, value in self.branches)


ELSE = Condition("else")


def always(value: str) -> Choice:
    """The choice that always yields `value`."""
    return Choice(((ELSE, value),))


@dataclass(frozen=True, slots=True)
class Variants:
    """Text or level that may depend on the call's settings.

    `by_setting_value` maps a setting's value (`documented`, `minimal`) to it; the key "" holds what needs no
    setting. Values of different settings never share a name, so the value alone says which setting it is.
    """

    by_setting_value: Mapping[str, str]

    def pick(self, settings: Mapping[str, str]) -> str:
        """The variant for these settings (`{"opening": "documented", …}`)."""
        if "" in self.by_setting_value:
            return self.by_setting_value[""]
        for value in settings.values():
            if value in self.by_setting_value:
                return self.by_setting_value[value]
        raise KeyError(f"no variant for {dict(settings)!r}")


@dataclass(frozen=True, slots=True)
class Field:
    """Something the operator types or picks during the talk. `reveals`: the level of its value in a line."""

    name: str
    type: Literal["date", "yen", "choice", "choices", "slot", "phone", "text", "arrears", "identity"]
    reveals: Level
    label: str  # what people read: on the screen, and on the slip
    earliest: str = ""  # `from`: a bound such as `today`, `today+14`, or a number of yen
    latest: str = ""  # `to`
    max: int = 0  # characters for text, yen for yen; 0 = no bound
    options: tuple[str, ...] = ()  # `of`: what a choice may be, or several of choices
    mark: Mark = Mark("", 0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing the operator can choose in a state."""

    name: str
    label: str
    key: str
    to: Choice
    needs: tuple[str, ...] = ()
    only_if: Condition | None = None
    at_most: int | None = None
    then: str | None = None
    verifies: Party | None = None
    new_voice: bool = False
    does: tuple[str, ...] = ()
    settles: Choice | None = None
    from_anywhere: bool = False  # merged from `anywhere`: its `needs` is a prompt, not a proof
    mark: Mark = Mark("", 0, 0)


@dataclass(frozen=True, slots=True)
class State:
    """A line to be said and the answers to it, `anywhere` and offered groups already merged in."""

    name: str
    reveals: Variants  # of level names
    says: Variants  # of Jinja2 sources
    answers: Mapping[str, Answer]  # in screen order, own answers first
    asks: tuple[str, ...] = ()
    may_say: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    settles: Choice | None = None
    draft: bool = False  # a line that the ward has not yet approved
    detour: bool = False  # left by `resume`, entered by an `anywhere` answer or from another detour
    mark: Mark = Mark("", 0, 0)
    said_at: Mapping[str, Mark] = field(default_factory=dict)  # where each text of `says` begins


@dataclass(frozen=True, slots=True)
class Disposition:
    """An outcome: `rank` decides which of several wins; `a`, `c`, `r` as in the KPI formulas."""

    code: str
    name: str
    source: Literal["line", "talk"]
    rank: int
    attempt: int
    contact: Literal["0", "1", "log"]
    right_party: Literal["yes", "no", "any"]
    makes: tuple[str, ...] = ()
    cancels: tuple[str, ...] = ()
    mark: Mark = Mark("", 0, 0)


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script, included files merged in. `content_hash` is SHA-256 over `sources`, in hex."""

    name: str
    title: str
    claim_type: str
    starts: Mapping[str, str]
    settings: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, Literal["call", "screen"]]
    fields: Mapping[str, Field]
    never_say: Mapping[str, tuple[str, ...]]
    states: Mapping[str, State]
    dispositions: Mapping[str, Disposition]
    sources: Mapping[str, str]  # file name relative to the script's folder → text, main file first
    content_hash: str
    start_marks: Mapping[str, Mark] = field(default_factory=dict)  # where each of `starts` stands

    def outcome(self, code: str) -> str:
        """An outcome as people read it: 納付約束（PP）. A code that is not the script's stands for itself."""
        found = self.dispositions.get(code)
        return f"{found.name}（{code}）" if found else code
