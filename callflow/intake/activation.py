"""Staged rows of arrears become households, debtors, numbers, cases and instalments.

A handful of statements over the whole list, in the caller's one transaction: a reader sees all of it or nothing.
First what is there already is changed, then what is new is added; a row that says nothing new writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from callflow.intake.journal import Journal
from models.ids import new_id_column
from models.tables import (
    arrears,
    cases,
    debtor_phones,
    debtors,
    households,
    import_arrears,
    import_people,
    payments,
    phone_numbers,
)

_PERSON = (
    "name", "kana", "birth_date", "birth_date_raw", "postal_code", "address", "language", "spouse_name",
    "is_nominal_householder",
)  # fmt: skip
_KEY = ("claim_type", "notice_no", "levy_year", "instalment")
_OWED = ("nominal_year", "due_on", "due_on_raw", "levied", "reminder_on", "reminder_on_raw")
_PHONE = ("number_id", "raw", "note", "quarantine")


def activate_arrears(
    conn: Connection, municipality_id: int, import_id: int, now: datetime, *, claims: Iterable[str], full: bool
) -> Counter[str]:
    """Counts of what was made, changed and deactivated. `full`: what the list of these claims no longer names goes."""
    desk = _Desk(conn, municipality_id, import_id)
    desk.households()
    desk.debtors()
    desk.phones()
    desk.cases(now)
    desk.instalments(sorted(claims), full=full)
    desk.counts["cases_paid"] = settle_states(conn, municipality_id, claims, desk.journal)
    return desk.counts


def settle_states(conn: Connection, municipality_id: int, claims: Iterable[str], journal: Journal) -> int:
    """Open cases with nothing unpaid become paid, paid ones with something unpaid open; how many became paid."""
    owing = exists().where(
        arrears.c.municipality_id == cases.c.municipality_id,
        arrears.c.case_id == cases.c.id,
        arrears.c.active,
        arrears.c.unpaid > 0,
    )
    ours = and_(cases.c.municipality_id == municipality_id, cases.c.claim_type.in_(sorted(claims)))
    settled, owed_again = and_(ours, cases.c.status == "open", ~owing), and_(ours, cases.c.status == "paid", owing)
    journal.changing(cases, or_(settled, owed_again), ("status",))
    paid = conn.execute(update(cases).where(settled).values(status="paid")).rowcount
    conn.execute(update(cases).where(owed_again).values(status="open"))
    return paid


class _Desk:
    """One activation: sets of rows at a time, counting what it did."""

    def __init__(self, conn: Connection, municipality_id: int, import_id: int) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self.counts: Counter[str] = Counter()
        self.journal = Journal(conn, municipality_id, import_id)
        people, owed = import_people, import_arrears
        self._people = and_(people.c.municipality_id == municipality_id, people.c.import_id == import_id)
        self._owed = and_(owed.c.municipality_id == municipality_id, owed.c.import_id == import_id)

    def households(self) -> None:
        told = import_people.c
        protected = func.max(case((told.protected, 1), else_=0)) == 1
        wanted = (
            select(told.external_no, protected.label("protected"), func.min(told.line).label("line"))
            .where(self._people)
            .group_by(told.external_no)
            .subquery()
        )
        # A list that lacks the mark does not lift a protection: a second claim's list may not know of it.
        marked = select(told.external_no).where(self._people, told.protected)
        self._change(
            "households", update(households).where(households.c.external_no.in_(marked), ~households.c.protected),
            households, {"protected": literal(True)},
        )  # fmt: skip
        self._add(households, wanted, ("external_no", "protected"), ("external_no",))

    def debtors(self) -> None:
        told = import_people.c
        columns = [told.addressee_no, told.line, *(told[name] for name in _PERSON)]
        wanted = (
            select(*columns, households.c.id.label("household_id"))
            .join(households, self._same(households, external_no=told.external_no))
            .where(self._people)
            .subquery()
        )
        self._update(debtors, wanted, ("addressee_no",), (*_PERSON, "household_id"), "debtors")
        self._add(debtors, wanted, ("addressee_no", *_PERSON, "household_id"), ("addressee_no",))

    def phones(self) -> None:
        told = import_people.c
        numbers = union_all(
            *(
                select(told[f"e164_{n}"].label("e164"), told.line).where(self._people, told[f"e164_{n}"].is_not(None))
                for n in (1, 2)
            )
        ).subquery()
        wanted = select(numbers.c.e164, func.min(numbers.c.line).label("line")).group_by(numbers.c.e164).subquery()
        self._add(phone_numbers, wanted, ("e164",), ("e164",))
        for position in (1, 2):
            self._position(position)

    def _position(self, position: int) -> None:
        """The first or second number of every debtor: changed, added, or gone from the list."""
        told = import_people.c
        wanted = (
            select(
                debtors.c.id.label("debtor_id"),
                literal(position).label("position"),
                phone_numbers.c.id.label("number_id"),
                *(told[f"{name}_{position}"].label(name) for name in ("raw", "note", "quarantine")),
            )
            .select_from(import_people)
            .join(debtors, self._same(debtors, addressee_no=told.addressee_no))
            .outerjoin(phone_numbers, self._same(phone_numbers, e164=told[f"e164_{position}"]))
            .where(self._people, told[f"raw_{position}"].is_not(None))
            .subquery()
        )
        self._update(debtor_phones, wanted, ("debtor_id", "position"), _PHONE, "phones")
        key = ("debtor_id", "position")
        self.journal.adding_phones(wanted, ~exists().where(self._matches(debtor_phones, wanted, key)))
        self._insert(debtor_phones, wanted, (*key, *_PHONE), key, {})
        gone = (
            select(debtors.c.id)
            .join(import_people, self._same(debtors, addressee_no=told.addressee_no))
            .where(self._people, told[f"raw_{position}"].is_(None))
        )
        here = and_(debtor_phones.c.municipality_id == self._municipality, debtor_phones.c.position == position)
        going = and_(here, debtor_phones.c.debtor_id.in_(gone))
        self.journal.removing(debtor_phones, going)
        removed = self._conn.execute(delete(debtor_phones).where(going)).rowcount
        self.counts["phones_removed"] += removed

    def cases(self, now: datetime) -> None:
        told = import_arrears.c
        claims = (
            select(
                told.addressee_no,
                told.claim_type,
                func.max(told.as_of).label("payments_as_of"),
                func.min(told.line).label("line"),
            )
            .where(self._owed)
            .group_by(told.addressee_no, told.claim_type)
            .subquery()
        )
        wanted = (
            select(
                debtors.c.id.label("debtor_id"),
                debtors.c.household_id,
                claims.c.claim_type,
                claims.c.payments_as_of,
                claims.c.line,
            )
            .join(claims, self._same(debtors, addressee_no=claims.c.addressee_no))
            .subquery()
        )
        old, new = cases.c.payments_as_of, wanted.c.payments_as_of
        changed = or_(cases.c.household_id != wanted.c.household_id, old.is_(None), old < new)
        self._change(
            "cases",
            update(cases).where(self._matches(cases, wanted, ("debtor_id", "claim_type")), changed),
            cases,
            {
                "household_id": wanted.c.household_id,
                "payments_as_of": case((or_(old.is_(None), old < new), new), else_=old),
            },
        )
        names = ("debtor_id", "household_id", "claim_type", "payments_as_of")
        self._add(cases, wanted, names, ("debtor_id", "claim_type"), {"status": "open", "created_at": now})

    def instalments(self, claims: list[str], *, full: bool) -> None:
        wanted = self._wanted_instalments()
        if full:
            self._vanish(claims)
        paid = wanted.c.paid + _told_since(self._municipality, wanted.c.as_of)
        paid = case((paid < 0, 0), else_=paid)
        found = (
            select(wanted, arrears.c.id.label("arrear_id"), paid.label("paid_by_now"))
            .join(arrears, self._matches(arrears, wanted, _KEY))
            .subquery()
        )
        now_paid, levied = found.c.paid_by_now, found.c.levied
        values = {name: found.c[name] for name in ("case_id", *_OWED)} | {
            "paid": now_paid,
            "unpaid": case((now_paid < levied, levied - now_paid), else_=0),
            "active": literal(True),
        }
        changed = or_(*(arrears.c[name].is_distinct_from(value) for name, value in values.items()))
        mine = and_(arrears.c.municipality_id == self._municipality, arrears.c.id == found.c.arrear_id)
        self._change("instalments", update(arrears).where(mine, changed), arrears, values)
        names = (*_KEY, "case_id", *_OWED, "paid", "unpaid")
        self._add(arrears, wanted, names, _KEY, {"active": True}, "instalments")

    def _wanted_instalments(self) -> Subquery:
        told = import_arrears.c
        return (
            select(told.line, told.as_of, told.paid, told.unpaid, *(told[name] for name in (*_KEY, *_OWED)),
                   cases.c.id.label("case_id"))
            .join(debtors, self._same(debtors, addressee_no=told.addressee_no))
            .join(cases, self._same(cases, debtor_id=debtors.c.id, claim_type=told.claim_type))
            .where(self._owed)
            .subquery()
        )  # fmt: skip

    def _vanish(self, claims: list[str]) -> None:
        """What is active and not in the list goes; an instalment that stays is not written."""
        ours = and_(arrears.c.municipality_id == self._municipality, arrears.c.claim_type.in_(claims), arrears.c.active)
        told = import_arrears.c
        named = select(arrears.c.id).join(
            import_arrears, self._same(arrears, **{name: told[name] for name in _KEY})
        ).where(self._owed)  # fmt: skip
        gone = select(arrears.c.id).where(ours).except_(named)
        self.journal.changing(arrears, arrears.c.id.in_(gone), ("active",))
        vanished = update(arrears).where(arrears.c.municipality_id == self._municipality, arrears.c.id.in_(gone))
        self.counts["instalments_vanished"] = self._conn.execute(vanished.values(active=False)).rowcount

    def _same(self, table: Table, **values: Any) -> ColumnElement[bool]:
        """Rows of this municipality's `table` with these values."""
        equal = [table.c[name] == value for name, value in values.items()]
        return and_(table.c.municipality_id == self._municipality, *equal)

    def _matches(self, table: Table, wanted: FromClause, key: Iterable[str]) -> ColumnElement[bool]:
        return self._same(table, **{name: wanted.c[name] for name in key})

    def _update(self, table: Table, wanted: Subquery, key: tuple[str, ...], names: tuple[str, ...], what: str) -> None:
        """Brings rows of the same key to what is wanted; those that are so already are not written."""
        changed = or_(*(table.c[name].is_distinct_from(wanted.c[name]) for name in names))
        mended = update(table).where(self._matches(table, wanted, key), changed)
        self._change(what, mended, table, {name: wanted.c[name] for name in names})

    def _change(self, what: str, statement: Any, table: Table, values: Mapping[str, Any]) -> None:
        ours = table.c.municipality_id == self._municipality
        self.journal.changing(table, statement.whereclause, values)
        self.counts[f"{what}_changed"] += self._conn.execute(statement.where(ours).values(**values)).rowcount

    def _add(
        self,
        table: Table,
        wanted: Subquery,
        names: tuple[str, ...],
        key: tuple[str, ...],
        constants: Mapping[str, Any] | None = None,
        what: str = "",
    ) -> None:
        """Rows whose key is not there yet, with ids in the order of the file."""
        ids = new_id_column(self._conn, table, self._municipality, wanted.c.line)
        added = self._insert(table, wanted, names, key, {"id": ids, **(constants or {})})
        self.counts[f"{what or table.name}_added"] += added

    def _insert(
        self,
        table: Table,
        wanted: Subquery,
        names: tuple[str, ...],
        key: tuple[str, ...],
        constants: Mapping[str, Any],
    ) -> int:
        fixed = {"municipality_id": self._municipality, **_defaults(table, {*names, *constants}), **constants}
        values = [
            value if isinstance(value, ColumnElement) else literal(value, table.c[name].type)
            for name, value in fixed.items()
        ]
        known = exists().where(self._matches(table, wanted, key))
        rows: Select[Any] = select(*values, *(wanted.c[name] for name in names)).where(~known)
        if "line" in wanted.c:
            rows = rows.order_by(wanted.c.line)
        added = insert(table).from_select([*fixed, *names], rows, include_defaults=False)
        return self._conn.execute(added, execution_options={"preserve_rowcount": True}).rowcount


def _defaults(table: Table, given: set[str]) -> dict[str, Any]:
    """The constant defaults of the columns that are not given."""
    return {
        column.name: column.default.arg
        for column in table.columns
        if column.name not in given and isinstance(column.default, ScalarElementColumnDefault)
    }


def _told_since(municipality_id: int, as_of: ColumnElement[Any]) -> ColumnElement[int]:
    """Yen that payment files told of an instalment which a list of the day `as_of` cannot know of: payments told
    since, less those that it counts and that were cancelled since.
    """
    table = payments.c
    paid = and_(table.as_of > as_of, table.cancelled_as_of.is_(None))
    undone = and_(table.as_of <= as_of, table.cancelled_as_of > as_of)
    moved = func.sum(case((paid, table.amount), (undone, -table.amount), else_=0))
    mine = and_(table.municipality_id == municipality_id, table.arrear_id == arrears.c.id)
    return func.coalesce(select(moved).where(mine).scalar_subquery(), 0)
