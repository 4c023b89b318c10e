"""The folded search against a search without folding, and against random calls through the engine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from callflow.script.lines import render
from callflow.script.model import END, Answer, Level, Script, always
from callflow.script.proofs import prove
from callflow.script.proofs.search import Node, explore
from callflow.script.reader import read
from callflow.script.talk import Taken, Talk, advance, begin, step_back
from tests.unit.script import brute
from tests.unit.script.example import ROOT, example, script
from tests.unit.script.test_lines import FACTS

SHIPPED = sorted((ROOT / "scripts").glob("*.yaml"))
SOUND = script(example())
COMPARED = {"debt_unverified", "debt_after_emergency", "unfilled_field", "unsettled_end", "no_return_line"}


@cache
def shipped(path: Path) -> Script:
    return read(path)


@cache
def places(of: Path | None = None) -> frozenset[tuple[str, bool, bool, bool]]:
    return folded(shipped(of) if of else SOUND)


def folded(of: Script) -> frozenset[tuple[str, bool, bool, bool]]:
    found: list[Node] = explore(of, lambda *_: None, lambda *_: None).nodes
    return frozenset(brute.place(node.talk) for node in found)


def mutants() -> Iterator[tuple[str, Script]]:
    """The example with one thing of one answer or state taken away or led astray."""
    for state in SOUND.states.values():
        for answer in state.answers.values():
            if answer.from_anywhere and state.name not in ("request", "party"):
                continue
            for what, other in _changes(answer):
                answers = {**state.answers, answer.name: other}
                yield f"{state.name}.{answer.name} {what}", _with(replace(state, answers=answers).name, answers)


def _changes(answer: Answer) -> Iterator[tuple[str, Answer]]:
    yield "to end", replace(answer, to=always(END))
    yield "to close", replace(answer, to=always("close"))
    yield "to read_back", replace(answer, to=always("read_back"))
    yield "to resume", replace(answer, to=always("resume"))
    yield "to same", replace(answer, to=always("same"))
    yield "without needs", replace(answer, needs=())
    yield "without only_if", replace(answer, only_if=None)
    yield "without a verdict", replace(answer, verifies=None, new_voice=False, settles=None)
    yield "emergency", replace(answer, does=(*answer.does, "emergency"))


def _with(state: str, answers: dict[str, Answer]) -> Script:
    return replace(SOUND, states={**SOUND.states, state: replace(SOUND.states[state], answers=answers)})


def test_folding_loses_no_place_of_the_sound_script() -> None:
    assert places() == brute.search(SOUND).places


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.deep) for n in range(2, 60))])
def test_a_script_with_one_change_is_judged_as_without_folding(number: int) -> None:
    chosen = list(mutants())
    random.Random(20261124).shuffle(chosen)
    name, mutant = chosen[number]
    plain, found = brute.search(mutant), {finding.rule for finding in prove(mutant).findings}
    assert found & COMPARED == plain.broken & COMPARED, name
    assert folded(mutant) == plain.places, name


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_ships_is_proved(path: Path) -> None:
    report = prove(shipped(path))
    assert [str(finding) for finding in report.findings] == []
    assert report.states > 1_000


@pytest.mark.parametrize("path", SHIPPED[:4], ids=lambda path: path.stem)
def test_random_calls_stay_where_the_search_has_been(path: Path) -> None:
    of, rng = shipped(path), random.Random(path.stem)
    calls = [name for name, kind in of.conditions.items() if kind == "call"]
    for _ in range(120):
        holds = {name: rng.random() < 0.5 for name in calls}
        settings = {name: rng.choice(values) for name, values in of.settings.items()}
        talk = begin(of, rng.choice(("outbound", "inbound")), holds)
        for _ in range(40):
            assert brute.place(talk) in places(path)
            if talk.state == END:
                break
            level = Level[of.states[talk.state].reveals.pick(settings).upper()]
            assert talk.party or level < Level.DEBT
            assert render(of, talk.state, settings, _facts(talk))
            talk = _next(of, talk, holds, rng)


def _next(of: Script, talk: Talk, holds: dict[str, bool], rng: random.Random) -> Talk:
    """The talk after a random answer that can be taken, now and then after stepping back."""
    back = step_back(of, talk)
    if isinstance(back, Talk) and rng.random() < 0.1:
        return back
    screens = {name: rng.random() < 0.7 for name, kind in of.conditions.items() if kind == "screen"}
    answers = list(of.states[talk.state].answers.values())
    rng.shuffle(answers)
    answers.sort(key=lambda answer: answer.from_anywhere and rng.random() < 0.8)
    for answer in answers:
        taken = advance(of, talk, answer.name, fields=frozenset(answer.needs), holds={**holds, **screens})
        if isinstance(taken, Taken):
            return taken.talk
    raise AssertionError(f"no way on from {talk.state}")


def _facts(talk: Talk) -> dict[str, object]:
    """Facts for a line, of the fields only those that were filled."""
    facts: dict[str, object] = {name: value for name, value in FACTS.items() if name != "promise"}
    for name in talk.filled:
        group, _, part = name.partition(".")
        values = {"due": "2026-12-04", "at": "2026-12-04T05:00:00+00:00", "date": "2026-11-20", "amount": 35_700}
        if part:
            facts[group] = {**dict(facts.get(group, {})), part: values.get(part, "はい")}  # type: ignore[call-overload]
    return facts


@pytest.mark.parametrize(
    ("state", "answer", "without", "rule"),
    [
        ("verify_householder", "match", {"verifies": None}, "debt_unverified"),
        ("read_back", "yes", {"does": ()}, "promise_not_pp"),
        ("promise_amount", "told", {"needs": ()}, "unfilled_field"),
        ("refuses", "no", {"settles": None}, "unsettled_end"),
        ("verify_householder", "no_match", {"then": None}, "no_then"),
    ],
)
def test_the_shipped_script_with_one_thing_missing_is_refused(
    state: str, answer: str, without: dict[str, object], rule: str
) -> None:
    sound = shipped(ROOT / "scripts" / "nhi-premium.yaml")
    was = sound.states[state]
    answers = {**was.answers, answer: replace(was.answers[answer], **without)}  # type: ignore[arg-type]
    mutant = replace(sound, states={**sound.states, state: replace(was, answers=answers)})
    assert rule in {finding.rule for finding in prove(mutant).findings}
