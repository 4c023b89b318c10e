"""Proofs of scripts in the background: they take seconds, so a process of its own finds them while pages answer."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from threading import Lock
from typing import Final

from callflow.script.proofs import Report, prove
from callflow.shelf import script_of

KEPT: Final = 64
POLITE: Final = 5
"""How much the process gives way to the others (`nice`)."""


class Prover:
    """Each script is proved once, one after the other. Safe to share between threads."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Future[Report]] = OrderedDict()
        self._lock = Lock()

    def report(self, stored: str, wait: float) -> Report | None:
        """The proof of stored files (`script_versions.sources`); None if it takes longer than `wait` seconds.

        A failure is forgotten, so that it can be asked again, and its error is raised.
        """
        future = self._asked(stored)
        try:
            return future.result(timeout=wait)
        except TimeoutError:
            return None
        except Exception:
            with self._lock:
                self._found.pop(stored, None)
            raise

    def _asked(self, stored: str) -> Future[Report]:
        with self._lock:
            if stored not in self._found:
                pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(POLITE,))
                self._found[stored] = pool.submit(proved, stored)
                pool.shutdown(wait=False)  # the process ends with its one proof
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
            return self._found[stored]


def proved(stored: str) -> Report:
    return prove(script_of(stored))
