"""Staged payments (収納) clear instalments; a cancellation (取消区分 1) undoes an equal payment.

The nth equal payment of an instalment and a day in a file is the nth in the database, whichever file told it first.
So what counts is how many equal payments and cancellations a file names, and never the order of its lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, bindparam, case, func, or_, select, update

from callflow.intake.activation import settle_states
from callflow.intake.faults import BadRow
from callflow.intake.journal import Journal
from callflow.intake.rows import Values
from callflow.intake.staging import BATCH, PAYMENT
from models.ids import new_ids
from models.tables import arrears, cases, import_payments, payments

_KEY = ("claim_type", "notice_no", "levy_year", "instalment")
MAX_UNMATCHED = 10_000
"""How many payments that fit nothing are kept in words."""


class Told(NamedTuple):
    """What a file says of equal payments: of one instalment, day and amount."""

    paid: int
    cancelled: int
    as_of: date


class Known(NamedTuple):
    """What is stored of them: when each was cancelled, in the order of their occurrence; None where it stands."""

    cancelled_as_of: tuple[date | None, ...] = ()


class Settlement(NamedTuple):
    """`cancel`: indexes into the payments with the added ones; `excess`: cancellations that undo nothing."""

    add: int
    cancel: tuple[int, ...]
    excess: int


def settle(told: Told, known: Known) -> Settlement:
    """What a file makes of equal payments. Pure; the same file twice adds and cancels nothing.

    A file that names payments repeats what is known. One that only cancels means other payments than those which
    files of earlier days cancelled, as far as there are any. Once all were cancelled on earlier days, a file that
    names some without cancelling any tells of new ones.
    """
    stored = known.cancelled_as_of
    again = bool(stored) and not told.cancelled and all(day is not None and day < told.as_of for day in stored)
    add = told.paid if again else max(0, told.paid - len(stored))
    after = [*stored, *[None] * add]
    gone = sum(day is not None for day in after)
    wanted = max(gone, told.cancelled)
    if told.cancelled > told.paid:
        earlier = sum(day is not None and day < told.as_of for day in after)
        wanted = max(wanted, earlier + told.cancelled)
    standing = [place for place, day in enumerate(after) if day is None]
    return Settlement(add, tuple(standing[: wanted - gone]), max(0, told.cancelled - len(after)))


def activate_payments(conn: Connection, municipality_id: int, import_id: int) -> tuple[Counter[str], list[BadRow]]:
    """Counts of what changed, and the rows that fit no instalment or cancel no payment."""
    till = _Till(conn, municipality_id, import_id)
    for groups in till.told():
        till.take(groups)
    claims = till.seen_until()
    till.counts["cases_paid"] = settle_states(conn, municipality_id, claims, till.journal)
    unmatched = sorted([*till.unmatched, *till.unknown()], key=lambda row: row.line)
    return till.counts, unmatched[:MAX_UNMATCHED]


def unknown_notices(conn: Connection, municipality_id: int, rows: list[Values]) -> list[BadRow]:
    """The rows (as staged) that fit no instalment; nothing is written."""
    table = arrears.c
    told = [dict(zip(PAYMENT, row, strict=True)) for row in rows]
    notices = {row["notice_no"] for row in told}
    query = select(*(table[name] for name in _KEY))
    found = {tuple(row) for row in conn.execute(query.where(table.municipality_id == municipality_id,
                                                            table.notice_no.in_(notices)))}  # fmt: skip
    return [_unknown(row["line"], row["notice_no"]) for row in told if tuple(row[name] for name in _KEY) not in found]


class _Till:
    """One activation."""

    def __init__(self, conn: Connection, municipality_id: int, import_id: int) -> None:
        self._conn = conn
        self._municipality = municipality_id
        self._import = import_id
        self.counts: Counter[str] = Counter()
        self.journal = Journal(conn, municipality_id, import_id)
        self.unmatched: list[BadRow] = []
        staged = import_payments.c
        self._staged = and_(staged.municipality_id == municipality_id, staged.import_id == import_id)
        same = [arrears.c[name] == staged[name] for name in _KEY]
        self._fits = and_(arrears.c.municipality_id == municipality_id, *same)

    def told(self) -> Iterator[list[RowMapping]]:
        """What the file says of equal payments, some instalments at a time; read in one pass, for the join is dear."""
        staged = import_payments.c
        cancels = case((staged.cancels, 1), else_=0)
        query = (
            select(
                arrears.c.id, arrears.c.notice_no, staged.paid_on, staged.amount,
                func.max(staged.line).label("line"),
                (func.count() - func.sum(cancels)).label("paid"), func.sum(cancels).label("cancelled"),
                func.max(staged.as_of).label("as_of"),
            )
            .join(import_payments, self._fits).where(self._staged)
            .group_by(arrears.c.id, arrears.c.notice_no, staged.paid_on, staged.amount).order_by(arrears.c.id)
        )  # fmt: skip
        some: list[RowMapping] = []
        for group in self._conn.execute(query.execution_options(yield_per=BATCH)).mappings():
            if len(some) >= BATCH and some[-1]["id"] != group["id"]:
                yield some
                some = []
            some.append(group)
        if some:
            yield some

    def take(self, groups: list[RowMapping]) -> None:
        stored = self._stored({group["id"] for group in groups})
        added: list[dict[str, Any]] = []
        undone: list[dict[str, Any]] = []
        moved: Counter[int] = Counter()
        for group in groups:
            known = stored.get((group["id"], group["paid_on"], group["amount"]), [])
            told = Told(int(group["paid"]), int(group["cancelled"]), group["as_of"])
            what = settle(told, Known(tuple(one["cancelled_as_of"] for one in known)))
            gone = dict.fromkeys(what.cancel, told.as_of)
            added += [
                self._payment(group, place, gone.get(place)) for place in range(len(known), len(known) + what.add)
            ]
            undone += [{"key": known[place]["id"], "day": told.as_of} for place in what.cancel if place < len(known)]
            moved[group["id"]] += group["amount"] * (what.add - len(what.cancel))
            self.counts["payments_added"] += what.add
            self.counts["payments_cancelled"] += len(what.cancel)
            if what.excess:
                mend = "取り消される収納の行も取り込んでください"
                self._report(group, f"取り消す収納がありません（{what.excess} 件）", mend)
        self._write(added, undone, moved)

    def _payment(self, group: RowMapping, place: int, cancelled: date | None) -> dict[str, Any]:
        return {
            "municipality_id": self._municipality,
            "arrear_id": group["id"],
            "paid_on": group["paid_on"],
            "amount": group["amount"],
            "as_of": group["as_of"],
            "occurrence": place + 1,
            "cancelled_as_of": cancelled,
            "import_id": self._import,
        }

    def _stored(self, ids: Iterable[int]) -> dict[tuple[int, date, int], list[RowMapping]]:
        found: dict[tuple[int, date, int], list[RowMapping]] = {}
        mine = and_(payments.c.municipality_id == self._municipality, payments.c.arrear_id.in_(sorted(ids)))
        for row in self._conn.execute(select(payments).where(mine).order_by(payments.c.occurrence)).mappings():
            found.setdefault((row["arrear_id"], row["paid_on"], row["amount"]), []).append(row)
        return found

    def _write(self, added: list[dict[str, Any]], undone: list[dict[str, Any]], moved: Counter[int]) -> None:
        if added:
            ids = new_ids(self._conn, payments, self._municipality, len(added))
            self._conn.execute(payments.insert(), [{"id": one, **row} for one, row in zip(ids, added, strict=True)])
        if undone:
            known = payments.c.id.in_([one["key"] for one in undone])
            self.journal.changing(payments, known, ("cancelled_as_of",))
            mine = and_(payments.c.municipality_id == self._municipality, payments.c.id == bindparam("key"))
            self._conn.execute(update(payments).where(mine).values(cancelled_as_of=bindparam("day")), undone)
        if steps := [{"key": one, "yen": yen} for one, yen in moved.items() if yen]:
            self.journal.changing(arrears, arrears.c.id.in_([one["key"] for one in steps]), ("paid", "unpaid"))
            mine = and_(arrears.c.municipality_id == self._municipality, arrears.c.id == bindparam("key"))
            paid = arrears.c.paid + bindparam("yen")
            paid = case((paid < 0, 0), else_=paid)
            unpaid = case((paid < arrears.c.levied, arrears.c.levied - paid), else_=0)
            self._conn.execute(update(arrears).where(mine).values(paid=paid, unpaid=unpaid), steps)

    def seen_until(self) -> set[str]:
        """Every case of these claims is known to be right as of the file's day, whether it paid or not (R29)."""
        staged = import_payments.c
        latest = select(staged.claim_type, func.max(staged.as_of)).where(self._staged).group_by(staged.claim_type)
        claims: set[str] = set()
        for claim, day in self._conn.execute(latest).all():
            older = or_(cases.c.payments_as_of.is_(None), cases.c.payments_as_of < day)
            here = and_(cases.c.municipality_id == self._municipality, cases.c.claim_type == claim, older)
            self.journal.changing(cases, here, ("payments_as_of",))
            self._conn.execute(update(cases).where(here).values(payments_as_of=day))
            claims.add(claim)
        return claims

    def unknown(self) -> list[BadRow]:
        """Staged rows that fit no instalment."""
        staged = import_payments.c
        query = (
            select(staged.line, staged.notice_no)
            .join_from(import_payments, arrears, self._fits, isouter=True)
            .where(self._staged, arrears.c.id.is_(None))
            .order_by(staged.line)
            .limit(MAX_UNMATCHED)
        )
        return [_unknown(row.line, row.notice_no) for row in self._conn.execute(query)]

    def _report(self, group: RowMapping, reason: str, mend: str) -> None:
        self.unmatched.append(BadRow(group["line"], 0, "通知書番号", group["notice_no"], reason, mend))


def _unknown(line: int, notice_no: str) -> BadRow:
    mend = "先に滞納一覧を取り込むか、通知書番号を確かめてください"
    return BadRow(line, 0, "通知書番号", notice_no, "この通知書の期別は取り込まれていません", mend)
