"""A call is its log: what a call's events amount to, and the proof that they could only have come out so.

`tell` folds one event after the other into a `Told`, which is never changed in place. The engine folds to know
where a call stands, the close folds to know what the call causes, and `replay` folds with `check` to prove that
the pinned script gives the same states, lines and effects as were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from callflow import calllog
from callflow.amendment import Amendment, amended
from callflow.calllog import Event
from callflow.effects import Earned, Ending, NoteOffScript, RaiseSignal, as_data, effects_of
from callflow.script.lines import render
from callflow.script.model import END, Level, Script
from callflow.script.talk import Direction, NotTaken, Taken, Talk, advance, begin, is_barrier, outcome, step_back
from callflow.script.written import in_words

UNENDED = "unended"
"""The close reason of a call that nobody ended: 未確定."""

ABANDONED = "abandoned"
NOTHING_SETTLED = frozenset({"HU0", "HU1", "UD"})
"""The outcomes of a talk that was merely cut: where the operator's own line was what failed, it is AB."""


class ReplayError(Exception):
    """The log and the script part: at which event, and how."""

    def __init__(self, seq: int, what: str) -> None:
        super().__init__(f"通番 {seq}: {what}")
        self.seq = seq
        self.what = what


@dataclass(frozen=True, slots=True)
class Won:
    """What stepping back gives up: the fields that were filled and the effects that were earned."""

    values: Mapping[str, Any] = field(default_factory=dict)
    earned: Mapping[str, Earned] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """Where a call stands after some of its log. Without slots: `but` copies it as a dictionary."""

    direction: Direction = "outbound"
    settings: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    talk: Talk | None = None
    won: Won = Won()
    before: tuple[Won, ...] = ()  # one for each answer that can be stepped back
    signals: tuple[RaiseSignal, ...] = ()
    off_scripts: tuple[NoteOffScript, ...] = ()
    notes: tuple[str, ...] = ()
    line_code: str = "TF"  # what the line alone says of the call; our own failure until it says more
    left: bool = False  # in the middle of the talk the operator's own line was gone
    line: str = ""  # the line that is to be read now
    closed: Mapping[str, Any] | None = None  # how it ended, with every correction
    amendment: Amendment = field(default_factory=Amendment)
    records: int = 0  # ends and corrections so far: each makes a line of the case record


def but(told: Told, **changes: Any) -> Told:
    """As `dataclasses.replace`, at a tenth of its price: every event of every replay comes through here."""
    new = object.__new__(Told)
    new.__dict__.update(told.__dict__, **changes)
    return new


def tell(script: Script, told: Told, event: Event, *, check: bool = False) -> Told:
    """`told` after one more event. Raises ReplayError where script and log part (with `check`: also in words)."""
    if event.payload is None:
        raise ReplayError(event.seq, f"内容は規則 {event.erased_under} により消去済み")
    payload = event.payload
    match event.kind:
        case calllog.OPEN:
            return but(
                told,
                direction=payload["direction"],
                settings=payload["settings"],
                conditions=payload["conditions"],
                facts=payload["facts"],
            )
        case calllog.LINE:
            code = payload.get("code") or told.line_code
            left = told.left or (told.talk is not None and told.talk.state != END and payload["event"] == ABANDONED)
            return but(told, line_code=code, left=left) if (code, left) != (told.line_code, told.left) else told
        case calllog.BEGIN:
            return _begun(script, told, event, check)
        case calllog.ANSWER:
            return _answered(script, told, event, check)
        case calllog.BACK:
            return _stepped_back(script, told, event, check)
        case calllog.NOTE:
            return but(told, notes=(*told.notes, payload["text"]))
        case calllog.CLOSE:
            return _closed(script, told, event, check)
        case calllog.CORRECT:
            return _corrected(script, told, event, check)
        case calllog.TAKE_BACK:
            return but(told, closed=None, amendment=Amendment())
    return told


def tell_all(script: Script, events: Iterable[Event], *, check: bool = False) -> Told:
    """The fold of a whole log."""
    told = Told()
    for event in events:
        told = tell(script, told, event, check=check)
    return told


def spoken(script: Script, told: Told, talk: Talk, values: Mapping[str, Any]) -> str:
    """The line of `talk`'s state in this call; empty at the end."""
    if talk.state == END:
        return ""
    return render(script, talk.state, told.settings, {**told.facts, **nested(values)})


def level_of(script: Script, told: Told, state: str) -> Level:
    """How much the line of `state` gives away in this call."""
    return Level[script.states[state].reveals.pick(told.settings).upper()]


def ending(script: Script, told: Told, reason: str) -> Ending:
    """What the log amounts to if the call ends now for `reason`."""
    code = code_of(script, told, reason)
    disposition = script.dispositions.get(code)
    return Ending(
        code=code,
        party=told.talk.party if told.talk else None,
        earned=told.won.earned,
        values=told.won.values,
        makes=disposition.makes if disposition else (),
        cancels=disposition.cancels if disposition else (),
        signals=told.signals,
        off_scripts=told.off_scripts,
        notes=told.notes,
        in_words=partial(in_words, script.fields),
    )


def code_of(script: Script, told: Told, reason: str) -> str:
    """The disposition of a call that ends now for `reason`."""
    if told.talk is None:
        return told.line_code
    code = "UD" if reason == UNENDED else outcome(script, told.talk)
    return "AB" if told.left and code in NOTHING_SETTLED else code


def corrected_ending(script: Script, told: Told, amendment: Amendment) -> Ending:
    """What the log of an ended call amounts to with `amendment`."""
    assert told.closed is not None
    return amended(script, ending(script, told, told.closed["reason"]), amendment)


def counted(script: Script, told: Told, code: str) -> tuple[int, int, int]:
    """Attempt, contact and right party of a call, as the disposition says or, where it leaves it open, the log."""
    disposition = script.dispositions.get(code)
    talked, verified = told.talk is not None, bool(told.talk and told.talk.party)
    if disposition is None:
        return 1, int(talked), int(verified)
    contact = int(talked) if disposition.contact == "log" else int(disposition.contact)
    right = {"yes": True, "no": False}.get(disposition.right_party, verified)
    return disposition.attempt, contact, int(right)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"promise.due": x}` as `{"promise": {"due": x}}`, the form in which lines name fields."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        place = found
        *outer, last = name.split(".")
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def _begun(script: Script, told: Told, event: Event, check: bool) -> Told:
    told, talk = taken_by(told, event.payload or {}), begin(script, told.direction, told.conditions)
    line = spoken(script, told, talk, {})
    _compare(event, check, to=talk.state, line=line)
    return but(told, talk=talk, line=line)


def taken_by(told: Told, begun: Mapping[str, Any]) -> Told:
    """`told` with the operator whom a call that was dialled ahead came to: it opened without knowing their name."""
    return but(told, facts={**told.facts, "operator": begun["operator"]}) if "operator" in begun else told


def _answered(script: Script, told: Told, event: Event, check: bool) -> Told:
    payload = event.payload or {}
    taken = moved(script, told, event)
    after = won_by(script, told, taken, payload["answer"], payload["fields"], event.seq)
    line = spoken(script, told, taken.talk, after.won.values)
    _compare(event, check, to=taken.talk.state, line=line)
    return but(after, line=line)


def moved(script: Script, told: Told, event: Event) -> Taken:
    """The step that an answer made. Raises ReplayError where the script does not take it."""
    payload, talk = event.payload or {}, told.talk
    if talk is None:
        raise ReplayError(event.seq, "通話が始まる前の応答です")
    holds = {**told.conditions, **payload["holds"]}
    taken = advance(script, talk, payload["answer"], fields=frozenset(payload["fields"]), holds=holds)
    if isinstance(taken, NotTaken):
        raise ReplayError(event.seq, f"{talk.state} では {payload['answer']} を選べません（{taken.reason}）")
    return taken


def won_by(script: Script, told: Told, taken: Taken, name: str, fields: Mapping[str, Any], seq: int) -> Told:
    """`told` after an accepted answer: its fields, effects and signals; the line is not yet rendered."""
    before, answer = told.talk, script.states[_state(told)].answers[name]
    assert before is not None
    dropped = answer.new_voice
    values = {**({} if dropped else told.won.values), **fields}
    earned = dict(told.won.earned)
    signals, off_scripts = told.signals, told.off_scripts
    for effect in sorted(taken.earned):
        if effect in ("signal", "emergency"):
            reason = str(fields.get(f"{effect}.reason", fields.get("signal.reason", "")))
            signals = (*signals, RaiseSignal(effect, reason, seq))  # type: ignore[arg-type]
        elif effect == "off_script":
            off_scripts = (
                *off_scripts,
                NoteOffScript(before.state, str(fields.get("off_script.reason", "")), seq),
            )
        else:
            earned[effect] = Earned(seq, taken.talk.state, taken.talk.party, values)
    return but(
        told,
        talk=taken.talk,
        won=Won(values, earned),
        before=() if is_barrier(answer, taken) else (*told.before, told.won),
        signals=signals,
        off_scripts=off_scripts,
    )


def _state(told: Told) -> str:
    assert told.talk is not None
    return told.talk.state


def _stepped_back(script: Script, told: Told, event: Event, check: bool) -> Told:
    talk = one_back(script, told, event)
    after = given_up(told, talk)
    line = spoken(script, told, talk, after.won.values)
    _compare(event, check, to=talk.state, line=line)
    return but(after, line=line)


def one_back(script: Script, told: Told, event: Event) -> Talk:
    """The talk after a step back. Raises ReplayError where there is none."""
    if told.talk is None:
        raise ReplayError(event.seq, "通話が始まる前に戻ろうとしています")
    before = step_back(script, told.talk)
    if isinstance(before, NotTaken):
        raise ReplayError(event.seq, f"{told.talk.state} から戻れません（{before.reason}）")
    return before


def given_up(told: Told, talk: Talk) -> Told:
    """`told` after a step back to `talk`."""
    return but(told, talk=talk, won=told.before[-1] if told.before else Won(), before=told.before[:-1])


def _closed(script: Script, told: Told, event: Event, check: bool) -> Told:
    payload = event.payload or {}
    if check:
        _compare_outcome(event, ending(script, told, payload["reason"]))
    return but(told, closed=payload, records=told.records + 1)


def _corrected(script: Script, told: Told, event: Event, check: bool) -> Told:
    payload = event.payload or {}
    if told.closed is None:
        raise ReplayError(event.seq, "終わっていない通話の訂正です")
    amendment = told.amendment.then(payload["changes"])
    if check:
        _compare_outcome(event, corrected_ending(script, told, amendment))
    closed = {**told.closed, "disposition": payload["disposition"], "effects": payload["effects"]}
    return but(told, closed=closed, amendment=amendment, records=told.records + 1)


def _compare_outcome(event: Event, end: Ending) -> None:
    payload = event.payload or {}
    if end.code != payload["disposition"]:
        raise ReplayError(event.seq, other_outcome(end.code, payload["disposition"]))
    if [as_data(effect) for effect in effects_of(end)] != payload["effects"]:
        raise ReplayError(event.seq, "記録された効果が、台本から導かれるものと違います")


def other_outcome(code: str, recorded: str) -> str:
    return f"結果は {code} のはずですが {recorded} と記録されています"


def other_state(to: str, recorded: str) -> str:
    return f"次は {to} のはずですが {recorded} と記録されています"


def _compare(event: Event, check: bool, *, to: str, line: str) -> None:
    payload = event.payload or {}
    if payload["to"] != to:
        raise ReplayError(event.seq, other_state(to, payload["to"]))
    if check and payload["line"] != line:
        raise ReplayError(event.seq, f"{to} の台詞が、公開された台本と違います")
