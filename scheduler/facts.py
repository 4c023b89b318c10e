"""What a judgement is made from: a snapshot of one case, its number and what was tried. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from scheduler.calendar import Band

Cell = tuple[str, Band]
"""A group of calls of one claim type: the number's segment, and the part of the week."""


@dataclass(frozen=True, slots=True)
class Instalment:
    """One unpaid instalment (期別). Amounts in yen."""

    unpaid: int
    due_on: date | None = None
    reminder_on: date | None = None  # 督促状発送日
    last_part_payment_on: date | None = None
    expires_on: date | None = None  # 時効完成予定日 as imported


@dataclass(frozen=True, slots=True)
class Hold:
    """A suppression that staff have not lifted; `until` empty: until they do."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """A call at a time the resident gave, not yet made. `asked_at`: when they asked for it."""

    at: datetime
    asked_at: datetime


_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A case as it stands. `status`: open, paid, staff (in the hands of ward staff), closed."""

    case_id: int
    household_id: int
    claim_type: str
    campaign_id: int
    instalments: tuple[Instalment, ...]
    payments_as_of: date | None
    status: str = "open"
    is_corporate: bool = False
    is_protected: bool = False  # 支援措置
    holds: tuple[Hold, ...] = ()
    promise_due_on: date | None = None  # of the open promise
    broken_promises: int = 0
    promise_broken_at: datetime | None = None  # the last one
    callback: Callback | None = None
    campaign_state: str = "running"
    supervised_until: datetime | None = _ALWAYS  # the end of the supervisor's shift; None: nobody is on shift
    is_stopped: bool = False  # 災害等による全停止
    is_held_out: bool = False  # 対照群 of the campaign
    rates: Mapping[Cell, float] = field(default_factory=dict)  # of its claim type today [scheduler.chances]

    @property
    def unpaid(self) -> int:
        """Yen, all instalments."""
        return sum(instalment.unpaid for instalment in self.instalments)


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """One of the case's phone numbers. `status`: usable, invalid, wrong, forbidden."""

    number_id: int
    status: str = "usable"
    position: int = 1  # as in the list
    segment: str = ""  # of `scheduler.chances`


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to or from the household or to the number. Times out as a live one after the longest call.

    `counts`: uses up a limit (A = 1, outbound). `live`: not ended, or its truth is unknown (`is_in_review`).
    `code`: its disposition, empty while it has none.
    """

    at: datetime
    household_id: int
    case_id: int
    number_id: int | None
    campaign_id: int | None
    code: str = ""
    counts: bool = True
    answered: bool = False  # a person or a voice was heard (C = 1)
    right_party: bool = False
    live: bool = False
    is_in_review: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """All attempts of the household and of its numbers, over all claims, oldest first."""

    attempts: tuple[Attempt, ...] = ()

    def of_household(self, household_id: int) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.household_id == household_id]

    def of_number(self, number_id: int) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.number_id == number_id]


def years_later(day: date, years: int) -> date:
    """The same day `years` on; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, month=3, day=1)


def estimated_expiry(instalment: Instalment, limitation_years: int) -> date | None:
    """時効完成予定日 as imported, else an estimate (推定), never a statement of law.

    The estimate: the latest of due date, reminder + 10 days and last part payment, plus the years.
    """
    if instalment.expires_on is not None:
        return instalment.expires_on
    reminded = instalment.reminder_on and instalment.reminder_on + timedelta(days=10)
    starts = [day for day in (instalment.due_on, reminded, instalment.last_part_payment_on) if day]
    return years_later(max(starts), limitation_years) if starts else None


def has_expired(instalment: Instalment, limitation_years: int, today: date) -> bool:
    """Whether the limitation is past on `today`; an instalment without any date never expires by itself."""
    expiry = estimated_expiry(instalment, limitation_years)
    return expiry is not None and today >= expiry
