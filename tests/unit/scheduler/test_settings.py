"""No setting is looser than its hard limit; a campaign only tightens."""

from __future__ import annotations

import pytest

from scheduler.settings import Policy

LOOSER = {
    "attempts_per_day": 4,
    "attempts_per_7_days": 8,
    "busy_retry_minutes": 4,
    "no_answer_retry_minutes": 59,
    "abandoned_gap_hours": 71,
    "abandoned_percent": 4,
    "payments_block_business_days": 6,
    "promise_horizon_days": 31,
    "ring_seconds": 14,
    "quiet_days": -1,
}


@pytest.mark.parametrize(("name", "value"), LOOSER.items())
def test_a_value_beyond_the_hard_limit_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        Policy(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("attempts_per_day", 3), ("quiet_days", 6), ("busy_retries", 3), ("ring_seconds", 29)]
)
def test_a_campaign_may_not_loosen(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        Policy().tightened({name: value})


def test_a_campaign_may_tighten() -> None:
    tight = Policy().tightened({"attempts_per_day": 1, "quiet_days": 14})
    assert (tight.attempts_per_day, tight.quiet_days, tight.refusal_days) == (1, 14, 14)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="attempts_per_hour"):
        Policy().tightened({"attempts_per_hour": 1})
