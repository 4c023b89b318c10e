"""Joins operators, lines and calls: claim → open with the intent to dial → place → connect → finish.

Placing a call: the judgement and the intent (`placing`) are committed in one transaction, then the telephone is
asked once, then its answer is committed. A placement of unknown fate is never repeated: the telephone is asked by
the attempt, and what it does not know for certain waits in `needs_review`. `recover` does the same for whatever a
crash left behind, and may be repeated at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from callflow import line
from callflow.calls import Calls
from callflow.clock import Clock
from callflow.errors import NotFoundError, RefusedError
from callflow.line import LineEvent
from callflow.replay import UNENDED
from callflow.standing import Closed, Opening, Standing
from callflow.telephony.port import (
    Phone,
    PhoneBusyError,
    PhoneEvent,
    PhoneUnavailableError,
    PlacementRefusedError,
    PlacementUnknownError,
)
from models.database import Database
from models.tables import calls, campaigns, is_live, phone_numbers
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
class Recovered:
    """What became of the calls that a recovery looked at, by their ids."""

    resumed: tuple[int, ...] = ()  # the telephone knew them: their line moved on
    in_review: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()


class Switchboard:
    """The calls of one municipality over one telephone. Safe to share between threads and processes.

    `rules_of` gives a campaign's policy and calendar as they are now.
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
    ) -> None:
        self._database = database
        self._clock = clock
        self._calls = calls_desk
        self._phone = phone
        self._municipality_id = municipality_id
        self._rules_of = rules_of
        self._lease = lease
        self._paused_until: datetime | None = None

    @property
    def paused_until(self) -> datetime | None:
        """Until when the telephone asked for a pause; nothing is dealt before."""
        paused = self._paused_until
        return paused if paused is not None and self._clock.now() < paused else None

    def deal(self, operator_id: int, campaign_ids: Sequence[int]) -> Deal | NothingNow:
        """Claims the next case for an operator to look at; nothing is dialled yet."""
        if self.paused_until is not None:
            return NothingNow()
        rules = [self._rules_of(campaign_id) for campaign_id in campaign_ids]

        def work(conn: Connection) -> Deal | NothingNow:
            return dealing.deal(
                conn,
                self._municipality_id,
                self._clock.now(),
                rules,
                worker=f"operator:{operator_id}",
                lease=self._lease,
            )

        return self._database.transact(work)

    def give_back(self, deal: Deal) -> None:
        """A dealt case that was not called goes back to the queue; a claim that is no longer ours is left alone."""
        rules = self._rules_of(deal.claim.campaign_id)
        self._database.transact(lambda conn: dealing.put_back(conn, deal.claim, rules, self._clock.now()))

    def dial(self, deal: Deal, operator_id: int) -> Heard:
        """Calls a dealt case: judged once more, opened and intended in one transaction, then placed once.

        Raises DialRefusedError where the policy now forbids it, RefusedError where the claim is lost or somebody
        is in a call; both leave the case in the queue with its next moment.
        """
        claim = deal.claim
        rules = self._rules_of(claim.campaign_id)
        opening, e164 = self._opening(deal, operator_id)
        try:
            call_id = self._calls.open(
                opening, allow=lambda conn: self._judge(conn, claim, deal.number_id, rules), placing=True
            )
        except DialRefusedError as error:
            self._take_back(claim, rules, error.refused)
            raise
        except RefusedError:
            self._take_back(claim, rules)
            raise
        return self._place(self._row(call_id), e164, rules.policy)

    def listen(self) -> list[Heard]:
        """Everything that the telephone has to say now. Raises PhoneUnavailableError: listen again later."""
        return [heard for event in self._phone.poll() if (heard := self.hear(event)) is not None]

    def hear(self, event: PhoneEvent) -> Heard | None:
        """Takes one event in; None if it belongs to no call of ours. May be repeated."""
        with self._database.read() as conn:
            row = conn.execute(self._about(calls.c.attempt_ref == event.attempt_ref)).one_or_none()
        if row is None:
            return None
        return self._take_in(row, event.event) if row.live else Heard(row.id, row.line_state)

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

    def recover(self, *, patience: timedelta = PATIENCE) -> Recovered:
        """Settles what was left behind: intents without an answer, lost events, calls that nobody ended.

        Only calls untouched for `patience` are looked at; zero if no other process can be placing calls. Never
        dials. Repeating it changes nothing more.
        """
        now = self._clock.now()
        resumed, in_review, closed = [], [], []
        with self._database.read() as conn:
            live = conn.execute(self._about(is_live).order_by(calls.c.id)).all()
        for row in live:
            if (row.placed_at or row.opened_at) + patience > now:
                continue
            heard = self._settle(row, now)
            if heard.closed is not None:
                closed.append(row.id)
            elif heard.line_state == "needs_review":
                in_review.append(row.id)
            elif heard.line_state != row.line_state:
                resumed.append(row.id)
        return Recovered(tuple(resumed), tuple(in_review), tuple(closed))

    def _opening(self, deal: Deal, operator_id: int) -> tuple[Opening, str]:
        claim = deal.claim
        with self._database.read() as conn:
            campaign = conn.execute(
                select(campaigns.c.script_hash, campaigns.c.settings).where(
                    campaigns.c.municipality_id == self._municipality_id, campaigns.c.id == claim.campaign_id
                )
            ).one()
            e164 = conn.execute(
                select(phone_numbers.c.e164).where(
                    phone_numbers.c.municipality_id == self._municipality_id, phone_numbers.c.id == deal.number_id
                )
            ).scalar_one()
        opening = Opening(
            case_id=claim.case_id,
            operator_id=operator_id,
            script_hash=campaign.script_hash,
            settings=json.loads(campaign.settings),
            number_id=deal.number_id,
            campaign_id=claim.campaign_id,
            fence=claim.fence,
        )
        return opening, e164

    def _judge(self, conn: Connection, claim: Claim, number_id: int, rules: Rules) -> None:
        if not queue.holds(conn, claim):
            raise RefusedError("この案件の割り当ては期限が切れています", mend="次の案件を受け取ってください")
        verdict = dealing.judge_for_placing(
            conn, self._municipality_id, claim.case_id, number_id, self._clock.now(), rules
        )
        if isinstance(verdict, Refused):
            raise DialRefusedError(verdict)

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

    def _place(self, row: Row[Any], e164: str, policy: Policy) -> Heard:
        try:
            placed = self._phone.place(row.attempt_ref, e164, policy.ring_seconds, policy.call_limit_minutes * 60)
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
        try:
            known = self._phone.fetch(row.attempt_ref)
        except PhoneUnavailableError:
            return self._take_in(row, self._own("unknown", "電話に照会できません"))
        if len(known) == 1:
            return self._take_in(row, known[0].last)
        return self._take_in(row, self._own("unknown", f"電話側の該当は{len(known)}件です"))

    def _take_in(self, row: Row[Any], event: LineEvent) -> Heard:
        state = self._calls.line(row.id, event.kind, at=event.at, provider_ref=event.provider_ref, cause=event.cause)
        if state == "answered":
            return Heard(row.id, state, standing=self._connect(row))
        if line.is_over(state) and not self._row(row.id).talk_state:
            return Heard(row.id, state, closed=self.finish(row.id, SYSTEM))
        return Heard(row.id, state)

    def _connect(self, row: Row[Any]) -> Standing | None:
        """The operator, on the line since it was placed, sees the first words; None if it ended meanwhile."""
        try:
            return self._calls.begin(row.id, row.operator_id)
        except RefusedError:
            return None

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
        try:
            known = self._phone.fetch(row.attempt_ref)
            if row.line_state == "needs_review":
                for each in known:
                    self._phone.hang_up(each.provider_ref)
                known = self._phone.fetch(row.attempt_ref)
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
        if closed.campaign_id is None:
            return
        now = self._clock.now()
        row = conn.execute(self._about(calls.c.id == closed.call_id)).one()
        claim = Claim(
            self._municipality_id, closed.campaign_id, closed.case_id, row.household_id, "", closed.fence, now
        )
        dealing.put_back(conn, claim, self._rules_of(closed.campaign_id), now)

    def _own(self, kind: line.LineEventKind, cause: str) -> LineEvent:
        return LineEvent(kind, self._clock.now(), cause=cause)

    def _row(self, call_id: int) -> Row[Any]:
        with self._database.read() as conn:
            row = conn.execute(self._about(calls.c.id == call_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"通話 {call_id} はありません")
        return row

    def _about(self, condition: ColumnElement[bool]) -> Select[Any]:
        return select(*_COLUMNS).where(calls.c.municipality_id == self._municipality_id, condition)


_KIND_OF: dict[str, line.LineEventKind] = {"DN": "invalid_number", "FX": "fax", "BZ": "busy", "NW": "unreachable"}
_COLUMNS = (
    calls.c.id,
    calls.c.campaign_id,
    calls.c.household_id,
    calls.c.operator_id,
    calls.c.attempt_ref,
    calls.c.provider_ref,
    calls.c.line_state,
    calls.c.talk_state,
    calls.c.live,
    calls.c.opened_at,
    calls.c.placed_at,
)
