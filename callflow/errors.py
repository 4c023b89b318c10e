"""The errors a user can meet, split by what the caller should do about them.

Each carries what is wrong, where, and how to mend it; the command line prints these three and never a
traceback. `exit_code` is what a shell sees (docs/operations.md lists them).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file: 1-based line and column; 0 where unknown. `field` names a key or a column."""

    file: str = ""
    line: int = 0
    column: int = 0
    field: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place} {self.field}".strip()


class CallflowError(Exception):
    """What is wrong, where, and how to mend it."""

    exit_code = 1

    def __init__(self, what: str, *, where: Where | None = None, mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where or Where()
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if str(self.where) else ""
        return f"{place}{self.what}" + (f" ({self.mend})" if self.mend else "")


class InputError(CallflowError):
    """Mend the input and try again."""


class UsageError(CallflowError):
    """The command was put together wrongly."""

    exit_code = 2


class NotFoundError(CallflowError):
    """There is no such thing, or it is not visible to this account."""

    exit_code = 3


class ConfigError(CallflowError):
    """Mend config.yaml or the environment."""

    exit_code = 4


class RefusedError(CallflowError):
    """A rule forbids it; the reason says which."""

    exit_code = 5


class TryLaterError(CallflowError):
    """Nothing is wrong with the request: try the same again later."""


class AskPersonError(CallflowError):
    """The truth is not known to the program: a person must find out before anything is repeated."""
