"""The policy against an independent judgement, minute by minute (`oracle.py`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.calendar import Calendar, Hours
from scheduler.facts import Attempt, Callback, CaseFacts, History, Hold, Instalment, NumberFacts
from scheduler.policy import judge
from scheduler.settings import Policy
from scheduler.verdict import Allowed, Refused
from tests.unit.scheduler.oracle import DAY, Days, Oracle, minute

YEAR = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(ring_seconds=60)  # a whole minute, as the oracle counts
HORIZON_DAYS = 21


def _listed(year: int, step: int, weekday: int | None = None) -> frozenset[date]:
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(730)]
    return frozenset([day for day in days if weekday is None or day.weekday() == weekday][::step])


BUDGETED = _listed(2026, 3)
EVENINGS, SUNDAYS = _listed(2026, 11), _listed(2026, 5, weekday=6)
NIGHTS = _listed(2026, 4)
PLANS: dict[str, tuple[Calendar, Days]] = {
    "national_health_insurance": (Calendar(), Days((540, 1020), None, frozenset(), frozenset())),
    "resident_tax": (
        Calendar(days=BUDGETED, evening_days=EVENINGS, rest_days=SUNDAYS),
        Days((540, 1020), BUDGETED, EVENINGS, SUNDAYS),
    ),
    "long_term_care": (
        Calendar(day=Hours(time(9), time(16)), days=BUDGETED),
        Days((540, 960), BUDGETED, frozenset(), frozenset()),
    ),
    "nursery_fee": (
        Calendar(day=None, evening_days=NIGHTS),
        Days(None, frozenset(), NIGHTS, frozenset()),
    ),
}
CODES = [
    "NA",
    "NA",
    "NA",
    "NA",
    "BZ",
    "BZ",
    "NW",
    "AM0",
    "AM1",
    "AB",
    "TF",
    "CH",
    "TP",
    "HU0",
    "HU1",
    "RF",
    "PD",
    "PP",
    "PX",
    "VD",
    "CP",
    "CB",
    "UD",
    "HS",
]
RIGHT_PARTY = {"HU1", "RF", "PD", "PP", "PX", "HS"}

minutes = st.integers(min_value=0, max_value=365 * DAY - 1)


@st.composite
def attempts(draw: st.DrawFn, now: datetime) -> tuple[Attempt, ...]:
    found = []
    for _ in range(draw(st.integers(0, 7))):
        code = draw(st.sampled_from(CODES))
        at = now - timedelta(minutes=draw(st.one_of(st.integers(1, 2 * DAY), st.integers(1, 20 * DAY))))
        live = draw(st.integers(0, 24)) == 0
        found.append(
            Attempt(
                at=at,
                household_id=draw(st.sampled_from((7, 7, 7, 8))),
                case_id=draw(st.sampled_from((1, 1, 2))),
                number_id=draw(st.sampled_from((1, 1, 1, 2, None))),
                campaign_id=draw(st.sampled_from((1, 1, 2))),
                code="" if live else code,
                counts=live or code != "TF",
                right_party=not live and code in RIGHT_PARTY,
                live=live,
                is_in_review=live and draw(st.booleans()),
            )
        )
    return tuple(sorted(found, key=lambda attempt: attempt.at))


@st.composite
def instalments(draw: st.DrawFn, today: date) -> tuple[Instalment, ...]:
    def one() -> Instalment:
        reminded = draw(st.sampled_from((400, 60, 60, 60, 11, 10, 3, None)))
        expires = draw(st.sampled_from((None, None, None, -3, 5, 90)))
        return Instalment(
            unpaid=draw(st.sampled_from((12_000, 3_000, 0))),
            due_on=today - timedelta(days=90),
            reminder_on=None if reminded is None else today - timedelta(days=reminded),
            expires_on=None if expires is None else today + timedelta(days=expires),
        )

    return tuple(one() for _ in range(draw(st.integers(1, 3))))


@st.composite
def cases(draw: st.DrawFn, now: datetime, claim_type: str) -> CaseFacts:
    """Mostly callable: each oddity turns up in one case of about twenty."""

    def seldom() -> bool:
        return draw(st.integers(0, 19)) == 0

    today = now.astimezone(UTC).date()
    case = CaseFacts(1, 7, claim_type, 1, draw(instalments(today)), today - timedelta(days=draw(st.integers(-1, 9))))
    oddities: dict[str, object] = {
        "payments_as_of": None,
        "status": "staff",
        "is_corporate": True,
        "is_protected": True,
        "broken_promises": 2,
        "campaign_state": "paused",
        "supervised_until": None,
        "is_stopped": True,
        "is_held_out": True,
    }
    case = replace(case, **{name: value for name, value in oddities.items() if seldom()})  # type: ignore[arg-type]
    if draw(st.integers(0, 4)) == 0:
        since = now + timedelta(days=draw(st.integers(-9, 3)))
        until = since + timedelta(days=draw(st.integers(1, 15)))
        case = replace(case, holds=(Hold(since, None if seldom() else until),))
    if draw(st.integers(0, 4)) == 0:
        case = replace(case, promise_due_on=today + timedelta(days=draw(st.integers(-15, 8))))
    if draw(st.integers(0, 4)) == 0:
        case = replace(case, promise_broken_at=now - timedelta(days=draw(st.integers(0, 10))))
    if draw(st.integers(0, 4)) == 0:
        asked = now - timedelta(minutes=draw(st.integers(0, 5 * DAY)))
        case = replace(case, callback=Callback(asked + timedelta(minutes=draw(st.integers(0, 9 * DAY))), asked))
    return case


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data(), offset=minutes, claim_type=st.sampled_from(sorted(PLANS)))
def test_the_same_verdict_and_the_same_next_moment(data: st.DataObject, offset: int, claim_type: str) -> None:
    now = YEAR + timedelta(minutes=offset)
    calendar, days = PLANS[claim_type]
    case = data.draw(cases(now, claim_type))
    number = data.draw(st.sampled_from((NumberFacts(1),) * 9 + (NumberFacts(1, "wrong"), None)))
    tried = data.draw(attempts(now))
    _agree(case, number, tried, POLICY, calendar, days, now)


def _agree(
    case: CaseFacts,
    number: NumberFacts | None,
    tried: tuple[Attempt, ...],
    policy: Policy,
    calendar: Calendar,
    days: Days,
    now: datetime,
) -> None:
    verdict = judge(case, number, History(tried), policy, calendar, now)
    oracle, at = Oracle(case, number, tried, policy, days), minute(now)
    never, free = oracle.is_mended_by_people(at), oracle.lines_free_from(at)
    allowed = not never and free == at and oracle.allows(at)
    assert isinstance(verdict, Allowed) is allowed
    if isinstance(verdict, Refused):
        assert verdict.reasons
        horizon = at + HORIZON_DAYS * DAY
        first = None if never else oracle.first(free, horizon)
        earliest = None if verdict.earliest is None else minute(verdict.earliest)
        if first is not None or earliest is None or earliest < horizon:
            assert earliest == first


def _worn(now: datetime, *codes: tuple[str, int]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(now + timedelta(minutes=m), 7, 1, 1, 1, code, right_party=code in RIGHT_PARTY) for code, m in codes
    )


MIDDLE = YEAR + timedelta(days=160, hours=2)
HISTORIES: dict[str, tuple[tuple[Attempt, ...], dict[str, object]]] = {
    "none": ((), {}),
    "worn": (_worn(MIDDLE, ("NA", 0), ("BZ", 2000), ("NA", 2200), ("NA", 5000), ("AM1", 8000), ("PX", 9500)), {}),
    "abandoned": (_worn(MIDDLE, ("AB", 0), ("BZ", 5000), ("BZ", 5020), ("BZ", 5040)), {}),
    "refused": (_worn(MIDDLE, ("CH", 0), ("HU0", 1500), ("RF", 7000)), {}),
    "promised": (
        _worn(
            MIDDLE,
            ("PP", 0),
        ),
        {"promise_due_on": date(2026, 6, 24)},
    ),
    "asked": (
        _worn(MIDDLE, ("HU1", 0), ("CB", 60)),
        {"callback": Callback(MIDDLE + timedelta(days=4), MIDDLE + timedelta(minutes=60))},
    ),
    "held": (
        _worn(MIDDLE, ("PD", 0)),
        {"holds": (Hold(MIDDLE + timedelta(days=30), MIDDLE + timedelta(days=44)),)},
    ),
    "expiring": ((), {"instalments": (Instalment(1, reminder_on=date(2026, 2, 1), expires_on=date(2026, 9, 1)),)}),
}
"""What has happened by the year's middle, and what is known of the case besides."""


def _sweep(claim_type: str, step: int) -> tuple[int, int]:
    """The minutes of a year, every `step`-th, under each history. How many were judged, and how many allowed."""
    calendar, days = PLANS[claim_type]
    plain = CaseFacts(1, 7, claim_type, 1, (Instalment(1, reminder_on=date(2025, 6, 1)),), date(2027, 1, 1))
    judged = calls = 0
    for offset, (tried, known) in enumerate(HISTORIES.values()):
        case = replace(plain, **known)  # type: ignore[arg-type]
        oracle, history = Oracle(case, NumberFacts(1), tried, POLICY, days), History(tried)
        begins = minute(tried[-1].at) - minute(YEAR) if tried else 0
        for moment in range(begins + offset, 365 * DAY, step):
            now = YEAR + timedelta(minutes=moment)
            allowed = isinstance(judge(case, NumberFacts(1), history, POLICY, calendar, now), Allowed)
            assert allowed is oracle.allows(minute(now)), now
            judged, calls = judged + 1, calls + allowed
    return judged, calls


@pytest.mark.parametrize("claim_type", sorted(PLANS))
def test_a_years_minutes_agree(claim_type: str) -> None:
    judged, calls = _sweep(claim_type, 151)
    assert judged > 15_000
    assert 0 < calls < judged, "neither answer alone would prove anything"


@pytest.mark.deep
@pytest.mark.parametrize("claim_type", sorted(PLANS))
def test_every_minute_of_a_year_agrees(claim_type: str) -> None:
    judged, calls = _sweep(claim_type, 1)
    print(f"{claim_type}: {judged:,} minutes under {len(HISTORIES)} histories judged alike, {calls:,} of them allowed")
