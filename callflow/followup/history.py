"""Every act on a record after its call, as an event row, and the guarded change that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, select, update

from callflow.access.accounts import acting
from callflow.errors import NotFoundError, TryLaterError
from callflow.followup.acts import ACTS, NAMES, Move, Thing, decide
from models.ids import new_id
from models.live import Topic, announce
from models.tables import accounts, contact_slips, follow_up_events, living_reports, visits

TABLES: Final[dict[Thing, Table]] = {"slip": contact_slips, "report": living_reports, "visit": visits}
TOPICS: Final[dict[Thing, Topic]] = {"slip": "slip", "report": "report", "visit": "report", "promise": "report"}


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts, and when. `account_id` None: the program itself, as a periodic duty or an import."""

    municipality_id: int
    account_id: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as people read it. `actor` empty: the program."""

    at: datetime
    actor: str
    act: str
    label: str
    before: str
    after: str
    note: str


def roles_of(conn: Connection, who: Who) -> frozenset[str]:
    """The roles of who acts; the program may do what staff may."""
    if who.account_id is None:
        return frozenset({"staff"})
    found = acting(conn, who.municipality_id, who.account_id)
    return found.roles if found else frozenset()


def row_of(conn: Connection, who: Who, thing: Thing, one: int) -> Row[Any]:
    """Raises NotFoundError."""
    table = TABLES[thing]
    query = select(table).where(table.c.municipality_id == who.municipality_id, table.c.id == one)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"{NAMES[thing]} {one} はありません")
    return row


def act(conn: Connection, who: Who, thing: Thing, one: int, name: str, note: str = "", **values: object) -> Row[Any]:
    """Does an act on a record, with its event, and returns the record as it was before.

    Two people never both do it: the change names the state that it was decided on. Raises NotFoundError, RefusedError,
    InputError, and TryLaterError where somebody else was quicker.
    """
    row = row_of(conn, who, thing, one)
    move = decide(thing, name, row.state, roles_of(conn, who), note)
    change(conn, who, thing, row, move, **values)
    return row


def change(conn: Connection, who: Who, thing: Thing, row: Row[Any], move: Move, **values: object) -> None:
    """The guarded update of a move that was decided on `row`, and its event."""
    table = TABLES[thing]
    mine = (table.c.municipality_id == who.municipality_id, table.c.id == row.id, table.c.state == row.state)
    if conn.execute(update(table).where(*mine).values(state=move.after, **values)).rowcount != 1:
        mend = "画面を開き直して、いまの状態を確かめてください"
        raise TryLaterError(f"{NAMES[thing]} {row.id} は、いま別の人が変更しました", mend=mend)
    note_event(conn, who, thing, row.id, move.act, row.state, move.after, move.note)


def note_event(
    conn: Connection, who: Who, thing: Thing, one: int, name: str, before: str, after: str, note: str = ""
) -> None:
    """One event; rows are never changed."""
    organisation = None
    if who.account_id is not None:
        own = (accounts.c.municipality_id == who.municipality_id, accounts.c.id == who.account_id)
        organisation = conn.execute(select(accounts.c.organisation_id).where(*own)).scalar()
    conn.execute(
        follow_up_events.insert().values(
            municipality_id=who.municipality_id,
            id=new_id(conn, follow_up_events, who.municipality_id),
            thing=thing,
            thing_id=one,
            at=who.now,
            actor_id=who.account_id,
            organisation_id=organisation,
            act=name,
            before=before,
            after=after,
            note=note,
        )
    )
    announce(conn, who.municipality_id, TOPICS[thing], one)


def told(conn: Connection, municipality_id: int, thing: Thing, one: int) -> list[Happened]:
    """What happened to a record since its call, oldest first."""
    e, a = follow_up_events.c, accounts.c
    query = (
        select(e.at, a.display_name, e.act, e.before, e.after, e.note)
        .outerjoin(accounts, (a.municipality_id == e.municipality_id) & (a.id == e.actor_id))
        .where(e.municipality_id == municipality_id, e.thing == thing, e.thing_id == one)
        .order_by(e.id)
    )
    return [
        Happened(row.at, row.display_name or "", row.act, label(thing, row.act), row.before, row.after, row.note)
        for row in conn.execute(query)
    ]


def label(thing: Thing, name: str) -> str:
    """An act in words."""
    found = ACTS.get(thing, {}).get(name)
    return found.label if found else OTHER_ACTS.get(name, name)


OTHER_ACTS: Final = {
    "call_planned": "区からの電話を予定",
    "call_reached": "区からの電話: 話せた",
    "call_missed": "区からの電話: つながらない",
    "call_cancelled": "区からの電話を取りやめ",
    "content": "報告書の内容を入力",
    "printed": "手紙と用紙を印刷",
    "judge": "履行を判定",
    "acknowledged": "債務承認の候補を確認: 該当",
    "not_acknowledged": "債務承認の候補を確認: 該当しない",
    "list": "訪問一覧に載せる",
}
"""What is recorded of a thing without moving it."""
