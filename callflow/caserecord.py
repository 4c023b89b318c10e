"""The case record: what a call's effects do to it.

`apply` is the one place where effects become rows, in the transaction that ends the call or corrects it.
`callflow.withdrawals` cancels them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, singledispatch
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Integer, Row, Table, bindparam, insert, or_, select, update

from callflow.effects import (
    CancelLivingReport,
    Effect,
    InvalidateNumber,
    MakePromise,
    NoteOffScript,
    RaiseContactSlip,
    RaiseSignal,
    RaiseTask,
    RecordNegotiation,
    RequestLivingReport,
    ScheduleCallback,
    SuppressCase,
)
from models.base import Instant
from models.ids import new_id
from models.live import announce
from models.locks import lock_household
from models.tables import (
    accounts,
    arrears,
    callbacks,
    contact_slips,
    households,
    living_report_links,
    living_reports,
    negotiation_records,
    off_scripts,
    phone_numbers,
    promise_arrears,
    promises,
    signals,
    slip_reasons,
    suppressions,
    ward_tasks,
)
from scheduler.snapshot import AWAITED

SETTLING_TIME = timedelta(seconds=10)
"""How long an ended call may be taken back, and no longer before the ward sees its slip."""

OPEN_REPORT = ("requested", "sent", "re_requested")


_insert = cache(Insert)
_TENANT, _CASE, _HOUSEHOLD = (bindparam(name, type_=Integer) for name in ("m", "case", "household"))
_RECORD = insert(negotiation_records).values(
    organisation_id=select(accounts.c.organisation_id)
    .where(accounts.c.municipality_id == _TENANT, accounts.c.id == bindparam("actor"))
    .scalar_subquery()
)
_REPLACE_PROMISE = (
    update(promises)
    .where(promises.c.municipality_id == _TENANT, promises.c.case_id == _CASE, promises.c.state == "open")
    .values(state="replaced", judged_at=bindparam("judged_at"))
    .returning(promises.c.id)
)
_OWED = (
    select(arrears.c.id, arrears.c.unpaid)
    .where(arrears.c.municipality_id == _TENANT, arrears.c.case_id == _CASE, arrears.c.unpaid > 0, arrears.c.active)
    .order_by(arrears.c.due_on, arrears.c.id)
)
_OPEN_REPORT = select(living_reports.c.id, living_reports.c.state).where(
    living_reports.c.municipality_id == _TENANT,
    living_reports.c.household_id == _HOUSEHOLD,
    living_reports.c.state.in_(OPEN_REPORT),
)


_KEEP_CALLBACKS = (
    update(callbacks)
    .where(
        callbacks.c.municipality_id == _TENANT,
        callbacks.c.case_id == _CASE,
        callbacks.c.call_id != bindparam("call", type_=Integer),
        callbacks.c.at <= bindparam("until", type_=Instant),
        callbacks.c.state.in_(AWAITED),
    )
    .values(state="done")
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The call whose effects are applied, the moment at which that happens, and who does it.

    `records`: how many lines of the case record the call has made already. `settling`: how long until the ward
    sees a slip.
    """

    conn: Connection
    municipality_id: int
    call_id: int
    case_id: int
    household_id: int
    number_id: int | None
    operator_id: int
    at: datetime
    actor_id: int
    records: int = 0
    settling: timedelta = SETTLING_TIME

    @classmethod
    def of(
        cls,
        conn: Connection,
        municipality_id: int,
        call: Row[Any],
        at: datetime,
        *,
        actor_id: int,
        records: int,
        settling: timedelta = SETTLING_TIME,
    ) -> Owner:
        """Of a row of `calls`."""
        return cls(
            conn,
            municipality_id,
            call.id,
            call.case_id,
            call.household_id,
            call.number_id,
            call.operator_id,
            at,
            actor_id,
            records,
            settling,
        )

    def insert(self, table: Table, **values: object) -> None:
        self.conn.execute(_insert(table), {"municipality_id": self.municipality_id, **values})

    def new_id(self, table: Table) -> int:
        return new_id(self.conn, table, self.municipality_id)

    def lock_household(self) -> None:
        """Before what a household or a case may have but once: another call of it may be corrected meanwhile."""
        lock_household(self.conn, self.municipality_id, self.household_id)


def visible_from(now: datetime) -> ColumnElement[bool]:
    """The slips that the ward sees at `now`: those whose call can no longer be taken back, and urgent ones at once.

    What was cancelled before anybody could see it is never seen. Every inbox asks with this condition.
    """
    slip = contact_slips.c
    return (slip.visible_at <= now) & or_(slip.cancelled_at.is_(None), slip.cancelled_at > slip.visible_at)


def apply(owner: Owner, effects: Iterable[Effect]) -> None:
    """Writes every effect of an ended call. The caller commits it together with the disposition."""
    for effect in effects:
        _apply(effect, owner)


@singledispatch
def _apply(effect: Effect, _owner: Owner) -> None:
    raise TypeError(f"no rule for {type(effect).__name__}")


@_apply.register
def _(effect: RecordNegotiation, owner: Owner) -> None:
    owner.conn.execute(
        _RECORD,
        {
            "m": owner.municipality_id,
            "actor": owner.actor_id,
            "municipality_id": owner.municipality_id,
            "id": owner.new_id(negotiation_records),
            "case_id": owner.case_id,
            "call_id": owner.call_id,
            "at": owner.at,
            "actor_id": owner.actor_id,
            "disposition": effect.code,
            "party": effect.party,
            "text": effect.text,
            "ack_candidate": effect.ack_candidate,
            "corrects_id": _last_record(owner) if owner.records else None,
        },
    )


def _last_record(owner: Owner) -> int:
    """The line of the case record that stood until now."""
    made = negotiation_records.c
    query = select(made.id).where(made.municipality_id == owner.municipality_id, made.call_id == owner.call_id)
    return int(owner.conn.execute(query.order_by(made.id.desc()).limit(1)).scalar_one())


@_apply.register
def _(effect: MakePromise, owner: Owner) -> None:
    owner.lock_household()
    replaced = owner.conn.execute(
        _REPLACE_PROMISE, {"m": owner.municipality_id, "case": owner.case_id, "judged_at": owner.at}
    ).scalar()
    promise_id = owner.new_id(promises)
    owner.insert(
        promises,
        id=promise_id,
        case_id=owner.case_id,
        call_id=owner.call_id,
        promiser=effect.promiser,
        due_on=date.fromisoformat(effect.due_on),
        amount=effect.amount,
        place=effect.place,
        made_at=owner.at,
        state="open",
    )
    if replaced is not None:
        owner.conn.execute(
            update(promises)
            .where(promises.c.municipality_id == owner.municipality_id, promises.c.id == replaced)
            .values(replaced_by=promise_id)
        )
    for arrear_id, amount in _covered(owner, effect.amount):
        owner.insert(promise_arrears, promise_id=promise_id, arrear_id=arrear_id, amount=amount)


def _covered(owner: Owner, amount: int) -> list[tuple[int, int]]:
    """Which instalments a promised sum of yen fills, the oldest first."""
    owed = owner.conn.execute(_OWED, {"m": owner.municipality_id, "case": owner.case_id})
    covered, left = [], amount
    for arrear_id, unpaid in owed:
        if left <= 0:
            break
        covered.append((arrear_id, min(left, unpaid)))
        left -= unpaid
    return covered


@_apply.register
def _(effect: RaiseContactSlip, owner: Owner) -> None:
    slip_id = owner.new_id(contact_slips)
    at_once = effect.urgency == "urgent"
    owner.insert(
        contact_slips,
        id=slip_id,
        case_id=owner.case_id,
        household_id=owner.household_id,
        call_id=owner.call_id,
        urgency=effect.urgency,
        consultation=effect.consultation,
        text=effect.text,
        state="raised",
        raised_at=owner.at,
        visible_at=owner.at if at_once else owner.at + owner.settling,
    )
    for reason in effect.reasons:
        owner.insert(slip_reasons, slip_id=slip_id, reason=reason)
    announce(owner.conn, owner.municipality_id, "slip", slip_id)


def _open_report(owner: Owner) -> tuple[int, str] | None:
    """The household's open report and its state."""
    owner.lock_household()
    row = owner.conn.execute(_OPEN_REPORT, {"m": owner.municipality_id, "household": owner.household_id}).one_or_none()
    return None if row is None else (row.id, row.state)


def _link(owner: Owner, report_id: int, kind: str, state_before: str | None = None) -> None:
    owner.insert(
        living_report_links,
        id=owner.new_id(living_report_links),
        call_id=owner.call_id,
        report_id=report_id,
        kind=kind,
        state_before=state_before,
    )


@_apply.register
def _(_effect: RequestLivingReport, owner: Owner) -> None:
    if found := _open_report(owner):
        _link(owner, found[0], "reminded")
    else:
        report_id = owner.new_id(living_reports)
        owner.insert(
            living_reports,
            id=report_id,
            household_id=owner.household_id,
            case_id=owner.case_id,
            state="requested",
            requested_at=owner.at,
        )
        _link(owner, report_id, "created")


@_apply.register
def _(effect: CancelLivingReport, owner: Owner) -> None:
    found = _open_report(owner)
    if found is None:
        return
    report_id, state = found
    owner.conn.execute(
        update(living_reports)
        .where(living_reports.c.municipality_id == owner.municipality_id, living_reports.c.id == report_id)
        .values(state="cancelled", cancelled_by=effect.code, closed_at=owner.at)
    )
    _link(owner, report_id, "cancelled", state)


@_apply.register
def _(effect: ScheduleCallback, owner: Owner) -> None:
    owner.insert(
        callbacks,
        id=owner.new_id(callbacks),
        case_id=owner.case_id,
        call_id=owner.call_id,
        owner_id=owner.operator_id,
        at=datetime.fromisoformat(effect.at),
        phone=effect.phone,
        unverified=effect.unverified,
        state="open",
    )


def keep_callbacks(owner: Owner, until: datetime) -> None:
    """What the case waited for up to `until` is done; what this call itself agreed stays open."""
    about = {"m": owner.municipality_id, "case": owner.case_id, "call": owner.call_id, "until": until}
    owner.conn.execute(_KEEP_CALLBACKS, about)


@_apply.register
def _(effect: SuppressCase, owner: Owner) -> None:
    scope = {"household_id": owner.household_id} if effect.household else {"case_id": owner.case_id}
    owner.insert(
        suppressions,
        id=owner.new_id(suppressions),
        reason=effect.reason,
        call_id=owner.call_id,
        since=owner.at,
        **scope,
    )
    if effect.reason == "DV":
        owner.conn.execute(
            update(households)
            .where(households.c.municipality_id == owner.municipality_id, households.c.id == owner.household_id)
            .values(protected=True)
        )


@_apply.register
def _(effect: InvalidateNumber, owner: Owner) -> None:
    if owner.number_id is not None:
        owner.conn.execute(
            update(phone_numbers)
            .where(
                phone_numbers.c.municipality_id == owner.municipality_id,
                phone_numbers.c.id == owner.number_id,
            )
            .values(status=effect.status, status_since=owner.at, status_call_id=owner.call_id)
        )


@_apply.register
def _(effect: RaiseTask, owner: Owner) -> None:
    owner.insert(
        ward_tasks,
        id=owner.new_id(ward_tasks),
        case_id=owner.case_id,
        call_id=owner.call_id,
        kind=effect.kind,
        state="open",
        created_at=owner.at,
    )


@_apply.register
def _(effect: NoteOffScript, owner: Owner) -> None:
    if owner.records and _is_noted(owner, effect.seq):
        return
    owner.insert(
        off_scripts,
        call_id=owner.call_id,
        seq=effect.seq,
        case_id=owner.case_id,
        state=effect.state,
        reason=effect.reason,
        at=owner.at,
    )


def _is_noted(owner: Owner, seq: int) -> bool:
    """Whether an earlier end of the same call has noted it: what was off the script stays so."""
    noted = off_scripts.c
    query = select(noted.seq).where(
        noted.municipality_id == owner.municipality_id, noted.call_id == owner.call_id, noted.seq == seq
    )
    return owner.conn.execute(query).scalar() is not None


@_apply.register
def _(_effect: RaiseSignal, _owner: Owner) -> None:
    """Raised when it was noticed (`raise_signal`); at the end it only stands among the effects."""


def raise_signal(owner: Owner, signal: RaiseSignal) -> None:
    """A signal or an emergency is written at once: staff and supervisor see it while the call goes on."""
    owner.insert(
        signals,
        call_id=owner.call_id,
        seq=signal.seq,
        case_id=owner.case_id,
        kind=signal.kind,
        reason=signal.reason,
        at=owner.at,
    )
    announce(owner.conn, owner.municipality_id, "signal", owner.call_id)
