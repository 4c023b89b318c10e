"""Scripts drawn and compared: nothing is lost, nothing overlaps, nothing is fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.script.diagram import common, mermaid, rows_of, svg
from callflow.script.difference import differences
from callflow.script.layout import Arrow, columns_of, place
from callflow.script.model import Script, Variants
from callflow.script.reader import read

SCRIPTS = sorted((Path(__file__).parents[3] / "scripts").glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.integers(0, 14).map(lambda number: f"n{number}")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=5, unique=True), min_size=1, max_size=12)


@cache
def script(path: Path = SCRIPTS[-3]) -> Script:
    return read(path)


@given(GRAPHS)
def test_every_arrow_that_closes_no_circle_leads_to_a_later_column(graph: dict[str, list[str]]) -> None:
    column = columns_of(graph, graph)
    assert set(column) == set(graph) | {target for targets in graph.values() for target in targets}
    back = {(a, b) for a, targets in graph.items() for b in targets if column[b] <= column[a]}
    assert all(reaches(graph, b, a) for a, b in back)


def reaches(graph: dict[str, list[str]], start: str, end: str) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for target in graph.get(waiting.pop(), []):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return end in seen


@given(GRAPHS, st.lists(st.integers(20, 200), min_size=15, max_size=15))
def test_boxes_never_overlap_and_none_is_lost(graph: dict[str, list[str]], sizes: list[int]) -> None:
    column = columns_of(graph, graph)
    heights = {name: float(sizes[int(name[1:])]) for name in column}
    arrows = [Arrow(a, heights[a] / 2, b) for a, targets in graph.items() for b in targets if column[b] > column[a]]
    placed = place(column, heights, arrows, 10.0)
    for number, names in enumerate(placed.columns):
        tops = [(placed.top[name], heights.get(name, 10.0)) for name in names]
        assert all(b >= a + tall + 10 - 1e-6 for (a, tall), (b, _) in pairwise(tops))
        assert {name for name in names if name in column} == {n for n, at in column.items() if at == number}
    assert min(placed.top.values()) == 0
    assert set(placed.lanes) == set(arrows)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_picture_shows_every_line_and_every_answer(path: Path) -> None:
    one = script(path)
    picture = ElementTree.fromstring(svg(one))
    groups = {group.get("id"): "".join(group.itertext()) for group in picture.iter(f"{SVG}g")}
    assert set(groups) == set(one.states)
    for name, rows in rows_of(one).items():
        for row in rows:
            assert row.label[:6] in groups[name]
    whole = "".join(picture.itertext())
    assert all(row.label in whole for row in common(one))


def test_boxes_of_the_picture_do_not_overlap() -> None:
    boxes = [
        [float(rect.get(key) or 0) for key in ("x", "y", "width", "height")]
        for group in ElementTree.fromstring(svg(script())).iter(f"{SVG}g")
        for rect in group.iter(f"{SVG}rect")
    ]
    for number, (x, y, wide, tall) in enumerate(boxes):
        for x2, y2, wide2, tall2 in boxes[number + 1 :]:
            assert x + wide <= x2 or x2 + wide2 <= x or y + tall <= y2 or y2 + tall2 <= y


def test_the_picture_needs_no_network_and_text_stays_text() -> None:
    one = script()
    hostile = '<script>alert("x")</script>&'
    drawn = svg(replace(one, title=hostile, states=with_line(one, "greeting", hostile)))
    assert [link for link in re.findall(r"\w+://[^\"]*", drawn) if "w3.org/2000/svg" not in link] == []
    assert "href" not in drawn
    assert not list(ElementTree.fromstring(drawn).iter(f"{SVG}script"))
    assert hostile in "".join(ElementTree.fromstring(drawn).itertext())


def test_the_same_script_is_drawn_the_same() -> None:
    assert svg(script()) == svg(read(SCRIPTS[-3]))


def test_mermaid_has_ascii_ids_and_japanese_labels() -> None:
    one = script()
    lines = mermaid(replace(one, states=with_line(one, "greeting", 'a: "b"; {c} #d\nend'))).splitlines()
    assert lines[0] == "stateDiagram-v2"
    arrows = [line for line in lines if "-->" in line]
    for line in arrows:
        assert re.fullmatch(r"  (\[\*\]|[a-z0-9]+) --> (\[\*\]|[a-z0-9]+)(: [^:;#\"]+)?", line), line
    named = {found for line in arrows for found in re.findall(r"\b(s\d+|fin|back|any)\b", line.split(":")[0])}
    declared = {match.group(1) for line in lines if (match := re.search(r'^  state "[^"]*" as (\w+)$', line))}
    assert named <= declared
    assert len(declared) == len(one.states) + 3


def with_line(one: Script, name: str, line: str) -> dict[str, object]:  # type: ignore[misc]
    return {**one.states, name: replace(one.states[name], says=Variants({"": line}))}


def test_equal_scripts_do_not_differ() -> None:
    assert differences(script(), script()) == []


def test_differences_are_told_by_state_sentence_and_answer() -> None:
    old = script()
    states = dict(old.states)
    greeting, party = states["greeting"], states.pop("callback")
    states["party"] = replace(states["party"], says=Variants({"": "はじめの文です。次の文です。"}))
    states["request"] = replace(states["request"], reveals=Variants({"": "topic"}), does=("contact_slip",))
    states["greeting"] = replace(greeting, answers={k: v for k, v in greeting.answers.items() if k != "child"})
    states["brand_new"] = party
    found = differences(old, replace(old, states=states))
    told = {(each.state, each.kind) for each in found}
    assert told == {
        ("callback", "removed"),
        ("brand_new", "added"),
        ("party", "sentence"),
        ("request", "level"),
        ("request", "outcome"),
        ("greeting", "answer"),
    }
    assert next(each for each in found if each.kind == "answer").after == ""


def test_one_changed_sentence_is_told_alone() -> None:
    old = script()
    line = next(iter(old.states["hardship"].says.by_setting_value.values()))
    first, *rest = line.split("。")
    new = "。".join([first, "新しい文です", *rest])
    changed = replace(old, states=with_line(old, "hardship", new))
    old = replace(old, states=with_line(old, "hardship", line))
    [one] = differences(old, changed)
    assert (one.before, one.after) == ("", "新しい文です。")
