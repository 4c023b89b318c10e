"""Staged rows of arrears become households, debtors, numbers, cases and instalments.

Everything here runs in one transaction of the caller, in batches of staged rows, each batch with a handful of
statements. A row that says nothing new writes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Table, and_, bindparam, exists, func, select, update

from callflow.intake.bulk import insert_many
from models.ids import new_ids
from models.tables import arrears, cases, debtor_phones, debtors, households, import_rows, payments, phone_numbers

BATCH = 2000
"""Rows of one short transaction of staging, and of one round of activation."""
_WHO = ("name", "kana", "birth_date", "birth_date_raw", "postal_code", "address", "language", "spouse_name")


class Row(NamedTuple):
    """A staged row, in the order in which `rows.RowReader.arrears` gives its values."""

    addressee_no: str
    external_no: str
    name: str
    kana: str
    birth_date: str | None
    birth_date_raw: str
    postal_code: str
    address: str
    language: str
    spouse_name: str
    is_nominal_householder: bool
    protected: bool
    phones: list[list[str]]
    claim_type: str
    notice_no: str
    levy_year: int
    nominal_year: int
    instalment: int
    due_on: str
    levied: int
    paid: int
    unpaid: int
    reminder_on: str | None
    as_of: str


def staged(conn: Connection, municipality_id: int, import_id: int) -> Iterator[list[tuple[int, list[Any]]]]:
    """Batches of (line, values), in the order of the file."""
    after = 0
    table = import_rows.c
    while True:
        rows = conn.execute(
            select(table.line, table.row)
            .where(table.municipality_id == municipality_id, table.import_id == import_id, table.line > after)
            .order_by(table.line)
            .limit(BATCH)
        ).all()
        if not rows:
            return
        after = rows[-1].line
        yield [(row.line, json.loads(row.row)) for row in rows]


def activate_arrears(
    conn: Connection, municipality_id: int, import_id: int, now: datetime, *, full: bool
) -> Counter[str]:
    """Counts of what was made, changed and deactivated. `full`: what the list no longer names is deactivated."""
    desk = _Desk(conn, municipality_id, now)
    claims: set[str] = set()
    inactive_before = 0
    if full:
        for batch in staged(conn, municipality_id, import_id):
            claims |= {Row(*values).claim_type for _, values in batch}
        inactive_before = desk.inactive(claims)
        desk.deactivate(claims)
    for batch in staged(conn, municipality_id, import_id):
        claims |= desk.take([Row(*values) for _, values in batch])
    if full:
        desk.counts["instalments_vanished"] = max(0, desk.inactive(claims) - inactive_before)
    desk.counts["cases_paid"] = settle_states(conn, municipality_id, claims)
    return desk.counts


def settle_states(conn: Connection, municipality_id: int, claims: Iterable[str]) -> int:
    """Open cases with nothing unpaid become paid, paid ones with something unpaid open; how many became paid."""
    owing = exists().where(
        arrears.c.municipality_id == cases.c.municipality_id,
        arrears.c.case_id == cases.c.id,
        arrears.c.active,
        arrears.c.unpaid > 0,
    )
    ours = and_(cases.c.municipality_id == municipality_id, cases.c.claim_type.in_(sorted(claims)))
    paid = conn.execute(update(cases).where(ours, cases.c.status == "open", ~owing).values(status="paid")).rowcount
    conn.execute(update(cases).where(ours, cases.c.status == "paid", owing).values(status="open"))
    return paid


class _Desk:
    """One activation: takes batches of rows and counts what it did."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self._now = now
        self.counts: Counter[str] = Counter()

    def take(self, rows: list[Row]) -> set[str]:
        people = {row.addressee_no: row for row in rows}
        homes = self._households(rows)
        who = self._debtors(people, homes)
        self._phones(people, who)
        owed = self._cases(rows, who, homes)
        self._instalments(rows, who, owed)
        return {row.claim_type for row in rows}

    def inactive(self, claims: set[str]) -> int:
        where = (arrears.c.claim_type.in_(sorted(claims)), ~arrears.c.active)
        count = select(func.count()).select_from(arrears).where(arrears.c.municipality_id == self._municipality, *where)
        return int(self._conn.execute(count).scalar_one())

    def deactivate(self, claims: set[str]) -> None:
        here = (arrears.c.municipality_id == self._municipality, arrears.c.claim_type.in_(sorted(claims)))
        self._conn.execute(update(arrears).where(*here).values(active=False))

    def _households(self, rows: list[Row]) -> dict[str, int]:
        protected = {row.external_no: False for row in rows}
        for row in rows:
            protected[row.external_no] |= row.protected
        found = self._known(households, "external_no", list(protected))
        fresh = [{"external_no": no, "protected": flag} for no, flag in protected.items() if no not in found]
        # A list that lacks the mark does not lift a protection: a second claim's list may not know of it.
        changed = [
            {"key": found[no]["id"], "protected": True}
            for no, flag in protected.items()
            if no in found and flag and not found[no]["protected"]
        ]
        self._change(households, changed, ("protected",), "households")
        ids = self._add(households, fresh, "households")
        return {no: row["id"] for no, row in found.items()} | {
            str(values["external_no"]): one for one, values in zip(ids, fresh, strict=True)
        }

    def _debtors(self, people: Mapping[str, Row], homes: Mapping[str, int]) -> dict[str, int]:
        found = self._known(debtors, "addressee_no", list(people))
        fresh, changed = [], []
        for number, row in people.items():
            values = {name: getattr(row, name) for name in _WHO} | {
                "birth_date": _day(row.birth_date),
                "household_id": homes[row.external_no],
                "is_nominal_householder": row.is_nominal_householder,
            }
            if number not in found:
                fresh.append({"addressee_no": number, **values})
            elif any(found[number][name] != value for name, value in values.items()):
                changed.append({"key": found[number]["id"], **values})
        self._change(debtors, changed, (*_WHO, "household_id", "is_nominal_householder"), "debtors")
        ids = self._add(debtors, fresh, "debtors")
        return {no: row["id"] for no, row in found.items()} | {
            str(values["addressee_no"]): one for one, values in zip(ids, fresh, strict=True)
        }

    def _phones(self, people: Mapping[str, Row], who: Mapping[str, int]) -> None:
        numbers = sorted({phone[1] for row in people.values() for phone in row.phones if phone[1]})
        known = {e164: row["id"] for e164, row in self._known(phone_numbers, "e164", numbers).items()}
        fresh = [{"e164": e164} for e164 in numbers if e164 not in known]
        ids = self._add(phone_numbers, fresh, "phone_numbers")
        known |= {values["e164"]: one for one, values in zip(ids, fresh, strict=True)}
        table = debtor_phones
        here = (table.c.municipality_id == self._municipality, table.c.debtor_id.in_(list(who.values())))
        stored = {(row.debtor_id, row.position): row for row in self._conn.execute(select(table).where(*here))}
        changed = []
        for number, row in people.items():
            wanted = {int(position): (known.get(e164), raw, note, why) for position, e164, raw, note, why in row.phones}
            old = {
                position: (one.number_id, one.raw, one.note, one.quarantine)
                for (debtor, position), one in ((key, stored[key]) for key in _keys(who[number]) if key in stored)
            }
            if wanted != old:
                changed.append((who[number], wanted))
        self._replace_phones(changed)

    def _replace_phones(self, changed: list[tuple[int, dict[int, tuple[Any, ...]]]]) -> None:
        if not changed:
            return
        table = debtor_phones
        here = (table.c.municipality_id == self._municipality, table.c.debtor_id.in_([one for one, _ in changed]))
        self._conn.execute(table.delete().where(*here))
        names = ("number_id", "raw", "note", "quarantine")
        rows = [
            {"municipality_id": self._municipality, "debtor_id": debtor, "position": position}
            | dict(zip(names, values, strict=True))
            for debtor, wanted in changed
            for position, values in sorted(wanted.items())
        ]
        insert_many(self._conn, table, rows)

    def _cases(self, rows: list[Row], who: Mapping[str, int], homes: Mapping[str, int]) -> dict[tuple[int, str], int]:
        wanted: dict[tuple[int, str], dict[str, Any]] = {}
        for row in rows:
            key = (who[row.addressee_no], row.claim_type)
            as_of = date.fromisoformat(row.as_of)
            one = wanted.setdefault(key, {"household_id": homes[row.external_no], "payments_as_of": as_of})
            one["payments_as_of"] = max(as_of, one["payments_as_of"])
        here = (
            cases.c.municipality_id == self._municipality,
            cases.c.debtor_id.in_(sorted({who for who, _ in wanted})),
        )
        found = {(row.debtor_id, row.claim_type): row for row in self._conn.execute(select(cases).where(*here))}
        fresh, changed = [], []
        for key, values in wanted.items():
            if (old := found.get(key)) is None:
                made = {"debtor_id": key[0], "claim_type": key[1], "status": "open", "created_at": self._now}
                fresh.append(made | values)
                continue
            values["payments_as_of"] = max(values["payments_as_of"], old.payments_as_of or values["payments_as_of"])
            if (old.household_id, old.payments_as_of) != (values["household_id"], values["payments_as_of"]):
                changed.append({"key": old.id, **values})
        self._change(cases, changed, ("household_id", "payments_as_of"), "cases")
        ids = self._add(cases, fresh, "cases")
        return {key: row.id for key, row in found.items()} | {
            (values["debtor_id"], values["claim_type"]): one for one, values in zip(ids, fresh, strict=True)
        }

    def _instalments(self, rows: list[Row], who: Mapping[str, int], owed: Mapping[tuple[int, str], int]) -> None:
        table = arrears
        here = (table.c.municipality_id == self._municipality, table.c.notice_no.in_({row.notice_no for row in rows}))
        found = {
            (one.claim_type, one.notice_no, one.levy_year, one.instalment): one
            for one in self._conn.execute(select(table).where(*here))
        }
        later = self._paid_later([one.id for one in found.values()])
        fresh, changed = [], []
        for row in rows:
            old = found.get((row.claim_type, row.notice_no, row.levy_year, row.instalment))
            values = _instalment(row, owed[who[row.addressee_no], row.claim_type])
            if old is None:
                key = {name: getattr(row, name) for name in ("claim_type", "notice_no", "levy_year", "instalment")}
                fresh.append(key | values)
                continue
            as_of = date.fromisoformat(row.as_of)
            values["paid"] += sum(amount for day, amount in later.get(old.id, ()) if day > as_of)
            values["unpaid"] = max(0, values["levied"] - values["paid"])
            if any(getattr(old, name) != value for name, value in values.items()):
                changed.append({"key": old.id, **values})
        self._change(table, changed, tuple(changed[0])[1:] if changed else (), "instalments")
        self._add(table, fresh, "instalments")

    def _paid_later(self, ids: list[int]) -> dict[int, list[tuple[date, int]]]:
        """Payments that a list of an earlier day cannot know of."""
        found: dict[int, list[tuple[date, int]]] = {}
        if ids:
            here = (payments.c.municipality_id == self._municipality, payments.c.arrear_id.in_(ids))
            for row in self._conn.execute(select(payments).where(*here, payments.c.cancelled_as_of.is_(None))):
                found.setdefault(row.arrear_id, []).append((row.as_of, row.amount))
        return found

    def _known(self, table: Table, column: str, values: list[str]) -> dict[str, RowMapping]:
        here = (table.c.municipality_id == self._municipality, table.c[column].in_(values))
        return {row[column]: row for row in self._conn.execute(select(table).where(*here)).mappings()}

    def _add(self, table: Table, fresh: list[dict[str, Any]], what: str) -> list[int]:
        if not fresh:
            return []
        ids = new_ids(self._conn, table, self._municipality, len(fresh))
        here = {"municipality_id": self._municipality}
        insert_many(self._conn, table, [{**here, "id": one, **values} for one, values in zip(ids, fresh, strict=True)])
        self.counts[f"{what}_added"] += len(fresh)
        return ids

    def _change(self, table: Table, changed: list[dict[str, Any]], names: Iterable[str], what: str) -> None:
        if changed:
            here = (table.c.municipality_id == self._municipality, table.c.id == bindparam("key"))
            self._conn.execute(update(table).where(*here).values({name: bindparam(name) for name in names}), changed)
            self.counts[f"{what}_changed"] += len(changed)


def _keys(debtor_id: int) -> tuple[tuple[int, int], ...]:
    return ((debtor_id, 1), (debtor_id, 2))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _instalment(row: Row, case_id: int) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "nominal_year": row.nominal_year,
        "due_on": _day(row.due_on),
        "levied": row.levied,
        "paid": row.paid,
        "unpaid": row.unpaid,
        "reminder_on": _day(row.reminder_on),
        "active": True,
    }
