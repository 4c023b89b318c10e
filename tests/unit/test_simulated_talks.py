"""Invented residents in pure talks: they come everywhere, hang up everywhere, and keep to their reasons."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from callflow.script.model import END
from callflow.script.reader import read
from callflow.script.talk import NotTaken, advance, begin
from callflow.simulation import residents
from callflow.simulation.plans import passing, ways
from callflow.simulation.residents import REASON_FIELD, REASONS, UNKNOWN, Knowledge, Resident, reason_of

SCRIPT = read(Path(__file__).parents[2] / "scripts" / "nhi-premium.yaml")
INBOUND_ONLY = {"inbound", "not_found"}
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def hang_ups(talks: int) -> Counter[str]:
    """Where residents hang up in talks that go as in the room: planned, with what comes between."""
    found: Counter[str] = Counter()
    conditions = [{"spouse_may_hear": a, "may_leave_message": b} for a in (True, False) for b in (True, False)]
    plans = [(held, ways(SCRIPT, "outbound", held, 1), passing(SCRIPT, "outbound", held, 1)) for held in conditions]
    for number in range(talks):
        resident = Resident(random.Random(number), Knowledge("1963-10-16", "", 1_000), reason_of(1, number))
        held, outcomes, by_state = plans[number % len(plans)]
        by = resident.wandering(by_state)
        steps = list(by_state[by] if by else outcomes[resident.intent(outcomes)])
        talk = begin(SCRIPT, "outbound", held)
        while talk.state != END:
            if resident.interruption() == "hang_up" or not steps:
                found[talk.state] += 1
                break
            answer = SCRIPT.states[talk.state].answers.get(steps.pop(0))
            if answer is None:
                found[talk.state] += 1
                break
            typed = resident.says(answer, SCRIPT.fields, NOW)
            late = str(typed.get("promise.due", "")) > "2026-12-08"
            negated = bool(answer.only_if and answer.only_if.negated)
            holds = {**held, "identity_matches": not negated, "beyond_horizon": late}
            taken = advance(SCRIPT, talk, answer.name, fields=frozenset(typed), holds=holds)
            assert not isinstance(taken, NotTaken), (talk.state, answer.name, taken)
            talk = taken.talk
    return found


def test_somebody_hangs_up_in_every_speaking_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chances are raised, so that a small run stands for a large one; none is made that was not there."""
    assert residents.HANG_UP > 0 < residents.WANDERING
    monkeypatch.setattr(residents, "HANG_UP", 0.1)
    monkeypatch.setattr(residents, "WANDERING", 0.5)
    assert set(SCRIPT.states) - INBOUND_ONLY - set(hang_ups(12_000)) == set()


def test_seventy_in_a_hundred_had_forgotten_and_the_reason_is_the_cases() -> None:
    drawn = Counter(reason_of(7, case) for case in range(20_000))
    assert set(drawn) == set(REASONS) == set(SCRIPT.fields[REASON_FIELD].options)
    assert 0.68 < drawn["忘れていた"] / 20_000 < 0.72
    assert [reason_of(7, case) for case in range(50)] == [reason_of(7, case) for case in range(50)]


def test_a_reason_shows_in_what_is_said() -> None:
    outcomes = dict.fromkeys(("PP", "HC", "HR", "HS", "RF"))

    def share(reason: str) -> float:
        talks = [Resident(random.Random(n), Knowledge("", "", 0), reason).intent(outcomes) for n in range(2_000)]
        return sum(code in ("HC", "HR", "HS") for code in talks) / 2_000

    assert share("病気・けが") > 10 * share("忘れていた")
    answer = SCRIPT.states["no_date"].answers["done"]
    told = Counter(
        Resident(random.Random(n), Knowledge("", "", 0), "病気・けが").says(
            answer, SCRIPT.fields, NOW, SCRIPT.states["no_date"].asks
        )[REASON_FIELD]
        for n in range(500)
    )
    assert set(told) == {"病気・けが", UNKNOWN}
    assert told["病気・けが"] > 350
