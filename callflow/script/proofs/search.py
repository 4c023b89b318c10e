"""The exhaustive search: every talk that a script allows, folded to what the proofs and the next step can see.

A node is a talk without its history, with what cannot matter any more folded away: that something is settled is
one bit, counts stop where the last of them is spent, only fields that some line or effect still wants are kept,
and of the effects only hardship and `QUIET` (an emergency or DV was said). A call's conditions are fixed when
they are first asked, and searched both ways; screen conditions are free at each answer. Each answer is taken
with no more fields than it needs.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from callflow.script.model import END, Answer, Choice, Script, State
from callflow.script.proofs.names import EFFECT_NEEDS
from callflow.script.proofs.wording import fields_in_lines
from callflow.script.screens import targets
from callflow.script.talk import NotTaken, Taken, Talk, begin, step

QUIET = "quiet"
"""Stands among a node's effects once an emergency or DV was said."""

_QUIETING_CODES = frozenset({"EM", "DV"})
_KEPT_EFFECTS = frozenset({"hardship", QUIET})


class Node(NamedTuple):
    """A talk and the call's conditions that have been asked so far, sorted by name."""

    talk: Talk
    conditions: tuple[tuple[str, bool], ...]


class Edge(NamedTuple):
    """One answer taken in one node. `missing`: needed fields that nothing filled and the state does not ask for."""

    before: Node
    answer: Answer
    taken: Taken | NotTaken
    after: Node | None
    missing: frozenset[str]


@dataclass(slots=True)
class Search:
    """What was found: nodes by number, how each was first reached, and the ways without `anywhere` answers."""

    numbers: dict[Node, int] = field(default_factory=dict)
    first: list[tuple[int, str]] = field(default_factory=list)  # the node before and the label; -1 at a start
    backward: list[list[int]] = field(default_factory=list)  # the nodes that lead here by an own answer
    edges: int = 0

    def labels(self, number: int) -> tuple[str, ...]:
        """The labels of the shortest talk to a node."""
        found: list[str] = []
        while number >= 0:
            number, label = self.first[number]
            if label:
                found.append(label)
        return tuple(reversed(found))


class _Way(NamedTuple):
    """An answer in a state, with what taking it depends on."""

    answer: Answer
    given: frozenset[str]
    call: tuple[str, ...]
    screen: tuple[str, ...]
    own: bool


def explore(
    script: Script,
    on_node: Callable[[Search, int, Node, Node | None], None],
    on_edge: Callable[[Search, int, Edge], None],
) -> Search:
    """Searches breadth first, so that what is found first has the shortest talk.

    `on_node` sees each new node with the node that it was first reached from, `on_edge` every answer taken.
    """
    search, fold = Search(), _Fold(script)
    ways = {
        name: [fold.way(state, answer) for answer in state.answers.values()] for name, state in script.states.items()
    }
    waiting: deque[int] = deque()
    nodes: list[Node] = []

    def number_of(node: Node, before: int, label: str) -> int:
        number = search.numbers.get(node)
        if number is None:
            number = search.numbers[node] = len(nodes)
            nodes.append(node)
            search.first.append((before, label))
            search.backward.append([])
            on_node(search, number, node, nodes[before] if before >= 0 else None)
            waiting.append(number)
        return number

    for node, label in fold.starts():
        number_of(node, -1, label)
    while waiting:
        at = waiting.popleft()
        node = nodes[at]
        for way in ways.get(node.talk.state, ()):
            for edge in fold.edges(node, way):
                search.edges += 1
                on_edge(search, at, edge)
                if edge.after is not None:
                    to = number_of(edge.after, at, way.answer.label)
                    if way.own and to != at:
                        search.backward[to].append(at)
    return search


class _Fold:
    """Folds talks to nodes, for one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._wanted = _wanted_fields(script)
        self._caps = _caps(script)
        talk_codes = sorted(script.dispositions.values(), key=lambda d: d.rank)
        self._settled = talk_codes[0].code if talk_codes else None
        self._kept: dict[tuple[frozenset[str], frozenset[str]], tuple[frozenset[str], frozenset[str]]] = {}

    def starts(self) -> Iterator[tuple[Node, str]]:
        """The first node of each direction, and how it is called in a talk's words."""
        for direction in self._script.starts:
            talk = begin(self._script, "inbound" if direction == "inbound" else "outbound")
            label = "（着信）" if direction == "inbound" else ""
            yield Node(self._folded(talk, ()), ()), label

    def way(self, state: State, answer: Answer) -> _Way:
        """What taking `answer` in `state` depends on."""
        asked = set(_conditions(self._script, answer))
        kinds = self._script.conditions
        return _Way(
            answer,
            frozenset(answer.needs) if answer.from_anywhere else frozenset(answer.needs) & frozenset(state.asks),
            tuple(sorted(name for name in asked if kinds.get(name) == "call")),
            tuple(sorted(name for name in asked if kinds.get(name) == "screen")),
            own=not answer.from_anywhere,
        )

    def edges(self, node: Node, way: _Way) -> Iterator[Edge]:
        """Every way in which the answer can be taken here."""
        missing = frozenset(way.answer.needs) - way.given - node.talk.filled if way.own else frozenset()
        fields = way.given | missing
        for holds, conditions in self._holds(node, way):
            taken = step(self._script, node.talk, way.answer, fields, holds)
            if isinstance(taken, Taken):
                after = Node(self._folded(taken.talk, taken.codes), conditions)
                yield Edge(node, way.answer, taken, after, missing)
            elif taken.reason != "condition":
                yield Edge(node, way.answer, taken, None, missing)

    def _holds(self, node: Node, way: _Way) -> Iterator[tuple[Mapping[str, bool], tuple[tuple[str, bool], ...]]]:
        """What may hold: the call's conditions as far as they are fixed, all else both ways."""
        fixed = dict(node.conditions)
        if not way.call and not way.screen:
            yield fixed, node.conditions
            return
        open_calls = [name for name in way.call if name not in fixed]
        for values in itertools.product((True, False), repeat=len(open_calls)):
            call = {**fixed, **dict(zip(open_calls, values, strict=True))}
            conditions = tuple(sorted(call.items()))
            for screen in itertools.product((True, False), repeat=len(way.screen)):
                yield {**call, **dict(zip(way.screen, screen, strict=True))}, conditions

    def _folded(self, talk: Talk, codes: tuple[str, ...]) -> Talk:
        if talk.state == END:
            return Talk(END, settled=self._settled if talk.settled else None)
        effects = talk.effects
        if "emergency" in effects or (codes and not _QUIETING_CODES.isdisjoint(codes)):
            effects = effects | {QUIET}
        known = self._kept.get((talk.filled, effects))
        if known is None:
            known = (talk.filled & self._wanted, effects & _KEPT_EFFECTS)
            self._kept[talk.filled, effects] = known
        counts = talk.counts
        if counts:
            counts = tuple((name, min(number, self._caps[name])) for name, number in counts)
        settled = self._settled if talk.settled else None
        return Talk(talk.state, talk.party, talk.return_to, known[0], counts, settled, known[1])


def _conditions(script: Script, answer: Answer) -> Iterator[str]:
    """The conditions on which an answer's course depends, those of the states that it enters included."""
    choices: list[Choice | None] = [answer.to, answer.settles]
    choices += [script.states[name].settles for name in targets(answer) if name in script.states]
    for choice in choices:
        for condition, _ in choice.branches if choice else ():
            yield condition.name
    if answer.only_if:
        yield answer.only_if.name


def _wanted_fields(script: Script) -> frozenset[str]:
    """The fields whose being filled can still matter after the answer that filled them."""
    wanted = set().union(*fields_in_lines(script).values())
    for state in script.states.values():
        effects = set(state.does)
        for answer in state.answers.values():
            effects |= set(answer.does)
            if not answer.from_anywhere:
                wanted |= set(answer.needs) - set(state.asks)
        wanted |= {name for effect in effects for name in EFFECT_NEEDS.get(effect, ())}
    for disposition in script.dispositions.values():
        wanted |= {name for effect in disposition.makes for name in EFFECT_NEEDS.get(effect, ())}
    return frozenset(wanted)


def _caps(script: Script) -> dict[str, int]:
    """For each counted answer the number from which on every one of its name is spent."""
    caps: dict[str, int] = {}
    for state in script.states.values():
        for answer in state.answers.values():
            if answer.at_most is not None:
                caps[answer.name] = max(caps.get(answer.name, 0), answer.at_most + 1)
    return caps
