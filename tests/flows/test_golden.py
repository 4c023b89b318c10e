"""Golden talks: a file per branch and outcome, replayed through the engine and compared line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_talks import BACK, GOLDEN, load, play, save_expectation, script_of, visited

from callflow.script.model import Mark

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


def test_every_answer_that_is_written_is_given_in_some_golden() -> None:
    """An answer offered in many states (a group, `anywhere`) is written once, so once is enough."""
    written: dict[Mark, str] = {}
    given: set[Mark] = set()
    for golden in map(load, PATHS):
        script = script_of(golden["script"])
        for state in script.states.values():
            written |= {answer.mark: f"{state.name}.{answer.name}" for answer in state.answers.values()}
        states = [line["state"] for line in golden["expect"]["said"]]
        for state_name, raw in zip(states, golden["answers"], strict=False):
            name = raw if isinstance(raw, str) else raw["answer"]
            if name != BACK:
                given.add(script.states[state_name].answers[name].mark)
    assert sorted(name for mark, name in written.items() if mark not in given) == []
