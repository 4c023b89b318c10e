"""Where an operator is, read from the database alone: so a reload, a crash or another machine finds the same step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import Connection, Integer, Row, Select, bindparam, func, literal, select, true

from callflow import callbook, calllog
from callflow.caserecord import SETTLING_TIME
from callflow.console.site import Site
from callflow.standing import Standing
from models.base import Instant
from models.tables import call_events, called_by, calls, campaigns, desks, holds_operator, is_live, memos
from scheduler import dealing
from scheduler.dealing import Deal


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing is dealt."""


@dataclass(frozen=True, slots=True)
class OnBreak:
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """A case to look at; no clock runs."""

    deal: Deal


@dataclass(frozen=True, slots=True)
class Dialling:
    """A call that nobody has answered yet."""

    call: Row[Any]


@dataclass(frozen=True, slots=True)
class Talking:
    """A talk, or its end that waits for the confirming key (`standing.talk_ended`). `memo`: what was jotted down."""

    call: Row[Any]
    standing: Standing
    memo: str


Place = Ready | OnBreak | Preview | Dialling | Talking


def place_of(site: Site, operator_id: int, now: datetime) -> Place:
    """The one place where the operator is."""
    with site.database.read() as conn:
        place = place_in(conn, site, operator_id, now)
    if is_unbegun(place):
        return _talking(place.call, site.calls.begin(place.call.id, operator_id))
    return place


def place_in(conn: Connection, site: Site, operator_id: int, now: datetime) -> Place:
    """The place in a transaction that reads more than it; a talk that has no first line yet is still `Dialling`."""
    call: Row[Any] | None = conn.execute(_LIVE, {"m": site.municipality_id, "operator": operator_id}).one_or_none()
    if call is not None:
        return _talking(call, site.calls.standing_of(conn, call)) if call.talk_state else Dialling(call)
    held = dealing.held_by(conn, site.municipality_id, f"operator:{operator_id}", now, site.rules_of)
    if held is not None:
        return Preview(held)
    desk = _desk(conn, site.municipality_id, operator_id)
    if desk is not None and desk.state == "break":
        return OnBreak(desk.reason, desk.since)
    return Ready()


def talk_in(conn: Connection, site: Site, operator_id: int) -> Talking | None:
    """The operator's talk, its row locked for what is done in it; None if there is none."""
    call: Row[Any] | None = conn.execute(_LOCKED, {"m": site.municipality_id, "operator": operator_id}).one_or_none()
    return _talking(call, site.calls.standing_of(conn, call)) if call is not None and call.talk_state else None


def _talking(call: Row[Any], standing: Standing) -> Talking:
    return Talking(call, standing, call.memo or "")


def is_unbegun(place: Place) -> TypeGuard[Dialling]:
    """Answered, and the server stopped before the first line."""
    return isinstance(place, Dialling) and place.call.line_state == "answered"


def around(conn: Connection, municipality_id: int, operator_id: int, now: datetime) -> Row[Any]:
    """What every screen shows around its own: since when a supervisor is asked for and when one has said that they know
    (`help_since`, `help_seen_at`), the operator's last call if it ended after a talk within the time for taking back
    (`id`, `disposition`, `closed_at`, `script_hash`, else None), and how many of the operator's calls wait for somebody
    to find out what became of them (`in_review`).
    """
    about = {"m": municipality_id, "operator": operator_id, "since": now - SETTLING_TIME}
    here: Row[Any] = conn.execute(_AROUND, about).one()
    return here


def running_campaigns(conn: Connection, site: Site) -> list[int]:
    """The campaigns that cases are dealt from, in the order in which they were made. What is dialled ahead comes to
    an operator as a call, and is dealt to nobody; where the telephone cannot do that, it is dealt like the rest.
    """
    c = campaigns.c
    mine = [c.municipality_id == site.municipality_id, c.state == "running"]
    if site.can_dial_ahead:
        mine.append(c.mode != "predictive")
    return list(conn.execute(select(c.id).where(*mine).order_by(c.id)).scalars())


def dials_ahead(conn: Connection, municipality_id: int) -> bool:
    """Whether a campaign runs in which answered calls are put through to operators."""
    c = campaigns.c
    mine = (c.municipality_id == municipality_id, c.state == "running", c.mode == "predictive")
    return conn.execute(select(c.id).where(*mine).limit(1)).scalar() is not None


def is_progressive(conn: Connection, municipality_id: int, campaign_id: int) -> bool:
    """Whether a dealt case of the campaign is dialled without being looked at first."""
    c = campaigns.c
    mine = select(c.mode).where(c.municipality_id == municipality_id, c.id == campaign_id)
    return conn.execute(mine).scalar() in ("progressive", "predictive")


def last_contacts(conn: Connection, municipality_id: int, case_id: int, call_id: int) -> list[Any]:
    """Date and disposition of the last three calls before this one."""
    return list(conn.execute(_LAST_CONTACTS, {"m": municipality_id, "case": case_id, "call": call_id}).all())


def last_answer(conn: Connection, municipality_id: int, call_id: int) -> tuple[str, str] | None:
    """The state and the answer that stepping back would take back, if the last act of the talk was an answer."""
    row = conn.execute(_LAST_ACT, {"m": municipality_id, "call": call_id}).one_or_none()
    found = calllog.event(row) if row else None
    if found is None or found.kind != calllog.ANSWER or not found.payload:
        return None
    return found.payload["state"], found.payload["answer"]


def _desk(conn: Connection, municipality_id: int, operator_id: int) -> Row[Any] | None:
    return conn.execute(_DESK, {"m": municipality_id, "operator": operator_id}).one_or_none()


# Built once: every step of every talk asks all of these.
_TENANT, _OPERATOR = bindparam("m", type_=Integer), bindparam("operator", type_=Integer)
_MINE = (calls.c.municipality_id == _TENANT, calls.c.operator_id == _OPERATOR)
_LIVE: Select[Any] = (
    select(
        *(*callbook.COLUMNS, calls.c.talk_state, calls.c.opened_at, calls.c.answered_at),
        *(calls.c.attempt_ref, calls.c.provider_ref, memos.c.text.label("memo")),
    )
    .outerjoin(memos, (memos.c.municipality_id == calls.c.municipality_id) & (memos.c.call_id == calls.c.id))
    .where(*_MINE, is_live, holds_operator)
)
_LOCKED = _LIVE.with_for_update(of=calls)
_IN_REVIEW = (
    select(func.count())
    .select_from(calls)
    .where(calls.c.municipality_id == _TENANT, is_live, called_by(_OPERATOR), ~calls.c.unattended, ~holds_operator)
)
_ENDED = (
    select(calls.c.id, calls.c.disposition, calls.c.closed_at, calls.c.script_hash)
    .where(*_MINE, calls.c.closed_at > bindparam("since", type_=Instant), calls.c.talk_state != "")
    .order_by(calls.c.closed_at.desc())
    .limit(1)
    .subquery()
)
_HELP = (
    select(desks.c.help_since, desks.c.help_seen_at)
    .where(desks.c.municipality_id == _TENANT, desks.c.account_id == _OPERATOR)
    .subquery()
)
_AROUND: Select[Any] = (
    select(*_HELP.c, *_ENDED.c, _IN_REVIEW.scalar_subquery().label("in_review"))
    .select_from(select(literal(1)).subquery())
    .outerjoin(_HELP, true())
    .outerjoin(_ENDED, true())
)
_DESK = select(desks).where(desks.c.municipality_id == _TENANT, desks.c.account_id == _OPERATOR)
_LAST_CONTACTS = (
    select(calls.c.closed_at, calls.c.disposition)
    .where(calls.c.municipality_id == _TENANT, calls.c.case_id == bindparam("case", type_=Integer))
    .where(calls.c.id != bindparam("call", type_=Integer), calls.c.live.is_(False))
    .order_by(calls.c.closed_at.desc())
    .limit(3)
)
_LAST_ACT = (
    select(*calllog.COLUMNS)
    .where(call_events.c.municipality_id == _TENANT, call_events.c.call_id == bindparam("call", type_=Integer))
    .where(call_events.c.kind.in_((calllog.ANSWER, calllog.BACK, calllog.BEGIN)))
    .order_by(call_events.c.seq.desc())
    .limit(1)
)
