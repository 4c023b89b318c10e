"""What may still happen to a call after its end: taken back, corrected, or its truth found out by a person.

Nothing that was written is changed. A correction is a new entry in the call's log that names the one it corrects, who
and why; the case record follows by its effects. Each method is one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError

from callflow import calllog, caserecord, line, replay, withdrawals
from callflow.access.accounts import acting
from callflow.amendment import Change, difference, missing
from callflow.calllog import Entry, Head, by_operator
from callflow.calls import Calls
from callflow.caserecord import SETTLING_TIME, Owner
from callflow.clock import TOKYO, Clock
from callflow.effects import Effect, Ending, MakePromise, as_data, effects_of, from_data
from callflow.errors import InputError, NotFoundError, RefusedError, TryLaterError, Where
from callflow.replay import Told
from callflow.script.model import END, Script
from callflow.shelf import Shelf
from callflow.standing import Closed
from callflow.typed import check_text, read
from callflow.withdrawals import Leave
from models.database import Database
from models.live import announce
from models.tables import calls, campaigns, promises
from scheduler import queue

LEASE = timedelta(minutes=15)
"""How long the case of a call that was taken back stays with its operator."""

OUTCOMES: Final[dict[str, line.LineEventKind]] = {
    "not-placed": "failed",
    "no-answer": "no_answer",
    "busy": "busy",
    "unreachable": "unreachable",
    "invalid-number": "invalid_number",
    "fax": "fax",
    "abandoned": "abandoned",
    "answered": "ended",
}
"""What a person may find out of a call in review, and what it says of the line."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks to be corrected, as typed. `code` empty: the same outcome."""

    reason: str
    code: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    withdraw: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction did. `seq`: its entry in the log, `corrects`: the entry that it names."""

    call_id: int
    seq: int
    corrects: int
    before: str
    disposition: str
    withdrawn: tuple[Effect, ...]
    made: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """A call that is being corrected: its row, locked, its script, what its log amounts to, and its last end."""

    row: Row[Any]
    script: Script
    told: Told
    corrects: int


class Corrections:
    """Corrections in one municipality. Safe to share between threads and processes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        shelf: Shelf,
        municipality_id: int,
        salt: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database = database
        self._clock = clock
        self._shelf = shelf
        self._municipality_id = municipality_id
        self._salt = salt

    def take_back(self, call_id: int, operator_id: int) -> None:
        """Takes back the end of an operator's own call within 10 s: all that it caused is cancelled, and the call is
        live again, at the end of its talk, from where the operator can step back and end it anew.

        Raises RefusedError after that time, for a call without a talk, or where a next call has begun.
        """
        try:
            self._database.transact(lambda conn: self._take_back(conn, call_id, operator_id))
        except IntegrityError as error:
            mend = "いまの通話を終えてから、訂正してください"
            raise RefusedError("次の通話が始まっているので、取り消せません", mend=mend) from error

    def correct(self, call_id: int, by: int, request: Request, *, dry_run: bool = False) -> Corrected:
        """Corrects an ended call: a new entry, and the case record by its effects.

        An operator corrects an own call of the same day, the campaign's supervisor and the ward's staff any.
        `dry_run` says what would happen and writes nothing. Raises RefusedError where a rule forbids it, InputError
        for what cannot be read or is missing.
        """

        def work(conn: Connection) -> Corrected:
            done = self._correct(conn, call_id, by, request)
            if dry_run:
                raise _Rehearsed(done)
            return done

        try:
            return self._database.transact(work)
        except _Rehearsed as rehearsed:
            return rehearsed.done
        except IntegrityError as error:
            mend = "少し待って、もう一度実行してください"
            raise TryLaterError("同じ世帯の別の通話が、同時に書き込まれました", mend=mend) from error

    def resolve(self, desk: Calls, call_id: int, by: int, outcome: str, reason: str) -> Closed:
        """Ends a call in review by what a person found out (one of `OUTCOMES`); its case may be called again.

        `answered`: somebody did answer, and the call is 未確定 until a correction says what was said. Where a talk was
        begun, only that can be. Raises RefusedError if the call is not in review.
        """
        kind = OUTCOMES.get(outcome)
        if kind is None:
            raise InputError(f"{outcome} という結果はありません", mend=f"使える結果: {'、'.join(OUTCOMES)}")
        check_text("reason", reason, needed=True)
        with self._database.read() as conn:
            row = self._row(conn, call_id, lock=False)
            role = self._role(conn, row, by)
        if role == "operator":
            raise RefusedError("確認待ちを解消できるのは、業務責任者と区の職員です")
        if row.line_state != "needs_review":
            raise RefusedError("この通話は確認待ちではありません", mend="callflow call review で確かめられます")
        if row.talk_state and outcome != "answered":
            raise RefusedError("会話の記録があるので、出なかったことにはできません", mend="answered で解消してください")
        found = self._found(row, kind, outcome, reason)
        ended = "ended" if outcome != "answered" or row.talk_state == END else replay.UNENDED
        return desk.close(call_id, f"{role}:{by}", reason=ended, found=found, then=self._back_to_the_queue)

    def _found(self, row: Row[Any], kind: line.LineEventKind, outcome: str, reason: str) -> dict[str, Any]:
        """The event of the line. Of an answer it says nothing about what was said, and so leaves the code alone."""
        moved = line.move(row.line_state, kind)
        assert isinstance(moved, line.Moved)
        return {
            "event": kind,
            "from": row.line_state,
            "to": moved.state,
            "code": None if outcome == "answered" else moved.code,
            "provider_ref": "",
            "cause": reason,
            "at": self._clock.now().isoformat(),
        }

    def _back_to_the_queue(self, conn: Connection, closed: Closed) -> None:
        if closed.campaign_id is None:
            return
        now = self._clock.now()
        claim = queue.Claim(self._municipality_id, closed.campaign_id, closed.case_id, 0, "", closed.fence, now)
        queue.release(conn, claim, now)

    def _take_back(self, conn: Connection, call_id: int, operator_id: int) -> None:
        now = self._clock.now()
        held = self._hold(conn, call_id)
        row = held.row
        if row.operator_id != operator_id or "operator" not in self._roles(conn, operator_id):
            raise NotFoundError(f"通話 {call_id} はありません")
        if now >= row.closed_at + SETTLING_TIME:
            raise RefusedError("終了から10秒を過ぎたので、取り消せません", mend="訂正として記録してください")
        if held.told.talk is None:
            raise RefusedError("会話のない通話の終了は、取り消せません", mend="訂正として記録してください")
        effects = _standing_effects(held)
        withdrawals.withdraw(self._owner(conn, held, operator_id, now), effects, Leave(taken_back=True))
        taken = Entry(calllog.TAKE_BACK, by_operator(operator_id), {"corrects": held.corrects})
        head = self._append(conn, held, taken)
        fence = row.fence
        if row.campaign_id is not None:
            worker, until = f"operator:{operator_id}", now + LEASE
            fence = queue.take_again(
                conn, self._municipality_id, row.campaign_id, row.case_id, worker=worker, lease_until=until
            )
        self._set(
            conn,
            call_id,
            event_count=head.count,
            head_hash=head.hash,
            step=row.step + 1,
            fence=row.fence if fence is None else fence,
            live=True,
            disposition=None,
            untallied=True,
            closed_at=None,
            last_event_at=None,
            attempt=int(row.direction == "outbound"),
            contact=0,
            right_party=0,
        )

    def _correct(self, conn: Connection, call_id: int, by: int, request: Request) -> Corrected:
        now = self._clock.now()
        held = self._hold(conn, call_id)
        role = self._role(conn, held.row, by)
        _check_role(held.row, role, now)
        standing = replay.corrected_ending(held.script, held.told, held.told.amendment)
        change = _read(held, request, frozenset(standing.earned))
        changes = change.as_data(held.row.disposition, frozenset(standing.earned))
        end = replay.corrected_ending(held.script, held.told, held.told.amendment.then(changes))
        _check_ending(held.script, end)
        gone, new = difference(_standing_effects(held), end)
        if any(isinstance(effect, MakePromise) for effect in new):
            self._check_later_promise(conn, held.row)
        owner = self._owner(conn, held, by, now)
        withdrawals.withdraw(owner, gone, Leave(by_ward=role == "staff"))
        caserecord.apply(owner, new)
        payload = {
            "corrects": held.corrects,
            "reason": request.reason.strip(),
            "changes": changes,
            "disposition": end.code,
            "effects": [as_data(effect) for effect in effects_of(end)],
        }
        head = self._append(conn, held, Entry(calllog.CORRECT, f"{role}:{by}", payload))
        attempt, contact, right_party = replay.counted(held.script, held.told, end.code)
        self._set(
            conn,
            call_id,
            event_count=head.count,
            head_hash=head.hash,
            disposition=end.code,
            untallied=True,
            last_event_at=now,
            attempt=attempt if held.row.direction == "outbound" else 0,
            contact=contact,
            right_party=right_party,
        )
        queue.judge_again(conn, self._municipality_id, held.row.household_id, now)
        before = held.row.disposition
        return Corrected(call_id, head.count, held.corrects, before, end.code, tuple(gone), tuple(new))

    def _hold(self, conn: Connection, call_id: int) -> _Held:
        row = self._row(conn, call_id, lock=True)
        if row.live:
            raise RefusedError("この通話はまだ終わっていません", mend="終えてから訂正してください")
        script = self._shelf.flow(conn, self._municipality_id, row.script_hash).script
        events = calllog.read(conn, self._municipality_id, call_id)
        if any(event.payload is None for event in events):
            raise RefusedError("この通話の内容は規則により消去されているので、訂正できません")
        ends = [event.seq for event in events if event.kind in (calllog.CLOSE, calllog.CORRECT)]
        return _Held(row, script, replay.tell_all(script, events), ends[-1])

    def _row(self, conn: Connection, call_id: int, *, lock: bool) -> Row[Any]:
        query = select(calls).where(calls.c.municipality_id == self._municipality_id, calls.c.id == call_id)
        row = conn.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NotFoundError(f"通話 {call_id} はありません")
        return row

    def may_correct(self, conn: Connection, row: Row[Any], by: int) -> bool:
        """Whether an account may correct the call of a row of `calls`, once it has ended."""
        with suppress(NotFoundError):
            return bool(self._role(conn, row, by))
        return False

    def _role(self, conn: Connection, row: Row[Any], by: int) -> str:
        """In which role an account may correct the call. Raises NotFoundError where it may not even see it."""
        roles = self._roles(conn, by)
        if "staff" in roles:
            return "staff"
        if "supervisor" in roles and by == self._supervisor(conn, row, by):
            return "supervisor"
        if "operator" in roles and by == row.operator_id:
            return "operator"
        raise NotFoundError(f"通話 {row.id} はありません")

    def _roles(self, conn: Connection, account_id: int) -> frozenset[str]:
        who = acting(conn, self._municipality_id, account_id)
        return who.roles if who else frozenset()

    def _supervisor(self, conn: Connection, row: Row[Any], by: int) -> int | None:
        """Who answers for the call: its campaign's supervisor; for a call without a campaign any supervisor."""
        if row.campaign_id is None:
            return by
        query = select(campaigns.c.supervisor_id).where(
            campaigns.c.municipality_id == self._municipality_id, campaigns.c.id == row.campaign_id
        )
        found: int | None = conn.execute(query).scalar_one()
        return found

    def _check_later_promise(self, conn: Connection, row: Row[Any]) -> None:
        later = select(promises.c.id).where(
            promises.c.municipality_id == self._municipality_id,
            promises.c.case_id == row.case_id,
            promises.c.call_id > row.id,
            promises.c.state != "cancelled",
        )
        if conn.execute(later.limit(1)).first() is not None:
            raise RefusedError("この案件には、あとの通話の約束があります", mend="あとの通話を訂正してください")

    def _owner(self, conn: Connection, held: _Held, by: int, now: datetime) -> Owner:
        row, records = held.row, held.told.records
        return Owner.of(conn, self._municipality_id, row, now, actor_id=by, records=records, settling=timedelta(0))

    def _append(self, conn: Connection, held: _Held, entry: Entry) -> Head:
        head = Head(held.row.event_count, held.row.head_hash)
        now = self._clock.now()
        return calllog.append(conn, self._municipality_id, held.row.id, head, [entry], now, self._salt)

    def _set(self, conn: Connection, call_id: int, **columns: Any) -> None:
        mine = (calls.c.municipality_id == self._municipality_id, calls.c.id == call_id)
        conn.execute(update(calls).where(*mine).values(**columns))
        announce(conn, self._municipality_id, "call", call_id)


class _Rehearsed(Exception):  # noqa: N818  not an error: it carries the answer out of a transaction that is not kept
    def __init__(self, done: Corrected) -> None:
        super().__init__()
        self.done = done


def _standing_effects(held: _Held) -> tuple[Effect, ...]:
    assert held.told.closed is not None
    return tuple(from_data(each) for each in held.told.closed["effects"])


def _check_role(row: Row[Any], role: str, now: datetime) -> None:
    if role != "operator":
        return
    if row.closed_at.astimezone(TOKYO).date() != now.astimezone(TOKYO).date():
        mend = "業務責任者か区の職員に依頼してください"
        raise RefusedError("担当者が訂正できるのは、その日のうちの通話だけです", mend=mend)


def _read(held: _Held, request: Request, earned: frozenset[str]) -> Change:
    """What was typed, in its recorded form; days are judged as on the day of the call."""
    check_text("reason", request.reason, needed=True)
    check_text("note", request.note)
    known = held.script.dispositions
    if request.code and request.code not in known:
        raise InputError(
            f"{request.code} という結果はこの台本にありません",
            where=Where(field="code"),
            mend=f"使える結果: {'、'.join(known)}",
        )
    if unknown := sorted(request.withdraw - earned):
        mend = f"取り下げられるもの: {'、'.join(sorted(earned)) or 'なし'}"
        raise InputError(f"{unknown[0]} はこの通話にありません", where=Where(field="withdraw"), mend=mend)
    values = read(held.script, request.fields, held.row.closed_at)
    change = Change(request.code, values, request.withdraw, request.note.strip())
    if not (values or change.withdrawn or change.note or request.code not in ("", held.row.disposition)):
        raise InputError("訂正する内容がありません", mend="結果、項目、取り下げ、メモのどれかを指定してください")
    return change


def _check_ending(script: Script, end: Ending) -> None:
    """A corrected outcome needs what the talk would have needed: nobody is verified afterwards (R40)."""
    wanted = missing(end)
    disposition = script.dispositions.get(end.code)
    name = f"{end.code} {disposition.name}" if disposition else end.code
    if "party" in wanted or (disposition and disposition.right_party == "yes" and not end.party):
        raise RefusedError(f"本人確認のない通話を {name} に訂正することはできません")
    if wanted:
        labels = "、".join(script.fields[each].label for each in wanted)
        raise InputError(f"{name} には {labels} が要ります", where=Where(field=wanted[0]))
