"""Everything that is wrong with a script's files at once, each fault with its place and its mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from callflow.errors import InputError, Where
from callflow.script.model import Mark


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what, and what was probably meant. `rule` is a fixed English word."""

    rule: str
    mark: Mark
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.mark}: {self.what}" + (f"（{self.mend}）" if self.mend else "")


class ScriptError(InputError):
    """A script that cannot be read; `faults` names every reason, in the order of files, lines and columns."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults), key=lambda f: (f.mark.file, f.mark.line, f.mark.column, f.what)))
        first = self.faults[0].mark
        super().__init__(
            "台本を読めません:\n" + "\n".join(f"  {fault}" for fault in self.faults),
            where=Where(first.file, first.line, first.column),
        )

    def __str__(self) -> str:
        return self.what


@dataclass(slots=True)
class Faults:
    """Where the faults of one script are collected while it is read."""

    found: list[Fault] = field(default_factory=list)

    def add(self, rule: str, mark: Mark, what: str, mend: str = "") -> None:
        self.found.append(Fault(rule, mark, what, mend))


def nearest(word: str, known: Iterable[str]) -> str:
    """「… のことですか」 for a word that looks like one of `known`, else the words that may stand there."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"{close[0]} のことですか"
    return f"使えるもの: {'、'.join(known[:12])}" if known else ""
