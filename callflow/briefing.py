"""What a call is told about its case when it opens: the facts for its lines, fixed for the whole call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, or_, select

from callflow.clock import TOKYO
from models.tables import accounts, calls, cases, debtors
from scheduler.facts import Instalment, has_expired
from scheduler.settings import Policy
from scheduler.snapshot import instalments_of

_ERAS = (
    (date(2019, 5, 1), "令和", 2018),
    (date(1989, 1, 8), "平成", 1988),
    (date(1926, 12, 25), "昭和", 1925),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """The words of this installation that lines may name, and the rules that a call is opened under."""

    ward: str
    company: str
    desk_name: str
    desk_phone: str
    desk_hours: str
    claim_names: Mapping[str, str] = field(default_factory=dict)
    spouse_may_hear: Mapping[str, bool] = field(default_factory=dict)
    limitation_years: Mapping[str, int] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    blind_identification: bool = True


@dataclass(frozen=True, slots=True)
class Briefing:
    """`facts` feed the lines, `conditions` are fixed for the call; both stand in its first event."""

    case_id: int
    household_id: int
    claim_type: str
    facts: Mapping[str, Any]
    conditions: Mapping[str, bool]


_WHO = (
    select(cases.c.household_id, cases.c.claim_type, debtors.c.name, accounts.c.display_name)
    .select_from(cases)
    .join(debtors, (debtors.c.municipality_id == cases.c.municipality_id) & (debtors.c.id == cases.c.debtor_id))
    .join(
        accounts,
        (accounts.c.municipality_id == cases.c.municipality_id) & (accounts.c.id == bindparam("operator")),
    )
    .where(cases.c.municipality_id == bindparam("m"), cases.c.id == bindparam("case"))
)

_TRIED = select(
    func.count().filter(calls.c.case_id == bindparam("case")),
    func.max(calls.c.opened_at).filter(calls.c.disposition == "AM1"),
).where(
    calls.c.municipality_id == bindparam("m"),
    or_(calls.c.household_id == bindparam("household"), calls.c.number_id == bindparam("number", type_=Integer)),
    calls.c.direction == "outbound",
    calls.c.attempt == 1,
    calls.c.live.is_(False),
)


def brief(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    operator_id: int,
    desk: Desk,
    now: datetime,
    *,
    number_id: int | None = None,
    policy: Policy | None = None,
) -> Briefing | None:
    """The briefing for one case, or None if there is no such case. `number_id`: the number that is called. `policy`:
    the campaign's, if one calls; else the claim type's.
    """
    row = conn.execute(_WHO, {"m": municipality_id, "case": case_id, "operator": operator_id}).one_or_none()
    if row is None:
        return None
    policy = policy or desk.policies.get(row.claim_type, Policy())
    today = now.astimezone(TOKYO).date()
    owed = _callable_instalments(conn, municipality_id, case_id, desk.limitation_years.get(row.claim_type, 2), today)
    facts = {
        "ward": desk.ward,
        "company": desk.company,
        "operator": row.display_name,
        "desk_name": desk.desk_name,
        "desk_phone": desk.desk_phone,
        "desk_hours": desk.desk_hours,
        "debtor": row.name,
        "claim_name": desk.claim_names.get(row.claim_type, row.claim_type),
        "arrears": arrears_facts(owed),
        "promise_horizon_days": policy.promise_horizon_days,
    }
    return Briefing(
        case_id,
        row.household_id,
        row.claim_type,
        facts,
        _conditions(
            conn,
            {"m": municipality_id, "case": case_id, "household": row.household_id, "number": number_id},
            spouse_may_hear=desk.spouse_may_hear.get(row.claim_type, False),
            message_pause=timedelta(days=policy.machine_message_every_days),
            now=now,
        ),
    )


def _callable_instalments(
    conn: Connection, municipality_id: int, case_id: int, years: int, today: date
) -> list[Instalment]:
    """Unpaid instalments that are not expired, oldest first. Expired ones are never dunned (R08)."""
    owed = [one for one in instalments_of(conn, municipality_id, case_id) if one.unpaid > 0]
    return [one for one in owed if not has_expired(one, years, today)]


def arrears_facts(owed: Sequence[Instalment]) -> dict[str, Any]:
    """The debt as lines may name it: the oldest callable instalment, and how many and how much besides."""
    if not owed:
        return {"year": "", "month": "", "amount": 0, "count": 0, "others": 0, "total": 0, "spoken": ""}
    first = owed[0]
    era, month = (_era_year(first.due_on), str(first.due_on.month)) if first.due_on else ("", "")
    total = sum(row.unpaid for row in owed)
    spoken = f"{era}年{month}月納期分" + (f"ほか{len(owed) - 1}期分" if len(owed) > 1 else "")
    return {
        "year": era,
        "month": month,
        "amount": first.unpaid,
        "count": len(owed),
        "others": len(owed) - 1,
        "total": total,
        "spoken": spoken,
    }


def _era_year(day: date) -> str:
    """令和7 for a day in 2025; 元 for the first year of an era."""
    for start, era, base in _ERAS:
        if day >= start:
            year = day.year - base
            return f"{era}{'元' if year == 1 else year}"
    return str(day.year)


def _conditions(
    conn: Connection,
    about: Mapping[str, int | None],
    *,
    spouse_may_hear: bool,
    message_pause: timedelta,
    now: datetime,
) -> dict[str, bool]:
    """A machine message: none on a case's first attempt, then one in some days for a household or a number, whatever
    claim it was about."""
    attempts, last_message = conn.execute(_TRIED, about).one()
    first = attempts == 0
    quiet = last_message is None or now - last_message >= message_pause
    return {
        "spouse_may_hear": spouse_may_hear,
        "first_attempt": first,
        "may_leave_message": not first and quiet,
    }
