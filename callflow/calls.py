"""One call from opening to close. Each method is one transaction; what it returns is committed.

A step names the step that the operator saw: a stale tab, a double click or a repeated request changes nothing
and is shown where the call truly stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from callflow import calllog, caserecord, line, replay
from callflow.briefing import Desk, brief
from callflow.callbook import CallBook, Held
from callflow.calllog import Entry, by_operator
from callflow.clock import Clock
from callflow.effects import Effect, as_data, effects_of
from callflow.errors import NotFoundError, RefusedError
from callflow.line import LineEvent
from callflow.script.model import END
from callflow.shelf import Shelf
from callflow.standing import Closed, Opening, Standing
from callflow.talks import Talks
from callflow.typed import check_text, chosen_settings
from models.database import Database
from models.ids import new_id
from models.locks import lock_household
from models.tables import abandonments, accounts, calls

# Built once: a statement's construction costs more than its execution.
_TENANT = bindparam("m", type_=Integer)
_NAME = select(accounts.c.display_name).where(
    accounts.c.municipality_id == _TENANT, accounts.c.id == bindparam("operator")
)
_ABANDONED = insert(abandonments)
_EVER = datetime.max.replace(tzinfo=UTC)


class Calls:
    """The call desk of one municipality. Safe to share between threads; the database guards the order."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        shelf: Shelf,
        desk: Desk,
        municipality_id: int,
        salt: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database = database
        self._clock = clock
        self._shelf = shelf
        self._desk = desk
        self._municipality_id = municipality_id
        self._salt = salt
        self._book = CallBook(shelf, municipality_id, salt)
        self._talks = Talks(self._book, clock, municipality_id, blind_identification=desk.blind_identification)

    def open(
        self, opening: Opening, *, allow: Callable[[Connection], None] | None = None, placing: bool = False
    ) -> int:
        """Opens a call and returns its id; `placing`: the intent to dial is committed with it.

        `allow` judges the policy inside the transaction, under the household's row lock; it raises RefusedError
        to forbid the call. Raises RefusedError too if the case, the number, the household or the operator has a
        live call (I1, held by the database), NotFoundError for an unknown case.
        """
        try:
            return self._database.transact(lambda conn: self._open(conn, opening, allow, placing))
        except IntegrityError as error:
            raise RefusedError(
                "この案件・世帯・番号・担当者には、まだ終わっていない通話があります",
                mend="先の通話を終えるか、確認待ちを解消してください",
            ) from error

    def line(
        self, call_id: int, kind: str, *, at: datetime | None = None, provider_ref: str = "", cause: str = ""
    ) -> str:
        """Records an event of the telephone line and returns the line's state; late or repeated ones move nothing."""
        event = LineEvent(kind, at or self._clock.now(), provider_ref, cause)  # type: ignore[arg-type]
        return self._database.transact(
            lambda conn: self._move(conn, self._book.hold(conn, call_id, needs_live=False), event).line_state
        )

    def pick_up(self, call_id: int, event: LineEvent, operator_id: int) -> tuple[str, Standing | None]:
        """Records an event of the line of a call that has its operator. Where the line is answered by then, the talk
        begins in the same transaction. The line's state, and where the talk stands; None if there is none.
        """

        def work(conn: Connection) -> tuple[str, Standing | None]:
            held = self._move(conn, self._book.hold(conn, call_id, operator_id, needs_live=False), event)
            if held.line_state != "answered" or not held.row.live:
                return held.line_state, None
            if held.told.talk is not None:
                return held.line_state, self._talks.standing(held)
            return held.line_state, self._talks.begin(conn, held, operator_id, {})

        return self._database.transact(work)

    def end_line(
        self, call_id: int, event: LineEvent, actor: str, then: Callable[[Connection, Closed], None]
    ) -> Closed | None:
        """Records an event that ends the line. A call in which nobody has talked ends with it, in the same
        transaction, as by `close`; None if there is a talk, which ends as its operator says.
        """

        def work(conn: Connection) -> Closed | None:
            held = self._book.hold(conn, call_id, needs_live=False)
            if not held.row.live:
                return _already(held)
            held = self._move(conn, held, event)
            if held.told.talk is not None or not line.is_over(held.line_state):
                return None
            return self._close(conn, held, actor, "ended", then)

        return self._database.transact(work)

    def begin(self, call_id: int, operator_id: int) -> Standing:
        """Begins the talk of an answered call: the first line. Repeated, it shows where the talk stands."""

        def work(conn: Connection) -> Standing:
            held = self._book.hold(conn, call_id, operator_id)
            if held.told.talk is not None:
                return self._talks.standing(held)
            if held.line_state != "answered":
                raise RefusedError("まだ電話に出ていません", mend="つながってから始めてください")
            return self._talks.begin(conn, held, operator_id, {})

        return self._database.transact(work)

    def put_through(self, call_id: int, operator_id: int) -> Standing:
        """Brings an answered call that was dialled ahead to an operator, who sees the first line.

        Raises RefusedError if somebody else has it by now, or the operator is in a call (held by the database).
        """

        def work(conn: Connection) -> Standing:
            held = self._book.hold(conn, call_id)
            if not held.row.unattended or held.line_state != "answered":
                raise RefusedError("この通話はもうつなげません", mend="次の通話を待ってください")
            self._book.set(conn, call_id, operator_id=operator_id, unattended=False)
            name = conn.execute(_NAME, {"m": self._municipality_id, "operator": operator_id}).scalar_one()
            return self._talks.begin(conn, self._book.hold(conn, call_id, operator_id), operator_id, {"operator": name})

        try:
            return self._database.transact(work)
        except IntegrityError as error:
            raise RefusedError("担当者はほかの通話中です", mend="ほかの担当者につなぎます") from error

    def standing(self, call_id: int, operator_id: int) -> Standing:
        """Where the call stands now; for a reload, a crash, another machine."""
        with self._database.read() as conn:
            return self._talks.standing(self._book.hold(conn, call_id, operator_id, lock=False))

    def standing_of(self, conn: Connection, row: Row[Any]) -> Standing:
        """Where a call stands by its row of `calls`, which was read in the transaction of `conn`."""
        return self._talks.standing(self._book.held(conn, row))

    def amounts_to(self, call_id: int, operator_id: int) -> tuple[str, tuple[Effect, ...]]:
        """The disposition and all that the call would cause if it ended now."""
        with self._database.read() as conn:
            held = self._book.hold(conn, call_id, operator_id, lock=False)
        end = replay.ending(held.flow.script, held.told, "ended")
        return end.code, effects_of(end)

    def conditions(self, conn: Connection, call_id: int) -> Mapping[str, bool]:
        """What the call was opened under."""
        return self._book.hold(conn, call_id, lock=False, needs_live=False).told.conditions

    def answer(
        self,
        call_id: int,
        operator_id: int,
        step: int,
        name: str,
        *,
        fields: Mapping[str, Any] | None = None,
        holds: Mapping[str, bool] | None = None,
    ) -> Standing:
        """Takes an answer at `step`.

        `fields`: what was typed, by field name; `identity` is `{"name": bool, "birth_date" | "address": text}`
        and is compared here. `holds`: screen conditions of a script's own. A stale step, an unknown answer or a
        missing field changes nothing and comes back as `refused`; a field that cannot be read raises InputError.
        """
        return self._database.transact(
            lambda conn: self._talks.answer(
                conn, self._book.hold(conn, call_id, operator_id), step, name, fields or {}, holds or {}
            )
        )

    def answer_in(self, conn: Connection, row: Row[Any], step: int, name: str, fields: Mapping[str, Any]) -> Standing:
        """`answer` inside the transaction of `conn`, in which the live call's `row` (`callbook.COLUMNS`) was locked."""
        return self._talks.answer(conn, self._book.held(conn, row), step, name, fields, {})

    def back(self, call_id: int, operator_id: int, step: int) -> Standing:
        """Goes back one answer: an event of its own that takes back what that answer had won."""
        return self._database.transact(
            lambda conn: self._talks.back(conn, self._book.hold(conn, call_id, operator_id), step)
        )

    def back_in(self, conn: Connection, row: Row[Any], step: int) -> Standing:
        """`back` inside the transaction of `conn`, in which the live call's `row` was locked."""
        return self._talks.back(conn, self._book.held(conn, row), step)

    def note(self, call_id: int, operator_id: int, text: str) -> Standing:
        """Adds a note to the record of a live call (at most 500 characters)."""
        text = text.strip()
        check_text("note", text, needed=True)

        def work(conn: Connection) -> Standing:
            held = self._book.hold(conn, call_id, operator_id)
            return self._talks.note(conn, held, operator_id, text)

        return self._database.transact(work)

    def signal(self, call_id: int, operator_id: int, step: int, reason: str) -> Standing:
        """Raises a signal; it is written at once and survives everything that follows."""
        return self.answer(call_id, operator_id, step, "signal", fields={"signal.reason": reason})

    def hang_up(self, call_id: int, operator_id: int, step: int) -> Standing:
        """The other side hung up."""
        return self.answer(call_id, operator_id, step, "hang_up")

    def close(
        self,
        call_id: int,
        actor: str,
        *,
        reason: str = "ended",
        found: Mapping[str, Any] | None = None,
        then: Callable[[Connection, Closed], None] | None = None,
    ) -> Closed:
        """Ends a call: its outcome and all that it causes, in one transaction. Closing again changes nothing.

        `reason` is `ended`, or `unended` for a call that nobody ended (未確定). `found`: what a person found out of
        the line of a call in review, as an event of the line. `then` joins the same transaction, for what must
        stand or fall with the outcome. Raises RefusedError while somebody still talks.
        """

        def work(conn: Connection) -> Closed:
            held = self._book.hold(conn, call_id, needs_live=False)
            if not held.row.live:
                return _already(held)
            if found is not None:
                held = self._learn(conn, held, actor, found)
            talk = held.told.talk
            if talk is not None and talk.state != END and reason != replay.UNENDED:
                raise RefusedError("まだ通話中です", mend="「切れた」か最後の応答を選んでください")
            if talk is None and held.line_state not in ("ended", "needs_review"):
                raise RefusedError("まだ回線が終わっていません", mend="回線の結果を待ってください")
            return self._close(conn, held, actor, reason, then)

        return self._database.transact(work)

    def _open(
        self, conn: Connection, opening: Opening, allow: Callable[[Connection], None] | None, placing: bool
    ) -> int:
        now = self._clock.now()
        who = (opening.case_id, opening.operator_id)
        briefing = brief(
            conn, self._municipality_id, *who, self._desk, now, number_id=opening.number_id, policy=opening.policy
        )
        if briefing is None:
            raise NotFoundError(f"案件 {opening.case_id} はありません")
        lock_household(conn, self._municipality_id, briefing.household_id)
        if allow:
            allow(conn)
        flow = self._shelf.flow(conn, self._municipality_id, opening.script_hash)
        settings = chosen_settings(flow.script, opening.settings)
        call_id = new_id(conn, calls, self._municipality_id)
        attempt_ref, inbound = self._salt(16).hex(), opening.direction == "inbound"
        opened = {
            "script": opening.script_hash,
            "direction": opening.direction,
            "settings": settings,
            "conditions": dict(briefing.conditions),
            "facts": dict(briefing.facts),
            "attempt_ref": attempt_ref,
            "campaign": opening.campaign_id,
            "case": opening.case_id,
            "household": briefing.household_id,
            "number": opening.number_id,
        }
        by = "system" if opening.unattended else by_operator(opening.operator_id)
        entries = [Entry(calllog.OPEN, by, opened)]
        if placing:
            entries.append(
                Entry(calllog.LINE, "system", _line_payload("placing", "claimed", line.Moved("placing"), now))
            )
        self._book.open(
            conn,
            flow,
            {
                "id": call_id,
                "campaign_id": opening.campaign_id,
                "case_id": opening.case_id,
                "household_id": briefing.household_id,
                "number_id": opening.number_id,
                "operator_id": opening.operator_id,
                "unattended": opening.unattended,
                "direction": opening.direction,
                "script_hash": opening.script_hash,
                "attempt_ref": attempt_ref,
                "fence": opening.fence,
                "line_state": "answered" if inbound else "placing" if placing else "claimed",
                "attempt": 0 if inbound else 1,
                "live": True,
                "untallied": False,
                "opened_at": now,
                "placed_at": now if placing else None,
                "answered_at": now if inbound else None,
            },
            entries,
            now,
        )
        return call_id

    def _move(self, conn: Connection, held: Held, event: LineEvent) -> Held:
        """The call after an event of its line."""
        before = held.line_state
        moved = line.move(before, event.kind) if held.row.live else None
        if not isinstance(moved, line.Moved):
            return held
        now = self._clock.now()
        payload = _line_payload(event.kind, before, moved, event.at, event.provider_ref, event.cause)
        columns = {"line_state": moved.state, **_line_times(moved.state, now)}
        if event.provider_ref:
            columns["provider_ref"] = event.provider_ref
        if moved.state == "needs_review":
            columns["review_reason"] = event.cause or event.kind
        return self._book.append(conn, held, [Entry(calllog.LINE, "system", payload)], now, columns)

    def _learn(self, conn: Connection, held: Held, actor: str, found: Mapping[str, Any]) -> Held:
        now = self._clock.now()
        columns = {"line_state": "ended", "line_ended_at": now}
        return self._book.append(conn, held, [Entry(calllog.LINE, actor, found)], now, columns)

    def _close(
        self,
        conn: Connection,
        held: Held,
        actor: str,
        reason: str,
        then: Callable[[Connection, Closed], None] | None,
    ) -> Closed:
        now = self._clock.now()
        end = replay.ending(held.flow.script, held.told, reason)
        effects = effects_of(end)
        owner = self._book.owner(conn, held, now)
        caserecord.apply(owner, effects)
        payload = {
            "reason": reason,
            "disposition": end.code,
            "party": end.party,
            "effects": [as_data(effect) for effect in effects],
        }
        attempt, contact, right_party = replay.counted(held.flow.script, held.told, end.code)
        row = held.row
        if row.direction == "inbound" and end.party:
            caserecord.keep_callbacks(owner, _EVER)  # whoever called back need not be called at the time agreed
        elif row.direction == "outbound" and attempt and row.placed_at:
            caserecord.keep_callbacks(owner, row.placed_at)
        columns = {
            "live": False,
            "disposition": end.code,
            "untallied": True,
            "attempt": attempt if row.direction == "outbound" else 0,
            "contact": contact,
            "right_party": right_party,
            "line_state": "ended",
            "closed_at": now,
            "last_event_at": now,
        }
        self._book.append(conn, held, [Entry(calllog.CLOSE, actor, payload)], now, columns)
        self._book.forget(held.row.id)
        if end.code == "AB":
            cause = "no_operator" if row.unattended else "operator_left"
            mine = {"municipality_id": self._municipality_id, "call_id": row.id, "campaign_id": row.campaign_id}
            conn.execute(_ABANDONED, {**mine, "at": now, "cause": cause})
        closed = Closed(row.id, row.case_id, row.household_id, row.campaign_id, row.fence, end.code, effects)
        if then:
            then(conn, closed)
        return closed


def _line_payload(
    kind: str, before: str, moved: line.Moved, at: datetime, provider_ref: str = "", cause: str = ""
) -> dict[str, Any]:
    return {
        "event": kind,
        "from": before,
        "to": moved.state,
        "code": moved.code,
        "provider_ref": provider_ref,
        "cause": cause,
        "at": at.isoformat(),
    }


def _line_times(state: str, now: datetime) -> dict[str, Any]:
    column = {"placing": "placed_at", "answered": "answered_at", "ended": "line_ended_at"}.get(state)
    return {column: now} if column else {}


def _already(held: Held) -> Closed:
    row = held.row
    return Closed(row.id, row.case_id, row.household_id, row.campaign_id, row.fence, row.disposition, ())
