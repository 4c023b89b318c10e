"""How many lines to open now. Pure: the same function in production and in simulation.

Progressive opens one line for each free operator. Predictive opens more, ahead of operators who will be free, by
rules solved for this room (`optimum`), and under a governor that no rule and no estimate can pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from scheduler.pacing.estimates import Estimates
from scheduler.pacing.optimum import Room, Rule, solve_all
from scheduler.settings import HARD_CAP, Mode

ENOUGH: Final = 100
"""Answered calls in 24 hours before any line is opened ahead of an operator."""
MOST_SEATS: Final = 60
"""Larger rooms are paced by the rules of this size, a little too carefully."""

_SHARES: Final = (1 / 6, 1 / 3, 2 / 3, 1.0)
"""Of the cap: with 3 %, rules solved for 0.5, 1, 2 and 3 %."""
_RESERVE: Final = 6.0
"""Abandoned calls still allowed, below which the rules become more careful one by one."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Operators at work, those of them in a call or wrapping up, and lines that ring for nobody in particular."""

    seats: int
    busy: int
    ringing: int

    @property
    def free(self) -> int:
        return max(0, self.seats - self.busy)


@dataclass(frozen=True, slots=True)
class Trail:
    """Calls that residents answered in the trailing 24 hours: abandoned, and brought to an operator."""

    abandoned: int = 0
    handled: int = 0

    @property
    def answered(self) -> int:
        return self.abandoned + self.handled

    @property
    def share(self) -> float:
        """Abandoned ÷ answered; 0 where nobody answered."""
        return self.abandoned / self.answered if self.answered else 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How many lines to open, and why not more: `hold` is empty while the rules alone decide."""

    lines: int
    hold: Literal["", "nobody_there", "progressive", "too_few_calls", "abandoned_cap"] = ""


Ladder = tuple[Rule, ...]
"""Rules for one room, the most careful first."""


def pace(mode: Mode, floor: Floor, trail: Trail, estimates: Estimates, cap: float = HARD_CAP) -> Pace:
    """What to open now. `cap`: the campaign's, at most HARD_CAP. Preview opens nothing by itself."""
    if floor.seats <= 0:
        return Pace(0, "nobody_there")
    sure = max(0, floor.free - floor.ringing)
    if mode != "predictive":
        return Pace(sure if mode == "progressive" else 0, "progressive")
    allowed = speculative(trail, cap)
    if not allowed:
        return Pace(sure, "too_few_calls" if trail.answered < ENOUGH else "abandoned_cap")
    rule = choose(ladder_for(floor.seats, estimates, cap), trail, cap)
    wanted = min(_target(rule, floor), floor.free + allowed)
    return Pace(max(sure, wanted - floor.ringing))


def speculative(trail: Trail, cap: float) -> int:
    """The governor: how many lines may ring beyond the free operators.

    So many that the share stays at or under `cap` even if each of them were answered and abandoned. One is allowed
    exactly where (AB + 1) ÷ (n + 1) ≤ cap; none before ENOUGH calls were answered.
    """
    if trail.answered < ENOUGH:
        return 0
    part, whole = _exactly(cap)
    return max(0, (part * trail.answered - whole * trail.abandoned) // (whole - part))


def choose(ladder: Ladder, trail: Trail, cap: float) -> Rule:
    """The rule for what the cap still allows: bold while there is much, one step more careful at a time."""
    spare = cap * trail.answered - trail.abandoned
    step = int(spare / _RESERVE * (len(ladder) - 1))
    return ladder[max(0, min(step, len(ladder) - 1))]


@lru_cache
def _exactly(cap: float) -> tuple[int, int]:
    """The cap as people wrote it, without the error of a binary fraction."""
    return Fraction(str(min(cap, HARD_CAP))).as_integer_ratio()


@lru_cache(maxsize=1024)
def ladder_for(seats: int, estimates: Estimates, cap: float) -> Ladder:
    """The rules for a room, solved once for estimates that are nearly the same."""
    return _ladder(min(seats, MOST_SEATS), *estimates.rounded(), min(cap, HARD_CAP))


@lru_cache(maxsize=256)
def _ladder(seats: int, answer_rate: float, ring_share: float, cap: float) -> Ladder:
    room = Room(seats, answer_rate, talk=1.0, ring=ring_share)
    solved = solve_all(room, [cap * share for share in _SHARES])
    return _ordered((*(each.careful for each in solved), solved[-1].bold))


def _ordered(rules: Ladder) -> Ladder:
    """Each rule dials at least as much as the one before it, so that more to spare never opens fewer lines."""
    ordered = [rules[0]]
    for rule in rules[1:]:
        targets = tuple(map(max, zip(ordered[-1].targets, rule.targets, strict=True)))
        ordered.append(Rule(targets, rule.utilisation, rule.abandoned))
    return tuple(ordered)


def _target(rule: Rule, floor: Floor) -> int:
    return rule.targets[-1 - min(floor.free, len(rule.targets) - 1)]
