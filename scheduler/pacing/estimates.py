"""What the pacer believes of the lines: how often they are answered, how long they ring, how long a talk lasts. Pure.

The estimates are folds of the calls that ended last, older ones counting less, so that every process that reads the
same rows believes the same; while there are few, a prior has most of the weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MEMORY: Final = 200
"""Lines over which an old one loses its weight (to 1/e)."""
PRIOR_WEIGHT: Final = 20.0
"""Lines that the prior counts for."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """`answer_rate`: of dialled lines, those that come to an operator. `talk`: seconds from answer to the next call,
    wrap-up and all. `ring`: seconds a line rings, answered or not."""

    answer_rate: float
    talk: float
    ring: float

    def rounded(self) -> tuple[float, float]:
        """Answer rate in steps of 2 %, and ring ÷ talk in steps of a tenth of itself: what rules are solved for."""
        rate = min(max(round(self.answer_rate * 50), 2), 48) / 50
        share = min(max(self.ring / self.talk, 0.005), 1.0)
        return rate, round(math.exp(round(math.log(share) * 10) / 10), 6)


PRIOR: Final = Estimates(answer_rate=0.5, talk=180.0, ring=15.0)
"""About half of all calls are answered [performance.md: Kawasaki]; the seconds are our own judgement."""


@dataclass(frozen=True, slots=True)
class EndedLine:
    """One line that ended: whether it came to an operator (or would have), and its seconds. `talk` None: no talk."""

    answered: bool
    ring: float
    talk: float | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Weighted sums over ended lines, the newest counting one."""

    dialled: float = 0.0
    answered: float = 0.0
    ring: float = 0.0
    talks: float = 0.0
    talk: float = 0.0

    def after(self, line: EndedLine) -> Observed:
        """With one more line, newer than all others."""
        keep = _KEEP
        talked = line.talk is not None
        return Observed(
            self.dialled * keep + 1,
            self.answered * keep + line.answered,
            self.ring * keep + line.ring,
            self.talks * (keep if talked else 1) + talked,
            self.talk * (keep if talked else 1) + (line.talk or 0.0),
        )

    def estimates(self, prior: Estimates = PRIOR) -> Estimates:
        """The weighted means, drawn towards the prior while little was seen."""
        lines, talks = self.dialled + PRIOR_WEIGHT, self.talks + PRIOR_WEIGHT
        return Estimates(
            (self.answered + prior.answer_rate * PRIOR_WEIGHT) / lines,
            (self.talk + prior.talk * PRIOR_WEIGHT) / talks,
            (self.ring + prior.ring * PRIOR_WEIGHT) / lines,
        )


_KEEP: Final = math.exp(-1 / MEMORY)


def observe(lines: Iterable[EndedLine]) -> Observed:
    """What lines amount to, the oldest first."""
    observed = Observed()
    for line in lines:
        observed = observed.after(line)
    return observed
