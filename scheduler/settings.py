"""The contact policy's settings: defaults, hard limits, and tightening. Pure.

The defaults and limits are the table "Default contact policy"; a value marked [O] is our own judgement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal

Mode = Literal["preview", "progressive", "predictive"]
"""Preview: the operator sees the case, then dials. Progressive: one line for each free operator. Predictive: lines
are opened ahead of operators who will be free."""
MODES: Final[tuple[Mode, ...]] = ("preview", "progressive", "predictive")

HARD_CAP: Final = 0.03
"""Abandoned ÷ (abandoned + handled) over 24 hours; no setting allows more [domain.md: contact policy]."""

LIMITATION_YEARS: Mapping[str, int] = MappingProxyType(
    {
        "national_health_insurance": 2,
        "late_elderly": 2,
        "long_term_care": 2,
        "resident_tax": 5,
        "light_vehicle_tax": 5,
        "nursery_fee": 5,
    }
)


def _at_most(default: int, limit: int | None = None) -> Any:
    """Smaller is tighter; never above `limit`."""
    return field(default=default, metadata={"tighter": -1, "limit": limit})


def _at_least(default: int, limit: int = 0) -> Any:
    """Larger is tighter; never below `limit`."""
    return field(default=default, metadata={"tighter": 1, "limit": limit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a case may be called again. Raises ValueError naming the field and its limit.

    Days are 24 hours, except where a docstring of `scheduler.policy` says calendar or business days.
    """

    last_dial_minutes: int = _at_least(10)  # before the hours end
    attempts_per_day: int = _at_most(2, 3)
    attempts_per_7_days: int = _at_most(5, 7)
    attempts_per_campaign: int = _at_most(8)
    busy_retry_minutes: int = _at_least(15, 5)
    busy_retries: int = _at_most(2)
    no_answer_retry_minutes: int = _at_least(180, 60)
    another_band_within_days: int = _at_least(7)  # then the same band may be tried again [O]
    fault_retry_minutes: int = _at_least(5, 1)  # after a fault of ours [O]
    machine_message_gap_hours: int = _at_least(72)
    machine_message_every_days: int = _at_least(7)
    abandoned_gap_hours: int = _at_least(72, 72)
    abandoned_percent: int = _at_most(3, 3)  # of the answered calls of 24 hours; beyond it the campaign stops
    quiet_days: int = _at_least(7)
    hang_up_unverified_days: int = _at_least(3)
    hang_up_verified_days: int = _at_least(7)
    refusal_days: int = _at_least(14)
    payment_claim_days: int = _at_least(10)
    follow_up_days: int = _at_least(7)  # a letter, staff or a supervisor acts first [O]
    reminder_days: int = _at_least(10)
    payments_warn_business_days: int = _at_most(2, 5)
    payments_block_business_days: int = _at_most(5, 5)
    promise_horizon_days: int = _at_most(14, 30)
    promise_grace_days: int = _at_least(10)
    broken_promises_to_staff: int = _at_most(2)
    callback_owner_minutes: int = _at_most(10, 60)  # first the operator who agreed it, then everybody [O]
    callback_missed_minutes: int = _at_most(30, 120)  # then it stands on the list of missed ones [O]
    ring_seconds: int = _at_least(30, 15)
    call_limit_minutes: int = _at_most(60)  # then a call of unknown fate no longer counts as live [O]
    limitation_years: Mapping[str, int] = field(default_factory=lambda: LIMITATION_YEARS)
    disaster_stop: bool = False

    def __post_init__(self) -> None:
        for name, tighter, limit in _rules():
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name}: {value} is below 0")
            if limit is not None and (value - limit) * tighter < 0:
                bound = "at least" if tighter > 0 else "at most"
                raise ValueError(f"{name}: {value} is looser than the hard limit, {bound} {limit}")

    def tightened(self, changes: Mapping[str, int]) -> Policy:
        """This policy with a campaign's changes. Raises ValueError for an unknown name or a looser value."""
        directions = {name: tighter for name, tighter, _ in _rules()}
        for name, value in changes.items():
            if name not in directions:
                raise ValueError(f"{name}: there is no such setting")
            now = getattr(self, name)
            if (value - now) * directions[name] < 0:
                raise ValueError(f"{name}: {value} is looser than {now}; a campaign may only be tighter")
        return replace(self, **dict(changes))  # type: ignore[arg-type]

    def tightest(self, changes: Mapping[str, int]) -> Policy:
        """The tighter of this policy and of what a campaign changed, item by item: the policy may have become tighter
        than the campaign's since it was planned.
        """
        items = {
            name: (max if tighter > 0 else min)(getattr(self, name), changes[name])
            for name, tighter, _ in _rules()
            if name in changes
        }
        return replace(self, **items)


def _rules() -> list[tuple[str, int, int | None]]:
    return [
        (item.name, item.metadata["tighter"], item.metadata["limit"])
        for item in fields(Policy)
        if "tighter" in item.metadata
    ]
