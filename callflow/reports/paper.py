"""A report on paper: a PDF in Japanese, with its charts, definitions and page numbers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callflow.clock import TOKYO
from callflow.papers import press
from callflow.reports.charts import shown, svg
from callflow.reports.figures import Cell, Report

HERE: Final = Path(__file__).parent
NUMBERS: Final = frozenset({"count", "yen", "rate", "mean", "difference", "number", "percent", "figure"})


def pdf(report: Report) -> bytes:
    """Raises as `press.pdf`."""
    return press.pdf(html(report))


def html(report: Report) -> str:
    """The page that is set."""
    made_at = f"{report.made_at.astimezone(TOKYO):%Y-%m-%d %H:%M}"
    template = _environment().get_template("paper.html")
    return template.render(report=report, made_at=made_at, svg=svg, numbers=NUMBERS)


def cell_words(cell: Cell, kind: str) -> str:
    """A cell as it is read."""
    if cell is None:
        return "—"
    if kind == "percent" and isinstance(cell, float):
        return shown(cell, "%")
    if isinstance(cell, int | float):
        return f"{cell:,}"
    return str(cell)


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters["words"] = cell_words
    return env
