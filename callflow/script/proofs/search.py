"""The exhaustive search: every talk that a script allows, folded to what the proofs and the next step can see.

What cannot matter any more is folded away: that something is settled is one bit; counts stop where the last of
them is spent; only fields and call conditions that matter further on are kept; householder and spouse are one
where no condition tells them apart; of the effects only hardship and `QUIET` (an emergency or DV was said) are
kept. A call's conditions are searched both ways from the start, screen conditions both ways at each answer. Each
answer is taken with no more fields than it needs.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from callflow.script.model import END, RESUME, Answer, Party, Script, State
from callflow.script.proofs.liveness import Liveness, asked_conditions, given_fields
from callflow.script.screens import targets
from callflow.script.talk import QUIETING_CODES, NotTaken, Taken, Talk, begin, step

QUIET = "quiet"
"""Stands among a node's effects once an emergency or DV was said."""

CHECKED = "checked"
"""Stands among a node's effects once this voice's name and second fact were found to match."""

IDENTITY, MATCHES = "identity", "identity_matches"
"""The field into which a name and a second fact go, and the condition that they are the householder's."""

_KEPT_EFFECTS = frozenset({"hardship", QUIET})


class Node(NamedTuple):
    """A folded talk, and which of the call's conditions hold, as far as they still matter."""

    talk: Talk
    holds: frozenset[str]


class Edge(NamedTuple):
    """One answer taken in one node.

    `missing`: needed fields that nothing filled and the state does not ask for. `checked`: the voice was identified,
    by this answer or by one before it.
    """

    before: Node
    answer: Answer
    taken: Taken | NotTaken
    missing: frozenset[str]
    checked: bool


class _Key(NamedTuple):
    """A node without its objects: what makes two nodes the same."""

    state: str
    party: Party | None
    return_to: str | None
    filled: frozenset[str]
    counts: tuple[tuple[str, int], ...]
    settled: bool
    effects: frozenset[str]
    holds: frozenset[str]


class _Way(NamedTuple):
    """An answer in a state, with what taking it depends on.

    `judged`: there is a rule that it could break. `identifies`: it asks who speaks.
    """

    answer: Answer
    given: frozenset[str]
    screens: tuple[dict[str, bool], ...]
    own: bool
    judged: bool
    identifies: bool


@dataclass(slots=True)
class Search:
    """What was found: the nodes, how each was first reached, and the ways without `anywhere` answers."""

    nodes: list[Node] = field(default_factory=list)
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


def explore(
    script: Script,
    on_node: Callable[[Search, int, Node, Node | None], None],
    on_edge: Callable[[Search, int, Edge], None],
) -> Search:
    """Searches breadth first, so that what is found first has the shortest talk.

    `on_node` sees each new node with the node that it was first reached from, `on_edge` every answer taken.
    """
    search, fold = Search(), _Fold(script)
    numbers: dict[_Key, int] = {}
    waiting: deque[int] = deque()

    def number_of(key: _Key, before: int, label: str) -> int:
        number = numbers.get(key)
        if number is None:
            number = numbers[key] = len(search.nodes)
            search.nodes.append(fold.node(key))
            search.first.append((before, label))
            search.backward.append([])
            on_node(search, number, search.nodes[number], search.nodes[before] if before >= 0 else None)
            waiting.append(number)
        return number

    for key, label in fold.starts():
        number_of(key, -1, label)
    while waiting:
        at = waiting.popleft()
        node = search.nodes[at]
        for way, taken, missing, checked in fold.steps(node):
            search.edges += 1
            if way.judged or missing:
                on_edge(search, at, Edge(node, way.answer, taken, missing, checked))
            if isinstance(taken, Taken):
                key = fold.key(taken.talk, taken.codes, node.holds, checked)
                to = number_of(key, at, way.answer.label)
                if way.own and to != at:
                    search.backward[to].append(at)
    return search


class _Fold:
    """Folds talks, for one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._live = Liveness(script)
        self._caps = _caps(script)
        self._code = min(script.dispositions.values(), key=lambda d: d.rank).code if script.dispositions else None
        self._parties_differ = _parties_differ(script)
        self._identity = _identity(script)
        self._checked_before = any(
            answer.verifies and not self._identity & set(answer.needs)
            for state in script.states.values()
            for answer in state.answers.values()
        )
        self._ways = {
            name: [self._way(state, answer) for answer in state.answers.values()]
            for name, state in script.states.items()
        }
        self._matters: dict[tuple[str, str | None], tuple[frozenset[str], frozenset[str]]] = {}

    def starts(self) -> Iterator[tuple[_Key, str]]:
        """The first node of each direction under all conditions, and how it is called in a talk's words."""
        for direction in self._script.starts:
            asked = sorted(self._live.conditions(self._script.starts[direction], None))
            for held in itertools.product((True, False), repeat=len(asked)):
                holds = dict(zip(asked, held, strict=True))
                talk = begin(self._script, "inbound" if direction == "inbound" else "outbound", holds)
                names = frozenset(name for name, value in holds.items() if value)
                yield self.key(talk, (), names, False), "（着信）" if direction == "inbound" else ""

    def steps(self, node: Node) -> Iterator[tuple[_Way, Taken | NotTaken, frozenset[str], bool]]:
        """Every way in which an answer can be taken in a node, what it lacks, and whether the voice is then checked."""
        talk = node.talk
        held = dict.fromkeys(node.holds, True)
        for way in self._ways.get(talk.state, ()):
            missing = frozenset(way.answer.needs) - way.given - talk.filled if way.own else _NONE
            for screen in way.screens:
                holds = {**held, **screen} if screen else held
                taken = step(self._script, talk, way.answer, way.given | missing, holds)
                if isinstance(taken, Taken) or taken.reason != "condition":
                    before = CHECKED in talk.effects and not way.answer.new_voice
                    yield way, taken, missing, before or (way.identifies and screen.get(MATCHES, False))

    def key(self, talk: Talk, codes: tuple[str, ...], holds: frozenset[str], checked: bool) -> _Key:
        """What makes the node of a talk."""
        settled = talk.settled is not None
        if talk.state == END:
            return _Key(END, None, None, _NONE, (), settled, _NONE, _NONE)
        pair = (talk.state, talk.return_to)
        matters = self._matters.get(pair)
        if matters is None:
            matters = self._matters[pair] = (self._live.fields(*pair), self._live.conditions(*pair))
        effects = talk.effects & _KEPT_EFFECTS
        if "emergency" in talk.effects or not QUIETING_CODES.isdisjoint(codes):
            effects |= {QUIET}
        if checked and self._checked_before:
            effects |= {CHECKED}
        counts = talk.counts
        if counts:
            counts = tuple((name, min(number, self._caps[name])) for name, number in counts)
        party: Party | None = talk.party if self._parties_differ or not talk.party else "householder"
        return _Key(*pair[:1], party, pair[1], talk.filled & matters[0], counts, settled, effects, holds & matters[1])

    def node(self, key: _Key) -> Node:
        settled = self._code if key.settled else None
        talk = Talk(key.state, key.party, key.return_to, key.filled, key.counts, settled, key.effects)
        return Node(talk, key.holds)

    def _way(self, state: State, answer: Answer) -> _Way:
        kinds = self._script.conditions
        asked = sorted({n for n in asked_conditions(self._script, answer) if kinds.get(n) == "screen"})
        values = itertools.product((True, False), repeat=len(asked))
        return _Way(
            answer,
            given_fields(state, answer),
            tuple(dict(zip(asked, each, strict=True)) for each in values),
            own=not answer.from_anywhere,
            judged=_can_break(self._script, answer),
            identifies=bool(self._identity & set(answer.needs)),
        )


_NONE: frozenset[str] = frozenset()


def _can_break(script: Script, answer: Answer) -> bool:
    """Whether an answer does, settles or verifies anything, ends, or resumes."""
    ahead = targets(answer)
    entered = [script.states[name] for name in ahead if name in script.states]
    return bool(
        answer.does
        or answer.settles
        or answer.verifies
        or END in ahead
        or RESUME in ahead
        or any(state.does or state.settles for state in entered)
    )


def _identity(script: Script) -> frozenset[str]:
    """The field that is compared, if the script has it and the comparison."""
    field = script.fields.get(IDENTITY)
    compared = field is not None and field.type == "identity" and script.conditions.get(MATCHES) == "screen"
    return frozenset({IDENTITY}) if compared else _NONE


def _parties_differ(script: Script) -> bool:
    """Whether any condition tells a householder from a spouse."""
    return any(
        name in ("householder", "spouse")
        for state in script.states.values()
        for answer in state.answers.values()
        for name in asked_conditions(script, answer)
    )


def _caps(script: Script) -> dict[str, int]:
    """For each counted answer the number from which on the next one of its name is spent everywhere."""
    caps: dict[str, int] = {}
    for state in script.states.values():
        for answer in state.answers.values():
            if answer.at_most is not None:
                caps[answer.name] = max(caps.get(answer.name, 0), answer.at_most)
    return caps
