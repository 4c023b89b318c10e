"""The states and outcomes of logs alone, neither lines nor effects: at a fraction of a full replay's price.

The calls of a year go the same few thousand ways through their script. `Ways` is the tree of those that were gone
so far: each is stepped once by the functions that replay it, and looked up from then on.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from callflow import calllog
from callflow.calllog import Event
from callflow.replay import ReplayError, Told, but, code_of, moved, one_back, other_outcome, other_state, tell
from callflow.script.model import Script
from callflow.script.talk import begin

MOST = 20_000
"""Places that are kept, of some kB each; more than that and the tree begins anew."""


@dataclass(slots=True)
class _Place:
    """Where a call stands after what led here, and the places that were reached from here."""

    told: Told
    onward: dict[Hashable, _Place] = field(default_factory=dict)


class Ways:
    """The ways that calls of one script have gone. For one thread."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._start = _Place(Told())
        self.places = 0

    def check(self, rows: Iterable[Sequence[Any]]) -> None:
        """The log of one call, each row of `calllog.chain_columns`, nothing erased.

        What was corrected after the end is not looked at. Raises ReplayError where script and log part, AttributeError,
        LookupError, TypeError or ValueError for a payload that is not of our form.
        """
        place = self._start
        for row in rows:
            seq, kind, payload = row[0], row[2], orjson.loads(row[4])
            if kind == calllog.CLOSE:
                code, recorded = code_of(self._script, place.told, payload["reason"]), payload["disposition"]
                if code != recorded:
                    raise ReplayError(seq, other_outcome(code, recorded))
                continue
            onward = _onward(kind, payload)
            if onward is None:
                continue
            place = place.onward.get(onward) or self._gone(place, onward, row, payload)
            if kind in _SAYS_WHERE and (state := place.told.talk.state) != payload["to"]:  # type: ignore[union-attr]
                raise ReplayError(seq, other_state(state, payload["to"]))

    def _gone(self, place: _Place, onward: Hashable, row: Sequence[Any], payload: Mapping[str, Any]) -> _Place:
        """A way that nobody has gone yet."""
        if self.places >= MOST:
            self._start, self.places = _Place(Told()), 0
        new = place.onward[onward] = _Place(self._told(place.told, Event(row[0], row[1], row[2], row[3], payload)))
        self.places += 1
        return new

    def _told(self, told: Told, event: Event) -> Told:
        payload = event.payload or {}
        match event.kind:
            case calllog.OPEN:
                return but(told, direction=payload["direction"], conditions=payload["conditions"])
            case calllog.BEGIN:
                return but(told, talk=begin(self._script, told.direction, told.conditions))
            case calllog.ANSWER:
                return but(told, talk=moved(self._script, told, event).talk)
            case calllog.BACK:
                return but(told, talk=one_back(self._script, told, event))
        return tell(self._script, told, event)


_SAYS_WHERE = frozenset({calllog.BEGIN, calllog.ANSWER, calllog.BACK})


def _onward(kind: str, payload: Mapping[str, Any]) -> Hashable:
    """All of an event that a state or an outcome can hang on; None if nothing does."""
    match kind:
        case calllog.ANSWER:
            return payload["answer"], tuple(payload["fields"]), tuple(payload["holds"].items())
        case calllog.LINE:
            return kind, payload.get("code"), payload["event"]
        case calllog.OPEN:
            return kind, payload["direction"], tuple(payload["conditions"].items())
        case calllog.BEGIN | calllog.BACK:
            return kind
    return None
