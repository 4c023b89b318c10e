"""P11: importing a list, with validation and error report, against executemany of ready tuples.

Both write the same rows of the same six tables into a fresh SQLite file, in turn and several times. The import
runs in a process of its own, so that its peak of memory is its own; memory is told for a short and for a long file.

    python bench/intake.py [--households 10000] [--runs 5] [--long 10]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from callflow.intake.importer import import_file
from callflow.simulation.sample import generate, write
from models.database import Database
from models.tables import (
    arrears,
    cases,
    debtor_phones,
    debtors,
    households,
    metadata,
    municipalities,
    phone_numbers,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
AS_OF = date(2026, 11, 20)
WRITTEN: tuple[Table, ...] = (households, debtors, phone_numbers, debtor_phones, cases, arrears)


def fresh(path: Path) -> Database:
    """A database with its tables and one municipality."""
    database = Database(f"sqlite:///{path}")
    metadata.create_all(database.engine)
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=1, code="139999", name="見本区"))
    return database


def imported(list_file: Path, path: Path) -> float:
    """Seconds that one import takes."""
    database = fresh(path)
    start = time.perf_counter()
    report = import_file(database, list_file, municipality_id=1, actor_id=1, now=NOW)
    took = time.perf_counter() - start
    assert report.state == "active", report.bad_rows[:3]
    database.close()
    return took


def written(ready: dict[Table, list[tuple[Any, ...]]], path: Path) -> float:
    """Seconds that the driver takes for the same rows, ready as tuples, in one transaction."""
    database = fresh(path)
    with database.engine.connect() as conn:
        driver = conn.connection.dbapi_connection
        assert driver is not None
        cursor = driver.cursor()
        start = time.perf_counter()
        cursor.execute("BEGIN IMMEDIATE")
        for table, rows in ready.items():
            marks = ", ".join("?" * len(table.columns))
            cursor.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)
        cursor.execute("COMMIT")
        took = time.perf_counter() - start
    database.close()
    return took


def rows_of(path: Path) -> dict[Table, list[tuple[Any, ...]]]:
    """What an import wrote, as the driver gives it back."""
    database = Database(f"sqlite:///{path}")
    with database.engine.connect() as conn:
        driver = conn.connection.dbapi_connection
        assert driver is not None
        found = {table: driver.cursor().execute(f"SELECT * FROM {table.name}").fetchall() for table in WRITTEN}
    database.close()
    return found


def peak(list_file: Path) -> float:
    """The peak of memory of an import in a process of its own, in MiB."""
    done = subprocess.run([sys.executable, __file__, "--once", str(list_file)], check=True, capture_output=True)
    return float(json.loads(done.stdout)["peak_mib"])


def make_list(folder: Path, count: int) -> Path:
    path = folder / f"list{count}.csv"
    if not path.exists():
        write(path, generate(count, 1, AS_OF), encoding="cp932")
    return path


def compare(folder: Path, count: int, runs: int) -> dict[str, Any]:
    """Both in turn, `runs` times; the ratio is of each pair."""
    list_file = make_list(folder, count)
    first = folder / "first.sqlite"
    imported(list_file, first)
    ready = rows_of(first)
    pairs = [
        (imported(list_file, folder / f"i{run}.sqlite"), written(ready, folder / f"w{run}.sqlite"))
        for run in range(runs)
    ]
    ratios = sorted(bare / ours for ours, bare in pairs)
    return {
        "instalments": len(ready[arrears]),
        "import_s": round(statistics.median(ours for ours, _ in pairs), 3),
        "executemany_s": round(statistics.median(bare for _, bare in pairs), 3),
        "ratio": round(statistics.median(ratios), 3),
        "spread": [round(ratios[0], 3), round(ratios[-1], 3)],
        "aim": 0.33,
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--households", type=int, default=10_000)
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--long", type=int, default=10, help="how many times longer the long file is")
    ask.add_argument("--once", type=Path, help="import this file once and print the peak of memory")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.once:
            imported(given.once, folder / "once.sqlite")
            print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
            return
        found = compare(folder, given.households, given.runs)
        short, long = (peak(make_list(folder, given.households * times)) for times in (1, given.long))
        memory = {"peak_mib": round(short, 1), f"peak_mib_at_{given.long}_times": round(long, 1)}
        print(json.dumps({"bench": "P11 import", **found, **memory}, ensure_ascii=False))


if __name__ == "__main__":
    main()
