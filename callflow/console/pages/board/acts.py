"""What is done on the board: the shift, the answer to a request for help, the switch that stops everything."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, update
from starlette.responses import Response

from callflow.access.auditlog import audit
from callflow.clock import TOKYO
from callflow.console.i18n import said
from callflow.console.visit import Visit
from callflow.errors import InputError, NotFoundError, RefusedError, Where
from callflow.incidents import look_at
from callflow.oversight import Oversight
from models.live import announce
from models.tables import desks


def shift(visit: Visit) -> Response:
    """Begins or ends one's own shift."""
    me = visit.who.account_id
    if visit.typed("do") == "end":
        visit.site.database.transact(lambda conn: _oversight(conn, visit).end_shift(me, me))
        return visit.go("/board", said="shift-ended")
    until = _today_at(visit, visit.typed("until"))
    visit.site.database.transact(lambda conn: _oversight(conn, visit).begin_shift(me, until, me))
    return visit.go("/board", said="shift-begun")


def see_help(visit: Visit) -> Response:
    """Tells an operator who asked for help that a supervisor knows. Raises NotFoundError if nobody asks any more."""
    given, m = visit.typed("operator"), visit.site.municipality_id
    operator = int(given) if given.isdecimal() else 0

    def work(conn: Connection) -> None:
        d = desks.c
        asked = (d.municipality_id == m, d.account_id == operator, d.help_since.is_not(None))
        if not conn.execute(update(desks).where(*asked).values(help_seen_at=visit.now)).rowcount:
            raise NotFoundError(
                said("この支援要請は、もう取り消されています。"), mend=said("ボードで確かめてください。")
            )
        announce(conn, m, "desk", operator)
        audit(conn, m, visit.now, visit.who.account_id, "help:seen", f"account:{operator}")

    visit.site.database.transact(work)
    return visit.go("/board", said="help-seen")


def see_abandoned(visit: Visit) -> Response:
    """A supervisor has looked into an abandoned call, with what was found. Raises NotFoundError."""
    given, note = visit.typed("call"), visit.typed("note")
    if not note:
        raise InputError(
            said("確かめたことがありません。"),
            where=Where(field="note"),
            mend=said("何が起きたかを書いてください。記録に残ります。"),
        )
    m, call_id = visit.site.municipality_id, int(given) if given.isdecimal() else 0
    visit.site.database.transact(lambda conn: look_at(conn, m, call_id, visit.who.account_id, note, visit.now))
    return visit.go("/board", said="abandoned-seen")


def stop_all(visit: Visit) -> Response:
    """災害停止: with a reason, and once it was confirmed."""
    if visit.typed("sure") != "1":
        raise RefusedError(
            said("まだ止めていません。"),
            mend=said("すべての架電が止まることを確かめる欄にしるしを付けて、もう一度押してください。"),
        )
    visit.site.database.transact(
        lambda conn: _oversight(conn, visit).stop_all(visit.typed("reason"), visit.who.account_id)
    )
    return visit.go("/board", said="all-stopped")


def lift_stop(visit: Visit) -> Response:
    visit.site.database.transact(lambda conn: _oversight(conn, visit).lift_stop(visit.who.account_id))
    return visit.go("/board", said="stop-lifted")


def _oversight(conn: Connection, visit: Visit) -> Oversight:
    return Oversight(conn, visit.site.municipality_id, visit.now)


def _today_at(visit: Visit, text: str) -> datetime:
    try:
        end = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  a time of day, joined to Tokyo's date
    except ValueError:
        raise InputError(
            said("勤務の終わりが時刻ではありません。"),
            where=Where(field="until"),
            mend=said("17:30 のように書いてください。"),
        ) from None
    return datetime.combine(visit.now.astimezone(TOKYO).date(), end, TOKYO)
