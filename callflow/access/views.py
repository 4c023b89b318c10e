"""Who sees which personal field: the table of rules, decided before a page is made, and the record of what was shown.

`see_case` is the one way from the database to a screen. It writes the access event in the transaction that reads the
fields and returns only after the commit: no event, no field (I8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, Literal

from sqlalchemy import Connection, exists, select

from callflow.access.accounts import Kind
from callflow.access.auditlog import audit
from callflow.access.glass import SealedError, is_open
from callflow.errors import NotFoundError
from callflow.numbering import grouped
from models.database import Database
from models.tables import (
    arrears,
    audit_events,
    called_by,
    calls,
    campaigns,
    cases,
    debtor_phones,
    debtors,
    households,
    is_live,
    phone_numbers,
    queue_entries,
)

Group = Literal["party", "identity", "protection", "follow_up", "replay", "debt", "history", "report"]

MASK: Final = "＊＊＊"


FOUND: Final = "inbound:search"
FOUND_FOR: Final = timedelta(minutes=5)
"""A resident who calls back: the one case that a search found is the searcher's for so long, until its call opens."""


class Sight(IntEnum):
    """How much of a group of fields is shown."""

    NO = 0
    MASKED = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Situation:
    """How a person and a case stand to each other now."""

    current_call: bool = False  # dealt to this person, found for who calls back, or in a call of theirs
    verified: bool = False  # and that call's voice was identified
    own_call: bool = False  # has had a call with it
    own_campaign: bool = False  # supervises a campaign that holds it
    approved: bool = False  # an approved request to see it


Rule = Literal["yes", "no", "masked", "current call", "verified call", "own calls", "own campaigns", "on approval"]

RULES: Final[Mapping[Group, Mapping[str, Rule]]] = {
    "party": {  # name, reading, number
        "operator": "current call",
        "supervisor": "own campaigns",
        "staff": "yes",
        "auditor": "masked",
        "admin": "no",
    },
    "identity": {  # address, birth date, spouse: an operator only compares, blindly
        "operator": "no",
        "supervisor": "masked",
        "staff": "yes",
        "auditor": "no",
        "admin": "no",
    },
    "protection": {"operator": "no", "supervisor": "no", "staff": "yes", "auditor": "no", "admin": "no"},
    "follow_up": {  # promises and slips with their states
        "operator": "own calls",
        "supervisor": "own campaigns",
        "staff": "yes",
        "auditor": "masked",
        "admin": "no",
    },
    "replay": {  # what was said, step by step
        "operator": "no",
        "supervisor": "own campaigns",
        "staff": "yes",
        "auditor": "on approval",
        "admin": "no",
    },
    "debt": {  # instalments and unpaid amounts
        "operator": "verified call",
        "supervisor": "verified call",
        "staff": "yes",
        "auditor": "masked",
        "admin": "no",
    },
    "history": {  # contacts; an operator sees the last three
        "operator": "verified call",
        "supervisor": "own campaigns",
        "staff": "yes",
        "auditor": "no",
        "admin": "no",
    },
    "report": {"operator": "no", "supervisor": "no", "staff": "yes", "auditor": "no", "admin": "no"},
}
"""Field group → role → rule (docs/security.md has the same table in words)."""

SHOWN_TO: Final[Mapping[Group, str]] = {
    "party": "name,kana,phone",
    "identity": "address,birth_date,spouse",
    "protection": "protected",
    "follow_up": "promises,slips",
    "replay": "events",
    "debt": "instalments",
    "history": "contacts",
    "report": "living_report",
}
"""What stands in the access event for a group: names of fields, never values."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. `kind`: of their organisation."""

    account_id: int
    roles: frozenset[str]
    kind: Kind


@dataclass(frozen=True, slots=True)
class InstalmentView:
    """期別: the fiscal year, its number, when it was due, and what is unpaid (yen)."""

    levy_year: int
    instalment: int
    due_on: date | None
    unpaid: int


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as one person may see it now. A field is None where it may not be seen, `MASK` where it is masked."""

    case_id: int
    claim_type: str
    sights: Mapping[Group, Sight]
    name: str | None
    kana: str | None
    phones: tuple[str, ...] | None
    address: str | None
    birth_date: str | None
    spouse: str | None
    protected: bool | None
    instalments: tuple[InstalmentView, ...] | None
    postal_code: str | None = None
    corporate: bool = False  # 法人: a letter is addressed 御中
    sealed: bool = False  # of a protected household that this person has not opened


def sight(group: Group, roles: Iterable[str], situation: Situation) -> Sight:
    """The best that any of a person's roles gives."""
    return max((_by_rule(RULES[group].get(role, "no"), situation) for role in roles), default=Sight.NO)


def situation_of(conn: Connection, municipality_id: int, viewer: Viewer, case_id: int, now: datetime) -> Situation:
    """How this person and this case stand to each other now, as the database has it."""
    own = (calls.c.municipality_id == municipality_id) & (calls.c.case_id == case_id)
    mine = own & called_by(viewer.account_id)
    live = conn.execute(select(calls.c.party).where(mine, is_live).limit(1)).first()
    held = _held(municipality_id, viewer, case_id, now)
    supervised = (
        select(queue_entries.c.case_id)
        .join(
            campaigns,
            (campaigns.c.municipality_id == queue_entries.c.municipality_id)
            & (campaigns.c.id == queue_entries.c.campaign_id),
        )
        .where(
            queue_entries.c.municipality_id == municipality_id,
            queue_entries.c.case_id == case_id,
            campaigns.c.supervisor_id == viewer.account_id,
        )
    )
    a = audit_events.c
    called_back = select(a.id).where(
        a.municipality_id == municipality_id,
        a.at > now - FOUND_FOR,
        a.actor_id == viewer.account_id,
        a.verb == FOUND,
        a.object == f"case:{case_id}",
    )
    asked = (exists(select(calls.c.id).where(mine)), exists(held), exists(supervised), exists(called_back))
    found = conn.execute(select(*asked)).one()
    return Situation(
        current_call=live is not None or found[1] or found[3],
        verified=live is not None and live.party is not None,
        own_call=found[0],
        own_campaign=found[2],
    )


def see_case(
    database: Database,
    municipality_id: int,
    viewer: Viewer,
    case_id: int,
    groups: Iterable[Group],
    now: datetime,
    *,
    purpose: str = "",
) -> CaseView:
    """A case as `viewer` may see it, with its access event committed. Raises NotFoundError where it is not there.

    A protected household (支援措置) is not there for anybody but the ward, and sealed for its staff too until they
    break the glass: SealedError. `purpose`: why, where the page asks for it.
    """
    asked = tuple(groups)

    def work(conn: Connection) -> CaseView:
        found = _see(conn, municipality_id, viewer, case_id, asked, now, purpose)
        if found is None:
            raise NotFoundError(f"案件 {case_id} はありません")
        unsealed = [sight(group, viewer.roles, Situation()) for group in asked if group != "protection"]
        if found.sealed and Sight.YES in unsealed:
            raise SealedError(case_id)
        return found

    return database.transact(work)


def see_cases(
    database: Database,
    municipality_id: int,
    viewer: Viewer,
    case_ids: Iterable[int],
    groups: Iterable[Group],
    now: datetime,
    *,
    purpose: str = "",
) -> dict[int, CaseView]:
    """Several cases as `see_case` shows one, each with its own access event; those that are not there are left out,
    and a sealed one is masked."""
    wanted, shown = list(dict.fromkeys(case_ids)), tuple(groups)

    def work(conn: Connection) -> dict[int, CaseView]:
        found = ((case_id, _see(conn, municipality_id, viewer, case_id, shown, now, purpose)) for case_id in wanted)
        return {case_id: view for case_id, view in found if view is not None}

    return database.transact(work)


def _see(
    conn: Connection,
    municipality_id: int,
    viewer: Viewer,
    case_id: int,
    groups: tuple[Group, ...],
    now: datetime,
    purpose: str,
) -> CaseView | None:
    """One case with its access event written; None where it is not there for this person."""
    row = _row(conn, municipality_id, case_id)
    if row is None or (row.protected and viewer.kind != "ward"):
        return None
    situation = situation_of(conn, municipality_id, viewer, case_id, now)
    sights = {group: sight(group, viewer.roles, situation) for group in groups}
    sealed = bool(row.protected) and not is_open(conn, municipality_id, viewer.account_id, row.household_id, now)
    if sealed:
        sights = {group: _behind_the_seal(group, seen) for group, seen in sights.items()}
    record(conn, municipality_id, viewer, f"case:{case_id}", sights, now, purpose=purpose)
    return _view(conn, municipality_id, row, sights, sealed=sealed)


def record(
    conn: Connection,
    municipality_id: int,
    viewer: Viewer,
    thing: str,
    sights: Mapping[Group, Sight],
    now: datetime,
    *,
    purpose: str = "",
) -> None:
    """The access event of what is about to be shown; nothing is written where nothing is."""
    shown = [SHOWN_TO[group] for group, seen in sights.items() if seen is Sight.YES]
    if shown:
        verb = f"{thing.partition(':')[0]}:view"
        audit(conn, municipality_id, now, viewer.account_id, verb, thing, purpose=purpose, fields=",".join(shown))


def _behind_the_seal(group: Group, seen: Sight) -> Sight:
    """That a household is protected may be known; nothing else of it is shown."""
    return seen if group == "protection" else min(seen, Sight.MASKED)


def masked(value: str, seen: Sight) -> str | None:
    """A text as it may be seen."""
    return {Sight.YES: value, Sight.MASKED: MASK, Sight.NO: None}[seen]


def _by_rule(rule: Rule, situation: Situation) -> Sight:
    holds = {
        "yes": True,
        "no": False,
        "masked": False,
        "current call": situation.current_call,
        "verified call": situation.current_call and situation.verified,
        "own calls": situation.own_call,
        "own campaigns": situation.own_campaign,
        "on approval": situation.approved,
    }[rule]
    return Sight.YES if holds else Sight.MASKED if rule == "masked" else Sight.NO


def _held(municipality_id: int, viewer: Viewer, case_id: int, now: datetime) -> Any:
    q = queue_entries.c
    return select(q.case_id).where(
        q.municipality_id == municipality_id,
        q.case_id == case_id,
        q.state == "claimed",
        q.claimed_by == f"operator:{viewer.account_id}",
        q.lease_until > now,
    )


def _row(conn: Connection, municipality_id: int, case_id: int) -> Any:
    d, h = debtors.c, households.c
    return conn.execute(
        select(
            *(cases.c.id, cases.c.claim_type, cases.c.debtor_id, cases.c.household_id, h.protected),
            *(d.name, d.kana, d.postal_code, d.address, d.birth_date, d.spouse_name, d.is_corporate),
        )
        .join(debtors, (d.municipality_id == cases.c.municipality_id) & (d.id == cases.c.debtor_id))
        .join(households, (h.municipality_id == cases.c.municipality_id) & (h.id == cases.c.household_id))
        .where(cases.c.municipality_id == municipality_id, cases.c.id == case_id)
    ).one_or_none()


def _view(conn: Connection, municipality_id: int, row: Any, sights: Mapping[Group, Sight], *, sealed: bool) -> CaseView:
    party, identity = sights.get("party", Sight.NO), sights.get("identity", Sight.NO)
    birth = row.birth_date.isoformat() if row.birth_date else ""
    return CaseView(
        case_id=row.id,
        claim_type=row.claim_type,
        sights=sights,
        name=masked(row.name, party),
        kana=masked(row.kana, party),
        phones=_phones(conn, municipality_id, row.debtor_id) if party is Sight.YES else None,
        address=masked(row.address, identity),
        birth_date=masked(birth, identity),
        spouse=masked(row.spouse_name, identity),
        protected=bool(row.protected) if sights.get("protection") is Sight.YES else None,
        instalments=_instalments(conn, municipality_id, row.id) if sights.get("debt") is Sight.YES else None,
        postal_code=masked(row.postal_code, identity),
        corporate=bool(row.is_corporate) and party is Sight.YES,
        sealed=sealed,
    )


def _phones(conn: Connection, municipality_id: int, debtor_id: int) -> tuple[str, ...]:
    """As they are dialled; as they were listed where nobody can dial them."""
    p, n = debtor_phones.c, phone_numbers.c
    listed = (
        select(p.raw, n.e164)
        .outerjoin(phone_numbers, (n.municipality_id == p.municipality_id) & (n.id == p.number_id))
        .where(p.municipality_id == municipality_id, p.debtor_id == debtor_id)
        .order_by(p.position)
    )
    return tuple(grouped(e164) if e164 else raw for raw, e164 in conn.execute(listed))


def _instalments(conn: Connection, municipality_id: int, case_id: int) -> tuple[InstalmentView, ...]:
    a = arrears.c
    owed = (
        select(a.levy_year, a.instalment, a.due_on, a.unpaid)
        .where(a.municipality_id == municipality_id, a.case_id == case_id, a.active, a.unpaid > 0)
        .order_by(a.due_on, a.levy_year, a.instalment)
    )
    return tuple(InstalmentView(*row) for row in conn.execute(owed))
