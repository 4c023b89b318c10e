"""The closed side's telephone: asks the relay, and hears from it what happened. It opens no port.

An order is sent once. Before one is sent the relay must have answered just now; so a line that is lost is noticed
without an order in it.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

import httpx
from pydantic import ValidationError

from callflow.clock import Clock
from callflow.errors import RefusedError
from callflow.line import LEADS_TO, LineEvent
from callflow.telephony import allowed
from callflow.telephony.port import (
    NO_TRACE,
    DeskAbsentError,
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
from callflow.telephony.relay.settings import Line
from callflow.telephony.relay.wire import (
    EVENTS_AT_ONCE,
    PATH,
    SEAL,
    Answer,
    Ask,
    BringIn,
    Call,
    CallDesk,
    Event,
    Fate,
    HandOver,
    HangUp,
    HangUpDesk,
    Hello,
    Hold,
    Message,
    Reply,
    Seat,
    Since,
    is_sealed,
    seal,
)

PAUSE: Final = timedelta(seconds=10)
"""How long nothing is dealt after the relay gave no answer."""

FRESH: Final = timedelta(seconds=5)
"""An order is sent only if the relay answered so lately."""

MOST_REMEMBERED: Final = 5_000
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_REF: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class LostError(PhoneUnavailableError):
    """The relay gave no answer. `sent`: it may have heard the question all the same."""

    def __init__(self, what: str, *, sent: bool) -> None:
        super().__init__(what, mend="中継と、そこまでの回線を確かめてください（callflow relay check）")
        self.sent = sent


class RelayPhone:
    """An `AttendedPhone` beyond a relay. Safe to share between threads."""

    def __init__(self, line: Line, clock: Clock, http: httpx.Client | None = None) -> None:
        self._line, self._clock = line, clock
        patience = httpx.Timeout(line.patience_s, connect=5.0)
        self._http = http or httpx.Client(timeout=patience, verify=line.tls(), trust_env=False)
        self._sender, self._seq = secrets.token_hex(16), 0
        self._after = ("", 0)
        self._limits = (0, 0)
        self._answered_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._trouble = ""
        self._attempts: OrderedDict[str, None] = OrderedDict()
        self._waiting: deque[PhoneEvent] = deque()
        self._desks: deque[DeskEvent] = deque()
        self._lock = Lock()

    @property
    def trouble(self) -> str:
        """Why nothing can be dialled now, in words; empty if it can."""
        return self._trouble

    def start(self) -> None:
        """Nothing to do: each question is its own exchange."""

    def close(self) -> None:
        self._http.close()

    def hello(self) -> Reply:
        """The relay's answer to nothing but a greeting. Raises PhoneUnavailableError."""
        return self._exchange(Hello())

    def place(
        self,
        attempt_ref: str,
        e164: str,
        ring_limit_s: int,
        call_limit_s: int,
        *,
        desk: str = "",
        may_record: bool = False,  # noqa: ARG002  the relay records nothing
        deadline: datetime | None = None,
    ) -> Placed:
        if reason := allowed.why_not(e164):
            raise PlacementRefusedError(reason, disposition="DN")
        with self._lock:
            if attempt_ref in self._attempts:
                raise ValueError("this attempt was placed before")
            self._attempts[attempt_ref] = None
            while len(self._attempts) > MOST_REMEMBERED:
                self._attempts.popitem(last=False)
        try:
            self._require_line()
            self._require_limits(ring_limit_s, call_limit_s)
            if desk:
                self._seat(attempt_ref, desk)
            now = self._clock.now()
            must_be_in_time(now, deadline)
            latest = now + self._line.order_limit
            order = Call(attempt=attempt_ref, number=e164, deadline=min(deadline or latest, latest))
            return _placed(self._order(order))
        except (PlacementRefusedError, PhoneBusyError):
            with self._lock:
                self._attempts.pop(attempt_ref, None)
            raise

    def hang_up(self, provider_ref: str) -> None:
        if _REF.fullmatch(provider_ref):
            self._act(HangUp(ref=provider_ref))

    def fetch(self, attempt_ref: str, trace: Trace = NO_TRACE) -> tuple[KnownCall, ...]:  # noqa: ARG002  the relay has its own
        return self._calls(Fate(attempt=attempt_ref))

    def list_since(self, since: datetime) -> tuple[KnownCall, ...]:
        return self._calls(Since(since=since.astimezone(UTC)))

    def poll(self) -> Sequence[PhoneEvent]:
        now = self._clock.now()
        if self._asked_at is None or now - self._asked_at >= self._line.poll_every:
            while len(self.hello().events) == EVENTS_AT_ONCE:
                pass
        with self._lock:
            events = list(self._waiting)
            self._waiting.clear()
            return events

    def poll_desks(self) -> Sequence[DeskEvent]:
        with self._lock:
            events = list(self._desks)
            self._desks.clear()
            return events

    def call_desk(self, desk: str, address: str) -> None:
        self._act(CallDesk(desk=desk, receiver=address, deadline=self._clock.now() + self._line.order_limit))

    def hang_up_desk(self, desk: str) -> None:
        self._act(HangUpDesk(desk=desk))

    def hold(self, desk: str, provider_ref: str, *, on: bool) -> None:
        self._act(Hold(desk=desk, ref=provider_ref, on=on))

    def bring_in(self, desk: str, address: str) -> None:
        self._act(BringIn(desk=desk, receiver=address, deadline=self._clock.now() + self._line.order_limit))

    def hand_over(self, desk: str) -> None:
        self._act(HandOver(desk=desk))

    def _require_line(self) -> None:
        """Raises PhoneBusyError, with nothing sent that could be dialled, if the relay does not answer now."""
        at = self._answered_at
        if at is not None and not self._trouble and self._clock.now() - at < FRESH:
            return
        try:
            self.hello()
        except PhoneUnavailableError as error:
            raise PhoneBusyError(error.what, pause=PAUSE) from None

    def _require_limits(self, ring_s: int, call_s: int) -> None:
        """Raises PhoneBusyError if the relay's own settings are not what the policy says of this call."""
        if differs := why_limits_differ(self._limits, ring_s, call_s):
            raise PhoneBusyError(differs, pause=PAUSE)

    def _seat(self, attempt: str, desk: str) -> None:
        """Raises PhoneBusyError, with nothing ordered, if the relay did not hear it."""
        try:
            self._act(Seat(attempt=attempt, desk=desk))
        except PhoneUnavailableError as error:
            raise PhoneBusyError(error.what, pause=PAUSE) from None

    def _order(self, order: Call) -> Answer:
        try:
            return self._exchange(order).answer
        except LostError as error:
            if error.sent:
                raise PlacementUnknownError(error.what) from None
            raise PhoneBusyError(error.what, pause=PAUSE) from None
        except PhoneUnavailableError as error:  # sealed: it was heard and not done
            raise PhoneBusyError(error.what, pause=PAUSE) from None

    def _act(self, ask: Ask) -> None:
        answer = self._exchange(ask).answer
        match answer.result:
            case "refused" if answer.disposition:
                raise PlacementRefusedError(answer.what, disposition=answer.disposition, mend=answer.mend)
            case "refused":
                raise RefusedError(answer.what, mend=answer.mend)
            case "absent":
                raise DeskAbsentError
            case "busy":
                raise PhoneBusyError(answer.what, pause=timedelta(seconds=answer.pause_s))
            case "done":
                return
        raise PhoneUnavailableError(answer.what, mend=answer.mend)

    def _calls(self, ask: Fate | Since) -> tuple[KnownCall, ...]:
        answer = self._exchange(ask).answer
        if answer.result != "calls":
            raise PhoneUnavailableError(answer.what, mend=answer.mend)
        known = [
            KnownCall(each.attempt, each.ref, each.placed_at, LineEvent(each.kind, each.at, each.ref, each.cause))
            for each in answer.calls
        ]
        return tuple(known)

    def _exchange(self, ask: Ask) -> Reply:
        """One question and its answer; what happened meanwhile is put aside. Raises PhoneUnavailableError."""
        try:
            reply = self._answered(ask)
            if reply.answer.result == "skew":
                raise PhoneUnavailableError(
                    f"中継と時計が {reply.answer.what} 秒違うか、中継が動き始めたばかりです",
                    mend="両方の時刻を確かめてください",
                )
            if reply.answer.result == "old":
                raise LostError("中継はこの問いをもう聞いています", sent=True)
        except PhoneUnavailableError as error:
            self._trouble = error.what
            raise
        finally:
            self._asked_at = self._clock.now()
        self._trouble, self._answered_at = "", self._asked_at
        self._limits = (reply.ring_s, reply.limit_s)
        self._hear(reply)
        return reply

    def _answered(self, ask: Ask) -> Reply:
        with self._lock:
            self._seq += 1
            seq, after = self._seq, self._after
        now, nonce = self._clock.now(), secrets.token_hex(16)
        body = (
            Message(sender=self._sender, seq=seq, nonce=nonce, time=now, after=after, ask=ask)
            .model_dump_json()
            .encode()
        )
        headers = {SEAL: seal("to the relay", body, self._line.keys), "content-type": "application/json"}
        try:
            answer = self._http.post(self._line.url + PATH, content=body, headers=headers)
        except _NOT_SENT as error:
            raise LostError(f"中継につながりません（{type(error).__name__}）", sent=False) from None
        except httpx.HTTPError as error:
            raise LostError(f"中継の応答がありません（{type(error).__name__}）", sent=True) from None
        if not is_sealed("from the relay", answer.content, answer.headers.get(SEAL, ""), self._line.keys):
            raise LostError(f"中継の応答に印がありません（{answer.status_code}）", sent=True)
        try:
            reply = Reply.model_validate_json(answer.content)
        except ValidationError:
            raise LostError("中継の応答を読めません。版が違うかもしれません", sent=True) from None
        if reply.nonce != nonce:
            raise LostError("中継の応答が別の問いのものです", sent=True)
        return reply

    def _hear(self, reply: Reply) -> None:
        """Each event once, though several questions may be asked at the same time."""
        with self._lock:
            file, known = self._after
            known = known if file == reply.file else 0
            for each in reply.events:
                if each.number > known:
                    known = each.number
                    self._put_aside(each)
            self._after = (reply.file, known)

    def _put_aside(self, event: Event) -> None:
        if event.desk:
            self._desks.append(DeskEvent(event.desk, "there" if event.kind == "there" else "gone"))
        elif event.kind in LEADS_TO:
            line = LineEvent(event.kind, event.at, event.ref, event.cause)
            self._waiting.append(PhoneEvent(event.attempt, line))


def why_limits_differ(relays: tuple[int, int], ring_s: int, call_s: int) -> str:
    """Why a relay that rings and lets talk for so many seconds may not dial, in words; empty if it may."""
    if relays[0] != ring_s:
        return f"中継の呼出は {relays[0]} 秒、規則は {ring_s} 秒なので、かけていません（ring_seconds）"
    if relays[1] > call_s:
        return f"中継の通話は {relays[1]} 秒まで、規則は {call_s} 秒までなので、かけていません（call_seconds）"
    return ""


def _placed(answer: Answer) -> Placed:
    match answer.result:
        case "placed":
            return Placed(answer.ref)
        case "refused":
            raise PlacementRefusedError(answer.what, disposition=answer.disposition or "TF", mend=answer.mend)
        case "absent":
            raise DeskAbsentError
        case "busy":
            raise PhoneBusyError(answer.what, pause=timedelta(seconds=answer.pause_s))
        case "repeated":
            raise ValueError("this attempt was placed before")
    raise PlacementUnknownError(answer.what or "中継の応答がわかりません")
