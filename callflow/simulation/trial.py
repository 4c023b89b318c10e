"""A trial call: a script walked line by line with invented answers. Its way is all that it is told. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from callflow.briefing import Desk
from callflow.errors import InputError, RefusedError
from callflow.replay import nested
from callflow.script.fields import read_fields
from callflow.script.lines import render
from callflow.script.model import END, Answer, Script
from callflow.script.talk import Direction, NotTaken, Taken, Talk, advance, begin, outcome, step_back
from callflow.script.written import written
from callflow.simulation.residents import Knowledge, Resident
from callflow.typed import chosen_settings

BACK: Final = "-"
LONGEST: Final = 200
OWES: Final = Knowledge("1963-10-16", "見本町1-1", 35_700)
ARREARS: Final = {
    "year": "令和8",
    "month": "7",
    "amount": 35_700,
    "count": 2,
    "others": 1,
    "total": 71_400,
    "spoken": "令和8年7月納期分ほか1期分",
}


@dataclass(frozen=True, slots=True)
class Start:
    """How a trial begins: direction, the call's settings, which conditions hold."""

    direction: Direction
    settings: Mapping[str, str]
    holds: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Step:
    """One answer that was given: where, which, and what was typed with it, in words. Without a label: a step back."""

    state: str
    label: str
    typed: tuple[str, ...] = ()


@dataclass(slots=True)
class Walk:
    """Where a trial stands after its steps. `line`: what is read aloud; empty at the end."""

    talk: Talk
    line: str
    steps: list[Step] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    @property
    def ended(self) -> bool:
        return self.talk.state == END


def start_of(script: Script, asked: Mapping[str, str]) -> Start:
    """What a query asks for; the script's own first choice where it says nothing. Raises InputError."""
    direction: Direction = "inbound" if asked.get("direction") == "inbound" else "outbound"
    if direction not in script.starts:
        raise InputError(f"この台本に {direction} の始まりはありません")
    settings = chosen_settings(script, {name: asked[name] for name in script.settings if asked.get(name)})
    begun = "begun" in asked
    holds = {
        name: asked.get(f"if:{name}") == "1" if begun else kind == "call" for name, kind in script.conditions.items()
    }
    return Start(direction, settings, holds)


def walk(script: Script, start: Start, path: Sequence[str], desk: Desk, now: datetime) -> Walk:
    """The trial after these answers. Raises InputError for an answer that cannot be given there."""
    if len(path) > LONGEST:
        raise InputError(f"試し通話は {LONGEST} 手までです", mend="はじめからやり直してください")
    resident = Resident(random.Random(1), OWES)
    at = Walk(begin(script, start.direction, start.holds), "")
    for name in path:
        if name == BACK:
            _back(script, at)
        else:
            _give(script, start, at, name, resident, now)
    at.code = outcome(script, at.talk) if at.ended or at.talk.settled else ""
    at.line = "" if at.ended else _line(script, start, at, desk)
    return at


def _back(script: Script, at: Walk) -> None:
    before = step_back(script, at.talk)
    if isinstance(before, NotTaken):
        raise InputError("ここからは戻れません", mend="はじめからやり直してください")
    at.steps.append(Step(at.talk.state, ""))
    at.talk = before


def _give(script: Script, start: Start, at: Walk, name: str, resident: Resident, now: datetime) -> None:
    answer = None if at.ended else script.states[at.talk.state].answers.get(name)
    taken = give(script, at.talk, answer, start.holds) if answer else None
    if answer is None or not isinstance(taken, Taken):
        raise InputError(f"場面 {at.talk.state} で応答 {name} は選べません", mend="はじめからやり直してください")
    typed = resident.says(answer, script.fields, now, script.states[at.talk.state].asks)
    values, _ = read_fields(script.fields, typed, now)
    at.values |= values
    shown = tuple(
        f"{script.fields[key].label}: {written(script.fields[key], value)}"
        for key, value in values.items()
        if script.fields[key].type != "identity"
    )
    at.steps.append(Step(at.talk.state, answer.label, shown))
    at.talk = taken.talk


def give(script: Script, talk: Talk, answer: Answer, holds: Mapping[str, bool]) -> Taken | NotTaken:
    """An answer with all its fields filled. Choosing an answer of the screen chooses its condition: 一致 or 不一致."""
    wanted = answer.only_if
    if wanted and script.conditions.get(wanted.name) == "screen":
        holds = {**holds, wanted.name: not wanted.negated}
    return advance(script, talk, answer.name, fields=frozenset(answer.needs), holds=holds)


def _line(script: Script, start: Start, at: Walk, desk: Desk) -> str:
    claim = desk.claim_names.get(script.claim_type, script.title)
    facts = {
        **{name: getattr(desk, name) for name in ("ward", "company", "desk_name", "desk_phone", "desk_hours")},
        "operator": "見本",
        "debtor": "試川　一郎",
        "claim_name": claim,
        "arrears": ARREARS,
    }
    try:
        return render(script, at.talk.state, start.settings, {**facts, **nested(at.values)})
    except RefusedError as error:
        return f"⚠ {error.what}"
