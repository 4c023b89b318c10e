"""Which sights are told of: by case, at the border of each threshold."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from callflow.access.alarms import AFTER, PREVIEW, Alarm, Spell, Thresholds, View, beyond, judge
from scheduler.calendar import Hours

TEN = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo
OPERATOR, SUPERVISOR = 7, 8
SPELL = Spell(OPERATOR, 12, TEN, TEN + timedelta(minutes=5))


def view(minutes: float = 0, case: int | None = 12, *, actor: int = OPERATOR, role: str = "operator") -> View:
    return View(int(minutes * 60), TEN + timedelta(minutes=minutes), actor, frozenset({role}), f"case:{case}", case)


@pytest.mark.parametrize(
    ("seen", "loose"),
    [
        (view(1), False),
        (view(-15), False),
        (view(-15.1), True),
        (view(7), False),
        (view(7.1), True),
        (view(1, 13), True),
        (view(1, actor=9), True),
        (view(1, actor=SUPERVISOR, role="supervisor"), False),
        (view(1, 13, actor=SUPERVISOR, role="supervisor"), True),
        (view(1, 13, role="staff"), False),
        (view(1, None), False),
    ],
)
def test_a_view_is_explained_by_the_viewers_call_or_campaign(seen: View, loose: bool) -> None:
    assert (timedelta(minutes=15), timedelta(minutes=2)) == (PREVIEW, AFTER)
    assert bool(beyond([seen], [SPELL], {(SUPERVISOR, 12), (OPERATOR, 13)})) is loose


def test_a_call_that_lasts_explains_what_comes() -> None:
    assert beyond([view(300)], [Spell(OPERATOR, 12, TEN, None)], ()) == []


def test_many_are_different_things_within_an_hour() -> None:
    limits = Thresholds(many_per_hour=3)
    assert judge([view(n, n) for n in range(3)], [], limits) == []
    assert judge([view(n, n % 3) for n in range(30)], [], limits) == []
    assert judge([view(20 * n, n) for n in range(9)], [], limits) == []  # three within any hour
    (alarm,) = judge([view(n, n) for n in (0, 1, 2, 3, 90)], [], limits)
    assert alarm == Alarm("many", OPERATOR, TEN.date(), 4, TEN, TEN + timedelta(minutes=3))


def test_every_view_outside_the_usual_hours_counts_by_tokyos_clock() -> None:
    limits = Thresholds(hours=Hours(time(8), time(21)))
    views = [view(-120), view(-120.1), view(11 * 60 - 1), view(11 * 60)]
    (alarm,) = judge(views, [], limits)
    assert (alarm.kind, alarm.count) == ("hours", 2)
    assert judge(views, [], Thresholds(hours=None)) == []


def test_views_beyond_work_are_told_of_from_their_threshold_on() -> None:
    loose = [view(0), view(1), view(2)]
    assert judge([], loose[:2], Thresholds(beyond_per_day=3)) == []
    (alarm,) = judge([], loose, Thresholds(beyond_per_day=3))
    assert (alarm.kind, alarm.actor_id, alarm.count) == ("beyond", OPERATOR, 3)
