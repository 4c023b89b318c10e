"""What the lines of the relay's file amount to: each order and its fate, and what may be told of it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from callflow.telephony.relay.journal import Line, instant_of
from callflow.telephony.relay.wire import Event

Outcome = Literal["ordered", "placed", "refused", "busy", "unknown", "expired", "capped", "forbidden", "void"]
NEVER_DIALLED: Final = frozenset({"refused", "busy", "expired", "capped", "forbidden", "void"})
_OUTCOMES: Final = frozenset({"placed", "refused", "busy", "unknown", "expired", "capped", "forbidden", "void"})
MOST_EVENTS: Final = 10_000


@dataclass(slots=True)
class Order:
    """An attempt as the relay knows it. `at`: when it was written down, just before it was dialled."""

    attempt: str
    at: datetime
    outcome: Outcome = "ordered"
    number: str = ""
    ref: str = ""


@dataclass(slots=True)
class Book:
    """All orders, who waits for those that are still to come, the receivers that were called, and the newest events."""

    orders: dict[str, Order] = field(default_factory=dict)
    by_ref: dict[str, str] = field(default_factory=dict)
    seats: dict[str, str] = field(default_factory=dict)
    desks: set[str] = field(default_factory=set)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    placed_at: deque[datetime] = field(default_factory=deque)

    def take(self, line: Line) -> None:
        """One more line."""
        given, attempt = line.fields, line.fields.get("attempt", "")
        if line.what == "seat":
            self.seats[attempt] = given["desk"]
        elif line.what == "order":
            self.seats.pop(attempt, None)
            self.orders[attempt] = Order(attempt, line.at, number=given["number"])
            self.placed_at.append(line.at)
        elif line.what in _OUTCOMES:
            order = self.orders.setdefault(attempt, Order(attempt, line.at))
            order.outcome = line.what  # type: ignore[assignment]
            self._known(order, given.get("ref", ""))
        elif line.what == "happened":
            if attempt in self.orders:
                self._known(self.orders[attempt], given["ref"])
            self.events.append(_event(line, attempt=attempt, kind=given["kind"]))
        elif line.what == "call_desk":
            self.desks.add(given["desk"])
        elif line.what == "desk":
            self.events.append(_event(line, desk=given["desk"], kind=given["state"]))

    def _known(self, order: Order, ref: str) -> None:
        if ref and not order.ref:
            order.ref = ref
            self.by_ref[ref] = order.attempt

    def events_after(self, number: int, most: int) -> list[Event]:
        """What happened after the line of a number, oldest first."""
        return [each for each in self.events if each.number > number][:most]

    def ordered_since(self, since: datetime) -> int:
        """How many orders were taken; older ones than a day are forgotten for this."""
        while self.placed_at and self.placed_at[0] < since - timedelta(days=1):
            self.placed_at.popleft()
        return sum(1 for each in self.placed_at if each >= since)


def book_of(lines: Iterable[Line]) -> Book:
    book = Book()
    for line in lines:
        book.take(line)
    return book


def _event(line: Line, *, kind: str, attempt: str = "", desk: str = "") -> Event:
    given = line.fields
    return Event(
        number=line.number, attempt=attempt, desk=desk, kind=kind, at=instant_of(given["told"]),
        ref=given.get("ref", ""), cause=given.get("cause", ""),
    )  # fmt: skip
