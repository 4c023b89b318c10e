"""Callers whom the contractor could not find: the ward calls them back, told only what was typed (R28)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from callflow.access.auditlog import audit
from callflow.access.views import Sight, Situation, Viewer, record, sight
from callflow.errors import InputError, NotFoundError, Where
from callflow.script.fields import has_control_characters
from models.database import Database
from models.ids import new_id
from models.live import announce
from models.tables import accounts, ward_callbacks

LONGEST = 200  # characters of each field
AT_ONCE = 100  # requests on one page


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who waits for the ward's call: name, number and note as they were typed."""

    id: int
    at: datetime
    operator: str
    name: str
    phone: str
    note: str


def ask(
    database: Database, municipality_id: int, operator_id: int, now: datetime, *, name: str, phone: str, note: str = ""
) -> int:
    """Asks the ward to call somebody back. Returns the request's number. Raises InputError for what is missing."""
    typed = {"name": name.strip(), "phone": phone.strip(), "note": note.strip()}
    for field, words in (("name", "お名前"), ("phone", "電話番号")):
        if not typed[field]:
            raise InputError(f"{words}がありません", where=Where(field=field), mend="聞いたとおりに入れてください")
    for field, value in typed.items():
        if len(value) > LONGEST or has_control_characters(value):
            raise InputError(f"{LONGEST}文字までの、ふつうの文字で入れてください", where=Where(field=field))

    def work(conn: Connection) -> int:
        new = new_id(conn, ward_callbacks, municipality_id)
        own = {"municipality_id": municipality_id, "id": new, "operator_id": operator_id, "at": now}
        conn.execute(insert(ward_callbacks).values(**own, **typed))
        audit(conn, municipality_id, now, operator_id, "ward_callback:ask", f"ward_callback:{new}")
        announce(conn, municipality_id, "slip", new)
        return new

    return database.transact(work)


def see_open(database: Database, municipality_id: int, viewer: Viewer, now: datetime) -> list[Stranger]:
    """Who waits, the longest first, with an access event for each committed before it is returned."""

    def work(conn: Connection) -> list[Stranger]:
        if sight("party", viewer.roles, Situation()) is not Sight.YES:
            return []
        w = ward_callbacks.c
        query = (
            select(w.id, w.at, accounts.c.login, w.name, w.phone, w.note)
            .join(accounts, (accounts.c.municipality_id == w.municipality_id) & (accounts.c.id == w.operator_id))
            .where(w.municipality_id == municipality_id, w.done_at.is_(None))
            .order_by(w.at, w.id)
            .limit(AT_ONCE)
        )
        found = [Stranger(*row) for row in conn.execute(query)]
        for one in found:
            record(conn, municipality_id, viewer, f"ward_callback:{one.id}", {"party": Sight.YES}, now, purpose="call")
        return found

    return database.transact(work)


def done(database: Database, municipality_id: int, by: int, request_id: int, now: datetime) -> None:
    """The ward has called back. Raises NotFoundError if nobody waits under that number."""

    def work(conn: Connection) -> None:
        w = ward_callbacks.c
        mine = (w.municipality_id == municipality_id, w.id == request_id, w.done_at.is_(None))
        if not conn.execute(update(ward_callbacks).where(*mine).values(done_at=now, done_by=by)).rowcount:
            raise NotFoundError("この折返しは、待っているものの中にありません")
        audit(conn, municipality_id, now, by, "ward_callback:done", f"ward_callback:{request_id}")

    database.transact(work)
