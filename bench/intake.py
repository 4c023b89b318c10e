"""P11: importing a list, with validation and error report, against executemany of ready tuples.

Both write the same rows of the same six tables into a fresh SQLite file. For its peak of memory an import runs in a
process of its own: `python -m bench.intake FILE`.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bench.table import Contenders, Figure, at_least, at_most, scratch
from callflow.intake.importer import import_file
from callflow.simulation.sample import generate, write
from models.database import Database
from models.tables import (
    accounts,
    arrears,
    cases,
    debtor_phones,
    debtors,
    households,
    metadata,
    municipalities,
    organisations,
    phone_numbers,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
AS_OF = date(2026, 11, 20)
HOUSEHOLDS = 10_000
WRITTEN: tuple[Table, ...] = (households, debtors, phone_numbers, debtor_phones, cases, arrears)


def fresh(path: Path) -> Database:
    """A database with its tables and one municipality with one account."""
    database = Database(f"sqlite:///{path}")
    with database.write() as conn:
        metadata.create_all(conn)
    with database.write() as conn:
        conn.execute(municipalities.insert().values(id=1, code="139999", name="見本区"))
        conn.execute(organisations.insert().values(municipality_id=1, id=1, kind="ward", name="見本区"))
        who = {"login": "ward01", "display_name": "見本 職一", "created_at": NOW}
        conn.execute(accounts.insert().values(municipality_id=1, id=1, organisation_id=1, **who))
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
    done = subprocess.run([sys.executable, "-m", "bench.intake", str(list_file)], check=True, capture_output=True)
    return float(json.loads(done.stdout)["peak_mib"])


@contextmanager
def rates() -> Iterator[Contenders]:
    """Instalments a second: our import, and the driver with the rows that it wrote."""
    with scratch() as folder:
        list_file, fresh_names = make_list(folder, HOUSEHOLDS), count()
        first = folder / "first.sqlite"
        imported(list_file, first)
        ready = rows_of(first)
        number = len(ready[arrears])
        yield Contenders(
            ours=lambda: number / imported(list_file, folder / f"i{next(fresh_names)}.sqlite"),
            baseline=lambda: number / written(ready, folder / f"w{next(fresh_names)}.sqlite"),
        )


@contextmanager
def peaks() -> Iterator[Contenders]:
    """The peak of memory for a file ten times as long, and for the short one."""
    with scratch() as folder:
        short, long = (make_list(folder, HOUSEHOLDS * times) for times in (1, 10))
        yield Contenders(ours=lambda: peak(long), baseline=lambda: peak(short))


def make_list(folder: Path, households_: int) -> Path:
    path = folder / f"list{households_}.csv"
    write(path, generate(households_, 1, AS_OF), encoding="cp932")
    return path


FIGURES = (
    Figure(
        "P11",
        "import with validation and error report",
        "executemany of ready tuples",
        "instalments/s",
        rates,
        at_least(0.33),
    ),
    Figure("P11", "import: peak memory, ten times the file", "the file", "MiB", peaks, at_most(1.2), rounds=1),
)


if __name__ == "__main__":
    with scratch() as once:
        imported(Path(sys.argv[1]), once / "once.sqlite")
    print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
