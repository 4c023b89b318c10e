"""Effects as data, and in words."""

from __future__ import annotations

from typing import get_args

from callflow.effects import (
    EFFECT_LABELS,
    Effect,
    InvalidateNumber,
    RaiseContactSlip,
    RequestLivingReport,
    as_data,
    from_data,
)


def test_every_effect_has_a_word_for_people() -> None:
    assert EFFECT_LABELS.keys() == {each.__name__ for each in get_args(Effect)}


def test_what_was_written_is_read_back() -> None:
    for effect in (
        InvalidateNumber("invalid"),
        RequestLivingReport(),
        RaiseContactSlip(("PP", "hardship"), "normal", "staff_calls", "相談したい"),
    ):
        assert from_data(as_data(effect)) == effect
