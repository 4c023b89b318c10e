"""Judges what claims to be the closed side: seal, form, time, repetition; then answers, sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from pydantic import ValidationError

from callflow.clock import Clock
from callflow.errors import TryLaterError
from callflow.telephony.relay.relay import Relay
from callflow.telephony.relay.wire import LARGEST, SKEW, Answer, Heard, Keys, Message, Reply, is_sealed, seal


@dataclass(frozen=True, slots=True)
class Answered:
    """`status`: of our HTTP answer. `reason`: of a refusal, in plain words without anything that was sent."""

    status: int
    body: bytes = b""
    seal: str = ""
    reason: str = ""


@dataclass(slots=True)
class Exchange:
    """The relay's side of the line. A message from before its own start is never heard: what it then knew is gone."""

    relay: Relay
    keys: Keys
    clock: Clock
    _heard: Heard = field(default_factory=Heard)
    _lock: Lock = field(default_factory=Lock)
    _began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock.now()

    def read(self, given: str, body: bytes) -> Answered:
        """What to answer to a text and its seal."""
        if len(body) > LARGEST or not is_sealed("to the relay", body, given, self.keys):
            return Answered(403, reason="wrong seal" if given else "no seal")
        try:
            message = Message.model_validate_json(body)
        except ValidationError:
            return Answered(400, reason="not of its form")
        now = self.clock.now()
        if abs(message.time - now) > SKEW or message.time < self._began:
            return self._sealed(
                message, Answer(result="skew", what=f"{(message.time - now).total_seconds():+.0f}"), 409
            )
        with self._lock:
            if not self._heard.is_new(message.sender, message.seq):
                return self._sealed(message, Answer(result="old"), 409)
        try:
            return self._sealed(message, self.relay.answer(message.ask), 200)
        except TryLaterError as error:  # the file takes no line: what was not written down was not done
            return Answered(503, reason=error.what)

    def _sealed(self, message: Message, answer: Answer, status: int) -> Answered:
        events = self.relay.news(message.after) if status == 200 else []
        relay = self.relay
        reply = Reply(
            nonce=message.nonce,
            time=self.clock.now(),
            file=relay.file,
            head=relay.head,
            ring_s=relay.limits.ring_s,
            limit_s=relay.limits.call_s,
            answer=answer,
            events=events,
        )
        body = reply.model_dump_json().encode()
        return Answered(status, body, seal("from the relay", body, self.keys))
