"""What a correction cancels: the counterpart of `callflow.caserecord`, in the same transaction as the correction.

Nothing is deleted: each row is cancelled by its own state and stays. What has been carried out meanwhile (a promise
that was judged, a callback that was made, a task that is done) is not undone: the correction is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from sqlalchemy import Table, select, update

from callflow.caserecord import OPEN_REPORT, Owner
from callflow.effects import (
    CancelLivingReport,
    Effect,
    InvalidateNumber,
    MakePromise,
    RaiseContactSlip,
    RaiseTask,
    RequestLivingReport,
    ScheduleCallback,
    SuppressCase,
)
from callflow.errors import RefusedError
from models.tables import (
    callbacks,
    contact_slips,
    households,
    living_report_links,
    living_reports,
    phone_numbers,
    promises,
    suppressions,
    ward_tasks,
)
from scheduler.snapshot import AWAITED

CORRECTED = "CORRECT"
"""`living_reports.cancelled_by` of a report whose request was withdrawn."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Who withdraws. `by_ward`: the ward itself, which may cancel what it has in hand. `taken_back`: within the
    settling time, before anybody could act on it."""

    by_ward: bool = False
    taken_back: bool = False


def withdraw(owner: Owner, effects: Iterable[Effect], leave: Leave) -> None:
    """Cancels what `effects` of the call have made; effects that cannot be cancelled are left (`amendment.LASTING`).

    Raises RefusedError for what has been carried out.
    """
    for effect in effects:
        _withdraw(effect, owner, leave)


@singledispatch
def _withdraw(_effect: Effect, _owner: Owner, _leave: Leave) -> None:
    """What happened stays: records, signals, what was off the script."""


@_withdraw.register
def _(_effect: MakePromise, owner: Owner, _leave: Leave) -> None:
    owner.lock_household()
    promise = _row(owner, promises)
    if promise.state == "replaced":
        raise RefusedError("この約束は、あとの通話の約束に置き換わっています", mend="あとの通話を訂正してください")
    if promise.state != "open":
        raise RefusedError("この約束は、すでに履行を判定しています")
    _set(owner, promises, promise.id, state="cancelled", judged_at=owner.at)
    owner.conn.execute(
        update(promises)
        .where(
            promises.c.municipality_id == owner.municipality_id,
            promises.c.replaced_by == promise.id,
            promises.c.state == "replaced",
        )
        .values(state="open", judged_at=None, replaced_by=None)
    )


@_withdraw.register
def _(_effect: RaiseContactSlip, owner: Owner, leave: Leave) -> None:
    slip = _row(owner, contact_slips, contact_slips.c.origin == "call")
    if slip.state == "done":
        raise RefusedError("この連絡票は、区が対応を終えています")
    if slip.state in ("received", "in_work") and not leave.by_ward:
        raise RefusedError("この連絡票は、区がすでに受理しています", mend="区に差戻しか訂正を依頼してください")
    _set(owner, contact_slips, slip.id, state="cancelled", cancelled_at=owner.at)


@_withdraw.register
def _(_effect: RequestLivingReport, owner: Owner, _leave: Leave) -> None:
    """The request falls with its last reason; a form that is already on its way stays as it is."""
    owner.lock_household()
    link = _link(owner)
    _set(owner, living_report_links, link.id, kind="withdrawn")
    others = owner.conn.execute(
        select(living_report_links.c.id).where(
            living_report_links.c.municipality_id == owner.municipality_id,
            living_report_links.c.report_id == link.report_id,
            living_report_links.c.kind.in_(("created", "reminded")),
        )
    ).first()
    report = _by_id(owner, living_reports, link.report_id)
    if others is None and report.state == "requested":
        _set(owner, living_reports, report.id, state="cancelled", cancelled_by=CORRECTED, closed_at=owner.at)


@_withdraw.register
def _(_effect: CancelLivingReport, owner: Owner, _leave: Leave) -> None:
    """The report that the call had cancelled is open again, unless the household has another by now."""
    owner.lock_household()
    link = _link(owner)
    if link is None:
        return
    _set(owner, living_report_links, link.id, kind="withdrawn")
    another = owner.conn.execute(
        select(living_reports.c.id).where(
            living_reports.c.municipality_id == owner.municipality_id,
            living_reports.c.household_id == owner.household_id,
            living_reports.c.state.in_(OPEN_REPORT),
        )
    ).first()
    if another is None:
        _set(owner, living_reports, link.report_id, state=link.state_before, cancelled_by=None, closed_at=None)


@_withdraw.register
def _(_effect: ScheduleCallback, owner: Owner, _leave: Leave) -> None:
    callback = _row(owner, callbacks)
    if callback.state not in AWAITED:
        raise RefusedError("このかけ直しは、すでに済んでいます")
    _set(owner, callbacks, callback.id, state="cancelled")


@_withdraw.register
def _(effect: SuppressCase, owner: Owner, leave: Leave) -> None:
    """Who was protected stays so: only the ward lifts a protection, unless the call itself is taken back."""
    if not leave.by_ward and not leave.taken_back:
        raise RefusedError("架電の停止を解けるのは区だけです", mend="区の職員に訂正を依頼してください")
    standing = (
        suppressions.c.municipality_id == owner.municipality_id,
        suppressions.c.call_id == owner.call_id,
        suppressions.c.lifted_at.is_(None),
    )
    owner.conn.execute(update(suppressions).where(*standing).values(lifted_at=owner.at))
    if effect.reason == "DV" and leave.taken_back:
        _set(owner, households, owner.household_id, protected=False)


@_withdraw.register
def _(_effect: InvalidateNumber, owner: Owner, _leave: Leave) -> None:
    """Usable again, if nothing else has been found out about the number since."""
    owner.conn.execute(
        update(phone_numbers)
        .where(
            phone_numbers.c.municipality_id == owner.municipality_id,
            phone_numbers.c.id == owner.number_id,
            phone_numbers.c.status_call_id == owner.call_id,
        )
        .values(status="usable", status_since=owner.at, status_call_id=None)
    )


@_withdraw.register
def _(effect: RaiseTask, owner: Owner, _leave: Leave) -> None:
    task = _row(owner, ward_tasks, ward_tasks.c.kind == effect.kind)
    if task.state != "open":
        raise RefusedError("区への依頼は、すでに済んでいます")
    _set(owner, ward_tasks, task.id, state="cancelled")


def _row(owner: Owner, table: Table, *conditions: Any) -> Any:
    """The call's one row that stands."""
    mine = (table.c.municipality_id == owner.municipality_id, table.c.call_id == owner.call_id)
    query = select(table).where(*mine, table.c.state != "cancelled", *conditions).with_for_update()
    return owner.conn.execute(query).one()


def _link(owner: Owner) -> Any:
    link = living_report_links.c
    mine = (link.municipality_id == owner.municipality_id, link.call_id == owner.call_id, link.kind != "withdrawn")
    return owner.conn.execute(select(living_report_links).where(*mine)).one_or_none()


def _by_id(owner: Owner, table: Table, one: int) -> Any:
    mine = (table.c.municipality_id == owner.municipality_id, table.c.id == one)
    return owner.conn.execute(select(table).where(*mine).with_for_update()).one()


def _set(owner: Owner, table: Table, one: int, **values: Any) -> None:
    mine = (table.c.municipality_id == owner.municipality_id, table.c.id == one)
    owner.conn.execute(update(table).where(*mine).values(**values))
