"""The same question asked without any folding: every talk of a small script, through the engine's `advance`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from callflow.script.lines import wording
from callflow.script.model import END, Script
from callflow.script.talk import NotTaken, Taken, Talk, advance, begin

TRIES = 2  # with `at_most: 1` a second try is spent, and so is every further one


@dataclass
class Seen:
    """What every talk amounts to: broken rules, and (state, verified, hardship, settled) of every talk."""

    broken: set[str] = field(default_factory=set)
    places: set[tuple[str, bool, bool, bool]] = field(default_factory=set)


def search(script: Script) -> Seen:
    """Every talk under every condition, each answer with just the fields it needs."""
    seen = Seen()
    calls = [name for name, kind in script.conditions.items() if kind == "call"]
    for direction in script.starts:
        for values in itertools.product((True, False), repeat=len(calls)):
            holds = dict(zip(calls, values, strict=True))
            _from(script, begin(script, "inbound" if direction == "inbound" else "outbound", holds), holds, seen)
    return seen


def place(talk: Talk) -> tuple[str, bool, bool, bool]:
    """What brute search, folded search and random talks are compared by."""
    ended = talk.state == END
    return (
        talk.state,
        bool(talk.party and not ended),
        bool("hardship" in talk.effects and not ended),
        bool(talk.settled),
    )


def _from(script: Script, start: Talk, holds: dict[str, bool], seen: Seen) -> None:
    quiet = frozenset[str]()
    waiting, done = [(start, quiet)], {(start, quiet)}
    while waiting:
        talk, quiet = waiting.pop()
        _judge(script, talk, bool(quiet), seen)
        for taken in _answers(script, talk, holds, seen):
            codes = quiet | ({"quiet"} if {"EM", "DV"} & {*taken.codes} or "emergency" in taken.earned else frozenset())
            counts = tuple((name, min(number, TRIES)) for name, number in taken.talk.counts)
            then = (replace(taken.talk, counts=counts, history=()), codes)
            if then not in done:
                done.add(then)
                waiting.append(then)


def _answers(script: Script, talk: Talk, holds: dict[str, bool], seen: Seen) -> Iterator[Taken]:
    if talk.state == END:
        return
    screens = [name for name, kind in script.conditions.items() if kind == "screen"]
    for answer in script.states[talk.state].answers.values():
        for values in itertools.product((True, False), repeat=len(screens)):
            now = {**holds, **dict(zip(screens, values, strict=True))}
            taken = advance(script, talk, answer.name, fields=frozenset(answer.needs), holds=now)
            if isinstance(taken, Taken):
                if taken.talk.state == END and not taken.settled and answer.name != "hang_up":
                    seen.broken.add("unsettled_end")
                yield taken
            elif isinstance(taken, NotTaken) and taken.reason == "no_return_line":
                seen.broken.add("no_return_line")


def _judge(script: Script, talk: Talk, quiet: bool, seen: Seen) -> None:
    seen.places.add(place(talk))
    if talk.state == END:
        return
    state = script.states[talk.state]
    if "debt" in state.reveals.by_setting_value.values():
        if talk.party is None:
            seen.broken.add("debt_unverified")
        if quiet:
            seen.broken.add("debt_after_emergency")
    for source in state.says.by_setting_value.values():
        if any(name in script.fields and name not in talk.filled for name in wording(source).names):
            seen.broken.add("unfilled_field")
