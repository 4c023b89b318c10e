"""Forecasts in the background: a process of its own works one out while pages answer and operators' keys are served."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from threading import Lock

from callflow.simulation.planner.forecast import Forecast, Scenario, forecast
from callflow.simulation.planner.rates import History
from callflow.simulation.planner.run import Setup

RUNS = 20
SEED = 1
KEPT = 32
POLITE = 10
"""How much the process gives way to the others (`nice`)."""


class Forecaster:
    """Each question is worked out once, one after the other. Safe to share between threads."""

    def __init__(self) -> None:
        self._found: OrderedDict[Hashable, Future[list[Forecast]]] = OrderedDict()
        self._lock = Lock()
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, key: Hashable, setup: Setup, history: History, scenarios: Sequence[Scenario]) -> None:
        """Begins to work it out, unless that was done or has begun. `key` names everything that it follows from."""
        years = dict(setup.policy.limitation_years)  # a read-only view of them cannot go to another process
        setup = replace(setup, policy=replace(setup.policy, limitation_years=years))
        with self._lock:
            if key in self._found:
                return
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(POLITE,))
            self._found[key] = self._pool.submit(work_out, setup, history, list(scenarios))
            while len(self._found) > KEPT:
                self._found.popitem(last=False)[1].cancel()

    def answer(self, key: Hashable, wait: float = 0.0) -> list[Forecast] | None:
        """What was worked out; None: not yet, or never asked. `wait`: seconds that it may still take.

        What failed is forgotten, so that it can be asked again, and its error is raised.
        """
        with self._lock:
            future = self._found.get(key)
        if future is None:
            return None
        try:
            return future.result(timeout=wait)
        except TimeoutError:
            return None
        except Exception:
            with self._lock:
                self._found.pop(key, None)
                self._pool = None
            raise

    def close(self) -> None:
        """What has not begun is given up; what is being worked out ends with its process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def work_out(setup: Setup, history: History, scenarios: Sequence[Scenario]) -> list[Forecast]:
    """One forecast for each scenario."""
    return [forecast(setup, history, each, runs=RUNS, seed=SEED) for each in scenarios]
