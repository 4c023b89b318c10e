"""What a telephone's provider tells us by calling our web server: read and judged before anything else sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from callflow.telephony.port import DeskEvent, PhoneEvent, RecordingReady

LARGEST: Final = 16 * 1024
"""Bytes of a body; no provider's telling is longer."""


@dataclass(frozen=True, slots=True)
class Told:
    """A judged request. `status`: our HTTP answer. `event`: what happened, None if nothing that concerns us.

    `reason`: of a refusal, in plain words without anything that was sent; `expected`: the URL that a signature must be
    over, without the last part.
    """

    status: int
    event: PhoneEvent | DeskEvent | RecordingReady | None = None
    reason: str = ""
    expected: str = ""


class Receiver(Protocol):
    """Judges the requests of one provider, without effect."""

    prefix: str
    """The path under which the provider calls, `/hooks/…/`."""

    def read(self, path: str, headers: Mapping[str, str], body: bytes) -> Told:
        """`path` is all of it, `headers` have lower-case names. Never raises."""
        ...


class CalledBack(Protocol):
    """A telephone whose provider calls us back."""

    def arrived(self, told: PhoneEvent) -> None:
        """Takes in what was told; the next `poll` has it."""
        ...


@dataclass(frozen=True, slots=True)
class Hook:
    """Who judges what is told, and whom it then is told to."""

    receiver: Receiver
    phone: CalledBack
