"""Reads from the database what a judgement is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from models.base import Instant
from models.tables import (
    accounts,
    arrears,
    callbacks,
    calls,
    campaign_holdouts,
    campaigns,
    cases,
    contact_rates,
    debtor_phones,
    debtors,
    dial_stops,
    households,
    payments,
    phone_numbers,
    promises,
    shifts,
    suppressions,
)
from scheduler.calendar import Band
from scheduler.chances import NO_RATES, DayRates
from scheduler.facts import Attempt, Callback, CaseFacts, History, Hold, Instalment, NumberFacts

_TENANT = bindparam("m", type_=Integer)
_CASE = bindparam("case", type_=Integer)
_HOUSEHOLD = bindparam("household", type_=Integer)
_NEVER = type_coerce(null(), Instant).label("until")


@dataclass(frozen=True, slots=True)
class Facts:
    """One case, its numbers in the list's order, and all attempts of its household and numbers."""

    case: CaseFacts
    numbers: tuple[NumberFacts, ...]
    history: History


supervised_until = (
    select(func.max(shifts.c.until))
    .select_from(
        shifts.join(
            accounts,
            and_(accounts.c.municipality_id == shifts.c.municipality_id, accounts.c.id == shifts.c.account_id),
        )
    )
    .where(
        shifts.c.municipality_id == campaigns.c.municipality_id,
        shifts.c.account_id == campaigns.c.supervisor_id,
        shifts.c.ended_at.is_(None),
        accounts.c.disabled_at.is_(None),
    )
    .correlate(campaigns)
    .scalar_subquery()
)
"""Until when a campaign's supervisor is on shift (R04); NULL: nobody is."""

is_stopped = exists().where(dial_stops.c.municipality_id == _TENANT, dial_stops.c.lifted_at.is_(None))
"""災害等による全停止: the switch in the database, which every process sees at its next judgement."""

_held_out = exists().where(
    campaign_holdouts.c.municipality_id == _TENANT,
    campaign_holdouts.c.campaign_id == bindparam("campaign"),
    campaign_holdouts.c.case_id == _CASE,
)

_case = (
    select(
        cases.c.household_id,
        cases.c.debtor_id,
        cases.c.claim_type,
        cases.c.status,
        cases.c.payments_as_of,
        debtors.c.is_corporate,
        debtors.c.birth_date,
        households.c.protected,
        campaigns.c.state,
        supervised_until.label("supervised_until"),
        is_stopped.label("is_stopped"),
        _held_out.label("is_held_out"),
    )
    .select_from(
        cases.join(
            debtors,
            and_(debtors.c.municipality_id == cases.c.municipality_id, debtors.c.id == cases.c.debtor_id),
        )
        .join(
            households,
            and_(
                households.c.municipality_id == cases.c.municipality_id,
                households.c.id == cases.c.household_id,
            ),
        )
        .outerjoin(
            campaigns,
            and_(
                campaigns.c.municipality_id == cases.c.municipality_id,
                campaigns.c.id == bindparam("campaign"),
            ),
        )
    )
    .where(cases.c.municipality_id == _TENANT, cases.c.id == _CASE)
)

_part_payment = (
    select(func.max(payments.c.paid_on))
    .where(
        payments.c.municipality_id == arrears.c.municipality_id,
        payments.c.arrear_id == arrears.c.id,
        payments.c.cancelled_as_of.is_(None),
    )
    .scalar_subquery()
)

_instalments = (
    select(arrears.c.unpaid, arrears.c.due_on, arrears.c.reminder_on, _part_payment, arrears.c.expires_on)
    .where(arrears.c.municipality_id == _TENANT, arrears.c.case_id == _CASE, arrears.c.active)
    .order_by(arrears.c.due_on, arrears.c.id)
)

AWAITED = ("open", "missed")
"""The states of a callback that is still waited for."""

_standing = union_all(
    select(promises.c.state.label("what"), promises.c.due_on.label("day"), promises.c.judged_at.label("at"), _NEVER)
    .where(promises.c.municipality_id == _TENANT, promises.c.case_id == _CASE)
    .where(promises.c.state.in_(("open", "broken"))),
    select(literal_column("'hold'"), null(), suppressions.c.since, suppressions.c.until).where(
        suppressions.c.municipality_id == _TENANT,
        or_(suppressions.c.case_id == _CASE, suppressions.c.household_id == _HOUSEHOLD),
        suppressions.c.lifted_at.is_(None),
    ),
    select(
        literal_column("'callback'"),
        null(),
        callbacks.c.at,
        func.coalesce(calls.c.closed_at, calls.c.placed_at, calls.c.opened_at),
    )
    .select_from(
        callbacks.join(
            calls,
            and_(calls.c.municipality_id == callbacks.c.municipality_id, calls.c.id == callbacks.c.call_id),
        )
    )
    .where(callbacks.c.municipality_id == _TENANT, callbacks.c.case_id == _CASE, callbacks.c.state.in_(AWAITED)),
)
"""Promises, holds and awaited callbacks in one statement: every judgement reads them, mostly to find none."""

_numbers = (
    select(phone_numbers.c.id, phone_numbers.c.status, phone_numbers.c.e164, func.min(debtor_phones.c.position))
    .select_from(
        debtor_phones.join(
            phone_numbers,
            and_(
                phone_numbers.c.municipality_id == debtor_phones.c.municipality_id,
                phone_numbers.c.id == debtor_phones.c.number_id,
            ),
        )
    )
    .where(debtor_phones.c.municipality_id == _TENANT, debtor_phones.c.debtor_id == bindparam("debtor"))
    .group_by(phone_numbers.c.id, phone_numbers.c.status, phone_numbers.c.e164)
    .order_by(func.min(debtor_phones.c.position))
)

ATTEMPT = (
    func.coalesce(calls.c.placed_at, calls.c.opened_at).label("began"),
    calls.c.household_id,
    calls.c.case_id,
    calls.c.number_id,
    calls.c.campaign_id,
    calls.c.disposition,
    calls.c.attempt,
    calls.c.direction,
    calls.c.contact,
    calls.c.right_party,
    calls.c.live,
    calls.c.line_state,
)
"""The columns of `calls` that `attempt_of` reads."""

_attempts = (
    select(*ATTEMPT)
    .where(
        calls.c.municipality_id == _TENANT,
        or_(
            calls.c.household_id == _HOUSEHOLD,
            calls.c.number_id.in_(bindparam("numbers", expanding=True)),
        ),
        calls.c.id != bindparam("except_call"),
    )
    .order_by("began", calls.c.id)
)


_last_day = (
    select(func.max(contact_rates.c.day))
    .where(contact_rates.c.municipality_id == _TENANT, contact_rates.c.claim_type == bindparam("claim_type"))
    .scalar_subquery()
)
_rates = select(contact_rates.c.day, contact_rates.c.segment, contact_rates.c.band, contact_rates.c.rate).where(
    contact_rates.c.municipality_id == _TENANT,
    contact_rates.c.claim_type == bindparam("claim_type"),
    contact_rates.c.day == _last_day,
)


def facts_for(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    *,
    campaign_id: int = 0,
    except_call: int = 0,
    ranked: bool = True,
) -> Facts:
    """The facts of a case as this transaction sees them. Raises LookupError for an unknown case.

    `campaign_id` 0: judged outside any campaign. `except_call`: the call being judged, which is no history yet.
    `ranked`: with the rates by which cases and numbers are ranked; a judgement alone needs none.
    """
    about = {"m": municipality_id, "case": case_id}
    row = conn.execute(_case, {**about, "campaign": campaign_id}).one_or_none()
    if row is None:
        raise LookupError(f"no case {case_id}")
    about["household"] = row.household_id
    rates = rates_of(conn, municipality_id, row.claim_type) if ranked else NO_RATES
    numbers = tuple(
        NumberFacts(number_id, status, position, rates.segment_of(row.birth_date, e164))
        for number_id, status, e164, position in conn.execute(_numbers, {**about, "debtor": row.debtor_id})
    )
    attempts = _read_attempts(conn, about, numbers, except_call)
    standing = conn.execute(_standing, about).all()
    case = CaseFacts(
        case_id=case_id,
        household_id=row.household_id,
        claim_type=row.claim_type,
        campaign_id=campaign_id,
        instalments=_read_instalments(conn, about),
        payments_as_of=row.payments_as_of,
        status=row.status,
        is_corporate=row.is_corporate,
        is_protected=row.protected,
        is_stopped=bool(row.is_stopped),
        is_held_out=bool(row.is_held_out),
        rates=rates.by_cell,
        holds=tuple(Hold(row.at, row.until) for row in standing if row.what == "hold"),
        callback=_callback(case_id, [row for row in standing if row.what == "callback"], attempts),
        **_promise_facts(standing),
        **_campaign_facts(campaign_id, row),
    )
    return Facts(case, numbers, History(attempts))


def instalments_of(conn: Connection, municipality_id: int, case_id: int) -> tuple[Instalment, ...]:
    """A case's instalments in the order of their due days, as the policy judges them; paid ones included."""
    return _read_instalments(conn, {"m": municipality_id, "case": case_id})


def rates_of(conn: Connection, municipality_id: int, claim_type: str) -> DayRates:
    """The claim type's rates as they were drawn last; none before the first night's work."""
    rows = conn.execute(_rates, {"m": municipality_id, "claim_type": claim_type}).all()
    if not rows:
        return NO_RATES
    return DayRates(rows[0].day, {(row.segment, Band[row.band.upper()]): row.rate for row in rows})


def _read_instalments(conn: Connection, about: dict[str, int]) -> tuple[Instalment, ...]:
    return tuple(Instalment(*each) for each in conn.execute(_instalments, about))


def _campaign_facts(campaign_id: int, row: Any) -> dict[str, Any]:
    if not campaign_id:
        return {}
    return {"campaign_state": row.state or "missing", "supervised_until": row.supervised_until}


def _promise_facts(standing: Sequence[Any]) -> dict[str, Any]:
    broken = [row.at for row in standing if row.what == "broken"]
    return {
        "promise_due_on": max((row.day for row in standing if row.what == "open"), default=None),
        "broken_promises": len(broken),
        "promise_broken_at": max((at for at in broken if at is not None), default=None),
    }


def _callback(case_id: int, awaited: Sequence[Any], attempts: tuple[Attempt, ...]) -> Callback | None:
    """The last callback asked for, unless the case was called at its time or later."""
    row = max(awaited, key=lambda each: each.at, default=None)
    if row is None or any(a.counts and a.case_id == case_id and a.at >= row.at for a in attempts):
        return None
    return Callback(row.at, row.until)


def _read_attempts(
    conn: Connection, about: dict[str, int], numbers: tuple[NumberFacts, ...], except_call: int
) -> tuple[Attempt, ...]:
    wanted = {**about, "numbers": [number.number_id for number in numbers], "except_call": except_call}
    return tuple(attempt_of(row) for row in conn.execute(_attempts, wanted))


def attempt_of(row: Any) -> Attempt:
    """A call as the policy sees it; `row` has the columns of ATTEMPT."""
    return Attempt(
        at=row.began,
        household_id=row.household_id,
        case_id=row.case_id,
        number_id=row.number_id,
        campaign_id=row.campaign_id,
        code=row.disposition or "",
        counts=row.direction == "outbound" and row.attempt == 1,
        answered=row.contact == 1,
        right_party=row.right_party == 1,
        live=row.live,
        is_in_review=row.line_state == "needs_review",
    )
