"""Joins operators, lines and calls: claim → open with the intent to dial → place → connect → finish.

Placing a call: the judgement and the intent (`placing`) are committed in one transaction, then the telephone is
asked once, then its answer is committed. A placement of unknown fate is never repeated: the telephone is asked by
the attempt, and what it does not know for certain waits in `needs_review`. `recover` does the same for whatever a
crash left behind, and may be repeated at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, bindparam, select
from sqlalchemy.exc import DBAPIError

from callflow import attendance, callbacks, dialcaps, floor, line
from callflow.calls import Calls
from callflow.clock import AFTER_JUMP, Clock, in_hours
from callflow.dialcaps import Caps
from callflow.errors import CallflowError, NotFoundError, RefusedError, TryLaterError
from callflow.line import Ignored, LineEvent
from callflow.replay import UNENDED
from callflow.script.model import END
from callflow.standing import Closed, Opening, Standing
from callflow.telephony.port import (
    AttendedPhone,
    Phone,
    PhoneBusyError,
    PhoneEvent,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
    Trace,
)
from models.database import Database, Fault, fault_of
from models.tables import calls, campaigns, holds_operator, is_live, phone_numbers
from scheduler import dealing, queue
from scheduler.dealing import Deal, NothingNow, Rules
from scheduler.policy import AFTER_LIMIT
from scheduler.queue import Claim
from scheduler.settings import Policy
from scheduler.verdict import Refused

LEASE = timedelta(minutes=15)
"""How long a dealt case may stand on a screen before it is dealt to somebody else."""

PATIENCE = timedelta(seconds=60)
"""Longer than any request to a telephone: an intent without an answer after that was left by a crash."""

SYSTEM = "system"


class DialRefusedError(RefusedError):
    """The policy forbids the call; `refused` says why and until when. Nothing was dialled."""

    def __init__(self, refused: Refused) -> None:
        super().__init__("、".join(reason.ja for reason in refused.reasons) or "発信できません")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event amounted to. `standing` where a talk has begun, `closed` where the call is over."""

    call_id: int
    line_state: str
    standing: Standing | None = None
    closed: Closed | None = None


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A call that a recovery could not settle, and why."""

    call_id: int
    why: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the calls that a recovery looked at, by their ids."""

    resumed: tuple[int, ...] = ()  # the telephone knew them: their line moved on
    in_review: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    failed: tuple[Unsettled, ...] = ()

    @property
    def settled(self) -> int:
        return len(self.resumed) + len(self.in_review) + len(self.closed)


class Switchboard:
    """The calls of one municipality over one telephone. Safe to share between threads and processes.

    `rules_of` gives a campaign's policy and calendar as they are now; `caps` are those against toll fraud; `on_duty`:
    the operators who take calls, if not those who are at a terminal and on no break.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calls_desk: Calls,
        phone: Phone,
        municipality_id: int,
        rules_of: Callable[[int], Rules],
        *,
        lease: timedelta = LEASE,
        caps: Caps | None = None,
        on_duty: Callable[[Connection, datetime], Collection[int]] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calls = calls_desk
        self._phone = phone
        self._municipality_id = municipality_id
        self._rules_of = rules_of
        self._lease = lease
        self._caps = caps
        self._on_duty = on_duty or (lambda conn, now: floor.on_duty(conn, municipality_id, now))
        self._attended = isinstance(phone, AttendedPhone)
        self._paused_until: datetime | None = None

    @property
    def paused_until(self) -> datetime | None:
        """Until when the telephone asked for a pause; nothing is dealt before."""
        paused = self._paused_until
        return paused if paused is not None and self._clock.now() < paused else None

    def deal(self, operator_id: int, campaign_ids: Sequence[int], *, worker: str = "") -> Deal | NothingNow:
        """Claims the next case for an operator to look at; nothing is dialled yet. `worker`: the process that dials it
        for the operator, who is then not shown it.

        Raises TryLaterError while the clock cannot be trusted.
        """
        self._require_steady_clock()
        if self.paused_until is not None:
            return NothingNow()
        rules = [self._rules_of(campaign_id) for campaign_id in campaign_ids]

        def work(conn: Connection) -> Deal | NothingNow:
            return dealing.deal(
                conn,
                self._municipality_id,
                self._clock.now(),
                rules,
                worker=worker or f"operator:{operator_id}",
                lease=self._lease,
                operator_id=operator_id,
            )

        return self._database.transact(work)

    def give_back(self, deal: Deal) -> None:
        """A dealt case that was not called goes back to the queue; a claim that is no longer ours is left alone."""
        rules = self._rules_of(deal.claim.campaign_id)
        self._database.transact(lambda conn: dealing.put_back(conn, deal.claim, rules, self._clock.now()))

    def dial(
        self,
        deal: Deal,
        operator_id: int,
        *,
        ahead: bool = False,
        guard: Callable[[Connection], None] | None = None,
    ) -> Heard:
        """Calls a dealt case: judged once more, opened and intended in one transaction, then placed once.

        `ahead`: no operator has it until it is answered; `operator_id` is the supervisor's who answers for it.
        `guard` joins the transaction and may refuse the call.

        Raises DialRefusedError where the policy now forbids it, RefusedError where the claim is lost or somebody
        is in a call; both leave the case in the queue with its next moment.
        """
        claim = deal.claim
        rules = self._rules_of(claim.campaign_id)
        opening, e164 = self._opening(deal, operator_id, rules, ahead=ahead)

        def allow(conn: Connection) -> None:
            if guard is not None:
                guard(conn)
            self._judge(conn, claim, deal.number_id, rules)

        try:
            call_id = self._calls.open(opening, allow=allow, placing=True)
        except DialRefusedError as error:
            self._take_back(claim, rules, error.refused)
            raise
        except (RefusedError, TryLaterError):
            self._take_back(claim, rules)
            raise
        may_record = opening.settings.get("recording") == "recorded"
        return self._place(call_id, e164, rules.policy, may_record=may_record)

    def listen(self) -> list[Heard]:
        """Everything that the telephone has to say now. Raises PhoneUnavailableError: listen again later."""
        return [heard for event in self._phone.poll() if (heard := self.hear(event)) is not None]

    def hear(self, event: PhoneEvent) -> Heard | None:
        """Takes one event in; None if it belongs to no call of ours. May be repeated."""
        with self._database.read() as conn:
            row = conn.execute(_BY_ATTEMPT, {"m": self._municipality_id, "attempt": event.attempt_ref}).one_or_none()
        if row is None:
            return None
        if not row.live or _is_stale(row.line_state, event.event.kind):
            return Heard(row.id, row.line_state)
        happened = self._as_attended(row, event.event)
        heard = self._take_in(row, happened)
        if happened.kind in _LEFT_ON_THE_LINE:
            with suppress(PhoneUnavailableError):  # it is cut by its limit, and before the desk's next call
                self._phone.hang_up(happened.provider_ref)
        return heard

    def receiver_is_gone(self, operator_id: int) -> None:
        """An operator's receiver is gone: who is still being called would find nobody, and whom they talk to was left
        (AB, unless the talk has settled more than that it was cut).

        Raises PhoneUnavailableError.
        """
        with self._database.read() as conn:
            row = conn.execute(_LIVE_OF, {"m": self._municipality_id, "operator": operator_id}).one_or_none()
        if row is None or row.talk_state == END:
            return
        if row.talk_state:
            self._take_in(row, self._own("abandoned", "担当者の電話が切れました"))
        self.hang_up(row.id)

    def hang_up(self, call_id: int) -> None:
        """Puts the receiver down; what becomes of it is heard like every other event.

        Raises PhoneUnavailableError: nothing is lost by trying again.
        """
        row = self._row(call_id)
        if row.provider_ref:
            self._phone.hang_up(row.provider_ref)

    def finish(self, call_id: int, actor: str, *, reason: str = "ended") -> Closed:
        """Ends a call with its outcome; its case goes back to the queue in the same transaction."""
        return self._calls.close(call_id, actor, reason=reason, then=self._release)

    def put_through(self, call_id: int) -> Standing | None:
        """Brings an answered call that was dialled ahead to the operator who is free longest; None: nobody is."""
        now = self._clock.now()
        with self._database.read() as conn:
            free = floor.free_operators(conn, self._municipality_id, now, self._on_duty(conn, now))
        for operator_id in free:
            with suppress(RefusedError):  # taken meanwhile; then every further try is refused too
                return self._calls.put_through(call_id, operator_id)
        return None

    def abandon(self, call_id: int) -> Heard:
        """Ends an answered call that nobody could take (AB)."""
        row = self._row(call_id)
        heard = self._take_in(row, self._own("abandoned", "応対できる担当者がいません"))
        if heard.closed is not None and row.provider_ref:
            with suppress(PhoneUnavailableError):  # it is cut by its limit
                self._phone.hang_up(row.provider_ref)
        return heard

    def take_over(self, campaign_id: int) -> None:
        """Asks what became of the lines that a vanished process had opened ahead in a campaign.

        Only for whoever now holds the campaign's lease: nobody else places its calls.
        """
        with self._database.read() as conn:
            rows = conn.execute(_AHEAD, {"m": self._municipality_id, "campaign": campaign_id}).all()
        for row in rows:
            if row.line_state == "claimed":
                self._take_in(row, self._own("failed", "発信の前に中断しました"))
            elif row.line_state == "placing":
                self._ask(row)
            else:
                self._ask_for_news(row)

    def attend_callbacks(self) -> int:
        """Callbacks whose time has come: open to everybody where their owner is away, missed where nobody called."""
        now = self._clock.now()

        def work(conn: Connection) -> int:
            policy_of = cache(lambda campaign_id: self._rules_of(campaign_id).policy)
            return callbacks.attend(conn, self._municipality_id, now, policy_of)

        return self._database.transact(work)

    def recover(self, *, patience: timedelta = PATIENCE) -> Recovered:
        """Settles what was left behind: intents without an answer, lost events, calls that nobody ended.

        Only calls untouched for `patience` are looked at; zero if no other process can be placing calls. Never
        dials. Repeating it changes nothing more. A call that cannot be settled does not stop the others; a database
        that is gone or full does.
        """
        now = self._clock.now()
        resumed, in_review, closed, failed = [], [], [], []
        with self._database.read() as conn:
            live = conn.execute(_LIVE, {"m": self._municipality_id}).all()
        for row in live:
            if (row.placed_at or row.opened_at) + patience > now:
                continue
            try:
                heard = self._settle(row, now)
            except Exception as error:
                if isinstance(error, DBAPIError) and fault_of(error) in (Fault.GONE, Fault.FULL):
                    raise
                why = str(error.what) if isinstance(error, CallflowError) else type(error).__name__
                failed.append(Unsettled(row.id, why))
                continue
            if heard.closed is not None:
                closed.append(row.id)
            elif heard.line_state == "needs_review":
                in_review.append(row.id)
            elif heard.line_state != row.line_state:
                resumed.append(row.id)
        return Recovered(tuple(resumed), tuple(in_review), tuple(closed), tuple(failed))

    def _opening(self, deal: Deal, operator_id: int, rules: Rules, *, ahead: bool) -> tuple[Opening, str]:
        claim = deal.claim
        with self._database.read() as conn:
            found = conn.execute(
                _OPENING,
                {"m": self._municipality_id, "campaign": claim.campaign_id, "number": deal.number_id},
            ).one()
        opening = Opening(
            case_id=claim.case_id,
            operator_id=operator_id,
            script_hash=found.script_hash,
            settings=json.loads(found.settings),
            number_id=deal.number_id,
            campaign_id=claim.campaign_id,
            fence=claim.fence,
            unattended=ahead,
            policy=rules.policy,
        )
        return opening, found.e164

    def _require_steady_clock(self) -> None:
        """Hours, limits and retries are judged by the clock: one that has just jumped judges nothing."""
        if jump := self._clock.jumped():
            raise TryLaterError(
                f"時計が {in_hours(jump)}（時:分:秒）飛んだため、発信を止めています",
                mend=f"ホストの時刻を確かめてください。狂いがなければ {AFTER_JUMP.total_seconds():.0f} 秒で再開します",
            )

    def _judge(self, conn: Connection, claim: Claim, number_id: int, rules: Rules) -> None:
        self._require_steady_clock()
        if not queue.holds(conn, claim):
            raise RefusedError("この案件の割り当ては期限が切れています", mend="次の案件を受け取ってください")
        verdict = dealing.judge_for_placing(
            conn, self._municipality_id, claim.case_id, number_id, self._clock.now(), rules
        )
        if isinstance(verdict, Refused):
            raise DialRefusedError(verdict)
        if self._caps is not None:
            dialcaps.count(conn, self._municipality_id, claim.campaign_id, self._clock.now(), self._caps)

    def _take_back(self, claim: Claim, rules: Rules, refused: Refused | None = None) -> None:
        """After a refused dial, whose own transaction is gone: its record, and the case back with its moment."""

        def work(conn: Connection) -> None:
            now = self._clock.now()
            if refused is not None:
                dealing.record_refusal(
                    conn, self._municipality_id, claim.case_id, now, refused, "placing", claim.campaign_id
                )
            dealing.put_back(conn, claim, rules, now)

        self._database.transact(work)

    def _place(self, call_id: int, e164: str, policy: Policy, *, may_record: bool) -> Heard:
        receiver = None
        with self._database.read() as conn:
            row = conn.execute(_BY_ID, {"m": self._municipality_id, "call": call_id}).one()
            if self._attended and not row.unattended:
                receiver = attendance.receiver_of(conn, self._municipality_id, row.operator_id)
        try:
            placed = self._phone.place(
                row.attempt_ref,
                e164,
                policy.ring_seconds,
                policy.call_limit_minutes * 60,
                desk=receiver.desk if receiver else "",
                may_record=may_record,
            )
        except PlacementRefusedError as error:
            return self._take_in(row, self._own(_KIND_OF.get(error.disposition, "failed"), error.what))
        except PhoneBusyError as error:
            self._paused_until = self._clock.now() + error.pause
            return self._take_in(row, self._own("failed", error.what))
        except PlacementUnknownError:
            return self._ask(row)
        return self._take_in(row, LineEvent("placed", self._clock.now(), placed.provider_ref))

    def _ask(self, row: Row[Any]) -> Heard:
        """What the telephone knows of an attempt; what it does not know for certain is for a person."""
        trace = _trace(row)
        try:
            known = self._phone.fetch(row.attempt_ref, trace)
        except PhoneUnavailableError:
            return self._take_in(row, self._own("unknown", "電話に照会できません"))
        if len(known) == 1:
            return self._take_in(row, known[0].last)
        return self._take_in(row, self._own("unknown", f"電話側の該当は{len(known)}件です"))

    def _take_in(self, row: Row[Any], event: LineEvent) -> Heard:
        if line.is_final(event.kind):
            return Heard(row.id, "ended", closed=self._calls.end_line(row.id, event, SYSTEM, self._release))
        if not row.unattended:
            state, standing = self._calls.pick_up(row.id, event, row.operator_id)
            return Heard(row.id, state, standing=standing)
        state = self._calls.line(row.id, event.kind, at=event.at, provider_ref=event.provider_ref, cause=event.cause)
        return Heard(row.id, state, standing=self.put_through(row.id) if state == "answered" else None)

    def _as_attended(self, row: Row[Any], event: LineEvent) -> LineEvent:
        """A resident who answers when the operator's receiver is gone already was abandoned (AB)."""
        is_answer = event.kind in _ANSWERS and row.line_state in _NOT_ANSWERED
        if not self._attended or row.unattended or not is_answer:
            return event
        with self._database.read() as conn:
            found = attendance.receiver_of(conn, self._municipality_id, row.operator_id)
        return replace(event, kind="abandoned") if found is not None and found.state == "gone" else event

    def _settle(self, row: Row[Any], now: datetime) -> Heard:
        policy = self._rules_of(row.campaign_id).policy if row.campaign_id else Policy()
        longest = timedelta(seconds=policy.ring_seconds, minutes=policy.call_limit_minutes) + AFTER_LIMIT
        if row.line_state == "claimed":
            return self._take_in(row, self._own("failed", "発信の前に中断しました"))
        if row.line_state == "ended" and not row.talk_state:
            return Heard(row.id, "ended", closed=self.finish(row.id, SYSTEM))
        if now >= (row.placed_at or row.opened_at) + longest:
            return self._give_up(row)
        if row.line_state == "ended":
            return Heard(row.id, row.line_state)
        return self._ask(row) if row.line_state == "placing" else self._ask_for_news(row)

    def _ask_for_news(self, row: Row[Any]) -> Heard:
        """Events may have been lost: what the telephone now says counts, what it does not know changes nothing.

        A call that was in review and turns out to ring or talk has nobody to speak to it: it is hung up.
        """
        trace = _trace(row)
        try:
            known = self._phone.fetch(row.attempt_ref, trace)
            if row.line_state == "needs_review":
                for each in known:
                    self._phone.hang_up(each.provider_ref)
                known = self._phone.fetch(row.attempt_ref, trace)
        except PhoneUnavailableError:
            return Heard(row.id, row.line_state)
        return self._take_in(row, known[0].last) if len(known) == 1 else Heard(row.id, row.line_state)

    def _give_up(self, row: Row[Any]) -> Heard:
        """No call lasts so long: it ends as what its log amounts to, or as 未確定."""
        self._calls.line(row.id, "unknown", cause="制限時間を過ぎました")
        try:
            closed = self.finish(row.id, SYSTEM)
        except RefusedError:
            closed = self.finish(row.id, SYSTEM, reason=UNENDED)
        return Heard(row.id, "ended", closed=closed)

    def _release(self, conn: Connection, closed: Closed) -> None:
        """Joins the transaction that ends a call: its case is due when it may next be called.

        A claim that ran out meanwhile is another's now and is left alone.
        """
        now = self._clock.now()
        if closed.campaign_id is None:  # a resident called back: what their cases wait for has changed
            queue.judge_again(conn, self._municipality_id, closed.household_id, now)
            return
        claim = Claim(
            self._municipality_id, closed.campaign_id, closed.case_id, closed.household_id, "", closed.fence, now
        )
        dealing.put_back(conn, claim, self._rules_of(closed.campaign_id), now)

    def _own(self, kind: line.LineEventKind, cause: str) -> LineEvent:
        return LineEvent(kind, self._clock.now(), cause=cause)

    def _row(self, call_id: int) -> Row[Any]:
        with self._database.read() as conn:
            row = conn.execute(_BY_ID, {"m": self._municipality_id, "call": call_id}).one_or_none()
        if row is None:
            raise NotFoundError(f"通話 {call_id} はありません")
        return row


def _trace(row: Row[Any]) -> Trace:
    answered = row.line_state == "answered"
    return Trace(row.provider_ref, row.e164 or "", row.placed_at or row.opened_at, answered)


def _is_stale(line_state: str, kind: str) -> bool:
    """Whether an event moves nothing on a line that still rings; then it does not a moment later either."""
    return line_state in _RINGS and isinstance(line.move(line_state, kind), Ignored)


_KIND_OF: dict[str, line.LineEventKind] = {"DN": "invalid_number", "FX": "fax", "BZ": "busy", "NW": "unreachable"}
_ANSWERS = frozenset({"answered", "machine"})
_NOT_ANSWERED = frozenset({"claimed", "placing", "ringing"})
_RINGS = frozenset({"placing", "ringing"})
_LEFT_ON_THE_LINE = frozenset({"fax", "abandoned"})
"""What ends a call for us while somebody or something is still on the line."""

_TENANT = bindparam("m", type_=Integer)
_COLUMNS: tuple[ColumnElement[Any], ...] = (
    calls.c.id,
    calls.c.campaign_id,
    calls.c.household_id,
    calls.c.operator_id,
    calls.c.unattended,
    calls.c.attempt_ref,
    calls.c.provider_ref,
    calls.c.line_state,
    calls.c.talk_state,
    calls.c.live,
    calls.c.opened_at,
    calls.c.placed_at,
    phone_numbers.c.e164,
)
_ABOUT = (
    select(*_COLUMNS)
    .outerjoin(
        phone_numbers,
        (phone_numbers.c.municipality_id == calls.c.municipality_id) & (phone_numbers.c.id == calls.c.number_id),
    )
    .where(calls.c.municipality_id == _TENANT)
)
_BY_ID = _ABOUT.where(calls.c.id == bindparam("call"))
_BY_ATTEMPT = _ABOUT.where(calls.c.attempt_ref == bindparam("attempt"))
_LIVE = _ABOUT.where(is_live).order_by(calls.c.id)
_AHEAD = _LIVE.where(calls.c.unattended, calls.c.campaign_id == bindparam("campaign"))
_LIVE_OF = _ABOUT.where(is_live, holds_operator, calls.c.operator_id == bindparam("operator"))
_OPENING = (
    select(campaigns.c.script_hash, campaigns.c.settings, phone_numbers.c.e164)
    .join(
        phone_numbers,
        (phone_numbers.c.municipality_id == campaigns.c.municipality_id) & (phone_numbers.c.id == bindparam("number")),
    )
    .where(campaigns.c.municipality_id == _TENANT, campaigns.c.id == bindparam("campaign"))
)
