"""A layered layout for boxes and arrows: columns from left to right, few crossings, nothing overlapping. Pure.

Arrows lead from a port on a box's right side to the left side of a box in a later column. An arrow that skips
columns keeps a lane free in each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

LANE = 10.0  # height kept free for a passing arrow
SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Arrow:
    """From `port`, measured from the top of `source`, to `target`."""

    source: str
    port: float
    target: str


@dataclass(slots=True)
class Placed:
    """Columns of boxes with their tops, and the points that each arrow passes."""

    columns: list[list[str]]
    top: dict[str, float] = field(default_factory=dict)
    lanes: dict[Arrow, list[str]] = field(default_factory=dict)
    height: float = 0.0

    @property
    def column_of(self) -> dict[str, int]:
        return {name: number for number, column in enumerate(self.columns) for name in column}


def columns_of(starts: Iterable[str], following: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Each reachable name's column: the longest way from a start, arrows that would close a circle left out."""
    order: list[str] = []
    kept: dict[str, list[str]] = defaultdict(list)
    state: dict[str, bool] = {}  # False while its descendants are visited

    def visit(name: str) -> None:
        state[name] = False
        for target in following.get(name, ()):
            if target not in state:
                visit(target)
            if state[target]:
                kept[name].append(target)
        state[name] = True
        order.append(name)

    for start in starts:
        if start not in state:
            visit(start)
    column = dict.fromkeys(order, 0)
    for name in reversed(order):
        for target in kept[name]:
            column[target] = max(column[target], column[name] + 1)
    return column


def place(column: Mapping[str, int], heights: Mapping[str, float], arrows: Sequence[Arrow], gap: float) -> Placed:
    """Puts every box in its column; `arrows` lead to later columns only."""
    columns: list[list[str]] = [[] for _ in range(max(column.values(), default=0) + 1)]
    for name, number in column.items():
        columns[number].append(name)
    placed = Placed(columns)
    tall = dict(heights)
    links: list[Arrow] = []
    for number, arrow in enumerate(arrows):
        lanes = [f"\0{number}:{between}" for between in range(column[arrow.source] + 1, column[arrow.target])]
        for between, lane in enumerate(lanes, start=column[arrow.source] + 1):
            columns[between].append(lane)
            tall[lane] = LANE
        placed.lanes[arrow] = lanes
        stops = [arrow.source, *lanes, arrow.target]
        links += [Arrow(a, arrow.port if a == arrow.source else LANE / 2, b) for a, b in pairwise(stops)]
    _order(columns, links)
    _stack(placed, tall, links, gap)
    return placed


def _order(columns: list[list[str]], links: Sequence[Arrow]) -> None:
    """Sorts each column by where its neighbours stand, from the left and from the right in turn."""
    before, after = _neighbours(links)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        numbers = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for number in numbers:
            beside = columns[number - 1 if forward else number + 1]
            rank = {name: float(position) for position, name in enumerate(beside)}
            own = {name: float(position) for position, name in enumerate(columns[number])}
            near = before if forward else after
            columns[number].sort(key=lambda name: _mean([rank[n] for n, _ in near[name] if n in rank], own[name]))


def _neighbours(
    links: Sequence[Arrow],
) -> tuple[dict[str, list[tuple[str, float]]], dict[str, list[tuple[str, float]]]]:
    before: dict[str, list[tuple[str, float]]] = defaultdict(list)
    after: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for link in links:
        before[link.target].append((link.source, link.port))
        after[link.source].append((link.target, link.port))
    return before, after


def _stack(placed: Placed, tall: Mapping[str, float], links: Sequence[Arrow], gap: float) -> None:
    """Moves boxes towards their neighbours, the order kept and nothing overlapping."""
    before, after = _neighbours(links)
    for column in placed.columns:
        y = 0.0
        for name in column:
            placed.top[name] = y
            y += tall[name] + gap
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in placed.columns if forward else reversed(placed.columns):
            wanted = []
            for name in column:
                sources = [placed.top[n] + port - tall[name] / 2 for n, port in before[name]]
                targets = [placed.top[n] + tall[n] / 2 - port for n, port in after[name]]
                wanted.append(_mean(sources if forward and sources else targets or sources, placed.top[name]))
            for name, top in zip(column, _apart(wanted, [tall[name] + gap for name in column]), strict=True):
                placed.top[name] = top
    upper = min(placed.top.values(), default=0.0)
    for name in placed.top:
        placed.top[name] -= upper
    placed.height = max((placed.top[name] + tall[name] for name in placed.top), default=0.0)


def _apart(wanted: Sequence[float], steps: Sequence[float]) -> list[float]:
    """The tops nearest to `wanted` (least squares) of which each is at least a step below the one before."""
    offsets = [sum(steps[:number]) for number in range(len(steps))]
    groups: list[tuple[float, int]] = []  # mean, how many: pooled where they would overlap
    for want, offset in zip(wanted, offsets, strict=True):
        groups.append((want - offset, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (a, n), (b, m) = groups[-2], groups[-1]
            groups[-2:] = [((a * n + b * m) / (n + m), n + m)]
    flat = [mean for mean, count in groups for _ in range(count)]
    return [base + offset for base, offset in zip(flat, offsets, strict=True)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
