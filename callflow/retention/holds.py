"""消去の差し止め: staff keep a household, a case, a call or a whole class from being erased, with a reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, false, insert, or_, select, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.keeping import BY_NAME
from callflow.retention.classes import Part
from models.ids import new_id
from models.tables import account_roles, calls, cases, households, retention_holds

SCOPES: Final = {"household": "世帯", "case": "案件", "call": "通話", "class": "種類"}
LONGEST: Final = 500
_TABLES: Final[dict[str, Table]] = {"household": households, "case": cases, "call": calls}


@dataclass(frozen=True, slots=True)
class Holds:
    """Everything that is held: classes whole; of the rest, ids, with what belongs to them."""

    classes: Collection[str] = frozenset()
    things: dict[str, set[int]] = field(default_factory=lambda: {"household": set(), "case": set(), "call": set()})

    def on(self, table: Table) -> ColumnElement[bool]:
        """The rows of a table that a hold of a household, case or call covers."""
        own = next((scope for scope, each in _TABLES.items() if each is table), "")
        found = [table.c.id.in_(self.things[own])] if own else []
        found += [
            table.c[f"{scope}_id"].in_(ids) for scope, ids in self.things.items() if f"{scope}_id" in table.c and ids
        ]
        return or_(false(), *found)

    def over(self, part: Part, municipality_id: int) -> ColumnElement[bool]:
        """The rows of a part that are held through whom they belong to."""
        found = []
        for owner in part.of:
            o = owner.table.c
            there = and_(o.municipality_id == municipality_id, self.on(owner.table))
            mine = part.table.c[owner.column].in_(select(o.id).where(there))
            found.append(and_(part.table.c.thing == owner.thing, mine) if owner.thing else mine)
        return or_(false(), *found)

    @property
    def objects(self) -> list[str]:
        """As the record of acts names them: `case:12`."""
        return [f"{scope}:{one}" for scope, ids in self.things.items() for one in sorted(ids)]


def in_force(conn: Connection, municipality_id: int) -> Holds:
    """The holds that nobody has lifted, a household with its cases and calls, a case with its calls."""
    rows = [row for row in listed(conn, municipality_id) if row.lifted_at is None]
    held = Holds(frozenset(row.kind for row in rows if row.scope == "class"))
    for scope, ids in held.things.items():
        ids |= {row.thing_id for row in rows if row.scope == scope}
    for scope, inner in (("household", cases), ("case", calls), ("household", calls)):
        column = inner.c[f"{scope}_id"]
        within = select(inner.c.id).where(inner.c.municipality_id == municipality_id, column.in_(held.things[scope]))
        held.things["case" if inner is cases else "call"].update(conn.execute(within).scalars())
    return held


def listed(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    """Every hold, the newest first."""
    h = retention_holds.c
    query = select(retention_holds).where(h.municipality_id == municipality_id).order_by(h.id.desc())
    return list(conn.execute(query))


def place(conn: Connection, municipality_id: int, thing: str, reason: str, by: int, now: datetime) -> int:
    """Holds `case:12`, `household:3`, `call:7` or `class:call_log`. Returns the hold's number.

    Raises InputError, NotFoundError, RefusedError.
    """
    must_be_staff(conn, municipality_id, by)
    words = reason_of(reason)
    scope, _, which = thing.partition(":")
    if scope not in SCOPES or not which:
        raise InputError(
            f"{thing} という対象はありません", mend="case:12・household:3・call:7・class:call_log のように"
        )
    one = new_id(conn, retention_holds, municipality_id)
    row = {"municipality_id": municipality_id, "id": one, "scope": scope, "reason": words}
    if scope == "class":
        if which not in BY_NAME:
            raise NotFoundError(f"種類 {which} はありません", mend=f"あるもの: {'、'.join(BY_NAME)}")
        row |= {"kind": which, "thing_id": None}
    else:
        row |= {"kind": "", "thing_id": _there(conn, municipality_id, scope, which)}
    conn.execute(insert(retention_holds).values(**row, placed_by=by, placed_at=now, lift_reason=""))
    audit(conn, municipality_id, now, by, "retention:hold", thing[:64], purpose=words)
    return one


def lift(conn: Connection, municipality_id: int, hold: int, reason: str, by: int, now: datetime) -> None:
    """Ends a hold, with a reason. Raises InputError, NotFoundError, RefusedError."""
    must_be_staff(conn, municipality_id, by)
    words = reason_of(reason)
    h = retention_holds.c
    here = update(retention_holds).where(h.municipality_id == municipality_id, h.id == hold, h.lifted_at.is_(None))
    if not conn.execute(here.values(lifted_by=by, lifted_at=now, lift_reason=words)).rowcount:
        raise NotFoundError(f"続いている差し止め {hold} はありません", mend="callflow retention holds で確かめられます")
    audit(conn, municipality_id, now, by, "retention:release", f"hold:{hold}", purpose=words)


def must_be_staff(conn: Connection, municipality_id: int, account_id: int) -> None:
    """Raises RefusedError unless the account is of the ward's staff."""
    r = account_roles.c
    query = select(r.role).where(r.municipality_id == municipality_id, r.account_id == account_id, r.role == "staff")
    if conn.execute(query).first() is None:
        raise RefusedError("消去とその差し止めは、区の職員だけが扱えます", mend="必要な役割: staff")


def reason_of(typed: str) -> str:
    """Raises InputError without a reason."""
    if not typed.strip():
        raise InputError("理由がありません", where=Where(field="reason"), mend="なぜかを書いてください")
    return typed.strip()[:LONGEST]


def _there(conn: Connection, municipality_id: int, scope: str, which: str) -> int:
    table = _TABLES[scope]
    number = int(which) if which.isascii() and which.isdecimal() and len(which) < 18 else 0
    found = select(table.c.id).where(table.c.municipality_id == municipality_id, table.c.id == number)
    if conn.execute(found).first() is None:
        raise NotFoundError(f"{SCOPES[scope]} {which} はありません")
    return number
