"""Breaking the glass: staff open a protected household (支援措置, R23) for a quarter of an hour, with a reason.

Nobody sees its personal fields otherwise, the ward's staff included. Every opening is an act of its own on the record
and is reviewed by another member of staff; who leaves one unreviewed for too long opens none before it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from callflow.access.auditlog import audit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from models.database import Database
from models.ids import new_id
from models.tables import accounts, cases, glass_breaks, households

if TYPE_CHECKING:
    from callflow.access.views import Viewer

OPEN_FOR: Final = timedelta(minutes=15)
REVIEW_WITHIN: Final = timedelta(days=7)
"""[O] After this a person with an unreviewed opening opens no other."""

SHORTEST_REASON, LONGEST_REASON = 5, 500
VERDICTS: Final = {"fine": "妥当", "not_fine": "妥当でない"}


class SealedError(RefusedError):
    """A protected household's fields were asked for without an opening."""

    def __init__(self, case_id: int) -> None:
        super().__init__(
            "支援措置の世帯です。個人の情報は閉じてあります",
            mend=f"必要なら、理由を記録して15分だけ開けます（callflow glass break {case_id}）",
        )
        self.case_id = case_id


def open_households(conn: Connection, municipality_id: int, account_id: int, now: datetime) -> frozenset[int]:
    """The protected households that this person has open now."""
    g = glass_breaks.c
    mine = select(g.household_id).where(
        g.municipality_id == municipality_id, g.account_id == account_id, g.at <= now, g.until > now
    )
    return frozenset(conn.execute(mine).scalars())


def is_open(conn: Connection, municipality_id: int, account_id: int, household_id: int, now: datetime) -> bool:
    """Whether this person has this household open now."""
    return household_id in open_households(conn, municipality_id, account_id, now)


def is_sealed(conn: Connection, municipality_id: int, account_id: int, case_id: int, now: datetime) -> bool:
    """Whether a case is of a protected household that this person has not opened."""
    household = _protected_household(conn, municipality_id, case_id)
    return household is not None and not is_open(conn, municipality_id, account_id, household, now)


def break_glass(
    database: Database, municipality_id: int, viewer: Viewer, case_id: int, reason: str, now: datetime
) -> datetime:
    """Opens the household of a case for this person; until when. Committed before anything is shown.

    Raises RefusedError for anybody but staff or with an old opening unreviewed, InputError without a reason,
    NotFoundError where there is no such case or it is not protected.
    """
    if "staff" not in viewer.roles:
        raise RefusedError("支援措置の世帯を開けるのは、区の職員だけです")
    words = reason.strip()
    if len(words) < SHORTEST_REASON:
        raise InputError(
            "理由が短すぎます", where=Where(field="reason"), mend="なぜ見る必要があるかを、5字以上で書いてください"
        )

    def work(conn: Connection) -> datetime:
        household = _protected_household(conn, municipality_id, case_id)
        if household is None:
            raise NotFoundError(f"支援措置の案件 {case_id} はありません")
        g = glass_breaks.c
        late = (g.account_id == viewer.account_id, g.reviewed_at.is_(None), g.at < now - REVIEW_WITHIN)
        if conn.execute(select(g.id).where(g.municipality_id == municipality_id, *late).limit(1)).first():
            raise RefusedError(
                "前に開けたことの確かめが済んでいません", mend="ほかの職員に確かめてもらってから開けてください"
            )
        one = new_id(conn, glass_breaks, municipality_id)
        own = {"municipality_id": municipality_id, "id": one, "account_id": viewer.account_id}
        why = words[:LONGEST_REASON]
        what = {"household_id": household, "case_id": case_id, "reason": why}
        conn.execute(insert(glass_breaks).values(**own, **what, at=now, until=now + OPEN_FOR))
        audit(conn, municipality_id, now, viewer.account_id, "glass:break", f"case:{case_id}", purpose=why)
        return now + OPEN_FOR

    return database.transact(work)


def review(
    database: Database, municipality_id: int, viewer: Viewer, one: int, verdict: str, note: str, now: datetime
) -> None:
    """Another member of staff judges an opening. Raises RefusedError for one's own, InputError, NotFoundError."""
    if "staff" not in viewer.roles:
        raise RefusedError("開けたことを確かめるのは、区の職員です")
    if verdict not in VERDICTS:
        raise InputError("妥当かどうかを選んでください", where=Where(field="verdict"), mend="fine か not_fine")
    if verdict == "not_fine" and not note.strip():
        raise InputError("妥当でない理由がありません", where=Where(field="note"), mend="一言書いてください")

    def work(conn: Connection) -> None:
        g = glass_breaks.c
        here = (g.municipality_id == municipality_id) & (g.id == one)
        row = conn.execute(select(g.account_id, g.reviewed_at).where(here)).one_or_none()
        if row is None or row.reviewed_at is not None:
            raise NotFoundError("確かめを待つ記録はありません")
        if row.account_id == viewer.account_id:
            raise RefusedError("自分が開けたことは、自分では確かめられません", mend="ほかの職員が確かめてください")
        conn.execute(
            update(glass_breaks)
            .where(here, g.reviewed_at.is_(None))
            .values(reviewed_at=now, reviewed_by=viewer.account_id, verdict=verdict, note=note.strip()[:LONGEST_REASON])
        )
        audit(conn, municipality_id, now, viewer.account_id, "glass:review", f"glass:{one}", fields=verdict)

    database.transact(work)


def openings(conn: Connection, municipality_id: int, *, unreviewed: bool = False, size: int = 200) -> Sequence[Any]:
    """The newest openings with the login of who opened; those that wait for their review first."""
    g, a = glass_breaks.c, accounts.c
    query = (
        select(glass_breaks, a.login, a.display_name)
        .join(accounts, (a.municipality_id == g.municipality_id) & (a.id == g.account_id))
        .where(g.municipality_id == municipality_id)
        .order_by(g.reviewed_at.is_not(None), g.at.desc())
    )
    return conn.execute((query.where(g.reviewed_at.is_(None)) if unreviewed else query).limit(size)).all()


def _protected_household(conn: Connection, municipality_id: int, case_id: int) -> int | None:
    c, h = cases.c, households.c
    protected: ColumnElement[bool] = and_(h.municipality_id == c.municipality_id, h.id == c.household_id, h.protected)
    return conn.execute(
        select(h.id).join(cases, protected).where(c.municipality_id == municipality_id, c.id == case_id)
    ).scalar_one_or_none()
