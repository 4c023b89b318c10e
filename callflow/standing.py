"""What goes into a call and what comes out of it, as its users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.effects import Effect
from callflow.script.model import END, Answer, Level
from callflow.script.talk import Direction
from scheduler.settings import Policy


@dataclass(frozen=True, slots=True)
class Opening:
    """What is needed to open a call. `number_id` is None for a resident who calls back. `unattended`: dialled ahead;
    `operator_id` is then the supervisor's who answers for it. `policy`: the campaign's; None, the claim type's.
    """

    case_id: int
    operator_id: int
    script_hash: str
    settings: Mapping[str, str]
    number_id: int | None = None
    campaign_id: int | None = None
    direction: Direction = "outbound"
    fence: int = 0
    unattended: bool = False
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a call stands, as the operator may see it. `refused` says why the last act changed nothing."""

    call_id: int
    step: int
    line_state: str
    state: str
    line: str
    level: Level
    party: str | None
    asks: tuple[str, ...]
    answers: tuple[Answer, ...]
    refused: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)  # typed so far, in the form in which it is recorded
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the call knows of the debt; nothing before a party

    @property
    def talk_ended(self) -> bool:
        return self.state == END


@dataclass(frozen=True, slots=True)
class Closed:
    """How a call ended."""

    call_id: int
    case_id: int
    household_id: int
    campaign_id: int | None
    fence: int
    disposition: str
    effects: tuple[Effect, ...]
