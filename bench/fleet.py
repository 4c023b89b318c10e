"""Whole calls over PostgreSQL, by one process and by several: what a capacity is reckoned from.

A short call: dealt, judged again, intended, placed; two of three answered, hung up on, and closed with all it causes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.table import Contenders, Figure
from tests.fleet.fleet import Fleet
from tests.server import Server

CASES, SECONDS = 1_500, 8


def rate(processes: int) -> float:
    """Calls a second, after all processes have begun to dial."""
    fleet = Fleet(Server(), CASES)
    try:
        fleet.start(processes)
        while len(fleet.placed()) < 10 * processes:
            time.sleep(0.05)
        first, begun = len(fleet.placed()), time.perf_counter()
        time.sleep(SECONDS)
        return (len(fleet.placed()) - first) / (time.perf_counter() - begun)
    finally:
        fleet.remove()


@contextmanager
def processes() -> Iterator[Contenders]:
    yield Contenders(lambda: rate(4), lambda: rate(1))


FIGURES = (Figure("calls", "short calls by 4 processes on PostgreSQL", "one process", "calls/s", processes, rounds=2),)
