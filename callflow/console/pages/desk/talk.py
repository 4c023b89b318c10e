"""The talk as the operator's screen shows it: the line, the answers with their keys, what may be typed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from callflow.console.i18n import said
from callflow.console.readings import Piece, line_pieces
from callflow.script.model import END, Answer, Field, Script, State
from callflow.standing import Standing

STAGES: Final = (
    said("名乗り"),
    said("宅・相手の確認"),
    said("本人確認"),
    said("納付のお願い"),
    said("案内・相談"),
    said("お礼"),
)
CHECK: Final = "@check"
"""The answer that stands for 一致 and 不一致 both: the server compares, the operator does not judge."""

DUE_IN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Blank:
    """A field to fill. `value` is the default that Enter accepts. `first`: typing may begin there, because every answer
    needs it or Enter accepts it as it stands; elsewhere a digit is an answer.
    """

    name: str
    label: str
    kind: str
    value: str
    options: tuple[str, ...]
    needed: bool
    wrong: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A button. `blanks`: what it asks for in a panel of its own."""

    name: str
    label: str
    key: str
    blanks: tuple[Blank, ...] = ()


@dataclass(frozen=True, slots=True)
class Screen:
    """One step of a talk."""

    sentences: tuple[tuple[Piece, ...], ...]
    stage: int  # 1 to 6
    blanks: tuple[Blank, ...]
    answers: tuple[Choice, ...]  # by digit
    others: tuple[Choice, ...]  # by letter
    last: str = ""  # the only answer, where it ends the talk: Enter gives it and confirms the record at once


def screen_of(
    script: Script,
    standing: Standing,
    name: str,
    kana: str,
    today: date,
    *,
    typed: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> Screen:
    """The screen of a step. `typed` and `wrong`: what was typed and could not be read, by field."""
    state = script.states[standing.state]
    numbered = [answer for answer in standing.answers if answer.key.isdigit()]
    lettered = [answer for answer in standing.answers if not answer.key.isdigit()]
    needed = {field for answer in numbered for field in answer.needs}
    always = set.intersection(*(set(answer.needs) for answer in numbered)) if numbered else set()
    elsewhere = {field for answer in lettered for field in answer.needs} - needed
    open_ = [field for field in sorted(needed) if field not in standing.values]
    asked = [field for field in dict.fromkeys((*standing.asks, *open_)) if field not in elsewhere]

    def blank(field: str, *, required: bool) -> Blank:
        value = (typed or {}).get(field, default_of(script.fields[field], standing, today))
        one = _blank(script.fields[field], value, required, (wrong or {}).get(field, ""))
        return replace(one, first=required and bool(one.value or one.wrong or field in always))

    return Screen(
        sentences=line_pieces(standing.line, name, kana),
        stage=stage_of(script, state, identified=standing.party is not None, asks=standing.asks),
        blanks=tuple(
            blank(field, required=field in needed) for field in asked if script.fields[field].type != "arrears"
        ),
        answers=tuple(_numbered(numbered)),
        last=_last(numbered),
        others=tuple(
            Choice(each.name, each.label, each.key, tuple(blank(field, required=True) for field in each.needs))
            for each in lettered
        ),
    )


def stage_of(script: Script, state: State, *, identified: bool, asks: Sequence[str]) -> int:
    """Which of the six stages a state belongs to, by what it asks and reveals, not by its name."""
    own = [answer for answer in state.answers.values() if not answer.from_anywhere and answer.key.isdigit()]
    if state.name in script.starts.values():
        return 1
    if own and all(set(answer.to.values) == {END} for answer in own):
        return 6
    if not identified:
        return 3 if "identity" in state.asks or "identity" in asks else 2
    asking = {"request"} & {state.name, *(target for answer in own for target in answer.to.values)}
    return 4 if asking else 5


def default_of(field: Field, standing: Standing, today: date) -> str:
    """What a field holds before anybody types: what was typed before, else the usual answer."""
    if field.name in standing.values:
        return str(standing.values[field.name])
    if field.type == "date" and field.latest.startswith("today+"):
        return (today + DUE_IN).isoformat()
    if field.type == "yen":
        return str(standing.facts.get("arrears", {}).get("amount") or "")
    return ""


def fields_of(standing: Standing, answer: str) -> tuple[str, ...]:
    """The fields that are sent with an answer: those it needs and those that its screen asks for."""
    chosen = next((each for each in standing.answers if each.name == answer), None)
    needs = chosen.needs if chosen else ()
    return tuple(dict.fromkeys((*standing.asks, *needs)))


def identity_answers(standing: Standing) -> list[str]:
    """The answers between which the comparison decides."""
    return [answer.name for answer in standing.answers if "identity" in answer.needs]


def _numbered(answers: list[Answer]) -> list[Choice]:
    checked = [answer for answer in answers if "identity" in answer.needs]
    rest = [Choice(answer.name, answer.label, answer.key) for answer in answers if answer not in checked]
    return [Choice(CHECK, said("確認する"), checked[0].key), *rest] if checked else rest


def _last(numbered: list[Answer]) -> str:
    if len(numbered) != 1 or numbered[0].needs or set(numbered[0].to.values) != {END}:
        return ""
    return numbered[0].name


def _blank(field: Field, value: str, needed: bool, wrong: str) -> Blank:
    options = field.options
    if field.type == "choice" and needed and not value and options:
        value = options[0]
    return Blank(field.name, field.label, field.type, value, options, needed, wrong)


def amount_of(facts: Mapping[str, Any]) -> tuple[int, int]:
    """The oldest callable instalment and the whole, in yen, of a verified call."""
    owed = facts.get("arrears", {})
    return int(owed.get("amount") or 0), int(owed.get("total") or 0)
