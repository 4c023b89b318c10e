"""The parts of a script, each built from its place in a file: choices, answers, fields, dispositions."""

from __future__ import annotations

from typing import cast

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
FIELD_TYPES = ("date", "yen", "choice", "slot", "phone", "arrears", "identity", "text")
ANSWER_KEYS = (
    *("label", "key", "to", "needs", "only_if", "at_most", "then"),
    *("verifies", "new_voice", "does", "settles"),
)
FIELD_KEYS = ("label", "type", "from", "to", "max", "of", "reveals")
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
        at_most=at["at_most"].whole() if "at_most" in at else None,
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
    if kind == "choice" and "of" not in at:
        place.fault("missing_key", f"選択肢の項目 {name} に of がありません", "of: [選択肢, …]")
    return Field(
        name=name,
        type=kind,  # type: ignore[arg-type]
        reveals=Level[at["reveals"].one_of(LEVELS).upper()] if "reveals" in at else Level.DEBT,
        label=at["label"].text() if "label" in at else name,
        earliest=at["from"].text() if "from" in at else "",
        latest=at["to"].text() if "to" in at else "",
        max=at["max"].whole() if "max" in at else 0,
        options=words(at, "of"),
        mark=place.mark,
    )


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
