"""Days, hours and bands: when a claim type may be dialled at all. Pure; judged in Asia/Tokyo.

A calendar that does not know a year's holidays opens no day of that year: a missing calendar stops dialling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays

TOKYO = ZoneInfo("Asia/Tokyo")
EARLIEST, LATEST = time(8), time(21)  # no setting opens an hour outside these
LAST_DIAL = timedelta(minutes=10)
NOON, EVENING_BEGINS = time(12), time(17)
SEARCH_DAYS = 400  # how far `next_opening` looks: more than a fiscal year's plan reaches

HolidaySource = Callable[[int], frozenset[date] | None]


class Band(Enum):
    """A part of the week. Retries after no answer move to another one."""

    MORNING = ("午前", "morning")
    AFTERNOON = ("午後", "afternoon")
    EVENING = ("夜間", "evening")
    REST_DAY = ("休日", "Sunday or holiday")

    def __init__(self, ja: str, en: str) -> None:
        self.ja = ja
        self.en = en


class Closed(Enum):
    """Why no dial is allowed at an instant."""

    UNKNOWN_YEAR = "unknown_year"  # no holiday data
    OFFICE_CLOSED = "office_closed"  # 閉庁日
    NOT_LISTED = "not_listed"  # not one of the planned calling days
    OUT_OF_HOURS = "out_of_hours"


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours of one day, local time; `last dial` is judged against `end`."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if not EARLIEST <= self.start < self.end <= LATEST:
            raise ValueError(
                f"hours {self.start:%H:%M}-{self.end:%H:%M} must lie within {EARLIEST:%H:%M}-{LATEST:%H:%M}"
            )


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch in which a dial may begin: `opens <= t < last_dial`, all of it in one band."""

    band: Band
    opens: datetime
    last_dial: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.opens <= instant < self.last_dial


@lru_cache(maxsize=64)
def japanese_holidays(year: int) -> frozenset[date] | None:
    """The public holidays of `year`, or None where the library has no data (it then gives an empty year)."""
    return frozenset(holidays.country_holidays("JP", years=year, expand=False)) or None


def is_year_end(day: date) -> bool:
    """閉庁日 12/29-1/3: public offices are closed, though most of these days are no holidays by law."""
    return (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)


def tokyo_midnight(day: date) -> datetime:
    """The first instant of `day` in Tokyo, as UTC."""
    return datetime.combine(day, time(), TOKYO).astimezone(UTC)


def tokyo_date(instant: datetime) -> date:
    """The day on which an aware `instant` falls in Tokyo."""
    return instant.astimezone(TOKYO).date()


@dataclass(frozen=True)
class Calendar:
    """The calling days and hours of one claim type.

    `day` is for business days: all of them, or only the listed `days`. `evening` needs a listed business day,
    `rest` a listed Saturday, Sunday or holiday. `closed` closes a day whatever is listed. No dial in the `last_dial`
    before the hours end.
    """

    day: Hours | None = Hours(time(9), time(17))
    days: frozenset[date] | None = None
    evening: Hours | None = Hours(time(18), time(20))
    evening_days: frozenset[date] = frozenset()
    rest: Hours | None = Hours(time(9), time(16))
    rest_days: frozenset[date] = frozenset()
    closed: frozenset[date] = frozenset()
    last_dial: timedelta = LAST_DIAL
    holidays: HolidaySource = japanese_holidays
    _known: dict[date, tuple[Window, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def knows(self, day: date) -> bool:
        """Whether there is holiday data for the year of `day`."""
        return self.holidays(day.year) is not None

    def is_office_closed(self, day: date) -> bool:
        return is_year_end(day) or day in self.closed

    def is_business_day(self, day: date) -> bool:
        """Monday to Friday, no holiday, not closed. No day of a year without holiday data is one."""
        known = self.holidays(day.year)
        if known is None or day.weekday() >= 5 or day in known:
            return False
        return not self.is_office_closed(day)

    def next_business_day(self, after: date) -> date | None:
        """The first business day later than `after`; None where the calendar has none."""
        for ahead in range(1, SEARCH_DAYS):
            if self.is_business_day(after + timedelta(days=ahead)):
                return after + timedelta(days=ahead)
        return None

    def business_days_between(self, earlier: date, later: date) -> int:
        """Business days after `earlier` up to and with `later`; at most `SEARCH_DAYS`."""
        span = min((later - earlier).days, SEARCH_DAYS)
        return sum(self.is_business_day(later - timedelta(days=back)) for back in range(span))

    def windows_on(self, day: date) -> tuple[Window, ...]:
        """When a dial may begin on `day`, in order."""
        if day not in self._known:
            self._known[day] = tuple(self._windows(day))
        return self._known[day]

    def window_at(self, instant: datetime) -> Window | None:
        """The window that `instant` lies in."""
        return next((w for w in self.windows_on(tokyo_date(instant)) if instant in w), None)

    def next_opening(self, instant: datetime, *, other_than: Band | None = None) -> datetime | None:
        """The first moment from `instant` on (itself included) when a dial may begin; None: not in sight."""
        first = tokyo_date(instant)
        for ahead in range(SEARCH_DAYS if self.bands else 0):
            for window in self.windows_on(first + timedelta(days=ahead)):
                if window.band is not other_than and instant < window.last_dial:
                    return max(instant, window.opens).astimezone(UTC)
        return None

    def why_closed(self, instant: datetime) -> Closed | None:
        """Why no dial may begin at `instant`; None when one may."""
        if self.window_at(instant) is not None:
            return None
        day = tokyo_date(instant)
        if not self.knows(day):
            return Closed.UNKNOWN_YEAR
        if self.is_office_closed(day):
            return Closed.OFFICE_CLOSED
        return Closed.OUT_OF_HOURS if self.windows_on(day) else Closed.NOT_LISTED

    def band_of(self, instant: datetime) -> Band:
        """The band of an instant, whether or not a dial may begin then."""
        local = instant.astimezone(TOKYO)
        if not self.is_business_day(local.date()):
            return Band.REST_DAY
        if local.time() < NOON:
            return Band.MORNING
        return Band.AFTERNOON if local.time() < EVENING_BEGINS else Band.EVENING

    @property
    def bands(self) -> frozenset[Band]:
        """The bands that this calendar can offer on some day."""
        found: set[Band] = set()
        if self.day and self.days != frozenset():
            found |= {_band_at(start) for start, _ in self._cut(self.day)}
        if self.evening and self.evening_days:
            found |= {_band_at(start) for start, _ in self._cut(self.evening)}
        if self.rest and self.rest_days:
            found.add(Band.REST_DAY)
        return frozenset(found)

    def _windows(self, day: date) -> Iterator[Window]:
        if not self.knows(day) or self.is_office_closed(day):
            return
        if not self.is_business_day(day):
            if self.rest and day in self.rest_days and self.rest.start < self._latest(self.rest):
                yield _window(Band.REST_DAY, day, self.rest.start, self._latest(self.rest))
            return
        for hours, listed in ((self.day, self.days), (self.evening, self.evening_days)):
            if hours and (listed is None or day in listed):
                for start, stop in self._cut(hours):
                    yield _window(_band_at(start), day, start, stop)

    def _latest(self, hours: Hours) -> time:
        """When the last dial must have begun."""
        end = timedelta(hours=hours.end.hour, minutes=hours.end.minute)
        return (datetime.min + max(end - self.last_dial, timedelta(0))).time()  # noqa: DTZ901  a time of day

    def _cut(self, hours: Hours) -> list[tuple[time, time]]:
        """The dialling time of `hours`, cut where a band ends."""
        last = self._latest(hours)
        edges = [hours.start, *(edge for edge in (NOON, EVENING_BEGINS) if hours.start < edge < last), last]
        return [(start, stop) for start, stop in pairwise(edges) if start < stop]


def _band_at(start: time) -> Band:
    if start < NOON:
        return Band.MORNING
    return Band.AFTERNOON if start < EVENING_BEGINS else Band.EVENING


def _window(band: Band, day: date, start: time, stop: time) -> Window:
    return Window(band, datetime.combine(day, start, TOKYO), datetime.combine(day, stop, TOKYO))
