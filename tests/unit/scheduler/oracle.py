"""A second judgement of the contact policy, written apart from the first: intervals of whole minutes.

Nothing of `scheduler.policy` or `scheduler.calendar` is used, and the holidays come from another library.
A minute is counted in UTC since 1970; Tokyo is nine hours ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import jpholiday

from scheduler.facts import Attempt, CaseFacts, NumberFacts
from scheduler.settings import Policy

DAY = 1440
FOREVER = 10**12


@dataclass(frozen=True)
class Days:
    """Opening hours in minutes of the day; `listed` None: every business day."""

    day: tuple[int, int] | None
    listed: frozenset[date] | None
    evening_days: frozenset[date]
    rest_days: frozenset[date]


def minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def day_number(m: int) -> int:
    return (m + 540) // DAY


@lru_cache(maxsize=4096)
def the_date(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


@lru_cache(maxsize=4096)
def is_working(number: int) -> bool:
    day = the_date(number)
    if (day.month == 12 and day.day > 28) or (day.month == 1 and day.day < 4):
        return False
    return not (day.isoweekday() in (6, 7) or jpholiday.is_holiday(day))


def part_of_day(m: int) -> str:
    if not is_working(day_number(m)):
        return "rest"
    of_day = (m + 540) % DAY
    return "morning" if of_day < 720 else "afternoon" if of_day < 1020 else "evening"


def hours(days: Days, number: int) -> list[tuple[int, int]]:
    """Minutes of the day in which a dial may begin: up to ten minutes before the end."""
    day = the_date(number)
    if (day.month == 12 and day.day > 28) or (day.month == 1 and day.day < 4):
        return []
    if not is_working(number):
        return [(540, 950)] if day in days.rest_days else []
    spans = []
    if days.day and (days.listed is None or day in days.listed):
        spans.append((days.day[0], days.day[1] - 10))
    if day in days.evening_days:
        spans.append((1080, 1190))
    return spans


def parts(days: Days) -> set[str]:
    found = set()
    if days.day and (days.listed is None or days.listed):
        found |= {"morning", "afternoon"}
    if days.evening_days:
        found.add("evening")
    if days.rest_days:
        found.add("rest")
    return found


class Oracle:
    def __init__(
        self,
        case: CaseFacts,
        number: NumberFacts | None,
        attempts: tuple[Attempt, ...],
        policy: Policy,
        days: Days,
    ) -> None:
        self.case, self.number, self.policy, self.days = case, number, policy, days
        self.home = [a for a in attempts if a.household_id == case.household_id]
        self.line = [a for a in attempts if number and a.number_id == number.number_id]
        self.shut = [*self._by_outcome(), *self._by_line(), *self._by_agreement(), *self._by_standing()]
        self.rotating = self._rotation()

    def is_mended_by_people(self, now: int) -> bool:
        """What is judged now and never foreseen: it has no end that time alone brings."""
        case = self.case
        if self.policy.disaster_stop or case.campaign_state != "running" or case.is_stopped:
            return True
        if case.supervised_until is None or minute(case.supervised_until) <= now:
            return True
        if case.payments_as_of is None:
            return True
        since = (case.payments_as_of - date(1970, 1, 1)).days
        old = [n for n in range(since + 1, day_number(now) + 1) if is_working(n)]
        return len(old) > self.policy.payments_block_business_days

    def lines_free_from(self, now: int) -> int:
        """When live calls are over at the latest."""
        longest = self.policy.ring_seconds // 60 + self.policy.call_limit_minutes + 10
        free = now
        for a in self.home + self.line:
            over = minute(a.at) + longest
            if a.live and a.is_in_review and now < over:
                free = max(free, over)
            if a.live and not a.is_in_review:
                free = max(free, over, now + 1)
        return free

    def allows(self, m: int) -> bool:
        """Apart from what people mend and from live calls."""
        of_day, number = (m + 540) % DAY, day_number(m)
        if not any(a <= of_day < b for a, b in hours(self.days, number)):
            return False
        if any(a <= m < b for a, b in self.shut):
            return False
        if self.rotating and m < self.rotating[1] and part_of_day(m) == self.rotating[0]:
            return False
        return self._callable_debt(number) and self._within_caps(m)

    def first(self, now: int, horizon: int) -> int | None:
        """The first allowed minute, walking one by one."""
        m = now
        while m < horizon:
            if not hours(self.days, day_number(m)):
                m = (day_number(m) + 1) * DAY - 540
                continue
            if self.allows(m):
                return m
            m += 1
        return None

    def _callable_debt(self, number: int) -> bool:
        for each in self.case.instalments:
            if each.unpaid <= 0 or each.reminder_on is None:
                continue
            expired = each.expires_on is not None and the_date(number) >= each.expires_on
            if not expired and (the_date(number) - each.reminder_on).days >= self.policy.reminder_days:
                return True
        return False

    def _within_caps(self, m: int) -> bool:
        for attempts in (self.home, self.line):
            times = [minute(a.at) for a in attempts if a.counts]
            if len([t for t in times if day_number(t) == day_number(m)]) >= self.policy.attempts_per_day:
                return False
            if len([t for t in times if m - t < 7 * DAY]) >= self.policy.attempts_per_7_days:
                return False
        return True

    def _by_outcome(self) -> list[tuple[int, int]]:
        policy, shut = self.policy, []
        days = {"HU0": policy.hang_up_unverified_days, "HU1": policy.hang_up_verified_days, "RF": policy.refusal_days}
        days |= dict.fromkeys(["VD", "VF", "LG", "HI", "OS", "MV", "CP", "AV", "EM", "UD"], policy.follow_up_days)
        asked = minute(self.case.callback.asked_at) if self.case.callback else -1
        broke = minute(self.case.promise_broken_at) if self.case.promise_broken_at else -1
        for a in self.home:
            t = minute(a.at)
            if a.code == "PD" and a.case_id == self.case.case_id:
                shut.append((0, t + policy.payment_claim_days * DAY))
            if t <= asked:
                continue
            if a.code in days:
                shut.append((0, t + days[a.code] * DAY))
            if a.code in ("CH", "TP"):
                shut.append((0, (day_number(t) + 1) * DAY - 540))
            if a.right_party and t > broke:
                shut.append((0, t + policy.quiet_days * DAY))
        return shut

    def _by_line(self) -> list[tuple[int, int]]:
        policy, shut = self.policy, []
        for a in self.home + self.line:
            if a.code == "AB":
                shut.append((0, minute(a.at) + policy.abandoned_gap_hours * 60))
        for a in self.line:
            if a.code == "AM1":
                shut.append((0, minute(a.at) + policy.machine_message_gap_hours * 60))
        if self.line and self.line[-1].code == "TF":
            shut.append((0, minute(self.line[-1].at) + policy.fault_retry_minutes))
        kind, last = self._last_silence()
        if kind == "busy":
            shut.append((0, last + policy.busy_retry_minutes))
        if kind == "silent":
            shut.append((0, last + policy.no_answer_retry_minutes))
        return shut

    def _last_silence(self) -> tuple[str, int]:
        codes = [(a.code, minute(a.at)) for a in self.line if a.counts]
        if not codes:
            return "", 0
        trail = "".join("b" if code == "BZ" else "." for code, _ in codes)
        busy = len(trail) - len(trail.rstrip("b"))
        code, last = codes[-1]
        if 0 < busy <= self.policy.busy_retries:
            return "busy", last
        return ("silent", last) if busy or code in ("NA", "NW", "AM0") else ("", 0)

    def _rotation(self) -> tuple[str, int] | None:
        """The part of the day that stays shut, and until when."""
        kind, last = self._last_silence()
        if kind != "silent":
            return None
        part = part_of_day(last)
        if parts(self.days) <= {part}:
            return part, min(last + 7 * DAY, (day_number(last) + 1) * DAY - 540)
        return part, last + self.policy.another_band_within_days * DAY

    def _by_agreement(self) -> list[tuple[int, int]]:
        if self.case.callback:
            return [(0, minute(self.case.callback.at))]
        if self.case.promise_due_on:
            number = (self.case.promise_due_on - date(1970, 1, 1)).days + self.policy.promise_grace_days + 1
            while not is_working(number):
                number += 1
            return [(0, number * DAY - 540)]
        return []

    def _by_standing(self) -> list[tuple[int, int]]:
        case, shut = self.case, []
        for hold in case.holds:
            shut.append((minute(hold.since), minute(hold.until) if hold.until else FOREVER))
        never = [
            case.status != "open",
            case.is_protected,
            case.is_corporate,
            case.is_held_out,
            self.number is None or self.number.status != "usable",
            case.broken_promises >= self.policy.broken_promises_to_staff,
            *(
                sum(a.counts and a.campaign_id == case.campaign_id for a in attempts)
                >= self.policy.attempts_per_campaign
                for attempts in (self.home, self.line)
            ),
        ]
        return [*shut, (0, FOREVER)] if any(never) else shut
