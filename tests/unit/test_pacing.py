"""The pacer against the limit that was solved, an oracle that shares no code with the solver, and its governor."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callflow.simulation.floor import DAY, FloorRun, Line
from scheduler.pacing.estimates import PRIOR, EndedLine, Estimates, Observed, observe
from scheduler.pacing.optimum import Room, Rule, progressive_limit, solve
from scheduler.pacing.pacer import ENOUGH, Floor, Pace, Trail, choose, ladder_for, pace, speculative
from scheduler.settings import MODES

TALK, CAP = 180.0, 0.03
RING = {0.5: 15.0, 0.3: 18.0}
TRUE = Estimates(0.3, TALK, 18.0)

DESIGN = [  # docs/pacing.md; 3 × 0.3 and 50 × 0.5 are our own, the rest is the design's
    (3, 0.5, 0.869),
    (3, 0.3, 0.792),
    (6, 0.5, 0.876),
    (6, 0.3, 0.820),
    (20, 0.5, 0.910),
    (20, 0.3, 0.889),
    pytest.param(50, 0.5, 0.943, marks=pytest.mark.deep),
    pytest.param(50, 0.3, 0.935, marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("seats", "rate", "limit"), DESIGN)
def test_the_optimum_is_the_design_s(seats: int, rate: float, limit: float) -> None:
    room = Room(seats, rate, TALK, RING[rate])
    found = solve(room, CAP)
    assert found.utilisation == pytest.approx(limit, abs=0.0006)
    assert found.careful.abandoned <= CAP < found.bold.abandoned
    assert progressive_limit(room) < found.utilisation


def long_run(room: Room, targets: tuple[int, ...]) -> tuple[float, float]:
    """Utilisation and abandoned ÷ answered of a rule, from the balance equations of all its states."""
    most = max(targets) + 1
    everything = product(range(room.seats + 1), range(most + 1))
    states = [(busy, ringing) for busy, ringing in everything if ringing >= targets[busy]]
    number = {state: index for index, state in enumerate(states)}
    rates = np.zeros((len(states), len(states)))
    for busy, ringing in states:
        ends = {(busy - 1, ringing): busy / room.talk} if busy else {}
        if ringing:
            ends[busy, ringing - 1] = ringing / room.ring * (1 - room.answer_rate)
            taken = (min(busy + 1, room.seats), ringing - 1)
            ends[taken] = ends.get(taken, 0) + ringing / room.ring * room.answer_rate
        for (now_busy, now_ringing), rate in ends.items():
            to = number[now_busy, max(now_ringing, targets[now_busy])]
            rates[number[busy, ringing], to] += rate
    balance = (rates - np.diag(rates.sum(axis=1))).T
    balance[0] = 1.0
    share = np.linalg.lstsq(balance, np.eye(len(states))[0], rcond=None)[0]
    in_talk = sum(share[number[state]] * state[0] / room.seats for state in states)
    answered = sum(share[number[state]] * state[1] / room.ring * room.answer_rate for state in states)
    lost = sum(
        share[number[state]] * state[1] / room.ring * room.answer_rate for state in states if state[0] == room.seats
    )
    return float(in_talk), float(lost / answered)


@pytest.mark.parametrize("cap", [0.01, 0.03, 0.2])
def test_no_mixture_of_any_two_rules_beats_the_optimum(cap: float) -> None:
    """All rules for two operators, each evaluated by itself, and the best mixture of two that keeps the cap."""
    room = Room(2, 0.4, TALK, 20.0)
    rules = [long_run(room, targets) for targets in product(range(1, 8), range(6), range(4))]
    excess = [use * (lost - cap) / (1 - lost) for use, lost in rules]
    best = max(use for (use, lost) in rules if lost <= cap)
    for (use_a, a), (use_b, b) in combinations(zip((use for use, _ in rules), excess, strict=True), 2):
        if min(a, b) < 0 < max(a, b):
            best = max(best, (use_a * b - use_b * a) / (b - a))
    assert solve(room, cap).utilisation == pytest.approx(best, abs=1e-4)


def test_what_a_rule_says_of_itself_is_its_long_run() -> None:
    room = Room(3, 0.3, TALK, 18.0)
    for rule in (solve(room, CAP).careful, solve(room, CAP).bold):
        assert (rule.utilisation, rule.abandoned) == pytest.approx(long_run(room, rule.targets), abs=1e-4)


floors = st.integers(0, 6).flatmap(
    lambda seats: st.builds(Floor, st.just(seats), st.integers(0, seats), st.integers(0, 40))
)
trails = st.builds(Trail, st.integers(0, 400), st.integers(0, 20_000))
believed = st.sampled_from([TRUE, Estimates(0.5, 180, 15), Estimates(0.9, 60, 30)])
caps = st.sampled_from([0.005, 0.01, 0.03])
modes = st.sampled_from(MODES)


@settings(deadline=None)  # the first of a kind solves its rules
@given(floors, trails, believed, caps)
def test_no_estimate_leads_past_the_governor(floor: Floor, trail: Trail, estimates: Estimates, cap: float) -> None:
    """Even if every line beyond the free operators were answered and lost, the share stays at or under the cap."""
    lines = pace("predictive", floor, trail, estimates, cap).lines
    assert lines >= 0
    ahead = min(lines, max(0, floor.ringing + lines - floor.free))
    if ahead:
        assert trail.answered >= ENOUGH
        worst = max(0, floor.ringing + lines - floor.free)
        assert Fraction(trail.abandoned + worst, trail.answered + worst) <= Fraction(str(cap))


@settings(deadline=None)  # the first of a kind solves its rules
@given(trails, caps)
def test_one_line_ahead_is_allowed_exactly_where_one_more_lost_call_keeps_the_cap(trail: Trail, cap: float) -> None:
    keeps = Fraction(trail.abandoned + 1, trail.answered + 1) <= Fraction(str(cap))
    assert (speculative(trail, cap) >= 1) == (trail.answered >= ENOUGH and keeps)


def test_a_cap_above_the_hard_limit_is_the_hard_limit() -> None:
    trail = Trail(5, 1_000)
    assert speculative(trail, 0.5) == speculative(trail, 0.03) == 25


@settings(deadline=None)  # the first of a kind solves its rules
@given(modes, floors, trails, believed, caps)
def test_more_to_do_never_opens_more(mode: str, floor: Floor, trail: Trail, estimates: Estimates, cap: float) -> None:
    """One more busy operator, ringing line or lost call: never more lines."""

    def lines(floor: Floor, trail: Trail) -> int:
        return pace(mode, floor, trail, estimates, cap).lines  # type: ignore[arg-type]

    now = lines(floor, trail)
    assert lines(Floor(floor.seats, floor.busy, floor.ringing + 1), trail) <= now
    assert lines(floor, Trail(trail.abandoned + 1, trail.handled)) <= now or trail.answered == ENOUGH - 1
    if floor.busy < floor.seats:
        assert lines(Floor(floor.seats, floor.busy + 1, floor.ringing), trail) <= now


@settings(deadline=None)  # the first of a kind solves its rules
@given(modes, trails, believed, st.integers(0, 9))
def test_nobody_at_work_opens_no_line(mode: str, trail: Trail, estimates: Estimates, ringing: int) -> None:
    assert pace(mode, Floor(0, 0, ringing), trail, estimates) == Pace(0, "nobody_there")  # type: ignore[arg-type]


@settings(deadline=None)  # the first of a kind solves its rules
@given(floors, trails, believed)
def test_progressive_is_one_line_for_each_free_operator(floor: Floor, trail: Trail, estimates: Estimates) -> None:
    assume(floor.seats > 0)
    assert pace("progressive", floor, trail, estimates).lines == max(0, floor.seats - floor.busy - floor.ringing)
    assert pace("preview", floor, trail, estimates).lines == 0


@pytest.mark.parametrize(
    ("trail", "hold"),
    [
        (Trail(0, 99), "too_few_calls"),
        (Trail(0, 100), ""),
        (Trail(3, 97), "abandoned_cap"),
        (Trail(30, 970), "abandoned_cap"),
        (Trail(29, 969), "abandoned_cap"),
        (Trail(29, 970), ""),
    ],
)
def test_why_no_line_is_opened_ahead(trail: Trail, hold: str) -> None:
    assert pace("predictive", Floor(6, 4, 0), trail, TRUE).hold == hold


def test_rules_become_more_careful_as_the_cap_comes_near() -> None:
    ladder = ladder_for(6, TRUE, CAP)
    assert [rule.abandoned for rule in ladder] == sorted(rule.abandoned for rule in ladder)
    chosen = [ladder.index(choose(ladder, Trail(lost, 1_000 - lost), CAP)) for lost in range(10, 31)]
    assert chosen == sorted(chosen, reverse=True)
    assert {chosen[0], chosen[-1]} == {len(ladder) - 1, 0}


@settings(deadline=None)  # the first of a kind solves its rules
@given(believed, caps)
def test_every_rule_of_a_ladder_dials_at_least_as_much_as_the_one_before(estimates: Estimates, cap: float) -> None:
    ladder: tuple[Rule, ...] = ladder_for(5, estimates, cap)
    for careful, bold in pairwise(ladder):
        assert all(a <= b for a, b in zip(careful.targets, bold.targets, strict=True))
    for rule in ladder:
        assert list(rule.targets) == sorted(rule.targets, reverse=True)


def test_few_lines_say_little_and_many_say_all() -> None:
    line = EndedLine(answered=True, ring=4.0, talk=60.0)
    assert Observed().estimates() == PRIOR
    one, many = observe([line]).estimates(), observe([line] * 2_000).estimates()
    assert one.answer_rate < 0.55
    assert many.answer_rate > 0.95
    assert many.talk == pytest.approx(60, rel=0.2)


def test_estimates_follow_a_change() -> None:
    before, after = EndedLine(answered=True, ring=5, talk=100), EndedLine(answered=False, ring=25)
    assert observe([before] * 500 + [after] * 500).estimates().answer_rate < 0.15


def room_run(mode: str, estimates: Estimates, seats: int, seed: int) -> FloorRun:
    chance = random.Random(seed)

    def line(_now: float) -> Line:
        return Line(
            chance.expovariate(1 / estimates.ring),
            chance.random() < estimates.answer_rate,
            chance.expovariate(1 / estimates.talk),
        )

    return FloorRun(seats, lambda floor, trail: pace(mode, floor, trail, estimates).lines, line)  # type: ignore[arg-type]


def test_progressive_reaches_its_closed_form_and_abandons_nobody() -> None:
    run = room_run("progressive", TRUE, 6, seed=1)
    run.run(3 * DAY)
    assert run.talked / (6 * 3 * DAY) == pytest.approx(progressive_limit(Room(6, 0.3, TALK, 18.0)), rel=0.01)
    assert run.fates["abandoned"] == 0


def test_predictive_reaches_the_optimum_and_keeps_the_cap() -> None:
    run, share = room_run("predictive", TRUE, 6, seed=2), 0.0
    run.run(DAY)
    run.forget()
    while run.now < 4 * DAY:
        run.run(run.now + 600)
        share = max(share, run.trail.share)
    limit = solve(Room(6, 0.3, TALK, 18.0), CAP).utilisation
    assert run.talked / (6 * 3 * DAY) >= 0.98 * limit
    assert 0 < share <= CAP
