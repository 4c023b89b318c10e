"""The planner's fold of the contact policy says what the policy itself says, over random courses of a case."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callflow.simulation.planner.course import Course, Household, Number, after_call, is_spent, next_due
from callflow.simulation.planner.hours import Hours, date_of, hours_of
from scheduler.calendar import Calendar
from scheduler.facts import Attempt, Callback, CaseFacts, History, Instalment, NumberFacts
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.verdict import Allowed

NHI = "national_health_insurance"
START = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
UNTIL = START + timedelta(days=200)
CALENDARS = [
    Calendar(),
    Calendar(evening_days=frozenset(date(2026, 11, 24) + timedelta(days=n) for n in range(0, 200, 3))),
    Calendar(day=None, evening_days=frozenset(date(2026, 11, 24) + timedelta(days=n) for n in range(200))),
    Calendar(rest_days=frozenset(date(2026, 11, 29) + timedelta(days=7 * n) for n in range(28))),
]
POLICIES = [Policy(), Policy(attempts_per_campaign=3), Policy(no_answer_retry_minutes=600, attempts_per_7_days=3)]
CODES = ["NA"] * 6 + ["BZ"] * 4 + ["NW", "AM0", "AM1", "AB", "TF", "CH", "TP", "VD", "UD", "HU0", "HU1"]
CODES += ["RF", "PP", "PR", "PD", "CB", "FX", "WN", "HS"]
RIGHT = frozenset({"HU1", "RF", "PP", "PR", "PD", "HS"})

steps = st.lists(
    st.tuples(st.sampled_from(CODES), st.integers(0, 7_200), st.integers(1, 12), st.booleans()), max_size=9
)


@settings(deadline=None, max_examples=150)
@example(CALENDARS[0], POLICIES[0], 1, [("BZ", 0, 1, False)] * 5)
@given(st.sampled_from(CALENDARS), st.sampled_from(POLICIES), st.integers(1, 2), steps)
def test_the_fold_is_the_policy(
    calendar: Calendar, policy: Policy, numbers: int, course_of: list[tuple[str, int, int, bool]]
) -> None:
    hours = hours_of(calendar, START, UNTIL, policy.promise_grace_days)
    course = Course(1, Household(), [Number() for _ in range(numbers)], START.timestamp())
    attempts: list[Attempt] = []
    agreed: dict[str, object] = {}
    now = START.timestamp()
    for code, late, days, drawn in course_of:
        due = next_due(course, policy, hours, now)
        assert _close(due, _by_policy(calendar, policy, course, attempts, agreed, now)), (code, attempts)
        if due is None:
            return
        at = hours.first(due + late)
        if at is None or next_due(course, policy, hours, at) != at:
            at = due
        number = min((n for n in course.numbers if n.usable), key=lambda n: max(n.waits, at))
        if hours.first(max(at, number.waits), other_than=number.band, before=number.band_waits) != at:
            number = next(
                n
                for n in course.numbers
                if n.usable and hours.first(max(at, n.waits), other_than=n.band, before=n.band_waits) == at
            )
        right = drawn if code == "CB" else code in RIGHT
        after_call(course, number, policy, hours, code=code, right_party=right, at=at)
        attempts.append(
            Attempt(
                datetime.fromtimestamp(at, UTC),
                1,
                1,
                course.numbers.index(number),
                1,
                code,
                counts=code != "TF",
                right_party=right,
            )
        )
        if code != "TF":
            agreed = {}
        now = at + 60
        if code == "PP":
            agreed = {"promise_due_on": date_of(at) + timedelta(days=days)}
            course.waits = hours.follow_ups[int((at + 32_400) // 86_400) + days]
        if code == "CB":
            asked = datetime.fromtimestamp(now, UTC)
            agreed = {"callback": Callback(asked + timedelta(hours=7 * days), asked)}
            course.waits = now + 7 * 3600 * days


def _by_policy(
    calendar: Calendar,
    policy: Policy,
    course: Course,
    attempts: list[Attempt],
    agreed: dict[str, object],
    now: float,
) -> float | None:
    case = CaseFacts(
        1,
        1,
        NHI,
        1,
        (Instalment(1, date(2026, 7, 1), date(2026, 8, 1)),),
        date(2026, 11, 24),
        **agreed,  # type: ignore[arg-type]
    )
    moment, found = datetime.fromtimestamp(now, UTC), []
    for index, number in enumerate(course.numbers):
        facts = NumberFacts(index, "usable" if number.usable else "wrong")
        # what people must mend, stale payments here, is asked now and not foreseen
        verdict = judge(case, facts, History(tuple(attempts)), policy, _Fresh.of(calendar), moment)
        earliest = moment if isinstance(verdict, Allowed) else verdict.earliest
        if earliest is not None and earliest < UNTIL:
            found.append(earliest.timestamp())
    return min(found, default=None)


class _Fresh(Calendar):
    """A calendar by which payment data never ages: the planner takes it as kept fresh."""

    @classmethod
    def of(cls, other: Calendar) -> _Fresh:
        return cls(
            day=other.day,
            days=other.days,
            evening=other.evening,
            evening_days=other.evening_days,
            rest=other.rest,
            rest_days=other.rest_days,
        )

    def business_days_between(self, earlier: date, later: date) -> int:
        return 0


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < 0.001


def test_a_case_is_spent_when_no_number_is_left_or_the_limit_is_reached() -> None:
    policy, hours = Policy(attempts_per_campaign=2), _hours()
    course = Course(1, Household(), [Number()], 0.0)
    at = hours.opens[0]
    after_call(course, course.numbers[0], policy, hours, code="NA", right_party=False, at=at)
    assert not is_spent(course, policy)
    after_call(course, course.numbers[0], policy, hours, code="NA", right_party=False, at=at + 10_800)
    assert is_spent(course, policy)
    assert next_due(course, policy, hours, at) is None


def _hours() -> Hours:
    return hours_of(Calendar(), START, UNTIL, 10)
