"""What a talk is between two answers, and what one answer does to it. Pure and fast.

`advance` is the only meaning that a script has: the engine, the checker, the simulation and the replay all
use it. The order of one step is fixed (docs/call-script.md): needs, only_if, count, verifies and new_voice,
the answer's does and settles, the target, the entered state's does and settles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from callflow.script.model import END, RESUME, SAME, Answer, Choice, Condition, Party, Script, State

KEPT_WHEN_STEPPING_BACK = frozenset({"signal", "emergency"})

Reason = Literal["unknown_answer", "missing_field", "condition", "ended", "nothing_before", "no_return_line"]


@dataclass(frozen=True, slots=True)
class Before:
    """What stepping back restores."""

    state: str
    party: Party | None
    return_to: str | None
    filled: frozenset[str]
    settled: str | None
    effects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Talk:
    """All that a talk is between two answers. `history` holds what each answer can be stepped back to."""

    state: str
    party: Party | None = None
    return_to: str | None = None
    filled: frozenset[str] = frozenset()
    counts: tuple[tuple[str, int], ...] = ()
    settled: str | None = None
    effects: frozenset[str] = frozenset()
    history: tuple[Before, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal talk."""
        return {
            **_plain(self),
            "counts": [list(pair) for pair in self.counts],
            "history": [_plain(before) for before in self.history],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Talk:
        return Talk(
            **_restored(data),
            counts=tuple((name, count) for name, count in data["counts"]),
            history=tuple(Before(**_restored(before)) for before in data["history"]),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """An accepted answer. `earned`: the effects of this very step; `said`: the entered line counts as newly said."""

    talk: Talk
    earned: frozenset[str]
    said: bool


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A refused answer: nothing has changed."""

    reason: Reason
    detail: str = ""


def begin(script: Script, direction: Literal["outbound", "inbound"], holds: Mapping[str, bool]) -> Talk:
    """The talk at its first line. `holds`: the call's fixed conditions."""
    state = script.states[script.starts[direction]]
    talk = Talk(state.name, effects=frozenset(state.does))
    return replace(talk, settled=_settle(script, talk, state.settles, holds))


def advance(
    script: Script,
    talk: Talk,
    answer_name: str,
    *,
    fields: frozenset[str] = frozenset(),
    holds: Mapping[str, bool],
) -> Taken | NotTaken:
    """The talk after an answer. `fields`: the names filled with it; `holds`: all conditions that are not built in."""
    if talk.state == END:
        return NotTaken("ended")
    state = script.states[talk.state]
    answer = state.answers.get(answer_name)
    if answer is None:
        return NotTaken("unknown_answer", answer_name)
    filled = talk.filled | fields
    missing = [name for name in answer.needs if name not in filled]
    if missing:
        return NotTaken("missing_field", "、".join(missing))
    if answer.only_if and not _holds(answer.only_if, talk, holds):
        return NotTaken("condition", str(answer.only_if))
    if answer.to.values == (RESUME,) and talk.return_to is None:
        return NotTaken("no_return_line")
    return _take(script, state, answer, talk, filled, holds)


def step_back(_script: Script, talk: Talk) -> Talk | NotTaken:
    """The talk before its last answer: without what that answer won, but with its tries and its signals."""
    if not talk.history:
        return NotTaken("nothing_before")
    before = talk.history[-1]
    kept = talk.effects & KEPT_WHEN_STEPPING_BACK
    emergency = "emergency" in kept and "emergency" not in before.effects
    return Talk(
        state=before.state,
        party=before.party,
        return_to=before.return_to,
        filled=before.filled,
        counts=talk.counts,
        settled=talk.settled if emergency else before.settled,
        effects=before.effects | kept,
        history=talk.history[:-1],
    )


def outcome(_script: Script, talk: Talk) -> str:
    """The disposition of a talk that ends now: what it settled, else 切断 by whether the party was verified."""
    return talk.settled or ("HU1" if talk.party else "HU0")


def _take(
    script: Script, state: State, answer: Answer, talk: Talk, filled: frozenset[str], holds: Mapping[str, bool]
) -> Taken:
    counts, exhausted = _count(talk.counts, answer)
    party = None if answer.new_voice else answer.verifies or talk.party
    now = replace(
        talk,
        party=party,
        filled=frozenset() if answer.new_voice else filled,
        return_to=None if answer.new_voice else talk.return_to,
        counts=counts,
        effects=talk.effects | frozenset(answer.does),
    )
    now = replace(now, settled=_settle(script, now, answer.settles, holds))
    target = answer.then if exhausted and answer.then else choose(answer.to, now, holds)
    resumed = target == RESUME
    if resumed:
        target = now.return_to or state.name
    said = not resumed and target not in (SAME, END)
    entered = script.states.get(state.name if target == SAME else target)
    earned = frozenset(answer.does)
    now = replace(now, state=state.name if target == SAME else target)
    if entered and target != SAME:
        now = replace(now, return_to=_return_line(state, entered, now.return_to))
    if said and entered:
        earned |= frozenset(entered.does)
        now = replace(now, effects=now.effects | frozenset(entered.does))
        now = replace(now, settled=_settle(script, now, entered.settles, holds))
    before = Before(talk.state, talk.party, talk.return_to, talk.filled, talk.settled, talk.effects)
    return Taken(replace(now, history=() if answer.new_voice else (*talk.history, before)), earned, said)


def _return_line(left: State, entered: State, current: str | None) -> str | None:
    """One register: a detour entered from a line remembers it, from a detour keeps it, a line forgets it."""
    if not entered.detour:
        return None
    return current if left.detour else left.name


def _count(counts: tuple[tuple[str, int], ...], answer: Answer) -> tuple[tuple[tuple[str, int], ...], bool]:
    """The counts with this answer in them, and whether it was chosen more often than `at_most`."""
    if answer.at_most is None:
        return counts, False
    tally = dict(counts)
    tally[answer.name] = min(tally.get(answer.name, 0) + 1, answer.at_most + 1)
    return tuple(sorted(tally.items())), tally[answer.name] > answer.at_most


def choose(choice: Choice, talk: Talk, holds: Mapping[str, bool]) -> str:
    """The first value whose condition holds."""
    for condition, value in choice.branches:
        if _holds(condition, talk, holds):
            return value
    raise KeyError("a choice ends with else")


def _holds(condition: Condition, talk: Talk, holds: Mapping[str, bool]) -> bool:
    return _truth(condition.name, talk, holds) != condition.negated


def _truth(name: str, talk: Talk, holds: Mapping[str, bool]) -> bool:
    match name:
        case "else":
            return True
        case "verified":
            return talk.party is not None
        case "unverified":
            return talk.party is None
        case "householder" | "spouse":
            return talk.party == name
        case "settled":
            return talk.settled is not None
        case "hardship":
            return "hardship" in talk.effects
    return holds.get(name, False)


def _settle(script: Script, talk: Talk, choice: Choice | None, holds: Mapping[str, bool]) -> str | None:
    """The disposition that stands after `choice`: the highest rank; a later one replaces an equal or lower one."""
    if choice is None:
        return talk.settled
    code = choose(choice, talk, holds)
    if code == "nothing":
        return talk.settled
    standing = script.dispositions.get(talk.settled or "")
    coming = script.dispositions.get(code)
    if standing is None or coming is None or coming.rank >= standing.rank:
        return code
    return talk.settled


def _plain(part: Talk | Before) -> dict[str, Any]:
    return {
        "state": part.state,
        "party": part.party,
        "return_to": part.return_to,
        "filled": sorted(part.filled),
        "settled": part.settled,
        "effects": sorted(part.effects),
    }


def _restored(data: Mapping[str, Any]) -> dict[str, Any]:
    sets: Iterable[str] = ("filled", "effects")
    return {
        **{key: data[key] for key in ("state", "party", "return_to", "settled")},
        **{key: frozenset(data[key]) for key in sets},
    }
