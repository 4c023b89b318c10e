"""Operators and lines in simulated seconds, without a database: what a pacer is scored in, and the planner's engine."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal

from scheduler.pacing.pacer import Floor, Trail

DAY: Final = 86_400.0

Fate = Literal["unanswered", "abandoned", "handled"]
UNANSWERED: Final[Fate] = "unanswered"
ABANDONED: Final[Fate] = "abandoned"
HANDLED: Final[Fate] = "handled"


@dataclass(slots=True)
class Line:
    """One line, drawn when it is opened: seconds of ringing; whether it is answered; and what an operator then
    spends on it, or on its result (wrap-up), in seconds. `case`: whatever the source knows it by."""

    ring: float
    answered: bool
    talk: float
    wrap: float = 0.0  # spent by the operator who waited for it, where nobody answered
    case: int = 0


_WAKE: Final = Line(0.0, False, 0.0)  # nothing happens but that lines may be opened


@dataclass(slots=True)
class FloorRun:
    """One room at work. `pace` says how many lines to open, `source` gives them (None: there is none now),
    `told` hears what became of each. The sums run from the start or the last `forget`."""

    seats: int
    pace: Callable[[Floor, Trail], int]
    source: Callable[[float], Line | None]
    told: Callable[[Line, Fate, float], None] = lambda _line, _fate, _at: None
    now: float = 0.0
    busy: int = 0
    ringing: int = 0
    talked: float = 0.0  # seconds of operators in talks
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys((UNANSWERED, ABANDONED, HANDLED), 0))
    _coming: list[tuple[float, int, Line | None]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)
    _answers: deque[tuple[float, bool]] = field(default_factory=deque)
    _abandoned: int = 0
    _wake: float = 0.0

    @property
    def trail(self) -> Trail:
        """The answered calls of the trailing 24 hours."""
        while self._answers and self._answers[0][0] <= self.now - DAY:
            self._abandoned -= self._answers.popleft()[1]
        return Trail(self._abandoned, len(self._answers) - self._abandoned)

    def forget(self) -> None:
        """Starts the sums anew; the room goes on as it is."""
        self.talked = 0.0
        self.fates = dict.fromkeys((UNANSWERED, ABANDONED, HANDLED), 0)

    def wake_at(self, at: float) -> None:
        """Asks the pacer again at `at`, when the source may have something."""
        if not self.now < self._wake <= at:
            self._wake = at
            heapq.heappush(self._coming, (at, next(self._order), _WAKE))

    def run(self, until: float, *, last_dial: float | None = None) -> None:
        """Works until `until`; no line is opened at or after `last_dial`."""
        while True:
            if last_dial is None or self.now < last_dial:
                self._open()
            if not self._coming or self._coming[0][0] > until:
                break
            at, _, line = heapq.heappop(self._coming)
            self._pass(at)
            if line is None:
                self.busy -= 1
            elif line is not _WAKE:
                self._ring_ends(line)
        self._pass(until)

    def _pass(self, at: float) -> None:
        self.talked += self.busy * (at - self.now)
        self.now = at

    def _open(self) -> None:
        for _ in range(self.pace(Floor(self.seats, self.busy, self.ringing), self.trail)):
            line = self.source(self.now)
            if line is None:
                return
            self.ringing += 1
            heapq.heappush(self._coming, (self.now + line.ring, next(self._order), line))

    def _ring_ends(self, line: Line) -> None:
        self.ringing -= 1
        spent, fate = line.wrap, UNANSWERED
        if line.answered:
            lost = self.busy >= self.seats
            self._answers.append((self.now, lost))
            self._abandoned += lost
            spent, fate = (0.0, ABANDONED) if lost else (line.talk, HANDLED)
        self.fates[fate] += 1
        if spent and self.busy < self.seats:
            self.busy += 1
            heapq.heappush(self._coming, (self.now + spent, next(self._order), None))
        self.told(line, fate, self.now)
