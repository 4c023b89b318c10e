"""What a call is judged by: eight lines of yes or no, each tied to a step, answered from the log where it can. Pure.

The log is a first answer, never the last: a person who replays the call confirms or changes each line. Nothing here
looks at the name of a line of the script, only at what the script says that it asks, reveals and does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from callflow import calllog, replay
from callflow.playback import Scene
from callflow.script.model import END, Level, Script

Answer = Literal["yes", "no", "none", ""]
"""`none`: there was no occasion for it. Empty: the log cannot tell."""

ANSWERS: Final = ("yes", "no", "none")
FASTEST: Final = 15.0
"""Characters a second: nobody reads a line aloud faster, so one that was left sooner was not read [O]."""


@dataclass(frozen=True, slots=True)
class Line:
    """One question, and how the log answers it."""

    key: str
    question: str
    judge: Callable[[Script, Sequence[Scene]], tuple[Answer, int]]


@dataclass(frozen=True, slots=True)
class Scored:
    """A line as the log answers it. `seq`: the event that shows it; 0 where none does."""

    key: str
    question: str
    answer: Answer
    seq: int


def score(script: Script, scenes: Sequence[Scene]) -> list[Scored]:
    """Every line of the card for one call."""
    return [Scored(line.key, line.question, *line.judge(script, scenes)) for line in CARD]


def _named(_script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """The first line names the company and the operator."""
    for scene in scenes:
        if scene.event.kind == calllog.BEGIN:
            names = [str(scene.told.facts.get(name, "")) for name in ("company", "operator")]
            return ("yes" if all(name in scene.told.line for name in names) else "no"), scene.event.seq
    return "none", 0


def _party(script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """Before the identification somebody was asked who they are."""
    asking = {
        name
        for name, state in script.states.items()
        if any(_asks_identity(script, to) for each in state.answers.values() for to in each.to.values)
    }
    asked = next((s.event.seq for s in scenes if _left(s) in asking), 0)
    if asked:
        return "yes", asked
    return ("no", _verified(scenes)) if _verified(scenes) else ("none", 0)


def _identified(script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """No line that reveals the debt before somebody was identified."""
    for scene in scenes:
        talk = scene.told.talk
        if talk and talk.state != END and replay.level_of(script, scene.told, talk.state) is Level.DEBT:
            return ("yes" if talk.party else "no"), scene.event.seq
    return "none", 0


def _read(_script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """Every line stood long enough to be read aloud."""
    shown: Scene | None = None
    for scene in scenes:
        if shown and _left(scene):
            seconds = (scene.event.at - shown.event.at).total_seconds()
            if len(shown.told.line) / FASTEST > seconds + 1:
                return "no", shown.event.seq
        if scene.event.kind in (calllog.BEGIN, calllog.ANSWER):
            shown = scene
        elif scene.event.kind == calllog.BACK:
            shown = None  # a line that is seen again was read before
    return ("yes", 0) if any(_left(scene) for scene in scenes) else ("none", 0)


def _read_back(script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """The promise was given where its day and its amount were read back."""
    for scene, state, does in _given(script, scenes):
        if "promise" in does:
            said = " ".join(script.states[state].says.by_setting_value.values())
            whole = all(field in said for field in ("promise.due", "promise.amount"))
            return ("yes" if whole else "no"), scene.event.seq
    return "none", 0


def _hardship(script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """After a sign of hardship from an identified party the line for it was read."""
    said = [s.event.seq for s in scenes if s.told.talk and "hardship" in s.told.talk.effects]
    if said:
        return "yes", said[0]
    for scene, _state, does in _given(script, scenes):
        if "signal" in does:
            last = scenes[-1].told.talk
            return ("no" if last and last.party else "none"), scene.event.seq
    return "none", 0


def _unknown(_script: Script, _scenes: Sequence[Scene]) -> tuple[Answer, int]:
    return "", 0


def _thanks(script: Script, scenes: Sequence[Scene]) -> tuple[Answer, int]:
    """The talk ended by a last line, unless the other side hung up."""
    last = next((s for s in reversed(scenes) if _left(s)), None)
    if last is None or last.event.payload is None or last.event.payload["to"] != END:
        return "none", 0
    state = script.states[last.event.payload["state"]]
    if state.answers[last.event.payload["answer"]].from_anywhere:
        return "none", last.event.seq
    closing = [each for each in state.answers.values() if not each.from_anywhere and each.key.isdigit()]
    return ("yes" if all(set(each.to.values) == {END} for each in closing) else "no"), last.event.seq


CARD: Final = (
    Line("named", "会社と担当者の名を名乗った", _named),
    Line("party", "電話口の相手を確かめた", _party),
    Line("identified", "本人確認のあとに用件を話した", _identified),
    Line("read", "台詞を省かずに読んだ", _read),
    Line("read_back", "約束を復唱してから記録した", _read_back),
    Line("hardship", "生活困窮の合図に、相談の案内をした", _hardship),
    Line("missed", "見逃したシグナルはない", _unknown),
    Line("thanks", "お礼を述べて終えた", _thanks),
)


def _left(scene: Scene) -> str:
    """The state that an answer left; empty for every other event."""
    event = scene.event
    return str(event.payload["state"]) if event.kind == calllog.ANSWER and event.payload else ""


def _given(script: Script, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, str, Sequence[str]]]:
    """Every answer that was given, with the state where and what it does."""
    for scene in scenes:
        payload: Mapping[str, object] = scene.event.payload or {}
        if state := _left(scene):
            yield scene, state, script.states[state].answers[str(payload["answer"])].does


def _asks_identity(script: Script, name: str) -> bool:
    return name in script.states and "identity" in script.states[name].asks


def _verified(scenes: Sequence[Scene]) -> int:
    """The event by which somebody was identified; 0 if nobody was."""
    return next((s.event.seq for s in scenes if s.told.talk and s.told.talk.party), 0)
