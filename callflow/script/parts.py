"""The parts of a script, each built from its place in a file: choices, answers, fields, dispositions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import cast

from callflow.script.fields import bound_of
from callflow.script.lines import FACT_LEVELS
from callflow.script.model import (
    ELSE,
    END,
    Answer,
    Choice,
    Condition,
    Disposition,
    Field,
    Level,
    Party,
    always,
)
from callflow.script.yamlfile import Place, words

LEVELS = tuple(level.name.lower() for level in Level)
FIELD_TYPES = ("date", "yen", "choice", "choices", "slot", "phone", "arrears", "identity", "text")
ANSWER_KEYS = (
    *("label", "key", "to", "needs", "only_if", "at_most", "then"),
    *("verifies", "new_voice", "does", "settles"),
)
FIELD_KEYS = ("label", "type", "from", "to", "max", "of", "reveals")
_BOUNDED = {
    "from": ("date", "slot", "yen"),
    "to": ("date", "slot", "yen"),
    "max": ("text", "yen"),
    "of": ("choice", "choices"),
}
_OF_OPTIONS = _BOUNDED["of"]
_WORD = re.compile("[A-Za-z][A-Za-z0-9_]*")
DISPOSITION_KEYS = ("name", "from", "rank", "a", "c", "r", "makes", "cancels")


def condition(place: Place) -> Condition:
    """`name` or `not name`, for `only_if`."""
    found = _condition(place.text())
    if found.name == "else":
        place.fault("shape", "else は場合分けの最後にだけ書きます")
    return found


def choice(place: Place) -> Choice:
    """A plain word, or conditions in order with `else` obligatory and last."""
    if not place.is_mapping:
        return always(place.text())
    branches = place.entries()
    names = list(branches)
    if names[-1:] != ["else"]:
        place.fault("no_else", "場合分けは else で終わらなければなりません", "最後に else: を足してください")
    for name in names[:-1]:
        if _condition(name).name == "else":
            branches[name].fault("no_else", "else は最後に一度だけ書きます")
    found = tuple((ELSE if name == "else" else _condition(name), at.text()) for name, at in branches.items())
    return Choice(found) if found else always(END)


def answer(name: str, place: Place, *, from_anywhere: bool = False) -> Answer:
    """One answer. Those of `anywhere` must name their key: they have no position."""
    required = ("label", "key", "to") if from_anywhere else ("label", "to")
    at = place.keys(ANSWER_KEYS, required)
    key = at["key"].text() if "key" in at else ""
    if len(key) > 1:
        at["key"].fault("shape", f"キー {key} は一文字で書きます")
    return Answer(
        name=name,
        label=at["label"].text() if "label" in at else name,
        key=key,
        to=choice(at["to"]) if "to" in at else always(END),
        needs=words(at, "needs"),
        only_if=condition(at["only_if"]) if "only_if" in at else None,
        at_most=at["at_most"].whole(least=1) if "at_most" in at else None,
        then=at["then"].text() if "then" in at else None,
        verifies=_party(at["verifies"]) if "verifies" in at else None,
        new_voice=at["new_voice"].truth() if "new_voice" in at else False,
        does=words(at, "does"),
        settles=choice(at["settles"]) if "settles" in at else None,
        from_anywhere=from_anywhere,
        mark=place.mark,
    )


def field(name: str, place: Place) -> Field:
    """A field with its type and bounds. Without `reveals` it counts as debt."""
    at = place.keys(FIELD_KEYS, ("label", "type", "reveals"))
    kind = at["type"].one_of(FIELD_TYPES) if "type" in at else "text"
    _field_name(name, place)
    _bounds(kind, at)
    if kind in _OF_OPTIONS and "of" not in at:
        place.fault("missing_key", f"選択肢の項目 {name} に of がありません", "of: [選択肢, …]")
    return Field(
        name=name,
        type=kind,  # type: ignore[arg-type]
        reveals=Level[at["reveals"].one_of(LEVELS).upper()] if "reveals" in at else Level.DEBT,
        label=at["label"].text() if "label" in at else name,
        earliest=at["from"].text() if "from" in at else "",
        latest=at["to"].text() if "to" in at else "",
        max=at["max"].whole(least=1) if "max" in at else 0,
        options=words(at, "of"),
        mark=place.mark,
    )


def _field_name(name: str, place: Place) -> None:
    """A field is named in lines, so its name is words with dots between; a fact's name is taken."""
    if not all(_WORD.fullmatch(part) for part in name.split(".")):
        place.fault("field_name", f"項目の名前 {name} は、英字・数字・_ を . でつないで書きます")
    if name.split(".", maxsplit=1)[0] in {fact.split(".")[0] for fact in FACT_LEVELS}:
        place.fault("field_name", f"{name} は、台詞の事実の名前です", "項目には別の名前をつけてください")


def _bounds(kind: str, at: Mapping[str, Place]) -> None:
    """`from`, `to`, `max` and `of` stand where they mean something, can be read, and leave something over."""
    for key, kinds in _BOUNDED.items():
        if key in at and kind not in kinds:
            at[key].fault("bound", f"{key} は {'・'.join(kinds)} の項目にだけ書けます")
    found = {key: bound_of(kind, at[key].text()) for key in ("from", "to") if key in at and kind in _BOUNDED[key]}
    for key, bound in found.items():
        if bound is None:
            mend = "0以上の整数（円）" if kind == "yen" else "today、today+14、2026-12-04 のように書いてください"
            at[key].fault("bound", f"{key} を読めません", mend)
    first, last = found.get("from"), found.get("to")
    if (isinstance(first, int) and isinstance(last, int) and first > last) or (
        isinstance(first, date) and isinstance(last, date) and first > last
    ):
        at["to"].fault("bound", "to が from より前です")
    if "of" in at and not at["of"].words():
        at["of"].fault("bound", "of が空です", "of: [選択肢, …]")


def disposition(code: str, place: Place) -> Disposition:
    """An outcome code."""
    at = place.keys(DISPOSITION_KEYS, ("name", "from", "rank", "a", "c", "r"))
    return Disposition(
        code=code,
        name=at["name"].text() if "name" in at else code,
        source=at["from"].one_of(("line", "talk")) if "from" in at else "talk",  # type: ignore[arg-type]
        rank=at["rank"].whole() if "rank" in at else 0,
        attempt=int(at["a"].one_of(("0", "1"))) if "a" in at else 1,
        contact=at["c"].one_of(("0", "1", "log")) if "c" in at else "log",  # type: ignore[arg-type]
        right_party=at["r"].one_of(("yes", "no", "any")) if "r" in at else "any",  # type: ignore[arg-type]
        makes=words(at, "makes"),
        cancels=words(at, "cancels"),
        mark=place.mark,
    )


def _condition(text: str) -> Condition:
    name = text.strip()
    negated = name.startswith("not ")
    return Condition(name.removeprefix("not ").strip(), negated)


def _party(place: Place) -> Party:
    return cast(Party, place.one_of(("householder", "spouse")))
