"""Files of the import wizard are read by a process of their own, so that no operator's key waits for a list.

It gives way while it reads and not while it writes: SQLite has one writer, and one that gives way holds up everybody.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from callflow.clock import RunningClock
from callflow.config import load
from callflow.console.site import Site
from callflow.intake.uploads import Uploads
from models.database import PATIENCE, Database, T

POLITE: Final = 10
"""How much it gives way to the others (`nice`)."""


def attend(site: Site) -> None:
    """Reads the next file that waits, if there is one and no other process has it."""
    now = site.clock.now()
    found = Uploads(site.database, site.municipality_id, site.config).claim(now)
    if found is None:
        return
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(read, site.database.url, site.config_path, site.municipality_id, found, now).result()


def read(url: str, config_path: Path, municipality_id: int, upload_id: int, now: datetime) -> None:
    """In the process of its own. `now`: the console's time, which need not be the world's."""
    database = PromptlyWritten(url)
    give_way()
    try:
        Uploads(database, municipality_id, load(config_path)).work(upload_id, RunningClock(now))
    finally:
        database.close()


class PromptlyWritten(Database):
    """A database whose transactions are done by a thread of their own, which does not give way, whoever else does."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._writer = ThreadPoolExecutor(1)
        self._writer.submit(int).result()  # a thread gives way as the one does that begins it: it begins now

    def transact(self, work: Callable[[Connection], T], *, patience: float = PATIENCE) -> T:
        return self._writer.submit(super().transact, work, patience=patience).result()

    def close(self) -> None:
        self._writer.shutdown()
        super().close()


def give_way() -> None:
    """From now on this thread works when nobody else has something to do."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITE)
