"""The machine: Python, libraries, time zone, room on the disk, and how long a durable write takes."""

from __future__ import annotations

import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from callflow.backup.sqlite import path_of
from callflow.clock import TOKYO
from callflow.doctor.findings import Finding, Surroundings, ok, problem, unknown, warning

OLDEST_PYTHON = (3, 11)
LOCK = "requirements.lock"
SLOW_WRITE, TOO_SLOW_WRITE = 0.02, 0.1  # seconds for one fdatasync, median: every step of a call waits for one
WRITES = 15
LITTLE_ROOM, NO_ROOM = 0.10, 0.02  # of the file system
LEAST_BYTES = 1 << 30


def python(_: Surroundings) -> Iterator[Finding]:
    found = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield problem(f"Python {found} は古すぎます", "Python 3.11 以降を入れてください", version=found)
    else:
        yield ok(f"Python {found}", version=found)


def libraries(around: Surroundings) -> Iterator[Finding]:
    """What is installed against the lock, beside the configuration or in the checkout."""
    places = (around.config_path.parent / LOCK, Path(__file__).parents[2] / LOCK)
    lock = next((place for place in places if place.is_file()), None)
    if lock is None:
        yield unknown(f"{LOCK} がないので、比べられません", f"{LOCK} を config.yaml の隣に置いてください")
        return
    wanted = re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    other = [words for name, pinned in wanted if (words := _difference(name, pinned))]
    if other:
        mend = f"pip install --require-hashes -r {LOCK} を実行してください"
        yield warning(f"{LOCK} と違うもの {len(other)} 件: {'、'.join(other[:5])}", mend, different=other)
    else:
        yield ok(f"{LOCK} の {len(wanted)} 件と同じです", count=len(wanted))


def _difference(name: str, pinned: str) -> str:
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name} がない"
    return "" if found == pinned else f"{name} {found}（{pinned} のはず）"


def time_zone(around: Surroundings) -> Iterator[Finding]:
    """Rules are judged in Asia/Tokyo; the host's own zone does not matter."""
    offsets = {(around.now + timedelta(days=days)).astimezone(TOKYO).utcoffset() for days in (0, 200, 400)}
    if offsets == {timedelta(hours=9)}:
        yield ok("Asia/Tokyo は UTC+9 です")
    else:
        yield problem("Asia/Tokyo の時差が 9 時間ではありません", "OS の tzdata を入れ直してください")


def room(around: Surroundings) -> Iterator[Finding]:
    """Bytes and inodes where callflow writes."""
    for what, folder in _folders(around):
        total, _, free = shutil.disk_usage(folder)
        nodes = os.statvfs(folder)
        share = free / total
        few_nodes = nodes.f_files and nodes.f_favail / nodes.f_files < NO_ROOM
        words = f"{what}: 空き {free / (1 << 30):,.1f} GB（{share:.0%}）"
        facts = {"folder": str(folder), "free_bytes": free, "free_share": round(share, 3), "inodes": nodes.f_favail}
        if share < NO_ROOM or few_nodes or free < LEAST_BYTES // 4:
            which = "ファイル数（inode）が尽きかけています" if few_nodes else "もうほとんどありません"
            yield problem(f"{words}、{which}", "すぐに空けてください。満杯になると架電は止まります", **facts)
        elif share < LITTLE_ROOM or free < LEAST_BYTES:
            yield warning(words, "古い控えを別の所へ移すか、ディスクを広げてください", **facts)
        else:
            yield ok(words, **facts)


def durable_write(around: Surroundings) -> Iterator[Finding]:
    """The median of a few small writes that wait for the disk, where the database, or else the anchors, lie."""
    _, folder = _folders(around)[0]
    took = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".callflow-") as file:
        for _n in range(WRITES):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    median = statistics.median(took)
    words = f"書き込みの確定に {median * 1000:.1f} ms（中央値、{WRITES} 回）"
    mend = "バックアップや別の処理と重なっていないか、ディスクが故障していないかを確かめてください"
    if median > TOO_SLOW_WRITE:
        yield problem(f"{words}: 通話の一歩ごとに待たされます", mend, seconds=median)
    elif median > SLOW_WRITE:
        yield warning(words, mend, seconds=median)
    else:
        yield ok(words, seconds=median)


def _folders(around: Surroundings) -> list[tuple[str, Path]]:
    """Where callflow writes; of a folder that is not there yet, the nearest one above it."""
    config = around.config
    found = [("錨", config.audit.anchors)]
    if config.database.url.startswith("sqlite"):
        found.insert(0, ("データベース", path_of(config.database.url).parent))
    return [
        (what, next(each for each in (folder, *folder.absolute().parents) if each.is_dir())) for what, folder in found
    ]
