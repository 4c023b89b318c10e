"""Lines: what they may name at their level, and nothing that reaches further."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.errors import RefusedError
from callflow.script.lines import FACT_LEVELS, render, wording
from callflow.script.model import Level
from tests.unit.script.example import changed, example, script

SETTINGS = {"opening": "short"}
FACTS: dict[str, Any] = {
    **{name: f"〔{name}〕" for name in FACT_LEVELS if "." not in name},
    "arrears": {
        "year": "令和7",
        "month": "7",
        "amount": 35_700,
        "count": 2,
        "others": 1,
        "total": 71_400,
        "spoken": "…",
    },
    "promise": {"due": "2026-12-04", "amount": 35_700, "place": "窓口"},
}


def said(text: str, state: str = "wrong_number") -> str:
    """What `wrong_number` (level nothing) says with this text in place of its own."""
    return render(script(changed("says: 大変失礼いたしました。", f"says: '{text}'")), state, SETTINGS, FACTS)


def test_a_date_and_money_are_spoken() -> None:
    assert render(script(example()), "read_back", SETTINGS, FACTS) == (
        "12月4日（金）までに窓口で35,700円のお支払い、でよろしいでしょうか。"
    )


def test_a_slot_is_spoken_in_tokyo() -> None:
    slots = script(changed("type: date, from: today, to: today+30", "type: slot"))
    facts = {**FACTS, "promise": {**FACTS["promise"], "due": "2026-12-04T05:30:00+00:00"}}
    assert render(slots, "read_back", SETTINGS, facts).startswith("12月4日（金）14時30分までに")


def test_the_setting_picks_the_text() -> None:
    sound = script(example())
    assert "水道料金" in render(sound, "greeting", {"opening": "full"}, FACTS)
    assert "水道料金" not in render(sound, "greeting", {"opening": "short"}, FACTS)


@pytest.mark.parametrize("name", [name for name, level in FACT_LEVELS.items() if level > Level.NOTHING])
def test_a_fact_above_the_level_is_not_there(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        said("{{ " + name + " }}")
    assert "〔" not in str(caught.value)
    assert "35" not in str(caught.value)


@pytest.mark.parametrize("name", ["identity", "promise.due", "promise.place", "unknown", "arrears", "arrears.secret"])
def test_neither_are_fields_above_it_and_unknown_names(name: str) -> None:
    with pytest.raises(RefusedError):
        said("{{ " + name + " }}")


REACHING = [
    "{{ ward.__class__ }}",
    "{{ ward.upper() }}",
    "{{ ward[0] }}",
    '{{ "".__class__.__mro__ }}',
    "{{ (ward ~ ward).__class__ }}",
    "{{ self }}",
    "{{ range(9) }}",
    '{{ ward | attr("upper") }}',
    "{{ cycler }}",
    "{{ lipsum.__globals__ }}",
    '{{ "%s" | format(ward) }}',
    "{% for x in ward %}{{ x }}{% endfor %}",
    "{% set x = ward %}{{ x }}",
    '{% include "x" %}',
    "{% macro m() %}{% endmacro %}{{ m() }}",
]


@pytest.mark.parametrize("text", REACHING)
def test_a_line_that_reaches_further_is_a_fault(text: str) -> None:
    found = wording(text)
    unknown = set(found.names) - FACT_LEVELS.keys()
    assert found.faults or unknown


@pytest.mark.parametrize("text", REACHING)
def test_and_gets_nothing_even_without_the_proofs(text: str) -> None:
    with pytest.raises(RefusedError):
        said(text)


def test_a_line_may_choose_by_facts() -> None:
    text = "{% if ward == company or not ward %}a{% elif ward %}b{% else %}c{% endif %}{{ 'd' if ward else 'e' }}"
    assert wording(text).faults == ()
    assert set(wording(text).names) == {"ward", "company"}
    assert wording(text).texts == {"ad", "ae", "bd", "be", "cd", "ce"}
