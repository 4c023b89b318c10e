"""The calling days of a claim type over a fiscal year: what is used, what campaigns have listed, what is left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, column, func, select, true, values

from callflow.config import Config
from callflow.errors import InputError, RefusedError, Where
from models.base import Instant
from models.tables import calls, campaigns
from scheduler.budgets import (
    NO_DAYS,
    CallingDays,
    DayBudget,
    fiscal_year,
    left_of,
    limited,
    listed_in,
    overruns_of,
    propose,
)
from scheduler.calendar import EVENING_BEGINS, TOKYO, Calendar, tokyo_midnight

KIND_WORDS = {"days": "架電日", "sundays": "日曜・休日", "evenings": "夜間"}


@dataclass(frozen=True, slots=True)
class Ledger:
    """One claim type's year. `budget` empty: every business day may be called on.

    `used`: days on which a call was placed. `listed`: days of campaigns that are not over, the used ones included.
    """

    claim_type: str
    year: int
    budget: DayBudget | None
    used: CallingDays
    listed: CallingDays

    @property
    def spoken_for(self) -> CallingDays:
        return self.used | self.listed

    @property
    def left(self) -> DayBudget | None:
        """What another campaign may still list."""
        return left_of(self.budget, self.spoken_for) if self.budget else None

    def as_data(self) -> dict[str, Any]:
        kinds = {
            kind: {
                "used": len(self.used.of_kind(kind)),
                "listed": len(self.listed.of_kind(kind)),
                **({"budget": getattr(self.budget, kind), "left": getattr(self.left, kind)} if self.budget else {}),
            }
            for kind in KIND_WORDS
        }
        return {"claim_type": self.claim_type, "fiscal_year": self.year, **kinds}


def ledger(
    conn: Connection,
    municipality_id: int,
    claim_type: str,
    calendar: Calendar,
    budget: DayBudget | None,
    year: int,
    now: datetime,
) -> Ledger:
    """The year as this transaction sees it."""
    rows = conn.execute(
        select(campaigns.c.id, campaigns.c.state, campaigns.c.days).where(
            campaigns.c.municipality_id == municipality_id, campaigns.c.claim_type == claim_type
        )
    ).all()
    listed = NO_DAYS
    for row in rows:
        if row.days and row.state != "stopped":
            listed |= CallingDays.from_data(json.loads(row.days)).within(year)
    return Ledger(claim_type, year, budget, _used(conn, municipality_id, claim_type, calendar, year, now), listed)


def year_of(
    conn: Connection, municipality_id: int, config: Config, claim_type: str, year: int, now: datetime
) -> Ledger:
    """The ledger of a claim type as it is configured. Raises ConfigError for one that is not."""
    calendar, budget = config.calendar_for(claim_type), config.budget_for(claim_type)
    return ledger(conn, municipality_id, claim_type, calendar, budget, year, now)


def _used(
    conn: Connection, municipality_id: int, claim_type: str, calendar: Calendar, year: int, now: datetime
) -> CallingDays:
    """The days on which a call was placed: an index probe for each and each campaign, however many calls there were."""
    windows = _windows(calendar, year, now)
    if not windows:
        return NO_DAYS
    begins = [(number, since) for number, (_, _, since, _) in enumerate(windows)]
    w = values(column("number", Integer), column("since", Instant), name="windows").data(begins).cte()
    first = select(func.min(calls.c.placed_at)).where(
        calls.c.municipality_id == campaigns.c.municipality_id,
        calls.c.campaign_id == campaigns.c.id,
        calls.c.placed_at >= w.c.since,
    )
    mine = (campaigns.c.municipality_id == municipality_id, campaigns.c.claim_type == claim_type)
    placed = select(w.c.number, first.scalar_subquery().label("at")).join_from(campaigns, w, true()).where(*mine)
    days: dict[str, set[date]] = {kind: set() for kind in KIND_WORDS}
    for number, at in conn.execute(placed):
        kind, day, _, until = windows[number]
        if at is not None and at < until:
            days[kind].add(day)
    return CallingDays(*(frozenset(days[kind]) for kind in ("days", "evenings", "sundays")))


def _windows(calendar: Calendar, year: int, now: datetime) -> list[tuple[str, date, datetime, datetime]]:
    """The days of a fiscal year so far, evenings apart: kind, day, since when and until when."""
    found = []
    day = date(year, 4, 1)
    while day < date(year + 1, 4, 1) and tokyo_midnight(day) <= now:
        begins, ends = tokyo_midnight(day), tokyo_midnight(day + timedelta(days=1))
        if calendar.is_business_day(day):
            dusk = datetime.combine(day, EVENING_BEGINS, TOKYO)
            found += [("days", day, begins, dusk), ("evenings", day, dusk, ends)]
        else:
            found.append(("sundays", day, begins, ends))
        day += timedelta(days=1)
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """How a campaign's days are asked for: by date, or so many of a period, at even steps."""

    first: date | None = None
    last: date | None = None
    counts: Mapping[str, int] | None = None  # by kind; left out: what the budget has left
    listed: CallingDays = NO_DAYS

    def __bool__(self) -> bool:
        return bool(self.listed or self.first or self.last or self.counts)


def days_for(wish: Wish, year: Ledger, calendar: Calendar, today: date) -> CallingDays | None:
    """A campaign's calling days; None: those of the claim type, which has no budget.

    Raises InputError for days that the calendar does not open, RefusedError beyond the budget.
    """
    if not wish:
        if year.budget is None:
            return None
        raise InputError(
            f"この債権区分の架電日は年 {year.budget.days} 日までです。キャンペーンの架電日が要ります",
            where=Where(field="days"),
            mend="期間を決めて均等に割り振るか、日を選んでください（--from と --to、--day）",
        )
    found = wish.listed or _proposed(wish, year, calendar, today)
    _check_listed(found, calendar, bounded=year.budget is None)
    _check_open(found, calendar, today)
    _check_budget(found, year)
    return found


def _proposed(wish: Wish, year: Ledger, calendar: Calendar, today: date) -> CallingDays:
    first = wish.first or today + timedelta(days=1)
    last = wish.last or date(fiscal_year(first) + 1, 3, 31)
    if last < first:
        raise InputError(f"{first} から {last} の期間に日がありません", where=Where(field="days"))
    if fiscal_year(first) != fiscal_year(last):
        raise InputError(
            f"{first} から {last} は年度をまたぎます", where=Where(field="days"), mend="年度ごとに計画してください"
        )
    asked = DayBudget(**{kind: (wish.counts or {}).get(kind, 0) for kind in KIND_WORDS})
    if not wish.counts:
        asked = year.left or DayBudget(366)
    taken = year.spoken_for.of_kind("days")
    free = Calendar(**{**_parts(calendar), "closed": calendar.closed | taken})
    return listed_in(propose(free, asked, first, last))


def _parts(calendar: Calendar) -> dict[str, Any]:
    names = ("day", "days", "evening", "evening_days", "rest", "rest_days", "closed", "holidays")
    return {name: getattr(calendar, name) for name in names}


def _check_listed(days: CallingDays, calendar: Calendar, *, bounded: bool) -> None:
    """What the configuration lists bounds a campaign; where it lists nothing, the budget does."""
    for asked, listed, name in (
        (days.days, calendar.days, "日"),
        (days.evenings, calendar.evening_days, "夜間"),
        (days.rest_days, calendar.rest_days, "休日"),
    ):
        if listed is None or not (listed or bounded):
            continue
        beyond = sorted(asked - listed)
        if beyond and not listed:
            raise InputError(
                f"この債権区分に{name}の架電日はありません",
                where=Where(field="days"),
                mend="config.yaml の claim_types に、その日か、年の日数（budget）を書いてからです",
            )
        if beyond:
            raise InputError(
                f"{_some(beyond)} は設定に書かれた架電日（{name}）ではありません",
                where=Where(field="days"),
                mend="config.yaml の claim_types を確かめてください。キャンペーンは設定より広げられません",
            )


def _check_open(days: CallingDays, calendar: Calendar, today: date) -> None:
    if not days:
        raise InputError("この期間に架電できる日がありません", where=Where(field="days"))
    for asked, only, name in (
        (days.days, CallingDays(days=days.days), "平日の時間"),
        (days.evenings, CallingDays(evenings=days.evenings), "夜間の時間"),
        (days.rest_days, CallingDays(rest_days=days.rest_days), "休日の時間"),
    ):
        opened = limited(calendar, only)
        shut = [day for day in sorted(asked) if not opened.windows_on(day)]
        if shut:
            raise InputError(
                f"{_some(shut)} は{name}に架電できない日です",
                where=Where(field="days"),
                mend="閉庁日・祝日・曜日と、claim_types の時間を確かめてください",
            )
    past = [day for day in sorted(days.of_kind("days")) if day < today]
    if past:
        raise InputError(f"{_some(past)} は過ぎた日です", where=Where(field="days"))


def _check_budget(days: CallingDays, year: Ledger) -> None:
    if year.budget is None:
        return
    if any(fiscal_year(day) != year.year for day in days.of_kind("days")):
        raise InputError("架電日が年度をまたぎます", where=Where(field="days"), mend="年度ごとに計画してください")
    for over in overruns_of(year.spoken_for | days, year.budget):
        spoken_for = len(year.spoken_for.of_kind(over.kind))
        raise RefusedError(
            f"{over.fiscal_year}年度の{KIND_WORDS[over.kind]}は {over.budget} 日までです。"
            f"使用済みと計画済みが {spoken_for} 日あり、この計画で {over.listed} 日になります",
            mend="残り（計画の画面、callflow campaign days）を確かめ、日を減らしてください",
        )


def _some(days: list[date]) -> str:
    return "、".join(map(str, days[:5])) + (f" ほか{len(days) - 5}日" if len(days) > 5 else "")
