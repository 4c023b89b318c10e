"""Replays a golden talk through the real engine, saving the talk and reading it back at every wait."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from callflow.effects import as_data, effects_of
from callflow.replay import Told, ending, given_up, spoken, won_by
from callflow.script.fields import read_fields
from callflow.script.model import END, Script
from callflow.script.reader import read
from callflow.script.talk import Taken, Talk, advance, begin, step_back

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo, a Tuesday

CONDITIONS = {"spouse_may_hear": True, "may_leave_message": False}

FACTS: dict[str, Any] = {
    "ward": "見本区",
    "company": "株式会社見本コール",
    "operator": "架電太郎",
    "desk_name": "特別相談係",
    "desk_phone": "03-0000-0000",
    "desk_hours": "平日9時から17時",
    "debtor": "見本花子",
    "claim_name": "国民健康保険料",
    "arrears": {
        "year": "令和7",
        "month": "7",
        "amount": 35700,
        "count": 1,
        "others": 0,
        "total": 35700,
        "spoken": "令和7年7月納期分",
    },
}


@dataclass(frozen=True)
class Step:
    """One answer of a golden: what was typed with it, and what the screen knew; `BACK` steps back instead."""

    answer: str
    fields: Mapping[str, Any]
    holds: Mapping[str, bool]


BACK = "(back)"


@cache
def load(path: Path) -> dict[str, Any]:
    """The golden as plain data; not to be changed."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return loaded


def save_expectation(path: Path, expect: Mapping[str, Any]) -> None:
    """Writes `expect` into the golden and leaves the rest of the file as it stands."""
    yaml = YAML()
    yaml.width = 400
    yaml.indent(mapping=2, sequence=4, offset=2)
    golden = yaml.load(path.read_text(encoding="utf-8"))
    golden["expect"] = dict(expect)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(golden, file)
    load.cache_clear()


@cache
def script_of(name: str) -> Script:
    """The shipped script of that name."""
    return read(ROOT / "scripts" / f"{name}.yaml")


def play(golden: Mapping[str, Any]) -> dict[str, Any]:
    """What the talk amounts to: every line said, in order, the outcome and the effects."""
    script = script_of(golden["script"])
    told = _opened(script, golden)
    said = [_line(told)]
    for number, step in enumerate(_steps(golden), start=2):
        told = _answered(script, _reread(told), step, number)
        said.append(_line(told))
    assert told.talk is not None
    assert told.talk.state == END, f"the talk waits in {told.talk.state}"
    end = ending(script, told, "hang_up")
    return {
        "said": said,
        "disposition": end.code,
        "party": end.party,
        "effects": [_plain(as_data(effect)) for effect in effects_of(end)],
    }


def visited(golden: Mapping[str, Any]) -> set[str]:
    """The states of the recorded expectation."""
    return {line["state"] for line in golden["expect"]["said"]} - {END}


def _opened(script: Script, golden: Mapping[str, Any]) -> Told:
    settings = {name: values[0] for name, values in script.settings.items()} | golden.get("settings", {})
    conditions = CONDITIONS | golden.get("conditions", {})
    facts = FACTS | golden.get("facts", {})
    facts["arrears"] = FACTS["arrears"] | golden.get("facts", {}).get("arrears", {})
    direction = golden.get("direction", "outbound")
    told = Told(direction=direction, settings=settings, conditions=conditions, facts=facts)
    talk = begin(script, direction, conditions)
    return replace(told, talk=talk, line=spoken(script, told, talk, {}))


def _steps(golden: Mapping[str, Any]) -> Iterator[Step]:
    for raw in golden["answers"]:
        if isinstance(raw, str):
            yield Step(raw, {}, {})
        else:
            yield Step(raw["answer"], raw.get("fields", {}), raw.get("holds", {}))


def _answered(script: Script, told: Told, step: Step, number: int) -> Told:
    assert told.talk is not None
    if step.answer == BACK:
        return _back(script, told)
    values, faults = read_fields(script.fields, step.fields, NOW)
    assert not faults, faults
    taken = advance(
        script,
        told.talk,
        step.answer,
        fields=frozenset(values),
        holds={**told.conditions, **step.holds},
    )
    assert isinstance(taken, Taken), f"{told.talk.state} --{step.answer}: {taken}"
    after = won_by(script, told, taken, step.answer, values, number)
    return replace(after, line=spoken(script, told, taken.talk, after.won.values))


def _back(script: Script, told: Told) -> Told:
    assert told.talk is not None
    talk = step_back(script, told.talk)
    assert isinstance(talk, Talk), f"{told.talk.state} --{BACK}: {talk}"
    after = given_up(told, talk)
    return replace(after, line=spoken(script, told, talk, after.won.values))


def _reread(told: Told) -> Told:
    """The talk as it comes back from storage: text in between, and nothing lost."""
    assert told.talk is not None
    stored = json.dumps(told.talk.to_json(), ensure_ascii=False)
    talk = Talk.from_json(json.loads(stored))
    assert talk == told.talk
    return replace(told, talk=talk)


def _line(told: Told) -> dict[str, str]:
    assert told.talk is not None
    return {"state": told.talk.state, "line": told.line} if told.line else {"state": told.talk.state}


def _plain(effect: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in effect.items() if value not in (None, "", [])}
