"""A call as a film: the screen as it was, event by event, with the silence between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from callflow import calllog
from callflow.console.i18n import Say, said
from callflow.console.readings import Piece, line_pieces
from callflow.effects import EFFECT_LABELS
from callflow.playback import Scene
from callflow.replay import level_of
from callflow.script.model import Script
from callflow.script.written import written

LINE_STATE_WORDS: Final = {
    "claimed": said("準備"),
    "placing": said("発信"),
    "ringing": said("呼出し"),
    "answered": said("応答あり"),
    "ended": said("切断"),
    "needs_review": said("確認待ち"),
}
PARTY_WORDS: Final = {"householder": said("世帯主"), "spouse": said("配偶者")}
LEVEL_WORDS: Final = (said("何も明かさない"), said("氏名まで"), said("用件まで"), said("滞納まで"))
HOW_ENDED: Final = {"unended": said("誰も終えなかった")}


@dataclass(frozen=True, slots=True)
class Button:
    """An answer that stood on the screen. `chosen`: it was the next thing that was done."""

    key: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One event and the screen that it led to. Seconds count from the first event; `gap` from the event before."""

    seq: int
    at: datetime
    seconds: float
    gap: float
    who: str
    what: str
    typed: tuple[tuple[str, str], ...]
    more: str
    correction: bool
    state: str
    level: str
    party: str
    sentences: tuple[tuple[Piece, ...], ...]
    buttons: tuple[Button, ...]


def frames(script: Script, scenes: Sequence[Scene], names: Mapping[str, str], say: Say) -> list[Frame]:
    """The film of a call. `names`: how actors are called, by `role:id`."""
    found = []
    for place, scene in enumerate(scenes):
        coming = next((s for s in scenes[place + 1 :] if s.event.kind in TALKING), None)
        before = scenes[place - 1].event.at if place else scene.event.at
        what, typed, more = _happened(script, scene, say)
        shows = scene.event.kind in TALKING and scene.event.payload is not None
        talk = scene.told.talk if shows else None
        state = script.states.get(talk.state) if talk else None
        found.append(
            Frame(
                seq=scene.event.seq,
                at=scene.event.at,
                seconds=(scene.event.at - scenes[0].event.at).total_seconds(),
                gap=(scene.event.at - before).total_seconds(),
                who=names.get(scene.event.actor, scene.event.actor),
                what=what,
                typed=typed,
                more=more,
                correction=scene.event.kind in (calllog.BACK, calllog.CORRECT, calllog.TAKE_BACK),
                state=state.name if state else "",
                level=say(LEVEL_WORDS[level_of(script, scene.told, state.name)]) if state else "",
                party=say(PARTY_WORDS[talk.party]) if talk and talk.party else "",
                sentences=line_pieces(scene.told.line, "", "") if state else (),
                buttons=_buttons(state.answers.values(), coming) if state else (),
            )
        )
    return found


TALKING: Final = (calllog.BEGIN, calllog.ANSWER, calllog.BACK)


def _buttons(answers: Any, coming: Scene | None) -> tuple[Button, ...]:
    payload = coming.event.payload if coming and coming.event.kind == calllog.ANSWER else None
    chosen = payload["answer"] if payload else ""
    return tuple(Button(each.key, each.label, each.name == chosen) for each in answers)


def _happened(script: Script, scene: Scene, say: Say) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """What was done, what was typed with it, and what was written besides."""
    event, payload = scene.event, scene.event.payload
    if payload is None:
        return say("内容は規則 {rule} により消去済み").format(rule=event.erased_under), (), ""
    match event.kind:
        case calllog.OPEN:
            inbound = payload["direction"] == "inbound"
            return say("着信を受けた") if inbound else say("架電を開始"), (), ""
        case calllog.LINE:
            to = LINE_STATE_WORDS[payload["to"]]
            return say("回線: {to}").format(to=say(to)), (), ""
        case calllog.BEGIN:
            return say("通話開始"), (), ""
        case calllog.ANSWER:
            return _answered(script, payload, say)
        case calllog.BACK:
            return say("ひとつ戻った"), (), ""
        case calllog.NOTE:
            return say("メモ"), (), payload["text"]
        case calllog.CLOSE:
            made = dict.fromkeys(EFFECT_LABELS[each["effect"]] for each in payload["effects"])
            how = HOW_ENDED.get(payload["reason"], "")
            words = " / ".join(each for each in (say(how), "・".join(map(say, made))) if each)
            return say("終了: {outcome}").format(outcome=_outcome(script, payload)), (), words
        case calllog.CORRECT:
            words = say("通番{seq}を訂正: {outcome}").format(seq=payload["corrects"], outcome=_outcome(script, payload))
            return words, _typed(script, payload["changes"]["values"], say), payload["reason"]
    return say("終了を取り消した"), (), ""


def _answered(script: Script, payload: Mapping[str, Any], say: Say) -> tuple[str, tuple[tuple[str, str], ...], str]:
    state = script.states.get(payload["state"])
    answer = state.answers.get(payload["answer"]) if state else None
    label = answer.label if answer else payload["answer"]
    return say("「{answer}」を選んだ").format(answer=label), _typed(script, payload["fields"], say), ""


def _typed(script: Script, values: Mapping[str, Any], say: Say) -> tuple[tuple[str, str], ...]:
    found = []
    for name, value in values.items():
        field = script.fields.get(name)
        if field is None:
            found.append((name, str(value)))
        elif field.type == "identity":
            found.append((field.label, say("照合した（値は記録しない）")))
        else:
            found.append((field.label, written(field, value)))
    return tuple(found)


def _outcome(script: Script, payload: Mapping[str, Any]) -> str:
    code = payload["disposition"]
    named = script.dispositions.get(code)
    return f"{code} {named.name}" if named else str(code)
