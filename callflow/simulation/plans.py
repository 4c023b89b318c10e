"""How a talk can come to each outcome: the shortest ways through a script, found by search.

The simulation knows no script by heart. A resident has an intent, a disposition code; the way there is looked
up here, so that a script written by somebody else is simulated without a change. Pure.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from callflow.script.model import END, Answer, Script
from callflow.script.talk import Direction, NotTaken, Talk, advance, begin, outcome

Steps = tuple[str, ...]


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


def ways(script: Script, direction: Direction, conditions: Mapping[str, bool], seed: int = 0) -> dict[str, Steps]:
    """For each disposition that a talk can end in, the answers of one shortest talk that ends so.

    Another `seed` finds another of the equally short ones. A way uses at most one answer of `anywhere`.
    """
    rng = random.Random(seed)
    first = replace(begin(script, direction, conditions), history=())
    waiting, seen, found = deque([_Place(first, (), False)]), set[tuple[object, ...]](), dict[str, Steps]()
    while waiting:
        place = waiting.popleft()
        if place.talk.state == END:
            found.setdefault(outcome(script, place.talk), place.steps)
            continue
        for following in _following(script, place, conditions, rng):
            if following.key not in seen:
                seen.add(following.key)
                waiting.append(following)
    return found


def _following(script: Script, place: _Place, conditions: Mapping[str, bool], rng: random.Random) -> Iterator[_Place]:
    answers = list(script.states[place.talk.state].answers.values())
    rng.shuffle(answers)
    for answer in answers:
        if answer.name == "hang_up" or (answer.from_anywhere and place.detoured):
            continue
        for holds in _screens(answer):
            taken = advance(
                script, place.talk, answer.name, fields=frozenset(answer.needs), holds={**conditions, **holds}
            )
            if not isinstance(taken, NotTaken):
                talk = replace(taken.talk, history=())
                yield _Place(talk, (*place.steps, answer.name), place.detoured or answer.from_anywhere)


def _screens(answer: Answer) -> tuple[dict[str, bool], ...]:
    """What the screen may find when `answer` is chosen: only what the answer itself asks about is tried."""
    if answer.only_if is None:
        return ({},)
    return ({answer.only_if.name: not answer.only_if.negated},)
