"""What can still matter from a state on: the fields that something ahead wants, the call conditions ahead.

A field matters while some line, effect or answer ahead wants it and nothing on the way fills it anew. What does
not matter is folded away by the search, which makes it small enough to be exhaustive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from callflow.script.model import END, RESUME, SAME, Answer, Choice, Script, State
from callflow.script.proofs.names import EFFECT_NEEDS
from callflow.script.proofs.wording import fields_in_lines
from callflow.script.screens import targets

SPOUSE_CONDITION = "spouse_may_hear"
"""The call condition without which a spouse may not be verified."""

Names = frozenset[str]


class Liveness:
    """For each state, with its return line in a detour, the names that can still matter."""

    def __init__(self, script: Script) -> None:
        self._script = script
        lines = fields_in_lines(script)
        self._fields = _fixed_point(script, lambda s: lines[s.name], _fields_wanted, kept=given_fields)
        self._conditions = _fixed_point(
            script, lambda _: frozenset(), lambda script, _, answer: _call_conditions(script, answer), kept=None
        )

    def fields(self, state: str, return_to: str | None) -> Names:
        """The fields that can still matter."""
        return _with_return(self._fields, state, return_to)

    def conditions(self, state: str, return_to: str | None) -> Names:
        """The call conditions that can still be asked."""
        return _with_return(self._conditions, state, return_to)


def given_fields(state: State, answer: Answer) -> Names:
    """The fields that are certainly filled with an answer: what it needs, as far as it is asked for there."""
    needs = frozenset(answer.needs)
    return needs if answer.from_anywhere else needs & frozenset(state.asks)


def asked_conditions(script: Script, answer: Answer) -> Iterator[str]:
    """The conditions on which an answer's course depends, those of the states that it enters included."""
    choices: list[Choice | None] = [answer.to, answer.settles]
    choices += [script.states[name].settles for name in targets(answer) if name in script.states]
    for choice in choices:
        for condition, _ in choice.branches if choice else ():
            yield condition.name
    if answer.only_if:
        yield answer.only_if.name


def _call_conditions(script: Script, answer: Answer) -> Names:
    found = {name for name in asked_conditions(script, answer) if script.conditions.get(name) == "call"}
    if answer.verifies == "spouse" and script.conditions.get(SPOUSE_CONDITION) == "call":
        found.add(SPOUSE_CONDITION)
    return frozenset(found)


def _fields_wanted(script: Script, state: State, answer: Answer) -> Names:
    """What taking `answer` itself wants to have been filled before."""
    entered = [script.states[name] for name in targets(answer) if name in script.states]
    effects = {*answer.does, *(effect for each in entered for effect in each.does)}
    for choice in (answer.settles, *(each.settles for each in entered)):
        for code in choice.values if choice else ():
            if code in script.dispositions:
                effects |= set(script.dispositions[code].makes)
    wanted = {name for effect in effects for name in EFFECT_NEEDS.get(effect, ())}
    if not answer.from_anywhere:
        wanted |= set(answer.needs)
    return frozenset(wanted) - given_fields(state, answer)


def _fixed_point(
    script: Script,
    at: Callable[[State], Names],
    on: Callable[[Script, State, Answer], Names],
    kept: Callable[[State, Answer], Names] | None,
) -> dict[str, Names]:
    """Names that matter in a state: those used `at` it, `on` an answer, or later, until an answer fills them."""
    found = {name: at(state) for name, state in script.states.items()}
    changed = True
    while changed:
        changed = False
        for name, state in script.states.items():
            more = set(found[name])
            for answer in state.answers.values():
                more |= on(script, state, answer)
                if kept is None or not answer.new_voice:
                    later = _later(found, name, targets(answer))
                    more |= set().union(*later) - (kept(state, answer) if kept else frozenset())
            if len(more) > len(found[name]):
                found[name] = frozenset(more)
                changed = True
    return found


def _later(found: dict[str, Names], here: str, ahead: Iterable[str]) -> list[Names]:
    return [found[here] if name == SAME else found[name] for name in ahead if name not in (END, RESUME)]


def _with_return(found: dict[str, Names], state: str, return_to: str | None) -> Names:
    return found[state] | found[return_to] if return_to else found[state]
