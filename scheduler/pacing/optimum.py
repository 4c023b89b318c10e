"""What no pacing can beat: dialling as a constrained Markov decision process, solved.

State: operators in a talk, lines that ring. Action: dial up to some number of ringing lines. Talks and rings end
after exponential times, a ring ends in an answer with the answer rate; an answer that finds no free operator is
abandoned. Maximised: the share of the operators' time spent in talks, under a cap on abandoned ÷ answered.

Solved by value iteration on the uniformised chain inside a bisection over the price of an abandoned call
(Lagrange), counted in talks. Neighbouring prices give a careful rule, under the cap, and a bold one, over it; the
optimum mixes the two so that the cap is met exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]

_ROUNDS: Final = 200_000
_CHEAPEST, _DEAREST = 1e-3, 1e3


@dataclass(frozen=True, slots=True)
class Room:
    """`seats` operators; `answer_rate` of the dialled lines that come to an operator; means in seconds.

    `talk`: from answer to the next call, wrap-up and all. `ring`: over answered and unanswered lines alike.
    """

    seats: int
    answer_rate: float
    talk: float
    ring: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A dialling rule: with b operators in a talk, dial until `targets[b]` lines ring. What it leads to:

    `utilisation`: share of the operators' time in talks; `abandoned`: abandoned ÷ answered.
    """

    targets: tuple[int, ...]
    utilisation: float
    abandoned: float


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best that can be had under `cap`: `utilisation`, by mixing a rule under the cap with one over it."""

    cap: float
    utilisation: float
    careful: Rule
    bold: Rule


def progressive_limit(room: Room) -> float:
    """Utilisation of one line per free operator: talk ÷ (talk + ring ÷ answer rate)."""
    return room.talk / (room.talk + room.ring / room.answer_rate)


def solve(room: Room, cap: float, *, tolerance: float = 1e-5, halvings: int = 14) -> Optimum:
    """The optimum under `cap` (abandoned ÷ answered, 0 < cap < 1), its utilisation within about `tolerance`."""
    return solve_all(room, (cap,), tolerance=tolerance, halvings=halvings)[0]


def solve_all(room: Room, caps: Sequence[float], *, tolerance: float = 1e-4, halvings: int = 8) -> tuple[Optimum, ...]:
    """The optimum under each of `caps`, ascending; `halvings` of the price's logarithm bring the two rules together."""
    chain = _Chain(room, tolerance)
    dear, cheap = math.log(_DEAREST), math.log(_CHEAPEST)
    bold = chain.best(_CHEAPEST)
    found = []
    for cap in sorted(caps, reverse=True):
        low, high, careful = cheap, dear, chain.best(_DEAREST)
        for _ in range(halvings):
            middle = (low + high) / 2
            rule = chain.best(math.exp(middle))
            if rule.abandoned > cap:
                low, bold = middle, rule
            else:
                high, careful = middle, rule
        cheap = low
        found.append(Optimum(cap, _mixed(cap, careful, bold), careful, bold))
    return tuple(reversed(found))


def _mixed(cap: float, careful: Rule, bold: Rule) -> float:
    if bold.abandoned <= cap:  # no price is low enough to pass the cap
        return bold.utilisation
    slack, excess = (_excess(rule, cap) for rule in (careful, bold))
    return (careful.utilisation * excess - bold.utilisation * slack) / (excess - slack)


def _excess(rule: Rule, cap: float) -> float:
    """Abandoned − cap × answered, in talks for each operator and mean talk."""
    return rule.utilisation * (rule.abandoned - cap) / (1 - rule.abandoned)


class _Chain:
    """The uniformised chain over (busy, ringing), and value iteration on it, each from where the last one ended."""

    def __init__(self, room: Room, tolerance: float) -> None:
        self.tolerance = tolerance
        most = _most_ringing(room)
        busy, ringing = np.arange(room.seats + 1.0)[:, None], np.arange(most + 1.0)[None, :]
        self.rate = room.seats / room.talk + most / room.ring
        self.talk_ends = busy / room.talk / self.rate
        self.answered = ringing / room.ring * room.answer_rate / self.rate
        self.unanswered = ringing / room.ring * (1 - room.answer_rate) / self.rate
        self.nothing = 1 - self.talk_ends - self.answered - self.unanswered
        self.in_talk = busy / room.seats + 0 * ringing
        self.lost = np.where(busy == room.seats, self.answered * self.rate * room.talk / room.seats, 0.0)
        self.values: Grid = np.zeros((room.seats + 1, most + 1))
        self.use: Grid = np.zeros_like(self.values)

    def best(self, price: float) -> Rule:
        """The rule that maximises talks − price × abandoned calls."""
        reward = self.in_talk - price * self.lost
        gain, self.values = self._iterate(reward, self.values, None)
        targets = np.minimum.accumulate(np.argmax(self._ahead(reward, self.values), axis=1))
        utilisation, self.use = self._iterate(self.in_talk, self.use, targets)
        lost = max(0.0, (utilisation - gain) / price)
        return Rule(tuple(int(target) for target in targets), utilisation, lost / (lost + utilisation))

    def _iterate(self, reward: Grid, values: Grid, targets: NDArray[np.intp] | None) -> tuple[float, Grid]:
        """Value iteration to the average reward: of the best rule, or of the one given by `targets`."""
        if targets is not None:
            dialled = np.maximum(np.arange(values.shape[1])[None, :], targets[:, None])
        for _ in range(_ROUNDS):
            ahead = self._ahead(reward, values)
            if targets is None:
                after = np.maximum.accumulate(ahead[:, ::-1], axis=1)[:, ::-1]
            else:
                after = np.take_along_axis(ahead, dialled, axis=1)
            change = (after - values) * self.rate
            values = after - after[0, 0]
            if np.ptp(change) < self.tolerance:
                break
        return float(change.max() + change.min()) / 2, values

    def _ahead(self, reward: Grid, values: Grid) -> Grid:
        """What each state is worth one event later, before anything more is dialled."""
        fewer = np.concatenate((values[:, :1], values[:, :-1]), axis=1)
        ended = np.concatenate((values[:1], values[:-1]))
        taken = np.concatenate((fewer[1:], fewer[-1:]))
        ahead: Grid = reward / self.rate + self.nothing * values
        ahead += self.talk_ends * ended
        ahead += self.unanswered * fewer
        ahead += self.answered * taken
        return ahead


def _most_ringing(room: Room) -> int:
    """Beyond this many ringing lines nothing is gained: what full use needs, and a margin for many free at once."""
    steady = room.seats * room.ring / (room.talk * room.answer_rate)
    return int(min(room.seats / room.answer_rate + 3, 2.5 * steady + 0.5 * room.seats + 7))
