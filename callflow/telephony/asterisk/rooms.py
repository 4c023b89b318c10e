"""Who hears whom: a desk's bridges at Asterisk.

The receiver of a desk waits in its `room`, residents are brought there when they answer, and wait in `hold`; a talk
that was handed over goes on in `over`. Where somebody is, is asked of Asterisk and remembered nowhere else, so that
it survives every restart of ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any, Final

from callflow.errors import RefusedError
from callflow.telephony.asterisk.client import Client
from callflow.telephony.asterisk.words import Place, name, named
from callflow.telephony.port import DeskAbsentError, DeskEvent, PhoneBusyError, PhoneUnavailableError

DESK_VARIABLE: Final = "OPERATOR_DESK"
"""A resident's channel carries the desk to which it belongs."""

MOST_WAITING: Final = 1_000
"""What became of receivers, in a process that never asks; the newest count."""

Bridges = Mapping[str, Collection[str]]
"""The channels in each bridge."""


class Rooms:
    """Everything raises PhoneUnavailableError, and may be repeated. Safe to share between threads."""

    def __init__(self, client: Client, app: str) -> None:
        self._client, self._app = client, app
        self._desks: set[str] = set()
        self._told: deque[DeskEvent] = deque(maxlen=MOST_WAITING)
        self._lock = Lock()

    def take(self) -> list[DeskEvent]:
        """What became of receivers since this was last asked."""
        with self._lock:
            told = list(self._told)
            self._told.clear()
            return told

    def open(self, desk: str, place: Place = "room") -> None:
        kind = "holding" if place == "hold" else "mixing"
        self._client.act("POST", "/bridges", bridgeId=self._name(desk, place), type=kind)
        with self._lock:
            self._desks.add(desk)

    def attended(self, desk: str) -> list[str]:
        """Who is in the room besides the receiver. Raises DeskAbsentError without a receiver."""
        people = self._people(desk, "room") if desk.isalnum() else []
        receiver = name(self._app, "desk", desk)
        if receiver not in people:
            raise DeskAbsentError
        return [each for each in people if each != receiver]

    def make_ready(self, desk: str) -> None:
        """Nobody of an earlier talk may hear the next. Raises DeskAbsentError, and PhoneBusyError where that is not
        certain."""
        try:
            for each in [*self.attended(desk), *self._people(desk, "hold")]:
                self._hang_up(each)
        except PhoneUnavailableError as error:
            raise PhoneBusyError(error.what) from None

    def receiver_is_up(self, desk: str) -> None:
        """It comes to wait in its room."""
        self.open(desk)
        if self._enter(desk, "room", [name(self._app, "desk", desk)]):
            self._tell(DeskEvent(desk, "there"))

    def receiver_is_down(self, desk: str) -> None:
        """Whoever is still in the room or waits for it is hung up; a talk that was handed over goes on."""
        for place in ("room", "hold"):
            self._end(desk, place)
        with self._lock:
            self._desks.discard(desk)
        self._tell(DeskEvent(desk, "gone"))

    def bring_in(self, channel: str, desk: str) -> None:
        """Somebody who answered comes into the room; where no receiver is, they are hung up."""
        try:
            self.attended(desk)
            entered = self._enter(desk, "room", [channel])
        except DeskAbsentError:
            entered = False
        if not entered:
            self._hang_up(channel)

    def hold(self, desk: str, channel: str, *, on: bool) -> None:
        self.attended(desk)
        if not on:
            self._enter(desk, "room", [channel])
            return
        self.open(desk, "hold")
        self._enter(desk, "hold", [channel])
        self._client.act("POST", f"/bridges/{self._name(desk, 'hold')}/moh")

    def hand_over(self, desk: str) -> None:
        """The supervisor and the resident go on without the operator, who stays alone in the room."""
        people = [*self.attended(desk), *self._people(desk, "hold")]
        boss = name(self._app, "boss", desk)
        if boss not in people or len(people) == 1:
            raise RefusedError("責任者の電話がまだつながっていません", mend="責任者が出てから、もう一度押してください")
        self.open(desk, "over")
        self._enter(desk, "over", people)

    def left(self, bridge: str, people: Collection[str]) -> None:
        """Somebody has left a bridge, these are still there: who is left alone in `over` is hung up."""
        found = named(self._app, bridge)
        if found is not None and found.role == "over" and len(people) < 2:
            self._end(found.ref, "over")

    def recover(self, channels: Mapping[str, Mapping[str, Any]], bridges: Bridges) -> None:
        """Looks after what was missed: receivers and residents who are where nobody heard of, or no more."""
        ours = [found for each in (*channels, *bridges) if (found := named(self._app, each))]
        with self._lock:
            self._desks |= {found.ref for found in ours if found.role in ("desk", "room")}
            desks = sorted(self._desks)
        for desk in desks:
            receiver = name(self._app, "desk", desk)
            if receiver not in channels:
                self.receiver_is_down(desk)
            elif receiver in bridges.get(self._name(desk, "room"), ()):
                self._tell(DeskEvent(desk, "there"))
            elif channels[receiver]["state"] == "Up":
                self.receiver_is_up(desk)
        for bridge, people in bridges.items():
            self.left(bridge, people)
        inside = {each for people in bridges.values() for each in people}
        for each, channel in channels.items():
            found = named(self._app, each)
            if found and found.role in ("call", "boss") and channel["state"] == "Up" and each not in inside:
                self.bring_in(each, self._desk_of(each))

    def _desk_of(self, channel: str) -> str:
        found = self._client.get(f"/channels/{channel}/variable?variable={DESK_VARIABLE}")
        return str(found["value"]) if found else ""

    def _people(self, desk: str, place: Place) -> list[str]:
        found = self._client.get(f"/bridges/{self._name(desk, place)}")
        return [str(each) for each in found["channels"]] if found else []

    def _enter(self, desk: str, place: Place, channels: list[str]) -> bool:
        return self._client.act("POST", f"/bridges/{self._name(desk, place)}/addChannel", channel=channels)

    def _end(self, desk: str, place: Place) -> None:
        for each in self._people(desk, place):
            self._hang_up(each)
        self._client.act("DELETE", f"/bridges/{self._name(desk, place)}")

    def _hang_up(self, channel: str) -> None:
        self._client.act("DELETE", f"/channels/{channel}")

    def _name(self, desk: str, place: Place) -> str:
        return name(self._app, place, desk)

    def _tell(self, event: DeskEvent) -> None:
        with self._lock:
            self._told.append(event)
