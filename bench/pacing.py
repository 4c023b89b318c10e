"""P8: the pacer in simulated rooms against the optimum of the constrained decision process, beside the adaptive dial
level that predictive diallers classically use.

Three laws: `exponential`, what the optimum is solved for and cannot be beaten in; `realistic`, log-normal talks and
lines that ring 25 s where nobody answers; `drifting`, realistic with answer rate and talks that swing by 20 % in
hours, of which the pacer knows only what it estimates. A day of work before each measurement fills the trail.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import count, product
from typing import Literal

from bench.table import Contender, Contenders, Figure, at_least, at_most
from callflow.simulation.floor import DAY, Fate, FloorRun, Line
from scheduler.pacing.estimates import EndedLine, Estimates, Observed
from scheduler.pacing.optimum import Room, progressive_limit, solve
from scheduler.pacing.pacer import Floor, Trail, pace
from scheduler.settings import HARD_CAP

LawName = Literal["exponential", "realistic", "drifting"]
Who = Literal["predictive", "progressive", "adaptive dial level"]

TALK, CAP, NO_ANSWER = 180.0, HARD_CAP, 25.0
RING = {0.5: 15.0, 0.3: 18.0}
ANSWERED = 5_000
"""Talks that each measurement is long enough for."""
SWING, RATE_PERIOD, TALK_PERIOD = 0.2, 4 * 3600.0, 6 * 3600.0


@dataclass
class Law:
    """How lines and residents behave in a room."""

    name: LawName
    room: Room
    chance: random.Random

    def at(self, moment: float) -> Room:
        if self.name != "drifting":
            return self.room
        rate = 1 + SWING * math.sin(2 * math.pi * moment / RATE_PERIOD)
        talk = 1 + SWING * math.sin(2 * math.pi * moment / TALK_PERIOD + 1)
        return replace(self.room, answer_rate=self.room.answer_rate * rate, talk=self.room.talk * talk)

    def line(self, moment: float) -> Line:
        now, chance = self.at(moment), self.chance
        answered = chance.random() < now.answer_rate
        if self.name == "exponential":
            return Line(chance.expovariate(1 / now.ring), answered, chance.expovariate(1 / now.talk))
        soon = (self.room.ring - (1 - self.room.answer_rate) * NO_ANSWER) / self.room.answer_rate
        ring = chance.expovariate(1 / soon) if answered else NO_ANSWER
        return Line(ring, answered, chance.lognormvariate(math.log(now.talk) - 0.18, 0.6))

    def optimum(self) -> float:
        """Over the periods of a drift, the mean of the optima that hold at each moment."""
        moments = [each * RATE_PERIOD / 8 for each in range(24)] if self.name == "drifting" else [0.0]
        found = [solve(self.at(moment), CAP, tolerance=1e-4, halvings=10).utilisation for moment in moments]
        return sum(found) / len(found)


@dataclass
class AdaptiveDialLevel:
    """The peer: so many lines for each free operator, the level stepped up and down by the abandoned share."""

    level: float = 1.0
    since: int = 0

    def lines(self, floor: Floor, trail: Trail) -> int:
        if trail.answered - self.since >= 25:
            self.since = trail.answered
            self.level += 0.1 if trail.share < CAP else -0.25
            self.level = min(max(self.level, 1.0), 4.0)
        self.since = min(self.since, trail.answered)
        return max(0, math.ceil(self.level * floor.free) - floor.ringing)


@dataclass
class OurPacer:
    """The pacer as production uses it; `known` are the true means, None: it estimates."""

    mode: Literal["predictive", "progressive"]
    known: Estimates | None
    seen: Observed = field(default_factory=Observed)
    believed: Estimates = field(default_factory=lambda: Observed().estimates())
    heard: int = 0

    def lines(self, floor: Floor, trail: Trail) -> int:
        return pace(self.mode, floor, trail, self.known or self.believed, CAP).lines

    def told(self, line: Line, fate: Fate, _at: float) -> None:
        if self.known is None:
            self.seen = self.seen.after(EndedLine(line.answered, line.ring, line.talk if fate == "handled" else None))
            self.heard += 1
            if self.heard % 10 == 0:
                self.believed = self.seen.estimates()


@dataclass(frozen=True, slots=True)
class Score:
    """`share`: the highest that abandoned ÷ answered of the trailing 24 hours reached, looked at every 6 minutes."""

    utilisation: float
    share: float


@cache
def score(who: Who, law_name: LawName, room: Room, seed: int) -> Score:
    law = Law(law_name, room, random.Random(seed))
    if who == "adaptive dial level":
        run = FloorRun(room.seats, AdaptiveDialLevel().lines, law.line)
    else:
        known = None if law_name == "drifting" else Estimates(room.answer_rate, room.talk, room.ring)
        ours = OurPacer(who, known)
        run = FloorRun(room.seats, ours.lines, law.line, ours.told)
    run.run(DAY)
    run.forget()
    share, end = 0.0, DAY + max(TALK_PERIOD * 2, ANSWERED * TALK / room.seats)
    while run.now < end:
        run.run(min(run.now + 360, end))
        share = max(share, run.trail.share)
    return Score(run.talked / (room.seats * (end - DAY)), share)


@contextmanager
def _rounds(law: LawName, room: Room, who: Who, what: Callable[[Score], float], peer: bool) -> Iterator[Contenders]:
    """Each round has its own seed, the same for all contenders."""

    def contender(name: Who) -> Contender:
        seeds = count(1)
        return lambda: what(score(name, law, room, next(seeds)))

    limit = Law(law, room, random.Random()).optimum() if who == "predictive" else progressive_limit(room)
    by_share = what is _share
    peers = {"adaptive dial level": contender("adaptive dial level")} if peer else {}
    yield Contenders(contender(who), None if by_share else lambda: limit, peers)


def _utilisation(found: Score) -> float:
    return found.utilisation


def _share(found: Score) -> float:
    return found.share


def _figures(seats: int, rate: float) -> Iterator[Figure]:
    room, of = Room(seats, rate, TALK, RING[rate]), f"{seats} seats, answer rate {rate}"
    for law, least in (("exponential", 0.98), ("realistic", 0.98), ("drifting", 0.93)):
        scene = partial(_rounds, law, room, "predictive", _utilisation, law != "exponential")  # type: ignore[arg-type]
        yield Figure("P8", f"utilisation, {law}, {of}", "optimum", "", scene, at_least(least), rounds=2)
        scene = partial(_rounds, law, room, "predictive", _share, law != "exponential")  # type: ignore[arg-type]
        yield Figure("P8", f"highest AB share, {law}, {of}", "", "", scene, at_most(CAP), rounds=2)
    scene = partial(_rounds, "realistic", room, "progressive", _utilisation, False)
    yield Figure("P8", f"utilisation, progressive, {of}", "its closed form", "", scene, at_least(0.99), rounds=2)


FIGURES = tuple(figure for seats, rate in product((3, 6, 20, 50), (0.5, 0.3)) for figure in _figures(seats, rate))
