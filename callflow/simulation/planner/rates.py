"""How calls go: drawn from the calls that really happened, and from a prior while there are few. Pure.

Each run draws its own weights for the same calls (a Bayesian bootstrap), so that a short history makes a wide
forecast.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final, Literal

import numpy as np

from callflow.simulation.residents import INTENTS, LINE_WEIGHTS
from scheduler.calendar import Band

PRIOR_CALLS: Final = 50.0
"""What the prior counts for, in calls."""
PRIOR_LIKENESS: Final = 0.1
"""How alike a household's calls are before its second calls say so (0: each call is a new throw) [O]."""
GAP: Final = 16.0
"""Seconds of wrap-up and of looking at the next case, until operators' own are known [O]."""
PRIOR_KEPT: Final = 0.6
"""Share of the promises that are kept, until some were judged [O]."""
PREVIEW: Final = 20.0
"""Seconds more that an operator looks at a case before dialling it in preview mode [O]."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """How one call went. Seconds: of ringing, and of the talk from answer to close; `weight`: calls it counts for."""

    code: str
    right_party: bool
    answered: bool
    ring: float
    talk: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class History:
    """What the database knows of calls that ended: the calls, how many of them were made and answered in each band,
    second calls after an unanswered first, and seconds between an operator's calls."""

    calls: tuple[PastCall, ...] = ()
    tried: dict[Band, int] = field(default_factory=dict)
    answered: dict[Band, int] = field(default_factory=dict)
    second_tried: int = 0
    second_answered: int = 0
    first_tried: int = 0
    first_answered: int = 0
    gaps: tuple[float, ...] = ()
    promises_kept: int = 0
    promises_judged: int = 0


class Pool:
    """Calls to draw from, by their weights."""

    def __init__(self, calls: Sequence[tuple[PastCall, float]]) -> None:
        self._calls = [call for call, _ in calls]
        self._weights = [weight for _, weight in calls]
        self._until = list(accumulate(self._weights))

    def draw(self, where: float) -> PastCall:
        """The call at `where`, 0 to 1, of all weights."""
        return self._calls[bisect(self._until, where * self._until[-1], 0, len(self._calls) - 1)]

    def mean(self, what: Literal["ring", "talk"]) -> float:
        """Weighted, in seconds."""
        weighed = zip(self._calls, self._weights, strict=True)
        return sum(float(getattr(call, what)) * weight for call, weight in weighed) / self._until[-1]


@dataclass(frozen=True, slots=True)
class Rates:
    """One belief about how calls go. `answer`: by band; `likeness`: how alike a household's calls are, 0 to 1.

    `gap`: seconds between an operator's calls; `kept`: share of the promises.
    """

    answer: dict[Band, float]
    likeness: float
    answered: Pool
    unanswered: Pool
    gap: float
    kept: float

    @property
    def mean_answer(self) -> float:
        return sum(self.answer.values()) / len(self.answer)

    def scaled(self, factor: float) -> Rates:
        """With every answer rate times `factor`, at most 1."""
        return replace(self, answer={band: min(1.0, rate * factor) for band, rate in self.answer.items()})


def prior_calls(ring_limit: float) -> tuple[PastCall, ...]:
    """What is believed before the first call: the residents of the simulation [docs/simulation.md], and seconds of
    our own judgement. `ring_limit`: seconds until a line that nobody answers is given up."""
    lines = {"no_answer": ("NA", ring_limit), "busy": ("BZ", 12.0), "unreachable": ("NW", 12.0)}
    lines |= {"invalid_number": ("DN", 12.0), "fax": ("FX", 12.0)}
    talks = sum(INTENTS.values())
    total = sum(LINE_WEIGHTS.values())
    unanswered = [
        PastCall(code, False, False, ring, weight=PRIOR_CALLS * LINE_WEIGHTS[kind] / total)
        for kind, (code, ring) in lines.items()
    ]
    voices = PRIOR_CALLS * LINE_WEIGHTS["answered"] / total
    answered = [
        PastCall(code, code in RIGHT, True, 12.0, _talk(code), voices * weight / talks)
        for code, weight in INTENTS.items()
    ]
    return (*unanswered, *answered)


RIGHT: Final = frozenset({"HU1", "PP", "PX", "PD", "PR", "DD", "HS", "HC", "HR", "IN", "RF", "DA", "DQ"})
"""Codes that always mean that the right party was spoken to [domain.md: disposition codes]."""


def _talk(code: str) -> float:
    if code in RIGHT:
        return 110.0
    return 15.0 if code.startswith("AM") else 45.0


def believe(history: History, ring_limit: float, chance: np.random.Generator | None = None) -> Rates:
    """What history and prior amount to; with `chance`, one draw of what they leave open."""
    pool = (*prior_calls(ring_limit), *history.calls)
    weights = np.array([call.weight for call in pool])
    if chance is not None:
        weights = chance.gamma(weights)
    answered = [(call, float(weight)) for call, weight in zip(pool, weights, strict=True) if call.answered]
    unanswered = [(call, float(weight)) for call, weight in zip(pool, weights, strict=True) if not call.answered]
    general = sum(weight for _, weight in answered) / float(weights.sum())
    return Rates(
        answer={band: _answer(history, band, general, chance) for band in Band},
        likeness=_likeness(history, general),
        answered=Pool(answered),
        unanswered=Pool(unanswered),
        gap=(sum(history.gaps) + GAP * PRIOR_CALLS) / (len(history.gaps) + PRIOR_CALLS),
        kept=(history.promises_kept + PRIOR_KEPT * PRIOR_CALLS) / (history.promises_judged + PRIOR_CALLS),
    )


def _answer(history: History, band: Band, general: float, chance: np.random.Generator | None) -> float:
    """The band's own rate, drawn towards the general one."""
    yes = history.answered.get(band, 0) + general * PRIOR_CALLS
    no = history.tried.get(band, 0) - history.answered.get(band, 0) + (1 - general) * PRIOR_CALLS
    return float(chance.beta(yes, no)) if chance is not None else yes / (yes + no)


def _likeness(history: History, general: float) -> float:
    """Second calls after an unanswered first are answered so much less often as households differ:
    with a beta distribution over households, second rate = first rate × (1 − likeness)."""
    first = (history.first_answered + general * PRIOR_CALLS) / (history.first_tried + PRIOR_CALLS)
    second = (history.second_answered + first * (1 - PRIOR_LIKENESS) * PRIOR_CALLS) / (
        history.second_tried + PRIOR_CALLS
    )
    return min(max(1 - second / first, 0.0), 0.9)
