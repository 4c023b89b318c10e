"""Files of the import wizard are read by a process of their own, so that no operator's key waits for a list."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from callflow.clock import RunningClock
from callflow.config import load
from callflow.console.site import Site
from callflow.intake.uploads import Uploads
from models.database import Database

POLITE: Final = 10
"""How much the process gives way to the others (`nice`)."""


def attend(site: Site) -> None:
    """Reads the next file that waits, if there is one and no other process has it."""
    now = site.clock.now()
    found = Uploads(site.database, site.municipality_id, site.config).claim(now)
    if found is None:
        return
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(POLITE,)) as pool:
        pool.submit(read, site.database.url, site.config_path, site.municipality_id, found, now).result()


def read(url: str, config_path: Path, municipality_id: int, upload_id: int, now: datetime) -> None:
    """In the process of its own. `now`: the console's time, which need not be the world's."""
    database = Database(url)
    try:
        Uploads(database, municipality_id, load(config_path)).work(upload_id, RunningClock(now))
    finally:
        database.close()
