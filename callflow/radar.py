"""The radar: which of the calls that are going on now need a person, and why. Pure.

One attendant cannot follow six calls (seed, lines 131-135): the radar reads every one of them at each look, from what
was answered and what the script says that an answer means, and puts first what a person must see. It never decides
anything, and it changes no call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal

from callflow.script.model import Answer, Script

ABUSE_CODE: Final = "AV"


class Need(Enum):
    """Why a person is needed, the most urgent first."""

    EMERGENCY = "緊急（生命・健康）"
    HELP = "支援要請"
    ABUSE = "暴言"
    HARDSHIP = "生活が苦しい"
    SIGNAL = "シグナル（困りごとの気配）"
    SILENCE = "同じ段階が続いている"
    BACK = "何度も前に戻っている"


ORDER: Final = {need: place for place, need in enumerate(Need)}


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on it shows: so long at one step, so many steps back within so long. All [O]."""

    silence: timedelta
    steps_back: int
    back_within: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a talk as it stands in the log: `answer` in `state` led to `to`."""

    kind: Literal["begin", "answer", "back"]
    at: datetime
    state: str = ""
    answer: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Glance:
    """An operator at one moment: the talk that they are in, if any, and the help that they wait for."""

    operator_id: int
    script: Script | None = None
    steps: Sequence[Step] = ()
    help_since: datetime | None = None

    @property
    def step_since(self) -> datetime | None:
        """When the line that is on the screen came there."""
        return self.steps[-1].at if self.steps else None


@dataclass(frozen=True, slots=True)
class Reason:
    need: Need
    since: datetime


@dataclass(frozen=True, slots=True)
class Blip:
    """An operator whose call needs a person. `reasons`: the most urgent first, never empty."""

    operator_id: int
    reasons: tuple[Reason, ...]


def radar(glances: Iterable[Glance], limits: Limits, now: datetime) -> list[Blip]:
    """Who needs a person: by the most urgent reason, then by how long it has stood."""
    found = [Blip(each.operator_id, reasons) for each in glances if (reasons := needs(each, limits, now))]
    return sorted(found, key=lambda blip: (ORDER[blip.reasons[0].need], blip.reasons[0].since, blip.operator_id))


def needs(glance: Glance, limits: Limits, now: datetime) -> tuple[Reason, ...]:
    """Every reason of one operator, each once, with the first moment from which it holds."""
    found = [Reason(Need.HELP, glance.help_since)] if glance.help_since else []
    if glance.script is not None and glance.steps:
        found += _meant(glance.script, glance.steps)
        found += _lingering(glance.steps, limits, now)
    first: dict[Need, Reason] = {}
    for reason in sorted(found, key=lambda each: each.since):
        first.setdefault(reason.need, reason)
    return tuple(sorted(first.values(), key=lambda each: ORDER[each.need]))


def _meant(script: Script, steps: Sequence[Step]) -> Iterator[Reason]:
    """What the answers mean. A signal and an emergency stand even if the operator steps back: they were acted upon."""
    standing: list[Step] = []
    for step in steps:
        if step.kind == "back":
            standing = standing[:-1]
        elif step.kind == "answer":
            standing.append(step)
            does = _does(script, step)
            if "emergency" in does:
                yield Reason(Need.EMERGENCY, step.at)
            if "signal" in does:
                yield Reason(Need.SIGNAL, step.at)
    for step in standing:
        if "hardship" in _does(script, step):
            yield Reason(Need.HARDSHIP, step.at)
        if _is_abuse(script, script.states[step.state].answers[step.answer]):
            yield Reason(Need.ABUSE, step.at)


def _lingering(steps: Sequence[Step], limits: Limits, now: datetime) -> Iterator[Reason]:
    if now - steps[-1].at >= limits.silence:
        yield Reason(Need.SILENCE, steps[-1].at)
    back = [step.at for step in steps if step.kind == "back" and step.at > now - limits.back_within]
    if len(back) >= limits.steps_back:
        yield Reason(Need.BACK, back[0])


def _does(script: Script, step: Step) -> set[str]:
    """What an answer does, and the line that it led to."""
    entered = script.states.get(step.to)
    given = script.states[step.state].answers[step.answer].does
    return {*given, *(entered.does if entered and step.to != step.state else ())}


def _is_abuse(script: Script, answer: Answer) -> bool:
    """Whether it settles 暴言等, or leads to a line that does so or whose next answer may."""
    if _settles_abuse(answer.settles):
        return True
    for name in filter(None, (*answer.to.values, answer.then)):
        state = script.states.get(name)
        if state is None:
            continue
        own = [each for each in state.answers.values() if not each.from_anywhere]
        ahead = [script.states[target] for each in own for target in each.to.values if target in script.states]
        if any(_settles_abuse(each.settles) for each in (state, *ahead)):
            return True
    return False


def _settles_abuse(choice: object) -> bool:
    return ABUSE_CODE in getattr(choice, "values", ())
