"""Who watches over the dialling: supervisors' shifts (R04), and the one switch that stops everything.

A campaign is dialled only while its named supervisor is on shift; when the shift ends, its campaigns pause. The stop
is a row: every process, on every host, sees it at its next judgement. Each act leaves an audit event and is
announced to the boards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, insert, select, update

from callflow.access.accounts import acting
from callflow.access.auditlog import audit
from callflow.campaigns import Campaigns
from callflow.errors import InputError, RefusedError, Where
from models.ids import new_id
from models.live import announce
from models.tables import accounts, campaigns, dial_stops, shifts

SHIFT_ENDED = "業務責任者の勤務が終わりました"


@dataclass(frozen=True, slots=True)
class Shift:
    """A supervisor's shift that has not ended."""

    account_id: int
    login: str
    began_at: datetime
    until: datetime


_STOP = select(dial_stops.c.since, dial_stops.c.reason).where(
    dial_stops.c.municipality_id == bindparam("m"), dial_stops.c.lifted_at.is_(None)
)


def standing_stop(conn: Connection, municipality_id: int) -> Row[datetime, str] | None:
    """The stop of everything that stands: since when, and why."""
    return conn.execute(_STOP, {"m": municipality_id}).one_or_none()


class Oversight:
    """Inside the caller's transaction and at its moment."""

    def __init__(self, conn: Connection, municipality_id: int, now: datetime) -> None:
        self._conn = conn
        self._municipality_id = municipality_id
        self._now = now

    def begin_shift(self, account_id: int, until: datetime, by: int) -> None:
        """The supervisor is on shift from now until `until` at the latest. Raises RefusedError, InputError."""
        self.end_overdue()
        if until <= self._now:
            raise InputError("勤務の終わりがいまより前です", where=Where(field="until"))
        who = acting(self._conn, self._municipality_id, account_id)
        if who is None or "supervisor" not in who.roles:
            raise RefusedError(
                "業務責任者の役割を持つ利用者ではありません", mend="role supervisor の利用者を指定してください"
            )
        if self._open(shifts.c.account_id == account_id):
            raise RefusedError("すでに勤務中です", mend="ボードか callflow campaign shift list で確かめられます")
        self._conn.execute(
            insert(shifts).values(
                municipality_id=self._municipality_id,
                id=new_id(self._conn, shifts, self._municipality_id),
                account_id=account_id,
                began_at=self._now,
                until=until,
            )
        )
        self._audit(by, "shift:begin", f"account:{account_id}")

    def end_shift(self, account_id: int, by: int) -> list[int]:
        """The shift is over. Returns the campaigns that pause with it. Raises RefusedError if there is none."""
        ended = self._conn.execute(
            update(shifts)
            .where(self._mine(shifts), shifts.c.account_id == account_id, shifts.c.ended_at.is_(None))
            .values(ended_at=self._now, ended_by=by)
        )
        if not ended.rowcount:
            raise RefusedError("勤務中ではありません", mend="ボードか callflow campaign shift list で確かめられます")
        self._audit(by, "shift:end", f"account:{account_id}")
        return self._pause_campaigns_of(account_id, by)

    def end_overdue(self) -> list[int]:
        """Ends the shifts that nobody ended in time; may be repeated. Returns the campaigns that pause with them.

        They count no more from `until` on, whether or not this has run: it only puts that on record.
        """
        overdue = self._open(shifts.c.until <= self._now)
        paused: list[int] = []
        for row in overdue:
            self._conn.execute(
                update(shifts).where(self._mine(shifts), shifts.c.id == row.id).values(ended_at=row.until)
            )
            self._audit(None, "shift:expire", f"account:{row.account_id}")
            paused += self._pause_campaigns_of(row.account_id, None)
        return paused

    def on_shift(self) -> list[Shift]:
        """Who is on shift now, the longest first."""
        rows = self._open(shifts.c.began_at <= self._now, shifts.c.until > self._now)
        return [Shift(row.account_id, row.login, row.began_at, row.until) for row in rows]

    def stop_all(self, reason: str, by: int) -> None:
        """災害等による全停止: no campaign is dialled until it is lifted. Raises RefusedError if it stands already."""
        if not reason.strip():
            raise InputError("理由がありません", where=Where(field="reason"), mend="止める理由を書いてください")
        if self.stop() is not None:
            raise RefusedError(
                "すでに全停止中です", mend="解除できるのは区の職員です（ボード、callflow campaign lift-stop）"
            )
        self._conn.execute(
            insert(dial_stops).values(
                municipality_id=self._municipality_id,
                id=new_id(self._conn, dial_stops, self._municipality_id),
                since=self._now,
                stopped_by=by,
                reason=reason.strip(),
            )
        )
        self._audit(by, "dialling:stop", "dialling", reason.strip())

    def lift_stop(self, by: int) -> None:
        """Dialling goes on where campaigns run. Only the ward lifts it. Raises RefusedError."""
        who = acting(self._conn, self._municipality_id, by)
        if who is None or who.kind != "ward":
            raise RefusedError("全停止を解除できるのは区の職員だけです")
        lifted = self._conn.execute(
            update(dial_stops)
            .where(self._mine(dial_stops), dial_stops.c.lifted_at.is_(None))
            .values(lifted_at=self._now, lifted_by=by)
        )
        if not lifted.rowcount:
            raise RefusedError("全停止はかかっていません")
        self._audit(by, "dialling:lift", "dialling")

    def stop(self) -> Row[datetime, str] | None:
        """The stop that stands: since when, and why."""
        return standing_stop(self._conn, self._municipality_id)

    def _pause_campaigns_of(self, account_id: int, by: int | None) -> list[int]:
        running = self._conn.execute(
            select(campaigns.c.id).where(
                self._mine(campaigns), campaigns.c.supervisor_id == account_id, campaigns.c.state == "running"
            )
        ).scalars()
        desk = Campaigns(self._conn, self._municipality_id, self._now)
        paused = list(running)
        for campaign_id in paused:
            desk.pause(campaign_id, by, SHIFT_ENDED)
        return paused

    def _open(self, *conditions: ColumnElement[bool]) -> list[Row[Any]]:
        joined = shifts.join(
            accounts,
            (accounts.c.municipality_id == shifts.c.municipality_id) & (accounts.c.id == shifts.c.account_id),
        )
        query = select(shifts.c.id, shifts.c.account_id, accounts.c.login, shifts.c.began_at, shifts.c.until)
        return list(
            self._conn.execute(
                query.select_from(joined)
                .where(self._mine(shifts), shifts.c.ended_at.is_(None), *conditions)
                .order_by(shifts.c.began_at)
            )
        )

    def _mine(self, table: Table) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = table.c.municipality_id == self._municipality_id
        return condition

    def _audit(self, by: int | None, verb: str, what: str, purpose: str = "") -> None:
        announce(self._conn, self._municipality_id, "campaign")
        audit(self._conn, self._municipality_id, self._now, by, verb, what, purpose=purpose)
