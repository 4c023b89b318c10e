"""Golden talks: a file per branch and outcome, replayed through the engine and compared line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_talks import GOLDEN, load, play, save_expectation, script_of, visited

PATHS = sorted(GOLDEN.glob("*.yaml"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_golden_talk_comes_out_as_written(path: Path, rewrite_golden: bool) -> None:
    golden = load(path)
    played = play(golden)
    if rewrite_golden:
        save_expectation(path, played)
        return
    assert played == golden["expect"]


def test_every_state_of_the_main_script_is_said_in_some_golden() -> None:
    said = set().union(*(visited(golden) for golden in map(load, PATHS) if golden["script"] == "nhi-premium"))
    assert set(script_of("nhi-premium").states) - said == set()


def test_every_outcome_of_a_talk_is_reached_in_some_golden() -> None:
    reached = {load(path)["expect"]["disposition"] for path in PATHS}
    codes = {code for code, one in script_of("nhi-premium").dispositions.items() if one.source == "talk"}
    assert codes - reached == set()


def test_every_answer_of_the_main_script_is_given_in_some_golden() -> None:
    script = script_of("nhi-premium")
    given: set[tuple[str, str]] = set()
    for golden in map(load, PATHS):
        if golden["script"] != "nhi-premium":
            continue
        states = [line["state"] for line in golden["expect"]["said"]]
        names = [raw if isinstance(raw, str) else raw["answer"] for raw in golden["answers"]]
        given |= set(zip(states, names, strict=False))
    own = {
        (state.name, answer.name)
        for state in script.states.values()
        for answer in state.answers.values()
        if not answer.from_anywhere
    }
    assert sorted(own - given) == []


def test_every_answer_from_anywhere_is_given_in_some_golden() -> None:
    names = {raw if isinstance(raw, str) else raw["answer"] for path in PATHS for raw in load(path)["answers"]}
    script = script_of("nhi-premium")
    anywhere = {a.name for s in script.states.values() for a in s.answers.values() if a.from_anywhere}
    assert sorted(anywhere - names) == []
