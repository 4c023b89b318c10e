"""Counts what must never happen, from the stored calls alone, without asking the policy that should prevent it.

The rules are written here a second time, from the table "Default contact policy", so that a mistake in
`scheduler.policy` is not counted by the same mistake. Limits and waits come from the settings, days and bands from
the calendar.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection, func, select

from callflow.clock import TOKYO
from models.tables import callbacks, calls, promises, suppressions
from scheduler.calendar import Calendar
from scheduler.settings import Policy

UNANSWERED = ("NA", "NW", "AM0")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Contact:
    """One call as it is stored. `dialled`: by us; `counts`: it uses up the limits (A = 1)."""

    at: datetime
    case_id: int
    household_id: int
    number_id: int | None
    campaign_id: int | None
    code: str = ""
    dialled: bool = True
    counts: bool = True
    right_party: bool = False


@dataclass(frozen=True, slots=True)
class Releases:
    """What takes a wait away or stops calls: (asked, wanted at) of callbacks, when promises broke, by household; and
    (from, until) of suppressions, by (`case` or `household`, id)."""

    callbacks: Mapping[int, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)
    broken: Mapping[int, Sequence[datetime]] = field(default_factory=dict)
    stopped: Mapping[tuple[str, int], Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)


def breaches(conn: Connection, municipality_id: int, calendar: Calendar, policy: Policy) -> Counter[str]:
    """How often each rule was broken by the calls of a municipality."""
    return count(_contacts(conn, municipality_id), _releases(conn, municipality_id), calendar, policy)


def count(contacts: Sequence[Contact], releases: Releases, calendar: Calendar, policy: Policy) -> Counter[str]:
    """How often each rule was broken by `contacts`, which are in the order of time."""
    found: Counter[str] = Counter()
    by_number: dict[int, list[Contact]] = defaultdict(list)
    by_household: dict[int, list[Contact]] = defaultdict(list)
    for one in contacts:
        household = by_household[one.household_id]
        on_number = by_number[one.number_id] if one.number_id is not None else []
        if one.dialled:
            found.update(set(_when(one, releases, calendar)))
            for before in (household, on_number):
                found.update(set(_limits(one, before, policy)) if one.counts else ())
            found.update(set(_line_waits(one, on_number, calendar, policy)))
            found.update(set(_person_waits(one, household, releases, policy)))
        household.append(one)
        on_number.append(one)
    return found


def _when(one: Contact, releases: Releases, calendar: Calendar) -> Iterator[str]:
    if calendar.window_at(one.at) is None:
        yield "時間外の発信"
    for whom in (("case", one.case_id), ("household", one.household_id)):
        if any(since < one.at < until for since, until in releases.stopped.get(whom, ())):
            yield "架電停止中の発信"


def _limits(one: Contact, before: Sequence[Contact], policy: Policy) -> Iterator[str]:
    """`before`: of the same household, or on the same number, over all claims."""
    dialled = [each for each in before if each.dialled and each.counts]
    if sum(_day(each) == _day(one) for each in dialled) >= policy.attempts_per_day:
        yield "一日の上限を超えた発信"
    if sum(each.at > one.at - 7 * _DAY for each in dialled) >= policy.attempts_per_7_days:
        yield "七日間の上限を超えた発信"
    if sum(each.campaign_id == one.campaign_id for each in dialled) >= policy.attempts_per_campaign:
        yield "キャンペーンの上限を超えた発信"


def _line_waits(one: Contact, on_number: Sequence[Contact], calendar: Calendar, policy: Policy) -> Iterator[str]:
    """What the last dial of the number asks for: a while after busy, longer and another band after no answer."""
    dialled = [each for each in on_number if each.dialled and each.counts]
    if any(each.code == "AM1" and one.at - each.at < timedelta(hours=72) for each in dialled):
        yield "伝言後の間隔に満たない発信"
    if not dialled:
        return
    last = dialled[-1]
    busy = len(list(takewhile(lambda each: each.code == "BZ", reversed(dialled))))
    if 0 < busy <= policy.busy_retries:
        if one.at - last.at < timedelta(minutes=policy.busy_retry_minutes):
            yield "話し中の間隔に満たない発信"
    elif busy or last.code in UNANSWERED:
        if one.at - last.at < timedelta(minutes=policy.no_answer_retry_minutes):
            yield "応答なしの間隔に満たない発信"
        elif calendar.band_of(one.at) is calendar.band_of(last.at):
            other_day = _day(one) != _day(last)
            weeks = one.at - last.at >= policy.another_band_within_days * _DAY
            if not (weeks or (other_day and len(calendar.bands) == 1)):
                yield "同じ時間帯への続けての発信"


def _person_waits(one: Contact, household: Sequence[Contact], releases: Releases, policy: Policy) -> Iterator[str]:
    """What a voice said or heard asks for, unless it asked to be called, or a promise made then broke since."""
    days = {"HU0": policy.hang_up_unverified_days, "HU1": policy.hang_up_verified_days, "RF": policy.refusal_days}
    for each in household:
        if each.code == "AB" and one.at - each.at < timedelta(hours=policy.abandoned_gap_hours):
            yield "放棄呼後の間隔に満たない発信"
        if each.code == "PD" and each.case_id == one.case_id and one.at - each.at < policy.payment_claim_days * _DAY:
            yield "納付済み申出の確認前の発信"
        asked = releases.callbacks.get(one.household_id, ())
        if any(each.at <= told <= one.at and wanted <= one.at for told, wanted in asked):
            continue
        if one.at - each.at < days.get(each.code, 0) * _DAY:
            yield "切断・拒否後の間隔に満たない発信"
        if each.code in ("CH", "TP") and _day(one) == _day(each):
            yield "同じ日の再発信（子ども・本人以外）"
        broken = any(each.at <= moment <= one.at for moment in releases.broken.get(one.household_id, ()))
        if each.right_party and not broken and one.at - each.at < policy.quiet_days * _DAY:
            yield "本人と話した後の間隔に満たない発信"


def _day(one: Contact) -> object:
    return one.at.astimezone(TOKYO).date()


def _contacts(conn: Connection, municipality_id: int) -> list[Contact]:
    c = calls.c
    began = func.coalesce(c.placed_at, c.opened_at).label("began")
    rows = conn.execute(
        select(
            *(began, c.case_id, c.household_id, c.number_id, c.campaign_id, c.disposition),
            *(c.direction, c.placed_at, c.attempt, c.right_party),
        )
        .where(c.municipality_id == municipality_id, (c.direction == "inbound") | c.placed_at.is_not(None))
        .order_by(began, c.id)
    )
    return [
        Contact(
            row.began,
            row.case_id,
            row.household_id,
            row.number_id,
            row.campaign_id,
            row.disposition or "",
            dialled=row.direction == "outbound",
            counts=bool(row.attempt),
            right_party=bool(row.right_party),
        )
        for row in rows
    ]


def _releases(conn: Connection, municipality_id: int) -> Releases:
    asked: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    broken: dict[int, list[datetime]] = defaultdict(list)
    stopped: dict[tuple[str, int], list[tuple[datetime, datetime]]] = defaultdict(list)
    b, p, s, c = callbacks.c, promises.c, suppressions.c, calls.c
    told = func.coalesce(c.closed_at, c.placed_at, c.opened_at)
    for household, moment, wanted in conn.execute(
        select(c.household_id, told, b.at)
        .join(callbacks, (b.municipality_id == c.municipality_id) & (b.call_id == c.id))
        .where(c.municipality_id == municipality_id)
    ):
        asked[household].append((moment, wanted))
    for household, moment in conn.execute(
        select(c.household_id, p.judged_at)
        .join(promises, (p.municipality_id == c.municipality_id) & (p.call_id == c.id))
        .where(c.municipality_id == municipality_id, p.state == "broken", p.judged_at.is_not(None))
    ):
        broken[household].append(moment)
    never = datetime.max.replace(tzinfo=TOKYO)
    for row in conn.execute(
        select(s.case_id, s.household_id, s.since, s.until, s.lifted_at).where(s.municipality_id == municipality_id)
    ):
        whom = ("case", row.case_id) if row.case_id is not None else ("household", row.household_id)
        stopped[whom].append((row.since, min(row.until or never, row.lifted_at or never)))
    return Releases(asked, broken, stopped)
