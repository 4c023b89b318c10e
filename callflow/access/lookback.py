"""Reading the record of acts: who did what, who saw a household, what somebody saw beyond their work.

Every list is newest first and paged by the last line's id, so that its cost does not grow with the record. What a role
may read is docs/security.md's table: their own acts, their team's without content, or all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select

from callflow.access.accounts import Accounts
from callflow.access.auditlog import audit
from callflow.access.views import Viewer
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from models.database import Database
from models.tables import account_roles, accounts, audit_events, calls, cases, contact_slips, living_reports
from scheduler.calendar import tokyo_midnight

SIZE: Final = 50
VIEWED, SAW = "audit:view", "audit:who_saw"

Reach = Literal["own", "team", "metadata", "all"]
REACH: Final[dict[str, Reach]] = {
    "operator": "own",
    "supervisor": "team",
    "admin": "metadata",
    "staff": "all",
    "auditor": "all",
}
_WIDEST: Final[tuple[Reach, ...]] = ("all", "metadata", "team", "own")


@dataclass(frozen=True, slots=True)
class Act:
    """A line of the record. `purpose` and `fields` are None for whoever may not read the content."""

    id: int
    at: datetime
    actor_id: int | None
    login: str
    name: str
    roles: str
    terminal: str
    verb: str
    object: str
    purpose: str | None
    fields: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the record is asked for; empty fields narrow nothing. `before`: the id of the last line seen."""

    actor: str = ""
    verb: str = ""
    object: str = ""
    day: date | None = None
    purpose: str = ""
    before: int = 0


def reach_of(viewer: Viewer) -> Reach:
    """How much of the record a person may read: the widest of their roles. Raises RefusedError where none is."""
    given = {REACH[role] for role in viewer.roles if role in REACH}
    for reach in _WIDEST:
        if reach in given:
            return reach
    raise RefusedError("監査の記録を見る権限がありません")


def look(
    database: Database, municipality_id: int, viewer: Viewer, wanted: Wanted, now: datetime, *, size: int = SIZE
) -> list[Act]:
    """A page of the record; the look itself is committed to it first. Raises NotFoundError for an unknown login."""
    reach = reach_of(viewer)

    def work(conn: Connection) -> list[Act]:
        query = _lines(municipality_id).where(*_conditions(conn, municipality_id, wanted, now))
        query = _within(query, municipality_id, viewer, reach)
        found = [_act(row, reach) for row in conn.execute(_page(conn, municipality_id, query, wanted.before, size))]
        used = [name for name in ("actor", "verb", "object", "day", "purpose") if getattr(wanted, name)]
        audit(conn, municipality_id, now, viewer.account_id, VIEWED, "audit", fields=",".join(used))
        return found

    return database.transact(work)


def who_saw(
    database: Database, municipality_id: int, viewer: Viewer, case_id: int, now: datetime, before: int = 0
) -> list[Act]:
    """The sights of a case's whole household, in cases, calls, slips and reports. For staff and auditors.

    Raises RefusedError for other roles, NotFoundError for an unknown case.
    """
    if reach_of(viewer) != "all":
        raise RefusedError("世帯を見た人の一覧は、区の職員と監査だけが見られます")

    def work(conn: Connection) -> list[Act]:
        things = _things_of_household(conn, municipality_id, case_id)
        e = audit_events.c
        query = _lines(municipality_id).where(e.object.in_(things), is_sight())
        found = [_act(row, "all") for row in conn.execute(_page(conn, municipality_id, query, before, SIZE))]
        audit(conn, municipality_id, now, viewer.account_id, SAW, f"case:{case_id}")
        return found

    return database.transact(work)


def is_sight() -> ColumnElement[bool]:
    """The condition by which an act shows that personal fields were seen."""
    e = audit_events.c
    return and_(e.fields != "", or_(*(e.object.startswith(f"{kind}:") for kind in _PERSONAL)))


_PERSONAL = ("case", "call", "slip", "report")


def page_query(municipality_id: int, *conditions: ColumnElement[bool], size: int = SIZE) -> Select[Any]:
    """The newest lines that meet the conditions (for the test of its plan)."""
    return _newest(_lines(municipality_id).where(*conditions), size)


def _lines(municipality_id: int) -> Select[Any]:
    e, a = audit_events.c, accounts.c
    return (
        select(e.id, e.at, e.actor_id, e.verb, e.object, e.purpose, e.fields, e.terminal, e.roles)
        .add_columns(a.login, a.display_name)
        .select_from(audit_events.outerjoin(accounts, (a.municipality_id == e.municipality_id) & (a.id == e.actor_id)))
        .where(e.municipality_id == municipality_id)
    )


def _conditions(conn: Connection, municipality_id: int, wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    e = audit_events.c
    found: list[ColumnElement[bool]] = []
    if wanted.actor:
        found.append(e.actor_id == Accounts(conn, municipality_id, now).named(wanted.actor).id)
    if wanted.verb:
        found.append(e.verb == wanted.verb)
    if wanted.object:
        found.append(e.object == wanted.object)
    if wanted.day:
        found += [e.at >= tokyo_midnight(wanted.day), e.at < tokyo_midnight(wanted.day + timedelta(days=1))]
    if wanted.purpose:
        found += [e.purpose != "", e.purpose.contains(wanted.purpose, autoescape=True)]
    return found


def _within(query: Select[Any], municipality_id: int, viewer: Viewer, reach: Reach) -> Select[Any]:
    """Narrowed to the acts of those whom this person may read of: a supervisor's team are the operators of the
    supervisor's own organisation."""
    e = audit_events.c
    if reach == "own":
        return query.where(e.actor_id == viewer.account_id)
    if reach != "team":
        return query
    a, r, own = accounts.c, account_roles.c, accounts.alias("own")
    team = (
        select(a.id)
        .join(account_roles, (r.municipality_id == a.municipality_id) & (r.account_id == a.id))
        .join(own, (own.c.municipality_id == a.municipality_id) & (own.c.organisation_id == a.organisation_id))
        .where(a.municipality_id == municipality_id, own.c.id == viewer.account_id, r.role == "operator")
    )
    return query.where(or_(e.actor_id == viewer.account_id, e.actor_id.in_(team)))


def _page(conn: Connection, municipality_id: int, query: Select[Any], before: int, size: int) -> Select[Any]:
    e = audit_events.c
    if before:
        at = conn.execute(select(e.at).where(e.municipality_id == municipality_id, e.id == before)).scalar_one_or_none()
        if at is None:
            raise NotFoundError(f"記録 {before} はありません", mend="一覧を開き直してください")
        query = query.where(e.at <= at, or_(e.at < at, e.id < before))
    return _newest(query, size)


def _newest(query: Select[Any], size: int) -> Select[Any]:
    return query.order_by(audit_events.c.at.desc(), audit_events.c.id.desc()).limit(size)


def _act(row: Row[Any], reach: Reach) -> Act:
    told = reach in ("all", "own")
    return Act(
        id=row.id,
        at=row.at,
        actor_id=row.actor_id,
        login=row.login or "",
        name=row.display_name or "",
        roles=row.roles,
        terminal=row.terminal,
        verb=row.verb,
        object=row.object,
        purpose=row.purpose if told else None,
        fields=row.fields if told else None,
    )


def _things_of_household(conn: Connection, municipality_id: int, case_id: int) -> list[str]:
    c = cases.c
    household = conn.execute(
        select(c.household_id).where(c.municipality_id == municipality_id, c.id == case_id)
    ).scalar_one_or_none()
    if household is None:
        raise NotFoundError(f"案件 {case_id} はありません")
    own = select(c.id).where(c.municipality_id == municipality_id, c.household_id == household)
    case_ids = list(conn.execute(own).scalars())
    k, s, r = calls.c, contact_slips.c, living_reports.c
    found = {
        "call": select(k.id).where(k.municipality_id == municipality_id, k.household_id == household),
        "slip": select(s.id).where(s.municipality_id == municipality_id, s.case_id.in_(case_ids)),
        "report": select(r.id).where(r.municipality_id == municipality_id, r.household_id == household),
    }
    things = [f"case:{one}" for one in case_ids]
    return things + [f"{kind}:{one}" for kind, query in found.items() for one in conn.execute(query).scalars()]


def wanted_of(
    actor: str = "", verb: str = "", thing: str = "", day: str = "", purpose: str = "", before: int = 0
) -> Wanted:
    """What somebody typed. Raises InputError for a day that is none."""
    try:
        when = date.fromisoformat(day) if day else None
    except ValueError:
        raise InputError(f"日付 {day[:20]} を読めません", where=Where(field="day"), mend="例: 2026-11-24") from None
    return Wanted(actor.strip(), verb.strip(), thing.strip(), when, purpose.strip()[:100], before)


def verbs_of(conn: Connection, municipality_id: int) -> Iterable[str]:
    """Every verb on the record, by probes of the index alone."""
    e, last = audit_events.c, ""
    while True:
        following = select(e.verb).where(e.municipality_id == municipality_id, e.verb > last).order_by(e.verb).limit(1)
        found = conn.execute(following).scalar_one_or_none()
        if found is None:
            return
        last = found
        yield found


def asked_for_proof(database: Database, municipality_id: int, by: int, now: datetime) -> None:
    """Somebody lets the whole record be verified."""
    database.transact(lambda conn: audit(conn, municipality_id, now, by, "audit:verify", "audit"))
