"""The ward's rules of the follow-up, out of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from callflow.config import Config
from callflow.followup.deadlines import Terms
from scheduler.calendar import Calendar
from scheduler.settings import Policy


@dataclass(frozen=True, slots=True)
class Rules:
    """`calendar`: the ward's business days. `policy_of`: a claim type's, for the grace and the number of promises."""

    terms: Terms
    calendar: Calendar
    policy_of: Callable[[str], Policy]


def rules_of(config: Config) -> Rules:
    """As config.yaml has them."""
    terms = Terms(**{each.name: getattr(config.follow_up, each.name) for each in fields(Terms)})
    return Rules(terms, config.office_calendar(), config.policy_for)
