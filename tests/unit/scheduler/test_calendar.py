"""Which days and hours are open; the holidays agree with a second library."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta

import jpholiday
import pytest

from scheduler.calendar import (
    TOKYO,
    Band,
    Calendar,
    Closed,
    Hours,
    is_year_end,
    japanese_holidays,
)

EVERY_DAY = [date(2024, 1, 1) + timedelta(days=n) for n in range((date(2031, 1, 1) - date(2024, 1, 1)).days)]


def tokyo(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("year", range(2024, 2031))
def test_holidays_agree_with_a_second_library(year: int) -> None:
    assert japanese_holidays(year) == {day for day, _ in jpholiday.year_holidays(year)}


def test_business_days_of_seven_years_agree_with_the_second_library() -> None:
    calendar = Calendar()
    for day in EVERY_DAY:
        closed = (day.month, day.day) in {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}
        expected = day.weekday() < 5 and not jpholiday.is_holiday(day) and not closed
        assert calendar.is_business_day(day) is expected, day
        assert bool(calendar.windows_on(day)) is expected, day


def test_the_office_is_closed_from_29_december_to_3_january() -> None:
    closed = {(day.month, day.day) for day in EVERY_DAY if is_year_end(day)}
    assert closed == {(12, 29), (12, 30), (12, 31), (1, 1), (1, 2), (1, 3)}


def test_no_listing_opens_a_closed_day() -> None:
    days = frozenset({date(2026, 12, 29), date(2027, 1, 3), date(2026, 11, 25)})
    calendar = Calendar(days=days, evening_days=days, rest_days=days, closed=frozenset({date(2026, 11, 25)}))
    for day in days:
        assert calendar.windows_on(day) == ()
        assert calendar.why_closed(datetime.combine(day, time(10), TOKYO)) is Closed.OFFICE_CLOSED


def test_a_year_without_holiday_data_opens_no_day_and_says_so() -> None:
    assert japanese_holidays(2300) is None
    calendar = Calendar()
    assert calendar.windows_on(date(2300, 6, 1)) == ()
    assert calendar.why_closed(tokyo(2300, 6, 1, 10)) is Closed.UNKNOWN_YEAR
    assert calendar.next_opening(tokyo(2300, 6, 1, 10)) is None


def test_an_empty_calendar_never_opens() -> None:
    empty = Calendar(holidays=lambda _year: None)
    assert empty.next_opening(tokyo(2026, 11, 24, 10)) is None
    assert empty.next_business_day(date(2026, 11, 24)) is None
    assert Calendar(day=None).next_opening(tokyo(2026, 11, 24, 10)) is None


def test_data_that_ends_with_the_year_opens_nothing_beyond_it() -> None:
    only_2026 = Calendar(holidays=lambda year: japanese_holidays(year) if year == 2026 else None)
    assert only_2026.next_opening(tokyo(2026, 12, 28, 16, 49)) is not None
    assert only_2026.next_opening(tokyo(2026, 12, 28, 16, 50)) is None


@pytest.mark.parametrize(
    ("start", "end"), [(time(7, 59), time(17)), (time(9), time(21, 1)), (time(17), time(9)), (time(9), time(9))]
)
def test_hours_beyond_the_hard_limit_are_refused(start: time, end: time) -> None:
    with pytest.raises(ValueError, match="08:00-21:00"):
        Hours(start, end)


def test_the_last_dial_is_ten_minutes_before_the_hours_end() -> None:
    calendar = Calendar()
    assert calendar.window_at(tokyo(2026, 11, 24, 9)) is not None
    assert calendar.window_at(tokyo(2026, 11, 24, 8, 59, 59)) is None
    assert calendar.window_at(tokyo(2026, 11, 24, 16, 49, 59)) is not None
    assert calendar.window_at(tokyo(2026, 11, 24, 16, 50)) is None


def test_evenings_and_sundays_are_open_on_listed_dates_only() -> None:
    sunday, tuesday = date(2026, 11, 29), date(2026, 11, 24)
    calendar = Calendar(evening_days=frozenset({tuesday}), rest_days=frozenset({sunday}))
    assert [w.band for w in calendar.windows_on(tuesday)] == [Band.MORNING, Band.AFTERNOON, Band.EVENING]
    assert [w.band for w in calendar.windows_on(date(2026, 11, 25))] == [Band.MORNING, Band.AFTERNOON]
    assert calendar.window_at(tokyo(2026, 11, 29, 15, 49)) is not None
    assert calendar.window_at(tokyo(2026, 11, 29, 15, 50)) is None
    assert calendar.windows_on(date(2026, 11, 22)) == ()
    assert calendar.why_closed(tokyo(2026, 11, 22, 10)) is Closed.NOT_LISTED
    assert calendar.why_closed(tokyo(2026, 11, 24, 17, 30)) is Closed.OUT_OF_HOURS


def test_the_next_opening_is_the_first_open_minute() -> None:
    """Against a walk minute by minute, over a long weekend and the year's end."""
    calendar = Calendar(evening_days=frozenset({date(2026, 12, 25)}), rest_days=frozenset({date(2026, 12, 27)}))
    moment = tokyo(2026, 12, 24, 16, 30)
    for other_than in (None, Band.MORNING, Band.AFTERNOON, Band.REST_DAY):
        opening: datetime | None = None
        for minute in range(14 * 24 * 60, -1, -1):
            at = moment + timedelta(minutes=minute)
            window = calendar.window_at(at)
            if window is not None and window.band is not other_than:
                opening = at
            if minute % 97 == 0:
                found = calendar.next_opening(at, other_than=other_than)
                assert opening is None or found == opening, at


def test_a_naive_local_clock_plays_no_part() -> None:
    """The same answer in a container that runs in UTC as on a machine in Tokyo or in New York."""
    program = (
        "from datetime import UTC, datetime, timedelta\n"
        "from scheduler.calendar import Calendar\n"
        "c, t = Calendar(), datetime(2026, 11, 23, 15, tzinfo=UTC)\n"
        "print([bool(c.window_at(t + timedelta(minutes=m))) for m in range(0, 2880, 10)].count(True))\n"
        "print(c.next_opening(t).isoformat(), c.band_of(t + timedelta(hours=10)))\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "TZ": zone},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for zone in ("UTC", "Asia/Tokyo", "America/New_York")
    }
    assert len(answers) == 1
    assert answers.pop().split()[:2] == ["94", "2026-11-24T00:00:00+00:00"]


def test_instants_are_judged_in_tokyo_whatever_their_zone() -> None:
    calendar = Calendar()
    assert calendar.window_at(datetime(2026, 11, 24, 0, 0, tzinfo=UTC)) is not None
    assert calendar.window_at(datetime(2026, 11, 24, 9, 0, tzinfo=UTC)) is None


def test_business_days_between() -> None:
    calendar = Calendar()
    assert calendar.business_days_between(date(2026, 11, 20), date(2026, 11, 20)) == 0
    assert calendar.business_days_between(date(2026, 11, 20), date(2026, 11, 24)) == 1  # 23 is a holiday
    assert calendar.business_days_between(date(2026, 12, 28), date(2027, 1, 4)) == 1
    assert calendar.business_days_between(date(2026, 11, 25), date(2026, 11, 24)) == 0
