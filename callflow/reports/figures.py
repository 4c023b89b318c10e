"""What a report is made of: periods, rates, tables, charts. Pure; nothing here knows where the figures come from.

A rate always carries its numerator and denominator. It is suppressed where the denominator is below `SMALLEST`
(domain.md, KPI formulas), so that no share is read out of a handful of people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Final, Literal

from callflow.errors import InputError, Where
from scheduler.calendar import tokyo_date, tokyo_midnight

SMALLEST: Final = 10
Z95: Final = 1.959963984540054
"""The two-sided 95 % quantile of the normal distribution."""

LONGEST_PERIOD: Final = timedelta(days=3 * 366)


def said(text: str) -> str:
    """Marks a text for the catalogue of the screens; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text with values in it, translated before they are put in."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def in_words(self, say: Callable[[str], str]) -> str:
        return say(self.text).format(**self.values)

    def __str__(self) -> str:
        return self.in_words(said)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in Tokyo, the last one included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InputError(
                f"期間の終わり {self.last} が始まり {self.first} より前です",
                where=Where(field="to"),
                mend="始まりの日を先にしてください",
            )
        if self.last - self.first > LONGEST_PERIOD:
            raise InputError("期間が長すぎます", where=Where(field="to"), mend="3年までにしてください")

    @property
    def since(self) -> datetime:
        """The first instant, UTC."""
        return tokyo_midnight(self.first)

    @property
    def until(self) -> datetime:
        """The first instant after it, UTC."""
        return tokyo_midnight(self.last + timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}〜{self.last}"


def month_of(day: date) -> Period:
    """The calendar month in which a day lies."""
    first = day.replace(day=1)
    return Period(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def period_of(first: str, last: str, now: datetime) -> Period:
    """What somebody typed: two days, or a month (2026-11) as the first; empty: this month until today."""
    today = tokyo_date(now)
    if not first and not last:
        return Period(today.replace(day=1), today)
    if len(first) == len("2026-11") and not last:
        return month_of(_day(f"{first}-01", first, "from"))
    begins = _day(first, first, "from") if first else _day(last, last, "to").replace(day=1)
    return Period(begins, _day(last, last, "to") if last else max(begins, today))


def _day(text: str, typed: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{typed} は日付ではありません", where=Where(field=name), mend="例: 2026-11-24") from None


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of a whole. `interval`: whether its 95 % Wilson interval is asked for."""

    numerator: int
    denominator: int
    interval: bool = False

    @property
    def suppressed(self) -> bool:
        return self.denominator < SMALLEST

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where it is suppressed."""
        return None if self.suppressed else self.numerator / self.denominator

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval, where it is asked for and not suppressed."""
        return wilson(self.numerator, self.denominator) if self.interval and not self.suppressed else None

    def __str__(self) -> str:
        counted = f"{self.numerator:,}/{self.denominator:,}"
        if self.share is None:
            return f"— ({counted})"
        within = f" [{self.bounds[0]:.1%}–{self.bounds[1]:.1%}]" if self.bounds else ""
        return f"{self.share:.1%}{within} ({counted})"


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum over so many. Suppressed like a rate."""

    total: float
    count: int

    @property
    def value(self) -> float | None:
        return None if self.count < SMALLEST else self.total / self.count

    def __str__(self) -> str:
        return f"— (n={self.count:,})" if self.value is None else f"{self.value:,.1f} (n={self.count:,})"


def wilson(numerator: int, denominator: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson 1927)."""
    n, p, zz = denominator, numerator / denominator, Z95 * Z95
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z95 / (1 + zz / n) * sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one share has over another, with Newcombe's 95 % interval (1998, method 10: from two Wilson intervals)."""

    one: Rate
    other: Rate

    @property
    def value(self) -> float | None:
        if self.one.share is None or self.other.share is None:
            return None
        return self.one.share - self.other.share

    @property
    def bounds(self) -> tuple[float, float] | None:
        if self.one.share is None or self.other.share is None:
            return None
        low, high = wilson(self.one.numerator, self.one.denominator)
        other_low, other_high = wilson(self.other.numerator, self.other.denominator)
        p, q = self.one.share, self.other.share
        return p - q - sqrt((p - low) ** 2 + (other_high - q) ** 2), p - q + sqrt(
            (high - p) ** 2 + (q - other_low) ** 2
        )

    def __str__(self) -> str:
        if self.value is None or self.bounds is None:
            return "—"
        return f"{100 * self.value:+.1f} [{100 * self.bounds[0]:+.1f}–{100 * self.bounds[1]:+.1f}]"


Cell = int | float | str | date | Rate | Mean | Difference | Phrase | None
Kind = Literal["text", "count", "yen", "rate", "mean", "difference", "number", "percent", "figure", "date", "code"]


@dataclass(frozen=True, slots=True)
class Column:
    """`code`: a text that stays as it is in every language."""

    label: str
    kind: Kind = "count"


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Series:
    """Values by category; None where there is none, or it is suppressed."""

    label: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """`bars` and `lines`: series over categories; `heat`: one series a row over the categories as columns.

    `unit`: `%` (values between 0 and 1), or the unit in words."""

    shape: Literal["bars", "lines", "heat"]
    title: str
    categories: Sequence[str]
    series: Sequence[Series]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """`definition`: what is counted, by numerator, denominator, unit and period. `notes`: what to mind in reading."""

    title: str
    definition: str
    table: Table
    chart: Chart | None = None
    notes: Sequence[str | Phrase] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`name`: as it is asked for. `question`: what the council asked; empty where it did not."""

    name: str
    title: str
    question: str
    period: Period
    campaign: str
    made_at: datetime
    sections: Sequence[Section]

    @property
    def row_count(self) -> int:
        return sum(len(section.table.rows) for section in self.sections)


def per_hundred(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 1)
