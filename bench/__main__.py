"""Every benchmark against its baseline in the same run: `python -m bench [P10 step …] [--rounds 5]`.

Prints the table of docs/performance.md and writes the run as JSON under var/bench/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import bench
from bench.table import FOLDER, FULL, HEADER, Figure, Row, cells, in_unit, markdown, measure, scratch


def figures() -> list[Figure]:
    """The figures of every module of this folder, in the order of their numbers."""
    modules = [import_module(f"bench.{each.name}") for each in iter_modules(bench.__path__) if each.name != "__main__"]
    found = [figure for module in modules for figure in getattr(module, "FIGURES", ())]
    return sorted(found, key=_order)


def _order(figure: Figure) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, figure.number))
    return int(digits or 0), figure.number


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all were measured, targets missed or not; 1: one could not be; 2: no such figure."""
    ask = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    ask.add_argument("numbers", nargs="*", help="which figures, by number; none: all")
    ask.add_argument("--rounds", type=int, default=5)
    ask.add_argument("--list", action="store_true", help="only show which figures there are")
    ask.add_argument("--full", action="store_true", help="the sizes of the targets, where they are large")
    given = ask.parse_args(arguments)
    if given.full:
        os.environ[FULL] = "1"
    known = figures()
    wanted = {number.casefold() for number in given.numbers}
    unknown = wanted - {figure.number.casefold() for figure in known}
    if unknown:
        numbers = ", ".join(dict.fromkeys(figure.number for figure in known))
        print(f"no such figure: {', '.join(sorted(unknown))}; there are {numbers}", file=sys.stderr)
        return 2
    chosen = [figure for figure in known if not wanted or figure.number.casefold() in wanted]
    if given.list:
        for figure in chosen:
            print(
                f"{figure.number:6} {' ÷ '.join(filter(None, (figure.what, figure.baseline)))}  {figure.target or ''}"
            )
        return 0
    return _run(chosen, given.rounds)


def _run(chosen: Sequence[Figure], rounds: int) -> int:
    began, before, floor = datetime.now(UTC), os.getloadavg(), fdatasync_floor()
    print(f"load {before[0]:.2f} on {os.cpu_count()} cores, fdatasync of 4 kB {in_unit(floor, 's')}, {rounds} rounds\n")
    print(markdown(HEADER), markdown(("---",) * len(HEADER)), sep="\n", flush=True)
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for figure in chosen:
        try:
            measured = measure(figure, rounds)
        except Exception as error:  # one that fails must not take the others with it
            failed[figure.number] = f"{type(error).__name__}: {error}"
            print(
                markdown((figure.number, figure.what, f"failed: {failed[figure.number]}", "", "", "", "")), flush=True
            )
            continue
        rows += measured
        print(*(markdown(cells(row)) for row in measured), sep="\n", flush=True)
    after = os.getloadavg()
    print(f"\nload after {after[0]:.2f}", end="")
    path = _written(
        {
            "began": began.isoformat(timespec="seconds"),
            "rounds": rounds,
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kind": platform.machine()},
            "load": {"before": before, "after": after},
            "fdatasync_s": floor,
            "rows": [row.as_data() for row in rows],
            "failed": failed,
        },
        f"{began:%Y%m%dT%H%M%SZ}",
    )
    print(f"; written to {path}")
    return 1 if failed else 0


def _written(run: dict[str, object], name: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(run, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def fdatasync_floor(times: int = 50) -> float:
    """Seconds that this disk takes to keep 4 kB: what no durable commit can be faster than."""
    with scratch() as folder, (folder / "floor").open("wb", buffering=0) as file:
        spent = []
        for _ in range(times):
            os.write(file.fileno(), bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - start)
    return statistics.median(spent)


if __name__ == "__main__":
    sys.exit(main())
