"""検査: the ward's staff look at the contractor's work, and what they found and had done about it. Only grows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from callflow.access.auditlog import audit
from callflow.errors import InputError, RefusedError, Where
from models.ids import new_id
from models.tables import account_roles, inspections
from scheduler.calendar import tokyo_date

LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen: on which day, where, what was found, and the measure (empty: none was needed)."""

    held_on: date
    place: str
    finding: str
    measure: str = ""


def record(conn: Connection, municipality_id: int, seen: Inspection, by: int, now: datetime) -> int:
    """Keeps an inspection; staff only. Returns its number. Raises InputError, RefusedError."""
    r = account_roles.c
    staff = select(r.role).where(r.municipality_id == municipality_id, r.account_id == by, r.role == "staff")
    if conn.execute(staff).first() is None:
        raise RefusedError("検査を記録できるのは区の職員だけです", mend="必要な役割: staff")
    for field, words in (("place", "場所"), ("finding", "結果")):
        if not getattr(seen, field).strip():
            raise InputError(f"{words}がありません", where=Where(field=field), mend="書いてください")
    for field in ("place", "finding", "measure"):
        if len(getattr(seen, field)) > LONGEST:
            raise InputError(f"長すぎます（{LONGEST} 字まで）", where=Where(field=field))
    if seen.held_on > tokyo_date(now):
        raise InputError(
            f"{seen.held_on} はまだ来ていません", where=Where(field="on"), mend="検査した日を書いてください"
        )
    one = new_id(conn, inspections, municipality_id)
    texts = {"place": seen.place.strip(), "finding": seen.finding.strip(), "measure": seen.measure.strip()}
    own = {"municipality_id": municipality_id, "id": one, "recorded_by": by, "recorded_at": now}
    conn.execute(insert(inspections).values(**own, held_on=seen.held_on, **texts))
    audit(conn, municipality_id, now, by, "inspection:record", f"inspection:{one}")
    return one


def held(conn: Connection, municipality_id: int, first: date = date.min, last: date = date.max) -> list[Row[Any]]:
    """The inspections of these days, the newest first."""
    i = inspections.c
    query = select(inspections).where(i.municipality_id == municipality_id, i.held_on.between(first, last))
    return list(conn.execute(query.order_by(i.held_on.desc(), i.id.desc())))
