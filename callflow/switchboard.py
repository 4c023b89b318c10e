"""Joins operators, lines and calls: claim → open with the intent to dial → place → connect → finish.

Placing a call: the judgement and the intent (`placing`) are committed in one transaction, then the telephone is
asked once, then its answer is committed. What comes after, and what a crash left behind, is `openlines`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection, Integer, bindparam, select

from callflow import attendance, callbacks, dialcaps
from callflow.calls import Calls
from callflow.clock import AFTER_JUMP, Clock, in_hours
from callflow.dialcaps import Caps
from callflow.errors import RefusedError, TryLaterError
from callflow.line import LineEvent, LineEventKind
from callflow.openlines import Heard, OpenLines
from callflow.standing import Opening
from callflow.telephony.port import (
    Phone,
    PhoneBusyError,
    PlacementRefusedError,
    PlacementUnknownError,
)
from models.database import Database
from models.tables import campaigns, phone_numbers
from scheduler import dealing, queue
from scheduler.dealing import Deal, NothingNow, Rules
from scheduler.queue import Claim
from scheduler.settings import Policy
from scheduler.verdict import Refused

LEASE = timedelta(minutes=15)
"""How long a dealt case may stand on a screen before it is dealt to somebody else."""


class DialRefusedError(RefusedError):
    """The policy forbids the call; `refused` says why and until when. Nothing was dialled."""

    def __init__(self, refused: Refused) -> None:
        super().__init__("、".join(reason.ja for reason in refused.reasons) or "発信できません")
        self.refused = refused


class Switchboard(OpenLines):
    """Deals the cases of one municipality and dials them; their calls from then on are its `OpenLines`.

    `lease`: how long a dealt case may stand on a screen; `caps`: those against toll fraud.
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
        super().__init__(database, clock, calls_desk, phone, municipality_id, rules_of, on_duty=on_duty)
        self._lease = lease
        self._caps = caps
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

    def attend_callbacks(self) -> int:
        """Callbacks whose time has come: open to everybody where their owner is away, missed where nobody called."""
        now = self._clock.now()

        def work(conn: Connection) -> int:
            policy_of = cache(lambda campaign_id: self._rules_of(campaign_id).policy)
            return callbacks.attend(conn, self._municipality_id, now, policy_of)

        return self._database.transact(work)

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
            row = self._row_in(conn, call_id)
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


_TENANT = bindparam("m", type_=Integer)
_KIND_OF: dict[str, LineEventKind] = {"DN": "invalid_number", "FX": "fax", "BZ": "busy", "NW": "unreachable"}
_OPENING = (
    select(campaigns.c.script_hash, campaigns.c.settings, phone_numbers.c.e164)
    .join(
        phone_numbers,
        (phone_numbers.c.municipality_id == campaigns.c.municipality_id) & (phone_numbers.c.id == bindparam("number")),
    )
    .where(campaigns.c.municipality_id == _TENANT, campaigns.c.id == bindparam("campaign"))
)
