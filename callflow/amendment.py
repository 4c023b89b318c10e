"""What corrections make of an ended call: the ending that its log amounts to, with what a person has put right. Pure.

A correction never touches what was said: lines, answers and fields stay in the log as they were. It says which
outcome it should have been, what was typed wrongly, and what was not meant; the effects follow by the same
`effects_of` that the end of the call used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from callflow.effects import Earned, Effect, Ending, effects_of
from callflow.script.model import Script

COMPANIONS: Mapping[str, str] = {
    "PP": "promise",
    "CB": "callback",
    "HS": "hardship",
    "HC": "hardship",
    "HR": "hardship",
    "PR": "reissue",
    "NC": "written_only",
    "WN": "number_invalid",
    "MV": "address_check",
}
"""What goes with an outcome although the scenes of the scripts do it, not their table: a promise for PP, and so on."""

FALLS_WITH_ITS_OUTCOME = frozenset({"promise", "callback", "number_invalid", "written_only"})
"""The companions that a correction to another outcome takes away. What the resident was told would be sent, and
hardship, once said, stay unless they are withdrawn by name."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "promise": ("promise.due", "promise.amount", "promise.place"),
    "callback": ("callback.at",),
}
"""What must have been typed, in the talk or in the correction, for an effect (R40)."""

LASTING = frozenset({"RecordNegotiation", "RaiseSignal", "NoteOffScript"})
"""What happened and therefore is never withdrawn; the record of the outcome is followed by another."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """All corrections of one call so far, as one. `code` empty: the outcome stays that of the log."""

    code: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    withdrawn: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def then(self, changes: Mapping[str, Any]) -> Amendment:
        """This amendment and one more, as it stands in the log (`as_data`)."""
        added, withdrawn = frozenset(changes["added"]), frozenset(changes["withdrawn"])
        return Amendment(
            code=changes["code"] or self.code,
            values={**self.values, **changes["values"]},
            added=(self.added - withdrawn) | added,
            withdrawn=(self.withdrawn - added) | withdrawn,
            notes=(*self.notes, *([changes["note"]] if changes["note"] else [])),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What one correction asks for. `code` empty: the same outcome. `values` as `read_fields` records them."""

    code: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    note: str = ""

    def as_data(self, standing: str, earned: frozenset[str]) -> dict[str, Any]:
        """The change as the log keeps it, with what follows from it: companions of the new outcome come, those of
        the old one fall, and what was typed for a promise or a callback makes it."""
        code = self.code if self.code != standing else ""
        added = {name for name in NEEDS if set(NEEDS[name]) & self.values.keys()} - earned
        falls: set[str] = set()
        if code:
            added |= {COMPANIONS[code]} - earned if code in COMPANIONS else set()
            old = COMPANIONS.get(standing, "")
            falls = {old} & FALLS_WITH_ITS_OUTCOME - {COMPANIONS.get(code, "")} - added
        return {
            "code": code,
            "values": dict(self.values),
            "added": sorted(added - self.withdrawn),
            "withdrawn": sorted((self.withdrawn | falls) & (earned | added)),
            "note": self.note,
        }


def amended(script: Script, ending: Ending, amendment: Amendment) -> Ending:
    """The ending of a call with its corrections."""
    code = amendment.code or ending.code
    disposition = script.dispositions.get(code)
    values = {**ending.values, **amendment.values}
    earned = {
        name: replace(one, values={**one.values, **amendment.values})
        for name, one in ending.earned.items()
        if name not in amendment.withdrawn
    }
    for name in sorted(amendment.added - earned.keys()):
        earned[name] = Earned(0, "", ending.party, values)
    return replace(
        ending,
        code=code,
        earned=earned,
        values=values,
        makes=disposition.makes if disposition else (),
        cancels=disposition.cancels if disposition else (),
        notes=(*ending.notes, *amendment.notes),
    )


def missing(ending: Ending) -> list[str]:
    """What its effects still need: names of fields, `party` where nobody was verified who could promise."""
    wanted = [
        name
        for effect, names in NEEDS.items()
        for name in names
        if effect in ending.earned and name not in ending.earned[effect].values
    ]
    promise = ending.earned.get("promise")
    return [*wanted, *(["party"] if promise and not promise.party else [])]


def difference(before: tuple[Effect, ...], ending: Ending) -> tuple[list[Effect], list[Effect]]:
    """Which effects a correction withdraws and which it brings; the record of the outcome is always a new one."""
    after = effects_of(ending)
    gone = [effect for effect in before if type(effect).__name__ not in LASTING and effect not in after]
    new = [effect for effect in after if type(effect).__name__ == "RecordNegotiation" or effect not in before]
    return gone, new
