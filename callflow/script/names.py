"""Names that a script uses but nobody declared: states, fields, conditions, effects, dispositions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from callflow.effects import EFFECT_NAMES
from callflow.script.faults import Fault, nearest
from callflow.script.model import (
    BUILT_IN_CONDITIONS,
    RESERVED_TARGETS,
    Answer,
    Choice,
    Condition,
    Mark,
    Script,
)


def unknown(script: Script) -> list[Fault]:
    """Every use of a name that does not exist."""
    states = script.states.keys()
    found = [
        fault
        for key, target in script.starts.items()
        for fault in _name(Mark(next(iter(script.sources)), 1, 1), f"starts.{key}", target, states)
    ]
    for state in script.states.values():
        found += _names(state.mark, "asks", state.asks, script.fields)
        found += _names(state.mark, "does", state.does, EFFECT_NAMES)
        found += _settles(script, state.mark, state.settles)
        for answer in state.answers.values():
            found += _answer(script, answer)
    for disposition in script.dispositions.values():
        found += _names(disposition.mark, "makes", disposition.makes, EFFECT_NAMES)
        found += _names(disposition.mark, "cancels", disposition.cancels, EFFECT_NAMES)
    return found


def _answer(script: Script, answer: Answer) -> Iterator[Fault]:
    targets = script.states.keys() | RESERVED_TARGETS
    yield from _names(answer.mark, "to", answer.to.values, targets)
    yield from _conditions(script, answer.mark, answer.to)
    if answer.then:
        yield from _name(answer.mark, "then", answer.then, targets)
    if answer.only_if:
        yield from _condition(script, answer.mark, answer.only_if)
    yield from _names(answer.mark, "needs", answer.needs, script.fields)
    yield from _names(answer.mark, "does", answer.does, EFFECT_NAMES)
    yield from _settles(script, answer.mark, answer.settles)


def _settles(script: Script, mark: Mark, choice: Choice | None) -> Iterator[Fault]:
    if choice:
        yield from _names(mark, "settles", choice.values, script.dispositions.keys() | {"nothing"})
        yield from _conditions(script, mark, choice)


def _conditions(script: Script, mark: Mark, choice: Choice) -> Iterator[Fault]:
    for condition, _ in choice.branches:
        yield from _condition(script, mark, condition)


def _condition(script: Script, mark: Mark, condition: Condition) -> Iterator[Fault]:
    yield from _name(mark, "条件", condition.name, script.conditions.keys() | BUILT_IN_CONDITIONS)


def _names(mark: Mark, key: str, used: Iterable[str], known: Collection[str]) -> Iterator[Fault]:
    for name in used:
        yield from _name(mark, key, name, known)


def _name(mark: Mark, key: str, name: str, known: Collection[str]) -> Iterator[Fault]:
    if name not in known:
        yield Fault(mark, f"{key}: {name} はありません", nearest(name, known))
