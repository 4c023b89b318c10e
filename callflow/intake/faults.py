"""A value that cannot be taken, in words that the person who exported the list can act upon."""

from __future__ import annotations

from dataclasses import dataclass


class FieldError(ValueError):
    """Why a value cannot be taken and how to mend it. Neither text carries the value."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend


@dataclass(frozen=True, slots=True)
class BadRow:
    """One fault of one row: 1-based line of the file and column of the row; 0 where the whole row is meant."""

    line: int
    column: int
    field: str
    value: str
    reason: str
    mend: str

    def as_data(self) -> dict[str, object]:
        return {
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "value": self.value,
            "reason": self.reason,
            "mend": self.mend,
        }
