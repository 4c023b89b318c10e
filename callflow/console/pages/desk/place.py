"""Where an operator is, read from the database alone: so a reload, a crash or another machine finds the same step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import Connection, Integer, Row, bindparam, func, select

from callflow import calllog
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
    """A talk, or its end that waits for the confirming key (`standing.talk_ended`)."""

    call: Row[Any]
    standing: Standing


Place = Ready | OnBreak | Preview | Dialling | Talking


def place_of(site: Site, operator_id: int, now: datetime) -> Place:
    """The one place where the operator is."""
    with site.database.read() as conn:
        place = place_in(conn, site, operator_id, now)
    if is_unbegun(place):
        return Talking(place.call, site.calls.begin(place.call.id, operator_id))
    return place


def place_in(conn: Connection, site: Site, operator_id: int, now: datetime) -> Place:
    """The place in a transaction that reads more than it; a talk that has no first line yet is still `Dialling`."""
    call = _live(conn, site.municipality_id, operator_id)
    if call is not None:
        return Talking(call, site.calls.standing_of(conn, call)) if call.talk_state else Dialling(call)
    held = dealing.held_by(conn, site.municipality_id, f"operator:{operator_id}", now, site.rules_of)
    if held is not None:
        return Preview(held)
    desk = _desk(conn, site.municipality_id, operator_id)
    if desk is not None and desk.state == "break":
        return OnBreak(desk.reason, desk.since)
    return Ready()


def is_unbegun(place: Place) -> TypeGuard[Dialling]:
    """Answered, and the server stopped before the first line."""
    return isinstance(place, Dialling) and place.call.line_state == "answered"


def help_asked(conn: Connection, municipality_id: int, operator_id: int) -> tuple[datetime | None, datetime | None]:
    """Since when a supervisor is asked for, and when one has said that they know."""
    desk = _desk(conn, municipality_id, operator_id)
    return (desk.help_since, desk.help_seen_at) if desk is not None else (None, None)


def memo_of(conn: Connection, municipality_id: int, call_id: int) -> str:
    return str(conn.execute(_MEMO, {"m": municipality_id, "call": call_id}).scalar() or "")


def to_take_back(conn: Connection, municipality_id: int, operator_id: int, now: datetime) -> Any:
    """The operator's last call, if it ended after a talk within the time for taking back."""
    about = {"m": municipality_id, "operator": operator_id, "since": now - SETTLING_TIME}
    return conn.execute(_TO_TAKE_BACK, about).one_or_none()


def in_review(conn: Connection, municipality_id: int, operator_id: int) -> int:
    """How many calls of this operator wait for somebody to find out what became of them."""
    return int(conn.execute(_IN_REVIEW, {"m": municipality_id, "operator": operator_id}).scalar_one())


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


def last_answer(conn: Connection, municipality_id: int, call_id: int) -> calllog.Event | None:
    """The event that stepping back would take back, if the last act of the talk was an answer."""
    row = conn.execute(_LAST_ACT, {"m": municipality_id, "call": call_id}).one_or_none()
    found = calllog.event(row) if row else None
    return found if found and found.kind == calllog.ANSWER else None


def _live(conn: Connection, municipality_id: int, operator_id: int) -> Row[Any] | None:
    return conn.execute(_LIVE, {"m": municipality_id, "operator": operator_id}).one_or_none()


def _desk(conn: Connection, municipality_id: int, operator_id: int) -> Row[Any] | None:
    return conn.execute(_DESK, {"m": municipality_id, "operator": operator_id}).one_or_none()


# Built once: every step of every talk asks all of these.
_TENANT, _OPERATOR = bindparam("m", type_=Integer), bindparam("operator", type_=Integer)
_MINE = (calls.c.municipality_id == _TENANT, calls.c.operator_id == _OPERATOR)
_LIVE = select(calls).where(*_MINE, is_live, holds_operator)
_IN_REVIEW = (
    select(func.count())
    .select_from(calls)
    .where(calls.c.municipality_id == _TENANT, is_live, called_by(_OPERATOR), ~calls.c.unattended, ~holds_operator)
)
_TO_TAKE_BACK = (
    select(calls.c.id, calls.c.disposition, calls.c.closed_at, calls.c.script_hash)
    .where(*_MINE, calls.c.closed_at > bindparam("since", type_=Instant), calls.c.talk_state != "")
    .order_by(calls.c.closed_at.desc())
    .limit(1)
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
_MEMO = select(memos.c.text).where(memos.c.municipality_id == _TENANT, memos.c.call_id == bindparam("call"))
