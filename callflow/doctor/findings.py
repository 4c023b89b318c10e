"""What a check answers, and the run over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from callflow.config import Config
from callflow.errors import CallflowError
from models.database import Database


class Level(Enum):
    """How bad it is, with its word and its sign."""

    OK = "ok", "問題なし", "✓"
    UNKNOWN = "unknown", "確かめられない", "?"
    WARNING = "warning", "注意", "!"
    PROBLEM = "problem", "問題", "✗"

    def __init__(self, code: str, ja: str, sign: str) -> None:
        self.code, self.ja, self.sign = code, ja, sign

    @property
    def asks_for_something(self) -> bool:
        return self in (Level.WARNING, Level.PROBLEM)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `mend` says what to do, `facts` holds its figures. No personal data in any of them."""

    level: Level
    words: str
    mend: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Surroundings:
    """What checks look at. `now`: the clock of this host; opened only when a check asks for it."""

    def __init__(self, config_path: Path, now: datetime, load: Callable[[], Config]) -> None:
        self.config_path, self.now, self._load = config_path, now, load

    @cached_property
    def config(self) -> Config:
        return self._load()

    @cached_property
    def database(self) -> Database:
        return Database(self.config.database.url)


Check = tuple[str, str, Callable[[Surroundings], Iterator[Finding]]]
"""A code for programs, a name for people, and what to do."""


def ok(words: str, **facts: Any) -> Finding:
    return Finding(Level.OK, words, facts=facts)


def unknown(words: str, mend: str = "") -> Finding:
    return Finding(Level.UNKNOWN, words, mend)


def warning(words: str, mend: str, **facts: Any) -> Finding:
    return Finding(Level.WARNING, words, mend, facts)


def problem(words: str, mend: str, **facts: Any) -> Finding:
    return Finding(Level.PROBLEM, words, mend, facts)


def examined(checks: Iterable[Check], around: Surroundings) -> Iterator[tuple[str, str, Finding]]:
    """Every finding of every check. A check that fails is a finding; its error's own text is not shown, unless it is
    one of ours: another's may quote a row."""
    for code, name, check in checks:
        try:
            found = list(check(around))
        except CallflowError as error:
            found = [problem(str(error.what), error.mend)]
        except Exception as error:
            found = [problem(f"調べられませんでした（{type(error).__name__}）", "ほかの問題を先に直してください")]
        for finding in found:
            yield code, name, finding


def ago(since: timedelta) -> str:
    """A span in the largest unit that it has: 「3 日」."""
    seconds = int(since.total_seconds())
    for size, word in ((86_400, "日"), (3_600, "時間"), (60, "分")):
        if seconds >= size:
            return f"{seconds // size} {word}"
    return f"{seconds} 秒"
