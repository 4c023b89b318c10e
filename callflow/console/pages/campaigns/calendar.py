"""The planner's calendar: months of days, each with the bands in which it may be called on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from callflow.console.i18n import said
from callflow.dayplan import Ledger
from scheduler.budgets import CallingDays, fiscal_year, limited
from scheduler.calendar import Calendar

LEAST_SHOWN = timedelta(days=60)
BANDS: Final = {"day": said("日中"), "evening": said("夜間"), "rest_day": said("休日")}


@dataclass(frozen=True, slots=True)
class Slot:
    """A band of a day that may be chosen. `kind`: the form's field."""

    kind: str
    word: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A day. `taken`: already used, or listed by another campaign."""

    day: date
    slots: tuple[Slot, ...]
    taken: bool


@dataclass(frozen=True, slots=True)
class Month:
    """Weeks from Monday to Sunday; None where another month begins."""

    first: date
    weeks: tuple[tuple[Cell | None, ...], ...]


def period(days: CallingDays | None, first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """What the calendar shows: the asked period, and every chosen day."""
    chosen = days.of_kind("days") if days else frozenset()
    begins = min([first or today, *chosen])
    ends = max([last or max(chosen, default=begins), *chosen])
    return begins, min(max(ends, begins + LEAST_SHOWN), date(fiscal_year(begins) + 1, 3, 31))


def months(calendar: Calendar, year: Ledger, chosen: CallingDays, first: date, last: date, today: date) -> list[Month]:
    """The months from `first` to `last`; days before `today` or outside offer nothing."""
    found = []
    month = first.replace(day=1)
    while month <= last:
        after = (month + timedelta(days=32)).replace(day=1)
        days = [month + timedelta(days=n) for n in range((after - month).days)]
        cells: list[Cell | None] = [None] * month.weekday()
        for day in days:
            open_ = max(first, today) <= day <= last
            slots = _slots(calendar, chosen, day, bounded=year.budget is None) if open_ else ()
            cells.append(Cell(day, slots, day in year.spoken_for.of_kind("days")))
        cells += [None] * (-len(cells) % 7)
        found.append(Month(month, tuple(tuple(cells[n : n + 7]) for n in range(0, len(cells), 7))))
        month = after
    return found


def _slots(calendar: Calendar, chosen: CallingDays, day: date, *, bounded: bool) -> tuple[Slot, ...]:
    only = frozenset({day})
    offers = {
        "day": (CallingDays(days=only), calendar.days, chosen.days),
        "evening": (CallingDays(evenings=only), calendar.evening_days, chosen.evenings),
        "rest_day": (CallingDays(rest_days=only), calendar.rest_days, chosen.rest_days),
    }
    return tuple(
        Slot(kind, BANDS[kind], day in already)
        for kind, (wish, listed, already) in offers.items()
        if (listed is None or day in listed or not (listed or bounded)) and limited(calendar, wish).windows_on(day)
    )
