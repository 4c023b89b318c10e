"""What fields, codes and exceptions must satisfy as they are declared, whatever any talk does with them."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.script.faults import nearest
from callflow.script.model import Level, Script
from callflow.script.proofs.names import EFFECT_NEEDS
from callflow.script.proofs.report import Finding

FIELD_TYPES = {"promise.due": "date", "promise.amount": "yen", "callback.at": "slot"}
"""The fields that an effect reads as a day, an amount and a moment: another type would stop the call at its end."""

LAST_CALLS = ("DV", "DC", "GD", "LW")
"""Codes after which nobody calls and nothing goes to the address, also where a later correction says them."""

FIRST_OF_ALL = ("EM", "DV")
"""Codes that outrank everything that a verified voice can settle: life and safety come before payment."""


def declared_findings(script: Script) -> Iterator[Finding]:
    """Types and levels of fields, ranks and cancellations of codes, and words that are excused in vain."""
    yield from _fields(script)
    yield from _ranks(script)
    yield from _cancellations(script)
    yield from _excused(script)


def _fields(script: Script) -> Iterator[Finding]:
    for name, field in script.fields.items():
        wanted = FIELD_TYPES.get(name, field.type)
        if field.type != wanted:
            what = f"項目 {name} は {wanted} でなければ、記録できません"
            yield Finding("field_type", name, field.mark, what, f"type: {wanted}")
        if (name in EFFECT_NEEDS["promise"] or field.type == "identity") and field.reveals < Level.DEBT:
            what = f"項目 {name} は、確認の前に言ってはならないことです"
            yield Finding("field_level", name, field.mark, what, "reveals: debt")


def _ranks(script: Script) -> Iterator[Finding]:
    for code in FIRST_OF_ALL:
        first = script.dispositions.get(code)
        others = [other for other in script.dispositions.values() if other.right_party == "yes"]
        above = max(others, key=lambda other: other.rank, default=None)
        if first and above and first.code != above.code and above.rank >= first.rank:
            what = f"結果 {code} の rank が {above.code} より高くないので、納付の話の結果に負けます"
            yield Finding("outranked", code, first.mark, what, f"rank: {above.rank + 1} 以上にしてください")


def _cancellations(script: Script) -> Iterator[Finding]:
    for code in LAST_CALLS:
        disposition = script.dispositions.get(code)
        if disposition and "suppress" not in disposition.makes:
            what = f"結果 {code} のあとも架電が続きます"
            yield Finding("not_suppressed", code, disposition.mark, what, "makes: [suppress]")
        if disposition and "living_report" not in disposition.cancels:
            what = f"結果 {code} のあとは報告書を送れないのに、取りやめていません"
            yield Finding("form_not_cancelled", code, disposition.mark, what, "cancels: [living_report]")


def _excused(script: Script) -> Iterator[Finding]:
    never_said = {word for words in script.never_say.values() for word in words}
    for state in script.states.values():
        for word in state.may_say:
            if word not in never_said:
                what = f"場面 {state.name} の may_say の「{word}」は、never_say のどこにもありません"
                hint = nearest(word, never_said)
                yield Finding("unknown_name", f"{state.name} may_say {word}", state.mark, what, hint)
