"""How many days a year each claim type is called by telephone, and which days to propose for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from scheduler.calendar import Calendar


@dataclass(frozen=True, slots=True)
class DayBudget:
    """Calling days of a fiscal year (April to March). `sundays` and `evenings` are among `days`."""

    days: int
    sundays: int = 0
    evenings: int = 0


BUDGETS: dict[str, DayBudget] = {  # seed, lines 242-248; 国民健康保険料 is not in that table: no budget
    "resident_tax": DayBudget(110, sundays=4, evenings=5),
    "light_vehicle_tax": DayBudget(110, sundays=4, evenings=5),
    "late_elderly": DayBudget(13),
    "long_term_care": DayBudget(30),
    "nursery_fee": DayBudget(6, evenings=6),
}


KINDS = ("days", "sundays", "evenings")


@dataclass(frozen=True, slots=True)
class CallingDays:
    """Listed dates: business days with day hours, evenings, and Saturdays, Sundays or holidays."""

    days: frozenset[date] = frozenset()
    evenings: frozenset[date] = frozenset()
    rest_days: frozenset[date] = frozenset()

    def __or__(self, other: CallingDays) -> CallingDays:
        return CallingDays(self.days | other.days, self.evenings | other.evenings, self.rest_days | other.rest_days)

    def __bool__(self) -> bool:
        return bool(self.days or self.evenings or self.rest_days)

    def within(self, year: int) -> CallingDays:
        """Those of one fiscal year."""
        parts = (self.days, self.evenings, self.rest_days)
        return CallingDays(*(frozenset(day for day in part if fiscal_year(day) == year) for part in parts))

    def of_kind(self, kind: str) -> frozenset[date]:
        """What counts against a kind of the budget; a day with day and evening hours counts once among `days`."""
        if kind == "days":
            return self.days | self.evenings | self.rest_days
        return self.rest_days if kind == "sundays" else self.evenings

    def as_data(self) -> dict[str, list[str]]:
        return {name: sorted(map(str, getattr(self, name))) for name in ("days", "evenings", "rest_days")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CallingDays:
        return cls(
            *(
                frozenset(date.fromisoformat(day) for day in data.get(name, ()))
                for name in ("days", "evenings", "rest_days")
            )
        )


NO_DAYS = CallingDays()


def listed_in(calendar: Calendar) -> CallingDays:
    """The dates that a calendar lists."""
    return CallingDays(calendar.days or frozenset(), calendar.evening_days, calendar.rest_days)


def limited(calendar: Calendar, days: CallingDays) -> Calendar:
    """`calendar` on these dates only; what it does not open stays closed whatever is listed."""
    return replace(calendar, days=days.days, evening_days=days.evenings, rest_days=days.rest_days)


@dataclass(frozen=True, slots=True)
class Overrun:
    """More days of a kind are listed in a fiscal year than its budget has."""

    fiscal_year: int
    kind: str  # days | sundays | evenings
    listed: int
    budget: int


def fiscal_year(day: date) -> int:
    """年度: from 1 April."""
    return day.year if day.month >= 4 else day.year - 1


def overruns(calendar: Calendar, budget: DayBudget) -> list[Overrun]:
    """Where the listed days exceed the budget. A day with both day and evening hours counts once."""
    return overruns_of(listed_in(calendar), budget)


def overruns_of(days: CallingDays, budget: DayBudget) -> list[Overrun]:
    """Where these dates exceed the budget, by fiscal year and kind."""
    found = []
    for kind in KINDS:
        listed, allowed = days.of_kind(kind), getattr(budget, kind)
        for year in sorted({fiscal_year(day) for day in listed}):
            count = sum(fiscal_year(day) == year for day in listed)
            if count > allowed:
                found.append(Overrun(year, kind, count, allowed))
    return found


def left_of(budget: DayBudget, spoken_for: CallingDays) -> DayBudget:
    """What remains of a year's budget once these dates of that year are taken; never below 0."""
    return DayBudget(*(max(0, getattr(budget, kind) - len(spoken_for.of_kind(kind))) for kind in KINDS))


def propose(calendar: Calendar, budget: DayBudget, first: date, last: date) -> Calendar:
    """`calendar` with days listed within `first`..`last`, spread evenly, as many as the budget has.

    Evenings are put on days that are called by day too where the claim type has day hours; a claim type
    without day hours is called on its evenings only. Fewer days than budgeted where the span has no more.
    """
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    business = [day for day in span if calendar.is_business_day(day) and (not calendar.days or day in calendar.days)]
    sundays = [day for day in span if day.weekday() == 6 and calendar.knows(day) and not calendar.is_office_closed(day)]
    rest_days = _spread(sundays, budget.sundays) if calendar.rest else []
    days = _spread(business, budget.days - len(rest_days)) if calendar.day else []
    evenings = _spread(days or business, budget.evenings) if calendar.evening else []
    return replace(calendar, days=frozenset(days), evening_days=frozenset(evenings), rest_days=frozenset(rest_days))


def _spread(days: Sequence[date], count: int) -> list[date]:
    """`count` of `days`, at even steps."""
    if count >= len(days):
        return list(days)
    return [days[(2 * n + 1) * len(days) // (2 * count)] for n in range(count)]
