"""Staged payments (収納) clear instalments; a cancellation (取消区分 1) undoes the equal payment before it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, or_, select, update

from callflow.intake.activation import settle_states, staged
from callflow.intake.faults import BadRow
from models.ids import new_id
from models.tables import arrears, cases, payments


class Payment(NamedTuple):
    """A staged row, in the order in which `rows.RowReader.payment` gives its values."""

    claim_type: str
    notice_no: str
    levy_year: int
    instalment: int
    paid_on: str
    amount: int
    cancels: bool
    as_of: str

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self[:4]


def activate_payments(conn: Connection, municipality_id: int, import_id: int) -> tuple[Counter[str], list[BadRow]]:
    """Counts of what changed, and the rows that fit no instalment or cancel no payment."""
    till = _Till(conn, municipality_id, import_id)
    for batch in staged(conn, municipality_id, import_id):
        till.cancelling.update(row for _, values in batch if (row := Payment(*values)).cancels)
    claims: set[str] = set()
    for batch in staged(conn, municipality_id, import_id):
        rows = [(line, Payment(*values)) for line, values in batch]
        owed = till.owed([row for _, row in rows])
        till.seen_until([row for _, row in rows])
        for line, row in rows:
            till.take(line, row, owed.get(row.key))
        claims |= {row.claim_type for _, row in rows}
    till.counts["cases_paid"] = settle_states(conn, municipality_id, claims)
    return till.counts, till.unmatched


def unknown_notices(conn: Connection, municipality_id: int, batch: list[tuple[int, list[Any]]]) -> list[BadRow]:
    """The rows of a batch that fit no instalment; nothing is written."""
    till = _Till(conn, municipality_id, 0)
    rows = [(line, Payment(*values)) for line, values in batch]
    owed = till.owed([row for _, row in rows])
    for line, row in rows:
        if row.key not in owed:
            till.unknown(line, row)
    return till.unmatched


class _Till:
    """One activation. The nth equal payment of a day in a file is the nth in the database, whichever file told it."""

    def __init__(self, conn: Connection, municipality_id: int, import_id: int) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self._import = import_id
        self._told: Counter[tuple[int, str, int, bool]] = Counter()
        self.cancelling: set[Payment] = set()
        self.counts: Counter[str] = Counter()
        self.unmatched: list[BadRow] = []

    def owed(self, rows: list[Payment]) -> dict[tuple[str, str, int, int], RowMapping]:
        table = arrears.c
        query = select(table.id, table.case_id, table.claim_type, table.notice_no, table.levy_year, table.instalment)
        found = self._conn.execute(
            query.where(
                table.municipality_id == self._municipality, table.notice_no.in_({row.notice_no for row in rows})
            )
        )
        return {
            (one["claim_type"], one["notice_no"], one["levy_year"], one["instalment"]): one for one in found.mappings()
        }

    def seen_until(self, rows: list[Payment]) -> None:
        """Every case of these claims is known to be right as of the file's day, whether it paid or not (R29)."""
        latest: dict[str, date] = {}
        for row in rows:
            day = date.fromisoformat(row.as_of)
            latest[row.claim_type] = max(day, latest.get(row.claim_type, day))
        for claim, day in latest.items():
            older = or_(cases.c.payments_as_of.is_(None), cases.c.payments_as_of < day)
            here = and_(cases.c.municipality_id == self._municipality, cases.c.claim_type == claim, older)
            self._conn.execute(update(cases).where(here).values(payments_as_of=day))

    def take(self, line: int, row: Payment, owed: RowMapping | None) -> None:
        if owed is None:
            self.unknown(line, row)
            return
        told = (owed["id"], row.paid_on, row.amount, row.cancels)
        self._told[told] += 1
        nth = self._told[told]
        equal = self._equal(owed["id"], row)
        if row.cancels:
            self._cancel(line, row, owed["id"], equal[nth - 1] if len(equal) >= nth else None)
        elif nth > len(equal) or self._paid_again(row, equal):
            self._pay(row, owed["id"], len(equal) + 1)

    def unknown(self, line: int, row: Payment) -> None:
        mend = "先に滞納一覧を取り込むか、通知書番号を確かめてください"
        self._report(line, row, "この通知書の期別は取り込まれていません", mend)

    def _equal(self, arrear_id: int, row: Payment) -> list[RowMapping]:
        table = payments.c
        where = (
            table.municipality_id == self._municipality,
            table.arrear_id == arrear_id,
            table.paid_on == date.fromisoformat(row.paid_on),
            table.amount == row.amount,
        )
        return list(self._conn.execute(select(payments).where(*where).order_by(table.occurrence)).mappings())

    def _paid_again(self, row: Payment, equal: list[RowMapping]) -> bool:
        """An equal payment told by a later file than the one that cancelled every earlier one, and not cancelled."""
        if row._replace(cancels=True) in self.cancelling:
            return False
        as_of = date.fromisoformat(row.as_of)
        return all(one["cancelled_as_of"] and one["cancelled_as_of"] < as_of for one in equal)

    def _pay(self, row: Payment, arrear_id: int, occurrence: int) -> None:
        self._conn.execute(
            payments.insert().values(
                municipality_id=self._municipality,
                id=new_id(self._conn, payments, self._municipality),
                arrear_id=arrear_id,
                paid_on=date.fromisoformat(row.paid_on),
                amount=row.amount,
                as_of=date.fromisoformat(row.as_of),
                occurrence=occurrence,
                import_id=self._import,
            )
        )
        self._move(arrear_id, row.amount)
        self.counts["payments_added"] += 1

    def _cancel(self, line: int, row: Payment, arrear_id: int, paid: RowMapping | None) -> None:
        if paid is None:
            self._report(line, row, "取り消す収納がありません", "取り消される収納の行を先に入れてください")
            return
        if paid["cancelled_as_of"] is not None:
            return
        table = payments.c
        where = (table.municipality_id == self._municipality, table.id == paid["id"])
        self._conn.execute(update(payments).where(*where).values(cancelled_as_of=date.fromisoformat(row.as_of)))
        self._move(arrear_id, -row.amount)
        self.counts["payments_cancelled"] += 1

    def _move(self, arrear_id: int, amount: int) -> None:
        where = (arrears.c.municipality_id == self._municipality, arrears.c.id == arrear_id)
        levied, paid = self._conn.execute(select(arrears.c.levied, arrears.c.paid).where(*where)).one()
        paid += amount
        self._conn.execute(update(arrears).where(*where).values(paid=paid, unpaid=max(0, levied - paid)))

    def _report(self, line: int, row: Payment, reason: str, mend: str) -> None:
        self.unmatched.append(BadRow(line, 0, "通知書番号", row.notice_no, reason, mend))
