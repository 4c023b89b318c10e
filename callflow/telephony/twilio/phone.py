"""Twilio as a telephone that calls the operator first.

The operator's receiver waits in a conference of its own (`desk-…`); the resident is called into it, by its id, so that
one that has just ended dials nobody. When the receiver is put down the conference ends, and with it the talk.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from twilio.base.exceptions import TwilioRestException

from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.line import LineEvent, LineEventKind, is_final
from callflow.telephony import allowed
from callflow.telephony.port import (
    HUNG_UP,
    NO_TRACE,
    DeskAbsentError,
    KnownCall,
    PhoneBusyError,
    PhoneEvent,
    PhoneUnavailableError,
    Placed,
    PlacementRefusedError,
    PlacementUnknownError,
    Trace,
    must_be_in_time,
)
from callflow.telephony.twilio.client import asking, client_of, placing
from callflow.telephony.twilio.settings import Account
from callflow.telephony.twilio.twiml import waits_in
from callflow.telephony.twilio.words import kind_of_end

LONGEST_CALL_S: Final = 4 * 3600
"""Twilio's own limit of a call, and ours of a receiver that is off the hook."""

SKEW: Final = timedelta(seconds=30)
"""By how much Twilio's clock may be behind ours; two attempts on one number are minutes apart."""

MOST_REMEMBERED: Final = 5_000
_CALL_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_SUPERVISOR: Final = "supervisor"
_DESK: Final = "desk"


@dataclass(slots=True)
class _Attempt:
    """What this process knows of an attempt; another process asks Twilio."""

    e164: str
    begun_at: datetime
    sid: str = ""
    hung_up: bool = False
    seen: set[LineEventKind] = field(default_factory=set)


class TwilioPhone:
    """An `AttendedPhone` over Twilio's API. Safe to share between threads."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._client = client_of(account)
        self._attempts: OrderedDict[str, _Attempt] = OrderedDict()
        self._waiting: deque[PhoneEvent] = deque()
        self._lock = Lock()

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",
        may_record: bool = False,
        deadline: datetime | None = None,
    ) -> Placed:
        reason = allowed.why_not(e164)
        if reason:
            raise PlacementRefusedError(reason, disposition="DN")
        with self._lock:
            if attempt_ref in self._attempts:
                raise ValueError("this attempt was placed before")
            self._remember(attempt_ref, _Attempt(e164, self._clock.now()))
        try:
            conference, by_label = self._attended(desk)
            self._clear(conference, [sid for label, sid in by_label.items() if label != _DESK])
            must_be_in_time(self._clock.now(), deadline)
            sid = self._dial(conference, attempt_ref, e164, ring_limit_s, call_limit_s, record=may_record)
        except (PlacementRefusedError, PhoneBusyError):
            with self._lock:
                self._attempts.pop(attempt_ref, None)
            raise
        self.arrived(PhoneEvent(attempt_ref, LineEvent("placed", self._clock.now(), sid)))
        return Placed(sid)

    def hang_up(self, provider_ref: str) -> None:
        if not _CALL_SID.fullmatch(provider_ref):
            return
        attempt_ref = self._hanging_up(provider_ref)
        with asking():
            try:
                call = self._client.calls(provider_ref).update(status="completed")
            except TwilioRestException as error:
                if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status == HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                return  # over, or unknown
            kind = kind_of_end(str(call.status))
        if attempt_ref and is_final(kind):
            self.arrived(PhoneEvent(attempt_ref, LineEvent(kind, self._clock.now(), provider_ref)))

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:
        with self._lock:
            one = self._attempts.get(attempt_ref)
        sid = trace.provider_ref or (one.sid if one else "")
        e164, since = trace.e164 or (one.e164 if one else ""), trace.since or (one.begun_at if one else None)
        with asking():
            if sid:
                return self._by_sid(attempt_ref, sid)
            if not e164 or since is None:
                return ()
            found = self._client.calls.list(to=e164, from_=self._account.caller_id, limit=50)
            return tuple(_known(each, attempt_ref) for each in found if _created(each) >= since - SKEW)

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        with asking():
            found = self._client.calls.list(
                from_=self._account.caller_id, start_time_after=since.astimezone(UTC), page_size=1000
            )
        with self._lock:
            attempts = {one.sid: ref for ref, one in self._attempts.items() if one.sid}
        ours = self._account.receivers
        known = [
            _known(each, attempts.get(str(each.sid), ""))
            for each in found
            if _created(each) >= since and each.to not in ours and not str(each.to).startswith("client:")
        ]
        return tuple(sorted(known, key=lambda each: each.placed_at))

    def poll(self) -> Sequence[PhoneEvent]:
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
            return events

    def arrived(self, told: PhoneEvent) -> None:
        """Takes in what happened; each kind of happening once, and nothing after the end of a call."""
        with self._lock:
            one = self._attempts.get(told.attempt_ref)
            if one is not None:
                if told.event.kind in one.seen or any(is_final(kind) for kind in one.seen):
                    return
                one.seen.add(told.event.kind)
                one.sid = one.sid or told.event.provider_ref
                if one.hung_up and is_final(told.event.kind):
                    told = replace(told, event=replace(told.event, cause=HUNG_UP))
            self._waiting.append(told)

    def call_desk(self, desk: str, address: str) -> None:
        _must_be_allowed(address)
        self._ring(
            lambda: self._client.calls.create(
                to=address,
                from_=self._account.caller_id,
                twiml=waits_in(_room(desk)),
                timeout=60,
                time_limit=LONGEST_CALL_S,
                status_callback=self._account.hook("desk", desk),
                status_callback_event=["answered", "completed"],
                status_callback_method="POST",
            )
        )

    def hang_up_desk(self, desk: str) -> None:
        try:
            conference, _ = self._attended(desk)
        except DeskAbsentError:
            return
        with asking():
            self._client.conferences(conference).update(status="completed")

    def hold(self, desk: str, provider_ref: str, *, on: bool) -> None:
        conference, _ = self._attended(desk)
        with asking():
            self._client.conferences(conference).participants(provider_ref).update(hold=on)

    def bring_in(self, desk: str, address: str) -> None:
        _must_be_allowed(address)
        conference, _ = self._attended(desk)
        self._ring(
            lambda: self._client.conferences(conference).participants.create(
                from_=self._account.caller_id,
                to=address,
                label=_SUPERVISOR,
                timeout=60,
                time_limit=LONGEST_CALL_S,
                beep="false",
                start_conference_on_enter=True,
                end_conference_on_exit=False,
            )
        )

    def hand_over(self, desk: str) -> None:
        conference, by_label = self._attended(desk)
        if _SUPERVISOR not in by_label:
            raise RefusedError("責任者の電話がまだつながっていません", mend="責任者が出てから、もう一度押してください")
        people = self._client.conferences(conference).participants
        with asking():
            people(by_label[_SUPERVISOR]).update(end_conference_on_exit=True)
            people(by_label[_DESK]).update(end_conference_on_exit=False)

    def _attended(self, desk: str) -> tuple[str, dict[str, str]]:
        """The conference in which the desk's receiver waits, and its calls by label.

        Raises DeskAbsentError if it does not, PhoneBusyError without an answer: nothing was dialled.
        """
        try:
            with asking():
                open_ = [
                    str(each.sid)
                    for each in self._client.conferences.list(friendly_name=_room(desk), limit=20)
                    if each.status != "completed"
                ]
                people = self._client.conferences(open_[0]).participants.list(limit=20) if open_ else []
        except PhoneUnavailableError as error:
            raise PhoneBusyError(error.what) from None
        by_label = {str(each.label or _DESK): str(each.call_sid) for each in people}
        if _DESK not in by_label:
            raise DeskAbsentError
        return open_[0], by_label

    def _clear(self, conference: str, others: Sequence[str]) -> None:
        """Nobody of an earlier talk may hear the next: without that certainty nothing is dialled."""
        try:
            with asking():
                for sid in others:
                    self._client.conferences(conference).participants(sid).delete()
        except PhoneUnavailableError as error:
            raise PhoneBusyError(error.what) from None

    def _dial(
        self, conference: str, attempt_ref: str, e164: str, ring_limit_s: int, call_limit_s: int, *, record: bool
    ) -> str:
        account = self._account
        more: dict[str, Any] = {}
        if account.machine_detection:
            more |= {
                "machine_detection": "Enable",
                "amd_status_callback": account.hook("machine", attempt_ref),
                "amd_status_callback_method": "POST",
            }
        if account.record and record:
            more |= {
                "recording_status_callback": account.hook("recording", attempt_ref),
                "recording_status_callback_method": "POST",
                "recording_status_callback_event": ["completed"],
            }
        with placing(self._client):
            made = self._client.conferences(conference).participants.create(
                from_=account.caller_id,
                to=e164,
                label=attempt_ref,
                timeout=ring_limit_s,
                time_limit=min(call_limit_s, LONGEST_CALL_S),
                early_media=True,
                beep="false",
                start_conference_on_enter=False,
                end_conference_on_exit=False,
                max_participants=3,
                record=account.record and record,
                status_callback=account.hook("call", attempt_ref),
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                status_callback_method="POST",
                **more,
            )
            return str(made.call_sid)

    def _ring(self, act: Any) -> None:
        """Rings a person of ours: not knowing whether it does is no harm, they are asked to try again."""
        try:
            with placing(self._client):
                act()
        except PlacementUnknownError as error:
            raise PhoneUnavailableError(error.what, mend="鳴らなければ、もう一度押してください") from None

    def _hanging_up(self, sid: str) -> str:
        """Notes that the end of a call will be our doing; its attempt, empty if this process did not place it."""
        with self._lock:
            for attempt_ref, one in reversed(self._attempts.items()):
                if one.sid == sid:
                    one.hung_up = True
                    return attempt_ref
        return ""

    def _by_sid(self, attempt_ref: str, sid: str) -> tuple[KnownCall, ...]:
        try:
            return (_known(self._client.calls(sid).fetch(), attempt_ref),)
        except TwilioRestException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return ()
            raise

    def _remember(self, attempt_ref: str, one: _Attempt) -> None:
        self._attempts[attempt_ref] = one
        while len(self._attempts) > MOST_REMEMBERED:
            self._attempts.popitem(last=False)


def _room(desk: str) -> str:
    return f"desk-{desk}"


def _must_be_allowed(address: str) -> None:
    """A receiver of ours is a browser, or a number as every other. Raises PlacementRefusedError."""
    if not re.fullmatch(r"client:[A-Za-z0-9_-]{1,64}", address) and (reason := allowed.why_not(address)):
        raise PlacementRefusedError(reason, mend="twilio.desks を確かめてください")


def _created(call: Any) -> datetime:
    made: datetime = call.date_created or call.start_time
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def _known(call: Any, attempt_ref: str) -> KnownCall:
    """A call of Twilio's listing. Raises KeyError for a status that Twilio does not have."""
    kind, created = kind_of_end(str(call.status)), _created(call)
    at = (call.end_time if is_final(kind) else call.start_time) or created
    last = LineEvent(kind, at if at.tzinfo else at.replace(tzinfo=UTC), str(call.sid))
    return KnownCall(attempt_ref, str(call.sid), created, last)
