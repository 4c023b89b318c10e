"""How far a command has come, on standard error: a bar for people, nothing where nobody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn


def bar_of(*columns: ProgressColumn) -> Progress:
    """A bar with these columns, gone once the work is done."""
    console = Console(stderr=True, no_color="NO_COLOR" in os.environ)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def reading_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """Is told the rows so far, and about how many there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} 行"), TimeElapsedColumn())
    with bar_of(*columns) as bar:
        task = bar.add_task(words, total=None)
        yield lambda rows, about: bar.update(task, completed=rows, total=about)
