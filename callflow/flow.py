"""A checked script as one shared `transitions` machine.

The machine answers one question: is this event legal from here, and where may it lead. It has no variables,
no history and no computed target, so `callflow.script.talk.advance` decides those, and the machine must agree
with the decision before it counts. One machine serves all calls of a script version; a call holds only its
`Talk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transitions import EventData, Machine, MachineError

from callflow.script.model import END, RESUME, SAME, Answer, Script, State
from callflow.script.talk import NotTaken, Taken, Talk, advance, step_back

BACK = "step_back"
"""The machine's own event for stepping back; script answers cannot collide with it (they carry a prefix)."""


class _Probe:
    """What the machine moves instead of a call: thrown away after one question."""

    __slots__ = ("state", "target")

    def __init__(self, state: str, target: str) -> None:
        self.state = state
        self.target = target


def _leads_there(event: EventData) -> bool:
    return (
        isinstance(event.model, _Probe) and event.transition is not None and event.transition.dest == event.model.target
    )


class Flow:
    """A script, compiled. Immutable and safe to share between threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._machine = Machine(
            model=None,
            states=[*script.states, END],
            initial=None,
            transitions=_transitions(script),
            auto_transitions=False,
            send_event=True,
        )

    def answer(
        self, talk: Talk, name: str, *, fields: frozenset[str] = frozenset(), holds: Mapping[str, bool]
    ) -> Taken | NotTaken:
        """Takes an answer: decided by `advance`, allowed only if the machine has such a transition."""
        decided = advance(self.script, talk, name, fields=fields, holds=holds)
        if isinstance(decided, Taken) and not self._allows(_event(name), talk.state, decided.talk.state):
            raise MachineError(f"{talk.state} --{name}--> {decided.talk.state} is not in the machine")
        return decided

    def back(self, talk: Talk) -> Talk | NotTaken:
        """The talk as it was before its last answer."""
        return step_back(self.script, talk)

    def _allows(self, event: str, source: str, target: str) -> bool:
        probe = _Probe(source, target)
        return event in self._machine.events and bool(self._machine.events[event].trigger(probe))


def _event(answer: str) -> str:
    return f"answer_{answer}"


def _transitions(script: Script) -> list[dict[str, Any]]:
    return [
        {"trigger": _event(answer.name), "source": state.name, "dest": target, "conditions": _leads_there}
        for state in script.states.values()
        for answer in state.answers.values()
        for target in sorted(_targets(script, state, answer))
    ]


def _targets(script: Script, state: State, answer: Answer) -> set[str]:
    """Every state in which `answer` can end; `resume` fans out to every line that a detour can leave."""
    named = {*answer.to.values, *((answer.then,) if answer.then else ())}
    targets = named - {SAME, RESUME}
    if SAME in named:
        targets.add(state.name)
    if RESUME in named:
        targets |= script.states.keys()
    return targets
