"""行き違い: who was called although the money had come in already, and who still stands to be called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from models.tables import arrears, calls, cases, imports, is_live, payments, queue_entries
from scheduler.calendar import tokyo_midnight


@dataclass(frozen=True, slots=True)
class Crossing:
    """A standing payment and the call that it crossed. `known_at`: when the payment was imported. `paid_off`: nothing
    of the case is owed. `still`: the paid-off case is `claimed` for an operator or `in_call` at this moment."""

    payment_id: int
    case_id: int
    paid_on: date
    amount: int
    known_at: datetime
    call_id: int | None
    called_at: datetime | None
    disposition: str | None
    paid_off: bool
    still: str


def crossings(
    conn: Connection, municipality_id: int, *, import_id: int | None = None, after: int = 0, limit: int = 200
) -> tuple[list[Crossing], int | None]:
    """Of the next `limit` standing payments after the id `after`: those that a call crossed, and the last id looked at
    if there may be more.

    A payment is crossed by each call of its case that was placed on its day or later (Tokyo), before it was known here.
    """
    p = payments.c
    ours = (p.municipality_id == municipality_id, p.cancelled_as_of.is_(None), p.id > after)
    of_import = () if import_id is None else (p.import_id == import_id,)
    query = (
        select(p.id, arrears.c.case_id, p.paid_on, p.amount, imports.c.activated_at, cases.c.status)
        .join(arrears, and_(arrears.c.municipality_id == p.municipality_id, arrears.c.id == p.arrear_id))
        .join(cases, and_(cases.c.municipality_id == p.municipality_id, cases.c.id == arrears.c.case_id))
        .join(imports, and_(imports.c.municipality_id == p.municipality_id, imports.c.id == p.import_id))
        .where(*ours, *of_import, imports.c.activated_at.is_not(None))
        .order_by(p.id)
        .limit(limit)
    )
    rows = conn.execute(query).all()
    if not rows:
        return [], None
    placed = _calls(conn, municipality_id, rows)
    still = _still(conn, municipality_id, {row.case_id for row in rows if row.status == "paid"})
    found = []
    for row in rows:
        crossed = [
            call
            for call in placed.get(row.case_id, [])
            if tokyo_midnight(row.paid_on) <= call.placed_at < row.activated_at
        ]
        stands, paid_off = still.get(row.case_id, ""), row.status == "paid"
        told = (row.id, row.case_id, row.paid_on, row.amount, row.activated_at)
        found += [Crossing(*told, call.id, call.placed_at, call.disposition, paid_off, stands) for call in crossed]
        if stands and not crossed:
            found.append(Crossing(*told, None, None, None, paid_off, stands))
    return found, rows[-1].id if len(rows) == limit else None


def _calls(conn: Connection, municipality_id: int, rows: Sequence[Any]) -> dict[int, list[Any]]:
    """The outbound calls of these payments' cases since the earliest of them, by case."""
    c = calls.c
    since, until = tokyo_midnight(min(row.paid_on for row in rows)), max(row.activated_at for row in rows)
    query = select(c.id, c.case_id, c.placed_at, c.disposition).where(
        c.municipality_id == municipality_id,
        c.case_id.in_(sorted({row.case_id for row in rows})),
        c.direction == "outbound",
        c.placed_at >= since,
        c.placed_at < until,
    )
    found: dict[int, list[Any]] = {}
    for row in conn.execute(query.order_by(c.placed_at, c.id)):
        found.setdefault(row.case_id, []).append(row)
    return found


def _still(conn: Connection, municipality_id: int, paid: set[int]) -> dict[int, str]:
    """Which of the paid-off cases an operator holds, or speaks with, now."""
    q, c = queue_entries.c, calls.c
    held = select(q.case_id).where(
        q.municipality_id == municipality_id, q.case_id.in_(sorted(paid)), q.state == "claimed"
    )
    talking = select(c.case_id).where(c.municipality_id == municipality_id, c.case_id.in_(sorted(paid)), is_live)
    return dict.fromkeys(conn.execute(held).scalars(), "claimed") | dict.fromkeys(
        conn.execute(talking).scalars(), "in_call"
    )
