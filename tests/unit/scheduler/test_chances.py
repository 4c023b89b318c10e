"""The chance of the right party: from the case's own calls, drawn towards its group's, and what it does to a rank."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product

import pytest

from bench.hours import LEARNING, Town, by_list, by_rank, optimum
from scheduler.calendar import TOKYO, Band, Calendar
from scheduler.chances import OWN_WEIGHT, PRIOR_RATE, SEGMENTS, Chances, Tally, drawn_rates, segment_of, strength
from scheduler.facts import Attempt, Callback, CaseFacts, History, Instalment, NumberFacts
from scheduler.ranking import BROKEN_PROMISE_PRIORITY, CALLBACK_PRIORITY, FIRST_VALUE, choose, rank
from scheduler.settings import Policy

MORNING = datetime(2026, 11, 25, 10, 0, tzinfo=TOKYO)
AFTERNOON = MORNING + timedelta(hours=4)
CALENDAR = Calendar()
HOME = NumberFacts(1, segment="working:fixed")
MOBILE = NumberFacts(2, position=2, segment="working:mobile")
CASE = CaseFacts(
    case_id=1,
    household_id=1,
    claim_type="national_health_insurance",
    campaign_id=1,
    instalments=(Instalment(20_000, date(2026, 7, 31), date(2026, 8, 20)),),
    payments_as_of=date(2026, 11, 24),
)


def call(at: datetime, *, reached: bool = False, number: int = 1, case: int = 1) -> Attempt:
    return Attempt(at, 1, case, number, 1, "PP" if reached else "NA", right_party=reached)


def chances(*attempts: Attempt, case: CaseFacts = CASE) -> Chances:
    return Chances.of(case, History(attempts), CALENDAR)


def with_rates(**rates: float) -> CaseFacts:
    """`morning_fixed=0.4`: the rate of the segment's calls in that band."""
    cells = {(f"working:{line}", Band[band.upper()]): rate for name, rate in rates.items()
             for band, line in [name.split("_")]}  # fmt: skip
    return replace(CASE, rates=cells)


def place(case: CaseFacts, now: datetime, *attempts: Attempt) -> int:
    return rank(case, (HOME, MOBILE), History(attempts), CALENDAR, now).priority


@pytest.mark.parametrize(
    ("born", "e164", "segment"),
    [
        (date(1961, 11, 26), "+819000000001", "working:mobile"),
        (date(1961, 11, 25), "+813000000001", "senior:fixed"),
        (None, "+815000000001", "unknown:fixed"),
    ],
)
def test_a_segment_is_age_and_kind_of_line(born: date | None, e164: str, segment: str) -> None:
    assert segment_of(born, e164, date(2026, 11, 25)) == segment
    assert segment in SEGMENTS


def test_without_calls_the_group_speaks_and_without_a_group_the_prior() -> None:
    assert chances().at(HOME, Band.MORNING) == pytest.approx(PRIOR_RATE)
    assert chances(case=with_rates(morning_fixed=0.42)).at(HOME, Band.MORNING) == pytest.approx(0.42)


def test_calls_in_the_band_are_a_beta_binomial_mean() -> None:
    tried = [call(MORNING), call(MORNING), call(MORNING, reached=True)]
    assert chances(*tried).at(HOME, Band.MORNING) == pytest.approx((1 + OWN_WEIGHT * 0.3) / (3 + OWN_WEIGHT))


def test_unanswered_mornings_lower_the_morning_most_so_attempts_rotate() -> None:
    seen = chances(*[call(MORNING)] * 3)
    assert seen.at(HOME, Band.MORNING) < seen.at(HOME, Band.AFTERNOON) < PRIOR_RATE
    assert seen.at(HOME, Band.AFTERNOON) == pytest.approx(OWN_WEIGHT * 0.3 / (3 + OWN_WEIGHT))
    assert seen.at(MOBILE, Band.MORNING) == PRIOR_RATE


def test_being_reached_at_another_hour_says_more_where_that_is_rare() -> None:
    rare = chances(call(MORNING, reached=True), case=with_rates(morning_fixed=0.05, afternoon_fixed=0.3))
    usual = chances(call(MORNING, reached=True), case=with_rates(morning_fixed=0.6, afternoon_fixed=0.3))
    assert rare.at(HOME, Band.AFTERNOON) > usual.at(HOME, Band.AFTERNOON) > 0.3
    assert rare.at(HOME, Band.AFTERNOON) <= 0.95


def test_another_claim_of_the_household_says_nothing_about_this_one() -> None:
    assert chances(call(MORNING, case=2), call(MORNING, case=2)).own == {}


def test_faults_and_calls_without_an_outcome_say_nothing() -> None:
    fault = replace(call(MORNING), counts=False, code="TF")
    assert chances(fault, replace(call(MORNING), code="")).own == {}


def test_the_same_day_draws_the_same_rates_and_another_day_others() -> None:
    seen = {("working:fixed", Band.MORNING): Tally(10, 4)}
    assert drawn_rates(seen, "1:nhi:2026-11-25") == drawn_rates(dict(seen), "1:nhi:2026-11-25")
    assert drawn_rates(seen, "1:nhi:2026-11-25") != drawn_rates(seen, "1:nhi:2026-11-26")


def test_what_is_known_is_hardly_left_to_chance_and_what_is_not_is_explored() -> None:
    seen = {(segment, Band.MORNING): Tally(5_000, 2_000) for segment in SEGMENTS}
    days = [drawn_rates(seen, f"day {number}") for number in range(40)]
    known, unknown = ([day["working:fixed", band] for day in days] for band in (Band.MORNING, Band.EVENING))
    assert max(known) - min(known) < 0.05
    assert max(unknown) - min(unknown) > max(known) - min(known)


def test_groups_that_are_alike_are_drawn_together() -> None:
    assert strength([Tally(400, 120)] * 8, 0.3) > strength([Tally(400, 40), Tally(400, 200)] * 4, 0.3)


def test_a_callback_then_a_broken_promise_then_value() -> None:
    asked = replace(CASE, callback=Callback(MORNING, MORNING - timedelta(days=1)))
    broken = replace(CASE, promise_broken_at=MORNING - timedelta(days=1))
    assert [place(case, MORNING) for case in (asked, broken)] == [CALLBACK_PRIORITY, BROKEN_PROMISE_PRIORITY]
    assert place(CASE, MORNING) >= FIRST_VALUE


def test_a_case_whose_better_hour_is_still_to_come_waits_behind_one_without() -> None:
    steady = with_rates(morning_fixed=0.3, afternoon_fixed=0.3)
    later = with_rates(morning_fixed=0.35, afternoon_fixed=0.6)
    numbers = (HOME,)
    first, second = (rank(case, numbers, History(), CALENDAR, MORNING) for case in (steady, later))
    assert second.chance > first.chance
    assert second.priority > first.priority
    in_time = [rank(case, numbers, History(), CALENDAR, AFTERNOON).priority for case in (steady, later)]
    assert in_time[1] < in_time[0]


def test_twice_the_debt_moves_up_by_one_step_of_twenty() -> None:
    double = replace(CASE, instalments=(replace(CASE.instalments[0], unpaid=40_000),))
    assert place(CASE, MORNING) - place(double, MORNING) == 20


def test_the_number_that_is_best_at_this_hour_is_chosen() -> None:
    case = with_rates(morning_fixed=0.5, morning_mobile=0.2, afternoon_fixed=0.2, afternoon_mobile=0.5)

    def chosen(now: datetime, *attempts: Attempt) -> NumberFacts | None:
        return choose(case, (MOBILE, HOME), History(attempts), Policy(), CALENDAR, now).number

    assert chosen(MORNING) == HOME
    assert chosen(AFTERNOON) == MOBILE
    week_ago = AFTERNOON - timedelta(days=9)
    assert chosen(AFTERNOON, *[call(week_ago, number=2)] * 4, call(week_ago, reached=True)) == HOME


def test_the_optimum_is_that_of_every_assignment() -> None:
    rates, sizes, rooms = [[0.5, 0.9, 0.1], [0.4, 0.45, 0.1], [0.3, 0.2, 0.25]], [2, 2, 1], [2, 1, 1]
    cases = [group for group, size in enumerate(sizes) for _ in range(size)]
    best = 0.0
    for hours in product((None, 0, 1, 2), repeat=len(cases)):
        if all(hours.count(hour) <= room for hour, room in enumerate(rooms)):
            made = (rates[group][hour] for group, hour in zip(cases, hours, strict=True) if hour is not None)
            best = max(best, sum(made))
    assert optimum(rates, sizes, rooms) == pytest.approx(best)


def test_a_town_is_learnt_in_ten_days() -> None:
    shares = {}
    for order in (by_rank, by_list):
        town = Town(1, 0.5, cases=300)
        made = [town.day(day, order) for day in town.days][LEARNING:]
        shares[order] = sum(got for got, _ in made) / sum(best for _, best in made)
    assert shares[by_rank] > 0.85
    assert shares[by_rank] > shares[by_list] + 0.1
