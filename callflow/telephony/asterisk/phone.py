"""Asterisk as a telephone that calls the operator first.

The operator's receiver waits in a bridge of its own (`rooms.py`); the resident's channel carries our id of the attempt,
which Asterisk refuses to use twice, and is brought into that bridge the moment it is answered.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.line import is_final
from callflow.telephony import allowed
from callflow.telephony.asterisk.attempts import Attempts
from callflow.telephony.asterisk.client import Client, TakenError
from callflow.telephony.asterisk.ears import FIRST_PAUSE_S, Ears
from callflow.telephony.asterisk.rooms import DESK_VARIABLE, Rooms
from callflow.telephony.asterisk.settings import Pbx
from callflow.telephony.asterisk.words import Name, Role, instant_of, name, named
from callflow.telephony.port import (
    NO_TRACE,
    DeskEvent,
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

LONGEST_CALL_S: Final = 4 * 3600
"""Our limit of a receiver that is off the hook, and of every talk."""

RING_OURS_S: Final = 60
_RECEIVER: Final = re.compile(r"PJSIP/[A-Za-z0-9_-]{1,40}", re.ASCII)


class AsteriskPhone:
    """An `AttendedPhone`, `ListeningPhone` and `WatchedPhone`. It places calls only while it hears; whoever only asks
    need not `start`.
    `app`: the application under which this process hears. Any number of them may work with one Asterisk.

    Safe to share between threads.
    """

    def __init__(self, pbx: Pbx, clock: Clock, *, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._pbx, self._clock = pbx, clock
        self._client = Client(pbx)
        self._attempts, self._rooms = Attempts(), Rooms(self._client, pbx.app)
        self._arrived: set[str] = set()
        self.app = f"{pbx.app}_{secrets.token_hex(4)}"
        self._ears = Ears(pbx, self.app, self.hear, self.recover, first_pause_s=first_pause_s)

    @property
    def trouble(self) -> str:
        return "" if self._ears.hearing else "Asterisk の知らせが届いていないため、発信できません。"

    def start(self) -> None:
        self._ears.start()

    def close(self) -> None:
        self._ears.close()
        self._client.close()

    def wait(self, seconds: float) -> bool:
        """Waits until Asterisk is heard; whether it is."""
        return self._ears.wait(seconds)

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",
        may_record: bool = False,  # noqa: ARG002  nothing is recorded
        deadline: datetime | None = None,
    ) -> Placed:
        reason = allowed.why_not(e164)
        if reason:
            raise PlacementRefusedError(reason, disposition="DN")
        self._attempts.begin(attempt_ref, self._clock.now())
        channel = self._name("call", attempt_ref)
        try:
            self._must_hear()
            self._rooms.make_ready(desk)
            must_be_in_time(self._clock.now(), deadline)
            self._originate(
                channel,
                self._pbx.endpoint(e164),
                desk,
                ring_limit_s,
                ring_limit_s + min(call_limit_s, LONGEST_CALL_S),
            )
        except (PlacementRefusedError, PhoneBusyError):
            self._attempts.forget(attempt_ref)
            raise
        self._attempts.happened(attempt_ref, channel, "placed", self._clock.now())
        return Placed(channel)

    def hang_up(self, provider_ref: str) -> None:
        found = named(self._pbx.app, provider_ref)
        if found is not None and found.role == "call":
            self._attempts.hanging_up(found.ref)
            if not self._client.act("DELETE", f"/channels/{provider_ref}"):
                self._attempts.hanging_up(found.ref, ours=False)

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:
        known = self._attempts.known(attempt_ref)
        if known is None or not is_final(known.last.kind):
            name_ = self._name("call", attempt_ref)
            channel = self._client.get(f"/channels/{name_}")
            if channel is not None:
                self._attempts.seen(attempt_ref, channel, self._clock.now())
            elif known or trace.provider_ref:
                self._attempts.gone(attempt_ref, name_, self._clock.now(), answered=trace.answered)
        known = self._attempts.known(attempt_ref)
        return (known,) if known else ()

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        for channel in self._client.get("/channels") or ():
            found = named(self._pbx.app, str(channel["id"]))
            if found is not None and found.role == "call":
                self._attempts.seen(found.ref, channel, self._clock.now())
        known = [each for each in self._attempts.all_known() if each.placed_at >= since]
        return tuple(sorted(known, key=lambda each: each.placed_at))

    def poll(self) -> Sequence[PhoneEvent]:
        return self._attempts.take()

    def poll_desks(self) -> Sequence[DeskEvent]:
        return self._rooms.take()

    def call_desk(self, desk: str, address: str) -> None:
        _must_be_ours(address)
        self._must_hear()
        self._rooms.open(desk)
        try:
            self._ring(self._name("desk", desk), address, desk)
        except TakenError:
            return  # it rings already

    def hang_up_desk(self, desk: str) -> None:
        self._client.act("DELETE", f"/channels/{self._name('desk', desk)}")

    def hold(self, desk: str, provider_ref: str, *, on: bool) -> None:
        self._rooms.hold(desk, provider_ref, on=on)

    def bring_in(self, desk: str, address: str) -> None:
        _must_be_ours(address)
        self._must_hear()
        self._rooms.attended(desk)
        try:
            self._ring(self._name("boss", desk), address, desk)
        except TakenError:
            raise RefusedError(
                "責任者の電話は、もう鳴っているか、前の通話に出ています", mend="責任者が出るのを待ってください"
            ) from None

    def hand_over(self, desk: str) -> None:
        self._rooms.hand_over(desk)

    def hear(self, message: Mapping[str, Any]) -> None:
        """Takes in one event of Asterisk's, late, repeated or in any order. Raises PhoneUnavailableError."""
        kind = message["type"]
        if kind == "ChannelLeftBridge":
            self._rooms.left(str(message["bridge"]["id"]), message["bridge"]["channels"])
            return
        channel = message.get("peer" if kind == "Dial" else "channel")
        found = named(self._pbx.app, str(channel["id"])) if channel else None
        if channel is None or found is None:
            return
        if found.role == "call":
            self._hear_of_call(found.ref, channel, message)
        if kind == "StasisStart":
            self._is_up(found, str(channel["id"]), message)
        elif kind == "ChannelDestroyed":
            self._arrived.discard(str(channel["id"]))
            if found.role == "desk":
                self._rooms.receiver_is_down(found.ref)

    def recover(self) -> None:
        """Looks after what happened while nothing was heard, by this process or an earlier one."""
        placed = self._attempts.in_the_air()
        channels = {str(each["id"]): each for each in self._client.get("/channels") or ()}
        bridges = {str(each["id"]): each["channels"] for each in self._client.get("/bridges") or ()}
        self._subscribe(channels)
        now = self._clock.now()
        for attempt_ref in placed:
            if self._name("call", attempt_ref) not in channels:
                self._attempts.gone(attempt_ref, self._name("call", attempt_ref), now)
        for each, channel in channels.items():
            found = named(self._pbx.app, each)
            if found is not None and found.role == "call":
                self._attempts.seen(found.ref, channel, now)
        self._arrived &= set(channels)
        self._rooms.recover(channels, bridges)

    def _subscribe(self, channels: Iterable[str]) -> None:
        """What another process placed is heard of here from now on."""
        for each in channels:
            if named(self._pbx.app, each):
                self._client.act("POST", f"/applications/{self.app}/subscription", eventSource=[f"channel:{each}"])

    def _hear_of_call(self, attempt_ref: str, channel: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        at = instant_of(message, self._clock.now())
        match message["type"]:
            case "Dial":
                self._attempts.dialled(attempt_ref, channel, str(message["dialstatus"]), at)
            case "ChannelDestroyed":
                self._attempts.destroyed(attempt_ref, channel, int(message["cause"]), message.get("tech_cause"), at)
            case "ChannelStateChange" | "StasisStart":
                self._attempts.seen(attempt_ref, channel, at)

    def _is_up(self, found: Name, channel: str, message: Mapping[str, Any]) -> None:
        if channel in self._arrived:  # repeated, and by now they may be elsewhere
            return
        self._arrived.add(channel)
        if found.role == "desk":
            self._rooms.receiver_is_up(found.ref)
        else:
            self._rooms.bring_in(channel, "".join(message["args"][:1]))

    def _must_hear(self) -> None:
        """Who answers while nobody hears of it would be cut off. Raises PhoneBusyError."""
        if not self._ears.hearing:
            raise PhoneBusyError("Asterisk の知らせが届いていません")

    def _ring(self, channel: str, address: str, desk: str) -> None:
        """Rings a person of ours: not knowing whether it does is no harm, they are asked to try again."""
        try:
            self._originate(channel, address, desk, RING_OURS_S, RING_OURS_S + LONGEST_CALL_S)
        except TakenError:
            raise
        except PlacementUnknownError as error:
            raise PhoneUnavailableError(error.what, mend="鳴らなければ、もう一度押してください") from None

    def _originate(self, channel: str, endpoint: str, desk: str, ring_limit_s: int, longest_s: int) -> None:
        self._client.originate(
            endpoint=endpoint,
            app=self.app,
            appArgs=desk,
            channelId=channel,
            callerId=self._pbx.caller_id,
            timeout=ring_limit_s,
            variables={"TIMEOUT(absolute)": str(longest_s), DESK_VARIABLE: desk},
        )

    def _name(self, role: Role, ref: str) -> str:
        return name(self._pbx.app, role, ref)


def _must_be_ours(address: str) -> None:
    """A receiver of ours is an endpoint of the PBX, never a number through a trunk. Raises PlacementRefusedError."""
    if not _RECEIVER.fullmatch(address):
        raise PlacementRefusedError("内線の書き方が違います", mend="asterisk.desks を確かめてください")
