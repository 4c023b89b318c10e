"""Days of the year against the seed's budgets."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from scheduler.budgets import BUDGETS, DayBudget, fiscal_year, overruns, propose
from scheduler.calendar import Calendar

FIRST, LAST = date(2026, 4, 1), date(2027, 3, 31)


@pytest.mark.parametrize("claim_type", BUDGETS)
def test_a_proposal_uses_the_whole_budget_and_no_more(claim_type: str) -> None:
    budget = BUDGETS[claim_type]
    by_day = claim_type != "nursery_fee"
    calendar = propose(Calendar() if by_day else Calendar(day=None), budget, FIRST, LAST)
    assert overruns(calendar, budget) == []
    open_days = [day for n in range((LAST - FIRST).days + 1) if calendar.windows_on(day := FIRST + timedelta(days=n))]
    assert len(open_days) == budget.days
    assert sum(day.weekday() == 6 for day in open_days) == budget.sundays
    assert len(calendar.evening_days) == budget.evenings


def test_a_budget_that_is_overrun_is_named_by_fiscal_year() -> None:
    days = frozenset({date(2027, 3, 30), date(2027, 3, 31), date(2027, 4, 1)})
    found = overruns(Calendar(days=days), DayBudget(1))
    assert [(each.fiscal_year, each.kind, each.listed) for each in found] == [(2026, "days", 2)]


def test_the_fiscal_year_begins_in_april() -> None:
    assert [fiscal_year(day) for day in (date(2027, 3, 31), date(2027, 4, 1))] == [2026, 2027]
