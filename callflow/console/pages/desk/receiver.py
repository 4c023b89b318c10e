"""The operator's own telephone, where it is called before residents are: taken, put down, held, handed over."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select
from starlette.responses import Response

from callflow import attendance
from callflow.attendance import Receiver
from callflow.console.pages.desk.place import Talking, place_of
from callflow.console.pages.desk.screens import is_at, show
from callflow.console.visit import Visit
from callflow.errors import CallflowError, RefusedError
from callflow.telephony.port import AttendedPhone, DeskEvent
from models.tables import accounts, shifts


def take(visit: Visit) -> Response:
    """Rings the operator, on the desk or `via` the browser; `on` empty puts the receiver down."""
    phone, site, who = visit.site.attended, visit.site, visit.who
    if phone is None:
        return show(visit)
    if not visit.typed("on"):
        found = _receiver(visit)
        return _done(visit, lambda: phone.hang_up_desk(found.desk) if found else None)
    browser = site.softphone if visit.typed("via") == "browser" else None
    address = browser.address(site.municipality_id, who.account_id) if browser else site.config.desks.get(who.login, "")
    if not address:
        return show(visit, refused=visit.say("あなたの電話が登録されていません。管理者に登録を求めてください。"))
    desk = site.database.transact(lambda conn: attendance.call(conn, site.municipality_id, who.account_id, visit.now))
    return _done(visit, lambda: phone.call_desk(desk, address))


def hold(visit: Visit) -> Response:
    """The resident waits, or hears the operator again."""
    return _in_talk(
        visit, lambda phone, desk, talk: phone.hold(desk, talk.call.provider_ref, on=bool(visit.typed("on")))
    )


def bring_in(visit: Visit) -> Response:
    """Calls the supervisor who is on shift into the talk; with `leave` the talk is theirs."""

    def act(phone: AttendedPhone, desk: str, _talk: Talking) -> None:
        if visit.typed("leave"):
            phone.hand_over(desk)
            gone = DeskEvent(desk, "gone")  # by intention: the resident is not left when it is put down
            site = visit.site
            site.database.transact(lambda conn: attendance.heard(conn, site.municipality_id, gone, visit.now))
        else:
            phone.bring_in(desk, _supervisors_address(visit))

    return _in_talk(visit, act)


def _in_talk(visit: Visit, act: Callable[[AttendedPhone, str, Talking], None]) -> Response:
    phone, place = visit.site.attended, place_of(visit.site, visit.who.account_id, visit.now)
    found = _receiver(visit)
    if phone is None or found is None or not isinstance(place, Talking) or not is_at(place, visit.typed("call")):
        return show(visit)
    return _done(visit, lambda: act(phone, found.desk, place))


def _done(visit: Visit, act: Callable[[], None]) -> Response:
    try:
        act()
    except CallflowError as error:
        return show(visit, refused=f"{error.what} {error.mend}".strip())
    return show(visit) if visit.swaps else visit.go("/desk")


def _receiver(visit: Visit) -> Receiver | None:
    with visit.site.database.read() as conn:
        return attendance.receiver_of(conn, visit.site.municipality_id, visit.who.account_id)


def _supervisors_address(visit: Visit) -> str:
    with visit.site.database.read() as conn:
        logins = _on_shift(conn, visit)
    for login in logins:
        if address := visit.site.config.desks.get(login):
            return address
    raise RefusedError(visit.say("電話が登録された責任者が勤務していません"), mend="")


def _on_shift(conn: Connection, visit: Visit) -> list[str]:
    joined = (accounts.c.municipality_id == shifts.c.municipality_id) & (accounts.c.id == shifts.c.account_id)
    found = (
        select(accounts.c.login)
        .join(shifts, joined)
        .where(shifts.c.municipality_id == visit.site.municipality_id, shifts.c.ended_at.is_(None))
        .where(shifts.c.until > visit.now)
        .order_by(shifts.c.began_at)
    )
    return [str(login) for login in conn.execute(found).scalars()]
