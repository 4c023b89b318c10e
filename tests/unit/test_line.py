"""The line only moves towards its end, in whatever order and however often its events arrive."""

from __future__ import annotations

import ast
from itertools import combinations_with_replacement, permutations
from pathlib import Path
from typing import Any

import pytest
from transitions import MachineError

from callflow import line
from callflow.line import LEADS_TO, ORDER, Ignored, Moved, disposition_of, is_over, move
from models.calling import LINE_STATES

STORIES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "talk": (("placing", "placed", "ringing", "answered", "ended"), "ended", "AB"),
    "busy": (("placing", "placed", "busy"), "ended", "BZ"),
    "nobody": (("placing", "placed", "ringing", "no_answer"), "ended", "NA"),
    "fax": (("placing", "ringing", "fax"), "ended", "FX"),
    "no such number": (("placing", "placed", "invalid_number"), "ended", "DN"),
    "out of reach": (("placing", "placed", "unreachable"), "ended", "NW"),
    "refused": (("placing", "failed"), "ended", "TF"),
    "still ringing": (("placing", "placed", "ringing"), "ringing", "NA"),
    "talking": (("placing", "placed", "ringing", "answered"), "answered", "AB"),
    "unknown": (("placing", "unknown"), "needs_review", "UD"),
    "unknown, then heard of": (("placing", "unknown", "ringing"), "needs_review", "UD"),
    "unknown, then ended": (("placing", "unknown", "busy"), "ended", "BZ"),
}


def run(events: tuple[str, ...], state: str = "claimed") -> tuple[str, str, list[str]]:
    code, path = "TF", [state]
    for kind in events:
        moved = move(state, kind)
        if isinstance(moved, Moved):
            assert ORDER.index(moved.state) > ORDER.index(state)
            state, code = moved.state, moved.code or code
            path.append(state)
    return state, code, path


@pytest.mark.parametrize("story", STORIES)
def test_every_order_with_up_to_two_duplicates_ends_in_the_same_state_and_outcome(story: str) -> None:
    events, state, code = STORIES[story]
    seen = set()
    for extra in range(3):
        for repeated in combinations_with_replacement(events, extra):
            for order in set(permutations(events + repeated)):
                seen.add(run(order)[:2])
    assert seen == {(state, code)}


def test_what_comes_after_the_end_changes_nothing() -> None:
    for kind in LEADS_TO:
        assert isinstance(move("ended", kind), Ignored)


def test_every_pair_of_events_ends_in_the_later_of_their_states() -> None:
    for first, second in permutations(LEADS_TO, 2):
        later = max(LEADS_TO[first], LEADS_TO[second], key=ORDER.index)
        assert run((first, second))[0] == later


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        ("answered", "answered", "repeated"),
        ("answered", "machine", "repeated"),
        ("answered", "ringing", "late"),
        ("needs_review", "answered", "late"),
        ("ended", "answered", "late"),
        ("placing", "to_answered", "unknown_event"),
        ("placing", "trigger", "unknown_event"),
    ],
)
def test_an_ignored_event_says_why(state: str, kind: str, reason: str) -> None:
    assert move(state, kind) == Ignored(reason)  # type: ignore[arg-type]


def test_a_state_that_is_none_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no state of a line"):
        move("talking", "ended")


def test_the_end_of_a_call_whose_answer_was_not_yet_heard_of_was_answered() -> None:
    assert move("ringing", "ended") == Moved("ended", "AB")
    assert run(("placing", "machine", "ended"))[1] == "AM0"


def test_nothing_was_placed_by_a_line_that_only_was_claimed() -> None:
    assert run(()) == ("claimed", "TF", ["claimed"])
    assert run(("failed",))[:2] == ("ended", "TF")


def test_the_codes_are_those_that_a_line_alone_can_give() -> None:
    given = {disposition_of(kind) for kind in LEADS_TO} - {None}
    assert given == {"NA", "BZ", "FX", "DN", "NW", "AB", "TF", "AM0", "UD"}


def test_only_the_end_is_over() -> None:
    assert [state for state in ORDER if is_over(state)] == ["ended"]


def test_the_database_knows_the_same_states() -> None:
    assert set(LINE_STATES) == set(ORDER)


def test_the_machine_has_no_way_but_those_written_down() -> None:
    machine: Any = line._machine
    assert set(machine.events) == set(LEADS_TO)
    assert machine.models == []
    with pytest.raises((MachineError, KeyError)):
        machine.events["to_answered"]


def test_it_reads_no_clock_and_does_no_input_or_output() -> None:
    tree = ast.parse(Path(line.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "dataclasses", "datetime", "typing", "transitions"}
