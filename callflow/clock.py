"""Time comes from here and nowhere else. Instants are UTC; rules judge them in Asia/Tokyo."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")


JUMP = timedelta(seconds=5)
"""More than this between two looks is no correction by NTP: somebody set the clock, or the machine slept."""

AFTER_JUMP = timedelta(seconds=60)
"""How long nothing is dialled after a jump: long enough for a person to see it, and for the time to be set right."""


class Clock(Protocol):
    """`now()` is an aware instant in UTC and never runs backwards within one process."""

    def now(self) -> datetime: ...

    def jumped(self) -> timedelta:
        """By how much the clock has jumped in the last `AFTER_JUMP`; zero if it runs as time does."""
        ...


def in_hours(jump: timedelta) -> str:
    """A jump of the clock as it is told: `+1:00:00` is an hour ahead."""
    seconds = round(abs(jump.total_seconds()))
    return f"{'-' if jump < timedelta(0) else '+'}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class SystemClock:
    """The host's clock, watched by one that nobody sets."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._seen = (wall(), monotonic())
        self._jump, self._jumped_at = 0.0, -math.inf
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._look()[0], UTC)

    def jumped(self) -> timedelta:
        _, runs = self._look()
        return timedelta(seconds=self._jump if runs - self._jumped_at < AFTER_JUMP.total_seconds() else 0)

    def _look(self) -> tuple[float, float]:
        with self._lock:
            wall, runs = self._wall(), self._monotonic()
            drift = (wall - self._seen[0]) - (runs - self._seen[1])
            if abs(drift) > JUMP.total_seconds():
                self._jump, self._jumped_at = drift, runs
            self._seen = (wall, runs)
            return self._seen


class SimulatedClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def jumped(self) -> timedelta:
        return timedelta(0)

    def advance(self, by: timedelta) -> None:
        if by < timedelta(0):
            raise ValueError("time does not run backwards")
        self._now += by

    def advance_to(self, instant: datetime) -> None:
        self.advance(instant.astimezone(UTC) - self._now)


class RunningClock:
    """A clock that begins at a moment of one's choice and runs as fast as the world's."""

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._begun = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._begun)

    def jumped(self) -> timedelta:
        return timedelta(0)
