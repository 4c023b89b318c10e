"""A process that only dials, as `callflow dial run` does: `python -m tests.fleet.apart URL FOLDER OPERATORS BEGUN`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from callflow.dialler import Dialler
from tests.fleet.dialer import Dialer, rules_of
from tests.world import MUNICIPALITY


def work(url: str, folder: Path, operators: list[int], begun: float) -> None:
    engine = Dialer(url, folder, operators[0], begun)
    dialler = Dialler(
        engine.database,
        engine.clock,
        engine.board,
        MUNICIPALITY,
        rules_of,
        worker=f"here:{os.getpid()}",
        attended=False,
        on_duty=lambda _conn, _now: operators,
    )
    while not (folder / "stop").exists():
        dialler.step()
        time.sleep(0.02)
    dialler.close()


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), [int(each) for each in sys.argv[3].split(",")], float(sys.argv[4]))
