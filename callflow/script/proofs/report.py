"""What the proofs found: each fault once per rule and cause, with the shortest talk that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from callflow.script.model import Mark


@dataclass(frozen=True, slots=True)
class Finding:
    """A script's fault. `rule` is a fixed English word, `cause` names what breaks it, `talk` are answers' labels."""

    rule: str
    cause: str
    mark: Mark
    what: str
    mend: str = ""
    talk: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f": {' → '.join(self.talk)}" if self.talk else ""
        return f"{self.mark}: {self.what}{shown}" + (f"（{self.mend}）" if self.mend else "") + f" [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, and how far the search went. A script without findings may be published."""

    findings: tuple[Finding, ...]
    states: int  # product states searched
    edges: int  # answers tried in them
    seconds: float
    drafts: tuple[str, ...] = ()  # states whose lines the ward has not approved yet

    @property
    def proved(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class Findings:
    """Collects findings; the first of each (rule, cause) stands, so search breadth first."""

    _found: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def has(self, rule: str, cause: str) -> bool:
        return (rule, cause) in self._found

    def add(self, finding: Finding) -> None:
        self._found.setdefault((finding.rule, finding.cause), finding)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)
