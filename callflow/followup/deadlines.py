"""By when a slip must be taken up and a living report posted, returned and followed up. Pure; judged in Asia/Tokyo.

Source: the default contact policy. 連絡票: normal 2 business days, same day, urgent 30 min. 報告書: posted within
2 business days, due 14 days later, asked for again 7 and followed up 14 days after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from scheduler.calendar import TOKYO, Calendar, tokyo_date

CLOSES: Final = time(17)
"""When the ward's office closes: a slip of a later hour counts from the next business day [O]."""

SEARCH_DAYS: Final = 60
Alarm = Literal["", "soon", "overdue", "call_missed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The ward's terms, `follow_up.*` of the configuration. Days are business days where the name says so."""

    slip_business_days: int = 2
    slip_urgent_minutes: int = 30
    post_business_days: int = 2
    return_days: int = 14
    ask_again_days: int = 7
    give_up_days: int = 14


def due_at(urgency: str, raised_at: datetime, calendar: Calendar, terms: Terms) -> datetime:
    """By when the ward must have taken a slip up.

    Urgent: minutes, at any hour. Same day: until the office closes on the day, or on the next business day if it was
    raised after that. Normal: until it closes on the nth business day after the day.
    """
    if urgency == "urgent":
        return raised_at + timedelta(minutes=terms.slip_urgent_minutes)
    local = raised_at.astimezone(TOKYO)
    counted = local.date()
    if not calendar.is_business_day(counted) or local.time() >= CLOSES:
        counted = _later(calendar, counted, 1)
    if urgency == "same_day":
        return _closing(counted)
    return _closing(_later(calendar, counted, terms.slip_business_days))


def overdue_before(urgency: str, now: datetime, calendar: Calendar, terms: Terms) -> datetime:
    """The moment before which a slip was raised that is overdue at `now`: `due_at` turned round, for one question to
    the database. It only moves at closing times."""
    if urgency == "urgent":
        return now - timedelta(minutes=terms.slip_urgent_minutes) + timedelta(microseconds=1)
    for back in range(SEARCH_DAYS):
        step = _closing(tokyo_date(now) - timedelta(days=back))
        if due_at(urgency, step - timedelta(microseconds=1), calendar, terms) <= now:
            return step
    return _closing(tokyo_date(now) - timedelta(days=SEARCH_DAYS))


def alarm(state: str, due: datetime, call_until: datetime | None, now: datetime) -> Alarm:
    """What is wrong with a slip that waits: nobody took it up in time or soon will not have, or a call that was
    promised to the resident was not made in its window. A slip in work is otherwise quiet."""
    if state in ("done", "cancelled"):
        return ""
    if call_until is not None and call_until <= now:
        return "call_missed"
    if state == "in_work":
        return ""
    if due <= now:
        return "overdue"
    return "soon" if due - now <= timedelta(hours=4) else ""


def post_by(requested_on: date, calendar: Calendar, terms: Terms) -> date:
    """By which day the form must be posted."""
    return _later(calendar, requested_on, terms.post_business_days)


def return_by(sent_on: date, terms: Terms) -> date:
    """返送期限: the day that stands in the letter."""
    return sent_on + timedelta(days=terms.return_days)


def next_mark(state: str, due_on: date, *, asked_again: bool, today: date, terms: Terms) -> str:
    """The act that the calendar asks for a form that did not come back; empty: none yet.

    It is followed up only when the second letter has really gone: until then the omission is the ward's.
    """
    late = (today - due_on).days
    if state == "sent" and late >= terms.ask_again_days:
        return "re_request"
    if state == "re_requested" and asked_again and late >= terms.give_up_days:
        return "escalate"
    return ""


def _closing(day: date) -> datetime:
    return datetime.combine(day, CLOSES, TOKYO).astimezone(UTC)


def _later(calendar: Calendar, day: date, business_days: int) -> date:
    """The nth business day after `day`; where the calendar knows none, the nth day: a deadline never vanishes."""
    for _ in range(business_days):
        day = calendar.next_business_day(day) or day + timedelta(days=1)
    return day
