"""Names that a script uses but nobody declared, and the part of a script in which every name is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from callflow.script.faults import nearest
from callflow.script.model import (
    BUILT_IN_CONDITIONS,
    RESERVED_TARGETS,
    Answer,
    Choice,
    Condition,
    Mark,
    Script,
    State,
)
from callflow.script.proofs.report import Finding
from callflow.script.talk import NOTHING

EFFECT_NEEDS: dict[str, tuple[str, ...]] = {
    "negotiation_record": (),
    "promise": ("promise.due", "promise.amount", "promise.place"),
    "contact_slip": (),
    "living_report": (),
    "hardship": (),
    "callback": ("callback.at",),
    "suppress": (),
    "number_invalid": (),
    "signal": ("signal.reason",),
    "emergency": (),
    "off_script": ("off_script.reason",),
    "reissue": (),
    "written_only": (),
    "address_check": (),
    "payment_check": (),
    "form": (),
}
"""Every effect that a script may name, with the fields without which it cannot be carried out."""

MADE_BY_CODES = frozenset(EFFECT_NEEDS) - {"signal", "emergency", "off_script"}
"""Effects that a code can bring about by itself; the others are owed to the moment at which they are said."""

CANCELLED_BY_CODES = frozenset({"living_report"})
"""Effects that a code can take back."""

EFFECTS_FOR_A_PARTY = frozenset({"promise", "hardship", "living_report", "reissue", "payment_check", "form"})
"""Effects that only a verified voice can bring about."""

HANG_UP_CODES = ("HU0", "HU1")


def unknown_names(script: Script) -> Iterator[Finding]:
    """Every use of a name that does not exist. Names in lines are judged with the wording."""
    for direction, target in script.starts.items():
        mark = script.start_marks.get(direction, Mark(next(iter(script.sources), ""), 1, 1))
        yield from _unknown(mark, f"starts.{direction}", (target,), script.states)
    for code in HANG_UP_CODES:
        if code not in script.dispositions:
            top = Mark(next(iter(script.sources), ""), 1, 1)
            yield Finding("missing_code", code, top, f"結果コード {code} がありません", "dispositions に加えてください")
    for state in script.states.values():
        yield from _of_state(script, state)
    for disposition in script.dispositions.values():
        yield from _unknown(disposition.mark, "makes", disposition.makes, MADE_BY_CODES)
        yield from _unknown(disposition.mark, "cancels", disposition.cancels, CANCELLED_BY_CODES)


def known_part(script: Script) -> Script:
    """The script without what it names in vain, so that the search can go on."""
    starts = {direction: state for direction, state in script.starts.items() if state in script.states}
    return replace(script, starts=starts, states={n: _known_state(script, s) for n, s in script.states.items()})


def _of_state(script: Script, state: State) -> Iterator[Finding]:
    yield from _unknown(state.mark, "asks", state.asks, script.fields)
    yield from _unknown(state.mark, "does", state.does, EFFECT_NEEDS)
    yield from _unknown_settles(script, state.mark, state.settles)
    for answer in state.answers.values():
        yield from _unknown(answer.mark, "to", answer.to.values, _targets(script))
        yield from _unknown(answer.mark, "then", (answer.then,) if answer.then else (), _targets(script))
        yield from _unknown(answer.mark, "needs", answer.needs, script.fields)
        yield from _unknown(answer.mark, "does", answer.does, EFFECT_NEEDS)
        yield from _unknown_conditions(script, answer.mark, answer.to)
        yield from _unknown_settles(script, answer.mark, answer.settles)
        if answer.only_if:
            yield from _unknown(answer.mark, "only_if", (answer.only_if.name,), _conditions(script))


def _unknown_settles(script: Script, mark: Mark, choice: Choice | None) -> Iterator[Finding]:
    if choice:
        yield from _unknown(mark, "settles", choice.values, {*script.dispositions, NOTHING})
        yield from _unknown_conditions(script, mark, choice)


def _unknown_conditions(script: Script, mark: Mark, choice: Choice) -> Iterator[Finding]:
    yield from _unknown(mark, "条件", (condition.name for condition, _ in choice.branches), _conditions(script))


def _unknown(mark: Mark, key: str, used: Iterable[str], known: Collection[str]) -> Iterator[Finding]:
    for name in used:
        if name not in known:
            what = f"{key} の {name} はどこにもありません"
            yield Finding("unknown_name", f"{mark} {key} {name}", mark, what, nearest(name, known))


def _targets(script: Script) -> set[str]:
    return {*script.states, *RESERVED_TARGETS}


def _conditions(script: Script) -> set[str]:
    return {*script.conditions, *BUILT_IN_CONDITIONS}


def _known_state(script: Script, state: State) -> State:
    answers = {name: _known_answer(script, answer) for name, answer in state.answers.items()}
    return replace(
        state,
        answers={name: answer for name, answer in answers.items() if answer},
        settles=_known_choice(state.settles, {*script.dispositions, NOTHING}, _conditions(script)),
        does=tuple(effect for effect in state.does if effect in EFFECT_NEEDS),
    )


def _known_answer(script: Script, answer: Answer) -> Answer | None:
    to = _known_choice(answer.to, _targets(script), _conditions(script))
    if to is None:
        return None
    return replace(
        answer,
        to=to,
        then=answer.then if answer.then in _targets(script) else None,
        only_if=answer.only_if if _is_known(answer.only_if, _conditions(script)) else None,
        does=tuple(effect for effect in answer.does if effect in EFFECT_NEEDS),
        settles=_known_choice(answer.settles, {*script.dispositions, NOTHING}, _conditions(script)),
    )


def _is_known(condition: Condition | None, known: set[str]) -> bool:
    return condition is not None and condition.name in known


def _known_choice(choice: Choice | None, values: set[str], conditions: set[str]) -> Choice | None:
    """The branches that can be taken; None if the last one cannot."""
    if choice is None or choice.branches[-1][1] not in values:
        return None
    kept = tuple((c, value) for c, value in choice.branches if value in values and _is_known(c, conditions))
    return Choice(kept)
