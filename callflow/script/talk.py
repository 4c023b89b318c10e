"""The talk: where a conversation stands, and the one function that moves it.

`advance` is used by the engine, the checker, the simulation and the replay alike. It is pure: it knows no
clock, no values and no text, only which fields have been filled and which conditions hold.

The order of one step: needs, only_if, count, verifies/new_voice, the answer's does and settles, choice of the
target, the entered state's does and settles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from callflow.errors import InputError
from callflow.script.model import END, RESUME, SAME, Answer, Choice, Condition, Party, Script

NOTHING = "nothing"
"""The value of `settles` that settles no code."""

AT_ONCE = frozenset({"signal", "emergency"})
"""Effects that act when they are given and that stepping back does not give back."""

QUIETING_CODES = frozenset({"EM", "DV"})
"""Codes after which no debt is spoken in this call any more."""

Direction = Literal["outbound", "inbound"]
Refusal = Literal["unknown_answer", "missing_field", "condition", "ended", "no_return_line", "barrier"]


@dataclass(frozen=True, slots=True)
class Talk:
    """All that a talk is between two answers.

    `counts` holds how often each counted answer was given, sorted by name. `settled` is the code that stands by
    rank. `history` holds the talk before each answer that can be stepped back, oldest first, each without a
    history of its own.
    """

    state: str
    party: Party | None = None
    return_to: str | None = None
    filled: frozenset[str] = frozenset()
    counts: tuple[tuple[str, int], ...] = ()
    settled: str | None = None
    effects: frozenset[str] = frozenset()
    history: tuple[Talk, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The talk as plain JSON values."""
        return {
            "state": self.state,
            "party": self.party,
            "return_to": self.return_to,
            "filled": sorted(self.filled),
            "counts": dict(self.counts),
            "settled": self.settled,
            "effects": sorted(self.effects),
            "history": [before.to_json() for before in self.history],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Talk:
        """The talk that `to_json` wrote."""
        return cls(
            state=data["state"],
            party=data["party"],
            return_to=data["return_to"],
            filled=frozenset(data["filled"]),
            counts=tuple(sorted(data["counts"].items())),
            settled=data["settled"],
            effects=frozenset(data["effects"]),
            history=tuple(cls.from_json(before) for before in data["history"]),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer that was taken.

    `said`: a new line is to be said, with what it does and settles; False after `same`, `resume` and at the
    end. `earned` and `codes` are what this one step did and settled, in order, whatever stood before.
    """

    talk: Talk
    said: bool
    earned: frozenset[str] = frozenset()
    codes: tuple[str, ...] = ()

    @property
    def settled(self) -> str | None:
        """The code that stands by rank after this step."""
        return self.talk.settled


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Why nothing was changed; `detail` names the missing fields or the condition."""

    reason: Refusal
    detail: str = ""


def begin(script: Script, direction: Direction, holds: Mapping[str, bool] | None = None) -> Talk:
    """The talk at its first line. `holds` are the call's conditions."""
    state = script.starts.get(direction)
    if state is None:
        raise InputError(f"台本 {script.name} には {direction} の始まりがありません", mend="starts に書いてください")
    entered = script.states[state]
    talk = Talk(state, effects=frozenset(entered.does))
    if entered.settles is None:
        return talk
    code = _choose(entered.settles, talk.party, talk.settled, talk.effects, holds or {})
    return replace(talk, settled=_higher(script, None, code))


def advance(
    script: Script,
    talk: Talk,
    answer_name: str,
    *,
    fields: frozenset[str] = frozenset(),
    holds: Mapping[str, bool],
) -> Taken | NotTaken:
    """The talk after an answer. `fields` are the names given with it, `holds` the call and screen conditions."""
    if talk.state == END:
        return NotTaken("ended")
    answer = script.states[talk.state].answers.get(answer_name)
    if answer is None:
        return NotTaken("unknown_answer", answer_name)
    missing = missing_fields(talk, answer, fields)
    if missing:
        return NotTaken("missing_field", ", ".join(missing))
    taken = step(script, talk, answer, fields, holds)
    if isinstance(taken, NotTaken) or is_barrier(answer, taken):
        return taken
    history = (*talk.history, _with_history(talk, ()))
    return Taken(_with_history(taken.talk, history), taken.said, taken.earned, taken.codes)


def _with_history(talk: Talk, history: tuple[Talk, ...]) -> Talk:
    """As `dataclasses.replace`, which is four times as dear: every answer of every replay comes through here."""
    return Talk(talk.state, talk.party, talk.return_to, talk.filled, talk.counts, talk.settled, talk.effects, history)


def is_barrier(answer: Answer, taken: Taken) -> bool:
    """Whether a step cannot be stepped back over: a new voice, an emergency, and what quiets like one."""
    return answer.new_voice or "emergency" in taken.earned or not QUIETING_CODES.isdisjoint(taken.codes)


def missing_fields(talk: Talk, answer: Answer, fields: frozenset[str]) -> list[str]:
    """What `answer` still needs. An answer of `anywhere` prompts: each time it wants its fields anew."""
    known = fields if answer.from_anywhere else fields | talk.filled
    return [name for name in answer.needs if name not in known]


def step(
    script: Script, talk: Talk, answer: Answer, fields: frozenset[str], holds: Mapping[str, bool]
) -> Taken | NotTaken:
    """`advance` from `only_if` on, and without a history: what the checker runs on every edge."""
    if answer.only_if and not _met(answer.only_if, talk.party, talk.settled, talk.effects, holds):
        return NotTaken("condition", str(answer.only_if))
    counts, spent = _count(talk.counts, answer)
    party = answer.verifies or (None if answer.new_voice else talk.party)
    return_to = None if answer.new_voice else talk.return_to
    filled = (frozenset() if answer.new_voice else talk.filled) | fields
    earned, settled = frozenset(answer.does), talk.settled
    codes: tuple[str, ...] = ()
    effects = talk.effects | earned
    if answer.settles:
        codes = _settle(answer.settles, party, settled, effects, holds)
        settled = _higher(script, settled, *codes)
    target = _target(answer, spent, party, settled, effects, holds)
    if target in (SAME, END):
        state = talk.state if target == SAME else END
        after = Talk(state, party, return_to if target == SAME else None, filled, counts, settled, effects)
        return Taken(after, False, earned, codes)
    if target == RESUME:
        if return_to is None:
            return NotTaken("no_return_line", answer.name)
        return Taken(Talk(return_to, party, None, filled, counts, settled, effects), False, earned, codes)
    entered = script.states[target]
    return_to = _remembered(script, talk.state, return_to, target, answer.new_voice)
    if entered.does:
        earned |= frozenset(entered.does)
        effects |= earned
    if entered.settles:
        on_entry = _settle(entered.settles, party, settled, effects, holds)
        codes += on_entry
        settled = _higher(script, settled, *on_entry)
    return Taken(Talk(target, party, return_to, filled, counts, settled, effects), True, earned, codes)


def step_back(_script: Script, talk: Talk) -> Talk | NotTaken:
    """The talk before its last answer, with the tries and what acts at once kept. Some steps are barriers."""
    if not talk.history:
        return NotTaken("barrier")
    before = talk.history[-1]
    return replace(
        before,
        counts=talk.counts,
        effects=before.effects | (talk.effects & AT_ONCE),
        history=talk.history[:-1],
    )


def outcome(_script: Script, talk: Talk) -> str:
    """The disposition of a talk that is over: the settled code, else hung up before or after verification."""
    return talk.settled or ("HU1" if talk.party else "HU0")


def _met(
    condition: Condition,
    party: Party | None,
    settled: str | None,
    effects: frozenset[str],
    holds: Mapping[str, bool],
) -> bool:
    match condition.name:
        case "else":
            found = True
        case "verified":
            found = party is not None
        case "unverified":
            found = party is None
        case "householder" | "spouse":
            found = party == condition.name
        case "settled":
            found = settled is not None
        case "hardship":
            found = "hardship" in effects
        case name:
            found = holds.get(name, False)
    return found is not condition.negated


def _choose(
    choice: Choice,
    party: Party | None,
    settled: str | None,
    effects: frozenset[str],
    holds: Mapping[str, bool],
) -> str:
    if len(choice.branches) > 1:
        for condition, value in choice.branches:
            if _met(condition, party, settled, effects, holds):
                return value
    return choice.branches[-1][1]


def _settle(
    choice: Choice,
    party: Party | None,
    settled: str | None,
    effects: frozenset[str],
    holds: Mapping[str, bool],
) -> tuple[str, ...]:
    code = _choose(choice, party, settled, effects, holds)
    return () if code == NOTHING else (code,)


def _higher(script: Script, standing: str | None, *codes: str) -> str | None:
    """The code of the highest rank; a later one replaces an equal or lower one."""
    for code in codes:
        if code != NOTHING and (
            standing is None or script.dispositions[code].rank >= script.dispositions[standing].rank
        ):
            standing = code
    return standing


def _count(counts: tuple[tuple[str, int], ...], answer: Answer) -> tuple[tuple[tuple[str, int], ...], bool]:
    """The counts after `answer`, and whether it was given more often than it may be."""
    if answer.at_most is None:
        return counts, False
    numbers = dict(counts)
    numbers[answer.name] = number = numbers.get(answer.name, 0) + 1
    return tuple(sorted(numbers.items())), number > answer.at_most


def _target(
    answer: Answer,
    spent: bool,
    party: Party | None,
    settled: str | None,
    effects: frozenset[str],
    holds: Mapping[str, bool],
) -> str:
    if spent and answer.then is not None:
        return answer.then
    return _choose(answer.to, party, settled, effects, holds)


def _remembered(script: Script, left: str, return_to: str | None, entered: str, new_voice: bool) -> str | None:
    """The line that `resume` leads back to once `entered` is entered: one register, not a stack."""
    if new_voice or not script.states[entered].detour:
        return None
    return return_to if script.states[left].detour else left
