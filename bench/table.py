"""The frame of all benchmarks: what a figure is, how its rounds are run, and the table that is printed.

A module of this folder that has `FIGURES: tuple[Figure, ...]` is found by `python -m bench` without being named
anywhere. Only ratios of one run count on a noisy machine: in each round every contender runs once, in turn.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path("var/bench")
FULL = "CALLFLOW_BENCH_FULL"

Contender = Callable[[], float]
"""One measurement, in the unit of its figure."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the median of a figure must be: of the ratio, or of our own value where there is no baseline."""

    sign: str
    value: float

    def met(self, found: float) -> bool:
        return found <= self.value if self.sign == "≤" else found >= self.value

    def __str__(self) -> str:
        return f"{self.sign} {_short(self.value)}"


def sized(small: int, full: int) -> int:
    """How much of something: `full` under `--full`, which may take an hour and many gigabytes."""
    return full if os.environ.get(FULL) else small


def at_most(value: float) -> Target:
    return Target("≤", value)


def at_least(value: float) -> Target:
    return Target("≥", value)


@dataclass(frozen=True, slots=True)
class Contenders:
    """Who is measured: ours, the baseline that it is divided by, and the peers, which are divided by it too."""

    ours: Contender
    baseline: Contender | None = None
    peers: Mapping[str, Contender] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of docs/performance.md.

    `number` is what it is chosen by (`P10`, `step`); several figures may share one. `baseline`: in words; empty where
    the target is about our own value. `contenders` sets the scene,
    gives them, and tidies up. `unit` of what they return: `s` is printed in ms or µs, anything else as it stands.
    `rounds`: fewer or more than the run's, where one round is dear or noisy.
    """

    number: str
    what: str
    baseline: str
    unit: str
    contenders: Callable[[], AbstractContextManager[Contenders]]
    target: Target | None = None
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: medians of the values, and the ratios of the rounds."""

    number: str
    what: str
    ours: float
    baseline: float | None
    ratios: tuple[float, ...]
    unit: str
    target: Target | None

    @property
    def found(self) -> float:
        """What the target is about."""
        return statistics.median(self.ratios) if self.ratios else self.ours

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met(self.found)

    def as_data(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "what": self.what,
            "unit": self.unit,
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": statistics.median(self.ratios) if self.ratios else None,
            "ratios": list(self.ratios),
            "target": str(self.target) if self.target else None,
            "met": self.met,
        }


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one figure's databases, on the disk whose fdatasync is told; gone afterwards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        yield Path(name)


def measure(figure: Figure, rounds: int) -> list[Row]:
    """Runs a figure's rounds and returns its row and its peers'."""
    with figure.contenders() as who:
        runners = {figure.what: who.ours, **({figure.baseline: who.baseline} if who.baseline else {})}
        runners |= {f"  peer: {name}": peer for name, peer in who.peers.items()}
        found: dict[str, list[float]] = {name: [] for name in runners}
        for number in range(figure.rounds or rounds):
            for name in list(runners)[:: -1 if number % 2 else 1]:
                found[name].append(runners[name]())
    base = found.pop(figure.baseline) if who.baseline else []
    return [_row(figure, name, values, base) for name, values in found.items()]


def _row(figure: Figure, name: str, values: Sequence[float], base: Sequence[float]) -> Row:
    return Row(
        number=figure.number,
        what=name,
        ours=statistics.median(values),
        baseline=statistics.median(base) if base else None,
        ratios=tuple(ours / other for ours, other in zip(values, base, strict=True)) if base else (),
        unit=figure.unit,
        target=figure.target if name == figure.what else None,
    )


HEADER = ("P", "what", "ours", "baseline", "ratio (median, min–max)", "target", "met?")


def cells(row: Row) -> tuple[str, ...]:
    """A row as it is printed."""
    spread = f"{_short(row.found)} ({_short(min(row.ratios))}–{_short(max(row.ratios))})" if row.ratios else "–"
    base = "–" if row.baseline is None else in_unit(row.baseline, row.unit)
    verdict = {None: "", True: "yes", False: "NO"}[row.met]
    return (row.number, row.what, in_unit(row.ours, row.unit), base, spread, str(row.target or "–"), verdict)


def lines(rows: Sequence[Row]) -> list[str]:
    """The table as lines of Markdown."""
    return [markdown(HEADER), markdown(("---",) * len(HEADER)), *(markdown(cells(row)) for row in rows)]


def markdown(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |"


def in_unit(value: float, unit: str) -> str:
    """0.00031 s → 310 µs; 2031 calls/s → 2,031 calls/s."""
    if unit != "s":
        return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{_short(value)} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{_short(value * factor)} {name}"
    return f"{_short(value * 1e6)} µs"


def _short(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.5f}"
