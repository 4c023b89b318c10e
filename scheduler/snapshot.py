"""Reads from the database what a judgement is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, and_, bindparam, func, or_, select

from models.tables import (
    arrears,
    callbacks,
    calls,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    households,
    payments,
    phone_numbers,
    promises,
    suppressions,
)
from scheduler.facts import Attempt, Callback, CaseFacts, History, Hold, Instalment, NumberFacts

_TENANT = bindparam("m", type_=Integer)
_CASE = bindparam("case", type_=Integer)
_HOUSEHOLD = bindparam("household", type_=Integer)


@dataclass(frozen=True, slots=True)
class Facts:
    """One case, its numbers in the list's order, and all attempts of its household and numbers."""

    case: CaseFacts
    numbers: tuple[NumberFacts, ...]
    history: History


_case = (
    select(
        cases.c.household_id,
        cases.c.debtor_id,
        cases.c.claim_type,
        cases.c.status,
        cases.c.payments_as_of,
        debtors.c.is_corporate,
        households.c.protected,
        campaigns.c.state,
        campaigns.c.supervisor_id,
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

_holds = select(suppressions.c.since, suppressions.c.until).where(
    suppressions.c.municipality_id == _TENANT,
    or_(suppressions.c.case_id == _CASE, suppressions.c.household_id == _HOUSEHOLD),
    suppressions.c.lifted_at.is_(None),
)

_promises = select(promises.c.state, promises.c.due_on, promises.c.judged_at).where(
    promises.c.municipality_id == _TENANT,
    promises.c.case_id == _CASE,
    promises.c.state.in_(("open", "broken")),
)

_callbacks = (
    select(callbacks.c.at, func.coalesce(calls.c.closed_at, calls.c.placed_at, calls.c.opened_at).label("asked"))
    .select_from(
        callbacks.join(
            calls,
            and_(calls.c.municipality_id == callbacks.c.municipality_id, calls.c.id == callbacks.c.call_id),
        )
    )
    .where(callbacks.c.municipality_id == _TENANT, callbacks.c.case_id == _CASE, callbacks.c.state == "open")
    .order_by(callbacks.c.at.desc())
    .limit(1)
)

_numbers = (
    select(phone_numbers.c.id, phone_numbers.c.status, func.min(debtor_phones.c.position))
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
    .group_by(phone_numbers.c.id, phone_numbers.c.status)
    .order_by(func.min(debtor_phones.c.position))
)

_attempts = (
    select(
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


def facts_for(
    conn: Connection,
    municipality_id: int,
    case_id: int,
    *,
    campaign_id: int = 0,
    except_call: int = 0,
) -> Facts:
    """The facts of a case as this transaction sees them. Raises LookupError for an unknown case.

    `campaign_id` 0: judged outside any campaign. `except_call`: the call being judged, which is no history yet.
    """
    about = {"m": municipality_id, "case": case_id}
    row = conn.execute(_case, {**about, "campaign": campaign_id}).one_or_none()
    if row is None:
        raise LookupError(f"no case {case_id}")
    about["household"] = row.household_id
    numbers = tuple(
        NumberFacts(number_id, status, position)
        for number_id, status, position in conn.execute(_numbers, {**about, "debtor": row.debtor_id})
    )
    attempts = _read_attempts(conn, about, numbers, except_call)
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
        holds=tuple(Hold(since, until) for since, until in conn.execute(_holds, about)),
        callback=_read_callback(conn, about, attempts),
        **_read_promises(conn, about),
        **_campaign_facts(campaign_id, row),
    )
    return Facts(case, numbers, History(attempts))


def instalments_of(conn: Connection, municipality_id: int, case_id: int) -> tuple[Instalment, ...]:
    """A case's instalments in the order of their due days, as the policy judges them; paid ones included."""
    return _read_instalments(conn, {"m": municipality_id, "case": case_id})


def _read_instalments(conn: Connection, about: dict[str, int]) -> tuple[Instalment, ...]:
    return tuple(Instalment(*each) for each in conn.execute(_instalments, about))


def _campaign_facts(campaign_id: int, row: Any) -> dict[str, Any]:
    if not campaign_id:
        return {}
    return {"campaign_state": row.state or "missing", "is_supervised": row.supervisor_id is not None}


def _read_promises(conn: Connection, about: dict[str, int]) -> dict[str, Any]:
    rows = conn.execute(_promises, about).all()
    judged = [row.judged_at for row in rows if row.state == "broken" and row.judged_at is not None]
    return {
        "promise_due_on": max((row.due_on for row in rows if row.state == "open"), default=None),
        "broken_promises": sum(row.state == "broken" for row in rows),
        "promise_broken_at": max(judged, default=None),
    }


def _read_callback(conn: Connection, about: dict[str, int], attempts: tuple[Attempt, ...]) -> Callback | None:
    """The last callback asked for, unless the case was called at its time or later."""
    row = conn.execute(_callbacks, about).one_or_none()
    if row is None:
        return None
    tried = any(a.counts and a.case_id == about["case"] and a.at >= row.at for a in attempts)
    return None if tried else Callback(row.at, row.asked)


def _read_attempts(
    conn: Connection, about: dict[str, int], numbers: tuple[NumberFacts, ...], except_call: int
) -> tuple[Attempt, ...]:
    wanted = {**about, "numbers": [number.number_id for number in numbers], "except_call": except_call}
    return tuple(_attempt(row) for row in conn.execute(_attempts, wanted))


def _attempt(row: Any) -> Attempt:
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
