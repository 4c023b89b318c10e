"""A script as a person reads it: its lines with what stands in for facts, its table, its differences. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from callflow.console.i18n import said
from callflow.script.diagram import Ways, taken
from callflow.script.model import END, RESUME, SAME, Answer, Choice, Script, State
from callflow.script.screens import targets

FACTS: Final = {
    "ward": said("区"),
    "company": said("会社"),
    "operator": said("担当者"),
    "desk_name": said("担当の係"),
    "desk_phone": said("係の電話"),
    "desk_hours": said("係の受付時間"),
    "debtor": said("お名前"),
    "claim_name": said("債権の名前"),
    "arrears.year": said("納期の年"),
    "arrears.month": said("納期の月"),
    "arrears.amount": said("未納の額"),
    "arrears.count": said("期別の数"),
    "arrears.others": said("ほかの期別の数"),
    "arrears.total": said("合計額"),
    "arrears.spoken": said("期別の言い方"),
}
TARGETS: Final = {END: said("終話"), RESUME: said("元の台詞へ戻る"), SAME: said("同じ台詞のまま")}
LEVELS: Final = {
    "nothing": said("何も明かさない"),
    "name": said("氏名まで"),
    "topic": said("用件まで"),
    "debt": said("滞納まで"),
}
KINDS: Final = {
    "added": said("場面が増えた"),
    "removed": said("場面がなくなった"),
    "sentence": said("台詞"),
    "answer": said("応答"),
    "level": said("明かす範囲"),
    "outcome": said("結果・手続"),
}
_PART = re.compile(r"({{.*?}}|{%.*?%})", re.S)
_NAME = re.compile(r"{{\s*([\w.]+)")


@dataclass(frozen=True, slots=True)
class Bit:
    """A bit of a line: words that are said, a fact that is filled in, or a rule of the template."""

    kind: Literal["words", "fact", "rule"]
    text: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One answer of one line (without a name: of every line) to one target, and `when` it leads there."""

    state: str
    answer: Answer
    target: str
    when: str
    settles: str
    times: int


def bits(script: Script, source: str) -> list[list[Bit]]:
    """A line's text, one sentence after the other."""
    found: list[list[Bit]] = [[]]
    for part in _PART.split(source.strip()):
        if part.startswith("{{"):
            name = _NAME.match(part)
            found[-1].append(Bit("fact", _label(script, name[1] if name else part)))
        elif part.startswith("{%"):
            found[-1].append(Bit("rule", part.strip("{%} ")))
        else:
            for number, sentence in enumerate(re.split(r"(?<=[。？！])|\n", part)):
                if number:
                    found.append([])
                if sentence:
                    found[-1].append(Bit("words", sentence))
    return [each for each in found if each]


def own_answers(state: State) -> list[Answer]:
    """The answers that are this line's own, in screen order."""
    return [each for each in state.answers.values() if not each.from_anywhere]


def anywhere(script: Script) -> list[Answer]:
    """The answers that every line may have, once each."""
    found = {
        each.name: each for state in script.states.values() for each in state.answers.values() if each.from_anywhere
    }
    return list(found.values())


def table(script: Script, ways: Ways) -> list[TableRow]:
    """State × answer × next, in the script's order; what every line may have stands once, at the end."""
    own = [
        row
        for state in script.states.values()
        for answer in own_answers(state)
        for row in _rows(answer, partial(taken, ways, state.name, answer), state.name)
    ]
    return own + [
        row for answer in anywhere(script) for row in _rows(answer, partial(_taken_anywhere, script, ways, answer))
    ]


def arrivals(script: Script, ways: Ways) -> Mapping[str, int]:
    """How often each line was led to."""
    found = dict.fromkeys(script.states, 0)
    for (_, _, to), times in ways.items():
        if to in found:
            found[to] += times
    return found


def outcomes(choice: Choice | None) -> str:
    """The codes that something may settle."""
    return "・".join(dict.fromkeys(choice.values)) if choice else ""


def _taken_anywhere(script: Script, ways: Ways, answer: Answer, target: str) -> int:
    return sum(taken(ways, name, answer, target) for name in script.states)


def _rows(answer: Answer, times: Callable[[str], int], state: str = "") -> Iterator[TableRow]:
    conditions: dict[str, list[str]] = {}
    for condition, target in answer.to.branches:
        conditions.setdefault(target, []).append("" if condition.name == "else" else str(condition))
    for target in dict.fromkeys(targets(answer)):
        given = conditions.get(target, [f"> {answer.at_most}"])
        when = "・".join(each for each in given if each)
        yield TableRow(state, answer, target, when, outcomes(answer.settles), times(target))


def _label(script: Script, name: str) -> str:
    field = script.fields.get(name)
    return field.label if field else FACTS.get(name, name)
