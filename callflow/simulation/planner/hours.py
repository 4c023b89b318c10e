"""The hours of a calendar as plain numbers, for a simulation that asks for them a million times. Pure.

Instants are seconds since 1970 (UTC); a day is a day in Tokyo, counted from there.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from scheduler.calendar import Band, Calendar, tokyo_date, tokyo_midnight

DAY = 86_400.0
_TOKYO = 9 * 3600.0


def day_of(at: float) -> int:
    """The number of the day in Tokyo."""
    return int((at + _TOKYO) // DAY)


def midnight_after(at: float) -> float:
    """When the day in Tokyo ends."""
    return (day_of(at) + 1) * DAY - _TOKYO


def date_of(at: float) -> date:
    """The day in Tokyo."""
    return tokyo_date(datetime.fromtimestamp(at, UTC))


@dataclass(frozen=True, slots=True)
class Hours:
    """When a dial may begin, from `start` to `until`: windows in order, each in one band.

    `follow_ups`: for each day, when a promise due on it may be followed up at the earliest (midnight).
    """

    opens: tuple[float, ...]
    last_dials: tuple[float, ...]
    bands: tuple[Band, ...]
    one_band: bool  # the calendar offers no other
    until: float
    follow_ups: dict[int, float] = field(default_factory=dict)

    def first(self, at: float, *, other_than: Band | None = None, before: float = 0.0) -> float | None:
        """The first moment from `at` on when a dial may begin; in another band than `other_than` while it is
        earlier than `before`. None: not in sight."""
        for index in range(bisect_right(self.last_dials, at), len(self.opens)):
            moment = max(at, self.opens[index])
            if self.bands[index] is other_than and moment < before:
                if before >= self.last_dials[index]:
                    continue
                moment = before
            return moment
        return None

    def band_at(self, at: float) -> Band:
        """The band of the window that `at` lies in, or of the one before."""
        return self.bands[max(0, bisect_right(self.opens, at) - 1)]


def hours_of(calendar: Calendar, start: datetime, until: datetime, promise_grace_days: int) -> Hours:
    """The hours from `start` to `until`."""
    first, last = tokyo_date(start), tokyo_date(until)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    windows = [window for day in days for window in calendar.windows_on(day)]
    windows = [window for window in windows if window.last_dial > start and window.opens < until]
    end = until.timestamp()
    return Hours(
        tuple(max(window.opens, start).timestamp() for window in windows),
        tuple(min(window.last_dial.timestamp(), end) for window in windows),
        tuple(window.band for window in windows),
        len(calendar.bands) <= 1,
        end,
        _follow_ups(calendar, days, promise_grace_days),
    )


def _follow_ups(calendar: Calendar, days: list[date], grace: int) -> dict[int, float]:
    found = {}
    for day in days:
        follow_up = calendar.next_business_day(day + timedelta(days=grace))
        if follow_up is not None:
            found[day_of(tokyo_midnight(day).timestamp())] = tokyo_midnight(follow_up).timestamp()
    return found
