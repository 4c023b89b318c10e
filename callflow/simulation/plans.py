"""How a talk can come to each outcome: the shortest ways through a script, found by search.

The simulation knows no script by heart. A resident has an intent, a disposition code; the way there is looked
up here, so that a script written by somebody else is simulated without a change. Pure.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Protocol

from callflow.script.model import END, Answer, Script, State
from callflow.script.talk import Direction, NotTaken, Talk, begin, outcome, step

Steps = tuple[str, ...]
_Chosen = tuple[Answer, frozenset[str], Mapping[str, bool]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a search stands: the talk without its history, how it got there, and whether it has left the main line."""

    talk: Talk
    steps: Steps
    detoured: bool

    @property
    def key(self) -> tuple[object, ...]:
        talk = self.talk
        hardship = "hardship" in talk.effects
        return (talk.state, talk.party, talk.settled, talk.return_to, hardship, talk.counts, self.detoured)


class Search(Protocol):
    """A search through a script, from the beginning of a talk under those conditions."""

    __name__: str

    def __call__(
        self, script: Script, direction: Direction, conditions: Mapping[str, bool], seed: int = 0
    ) -> dict[str, Steps]: ...


_MOST_KNOWN = 200
_known: dict[tuple[object, ...], tuple[Script, dict[str, Steps]]] = {}


def _once(search: Search) -> Search:
    """A search of a script costs up to half a second: each is made once in a process. What it found is not changed."""

    @wraps(search)
    def known(script: Script, direction: Direction, conditions: Mapping[str, bool], seed: int = 0) -> dict[str, Steps]:
        key = (search.__name__, id(script), direction, *sorted(conditions.items()), seed)
        if key not in _known:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[key] = (script, search(script, direction, conditions, seed))  # the script too, or its id comes again
        return _known[key][1]

    return known


@_once
def ways(script: Script, direction: Direction, conditions: Mapping[str, bool], seed: int = 0) -> dict[str, Steps]:
    """For each disposition that a talk can end in, the answers of one shortest talk that ends so.

    Another `seed` finds another of the equally short ones. A way uses at most one answer of `anywhere`.
    """
    found: dict[str, Steps] = {}
    for place in _spreading(script, direction, conditions, random.Random(seed)):
        if place.talk.state == END:
            found.setdefault(outcome(script, place.talk), place.steps)
    return found


def onwards(script: Script, talk: Talk, conditions: Mapping[str, bool], code: str, seed: int = 0) -> Steps:
    """From where a talk stands, a shortest way to that outcome; to any, if there is none. Empty at the end."""
    way: Steps | None = None
    for place in _spreading(script, "outbound", conditions, random.Random(seed), _Place(talk, (), False)):
        if place.talk.state == END:
            if outcome(script, place.talk) == code:
                return place.steps
            way = place.steps if way is None else way
    return way or ()


@_once
def passing(script: Script, direction: Direction, conditions: Mapping[str, bool], seed: int = 0) -> dict[str, Steps]:
    """For each state that such a talk can come to, the answers of one talk that passes it and goes on to an end."""
    rng, found, reached = random.Random(seed), dict[str, Steps](), dict[str, _Place]()
    for place in _spreading(script, direction, conditions, rng):
        reached.setdefault(place.talk.state, place)
    for state, place in reached.items():
        onwards = _spreading(script, direction, conditions, rng, _Place(place.talk, place.steps, False))
        ended = next((one for one in onwards if one.talk.state == END), None)
        if state != END and ended is not None:
            found[state] = ended.steps
    return found


def _spreading(
    script: Script,
    direction: Direction,
    conditions: Mapping[str, bool],
    rng: random.Random,
    first: _Place | None = None,
) -> Iterator[_Place]:
    """All places from `first` on, or from the beginning of a talk, each once, the nearest first."""
    choices = {name: _choices(state, conditions) for name, state in script.states.items()}
    waiting = deque([first or _Place(begin(script, direction, conditions), (), False)])
    seen = {waiting[0].key}
    while waiting:
        place = waiting.popleft()
        yield place
        if place.talk.state == END:
            continue
        for following in _following(script, place, choices[place.talk.state], rng):
            key = following.key
            if key not in seen:
                seen.add(key)
                waiting.append(following)


def _following(script: Script, place: _Place, choices: Sequence[_Chosen], rng: random.Random) -> Iterator[_Place]:
    for answer, fields, holds in rng.sample(choices, len(choices)):
        if answer.from_anywhere and place.detoured:
            continue
        taken = step(script, place.talk, answer, fields, holds)
        if not isinstance(taken, NotTaken):
            yield _Place(taken.talk, (*place.steps, answer.name), place.detoured or answer.from_anywhere)


def _choices(state: State, conditions: Mapping[str, bool]) -> list[_Chosen]:
    """The answers of a state, each with all its fields; of the screen only what the answer itself asks about."""
    return [
        (
            answer,
            frozenset(answer.needs),
            {**conditions, **({answer.only_if.name: not answer.only_if.negated} if answer.only_if else {})},
        )
        for answer in state.answers.values()
        if answer.name != "hang_up"
    ]
