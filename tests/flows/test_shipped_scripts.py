"""The six shipped scripts: proved without a finding, and shared by inclusion, not by copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_talks import ROOT, script_of

from callflow.script.proofs import prove

NAMES = sorted(path.stem for path in (ROOT / "scripts").glob("*.yaml"))

CLAIM_TYPES = {
    "nhi-premium": "national_health_insurance",
    "resident-tax": "resident_tax",
    "light-vehicle-tax": "light_vehicle_tax",
    "late-elderly": "late_elderly",
    "long-term-care": "long_term_care",
    "nursery-fee": "nursery_fee",
}

OWN_LINES = {
    "nhi-premium": {"greeting", "request", "other_insurance", "nominal_householder"},
    "light-vehicle-tax": {"greeting", "request", "vehicle_gone"},
    "nursery-fee": {"greeting", "request", "relation"},
}


def test_every_claim_type_has_its_script() -> None:
    assert {name: script_of(name).claim_type for name in NAMES} == CLAIM_TYPES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_script_is_proved(name: str) -> None:
    report = prove(script_of(name))
    assert [str(finding) for finding in report.findings] == []
    assert report.states > 5_000


@pytest.mark.parametrize("name", NAMES)
def test_a_script_holds_only_what_differs(name: str) -> None:
    own = {state.name for state in script_of(name).states.values() if Path(state.mark.file).parent.name != "shared"}
    assert own == OWN_LINES.get(name, {"greeting", "request"})


@pytest.mark.parametrize("name", NAMES)
def test_urgent_answers_can_be_given_in_every_line_that_a_person_hears(name: str) -> None:
    heard = [state for state in script_of(name).states.values() if state.name != "machine"]
    for key, what in {"h": "切れた", "s": "シグナル", "e": "緊急", "d": "支援措置"}.items():
        lacking = [
            state.name for state in heard if not any(a.key == key and what in a.label for a in state.answers.values())
        ]
        assert lacking == [], what
    for key in "vbco":  # a new voice, abuse, callback, off-script: acted upon or, at a farewell, noted
        assert [s.name for s in heard if not any(a.key == key for a in s.answers.values())] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_script_but_the_premiums_speaks_of_premiums(name: str) -> None:
    if name in ("nhi-premium", "late-elderly", "long-term-care"):
        return
    lines = [text for state in script_of(name).states.values() for text in state.says.by_setting_value.values()]
    assert [line for line in lines if "保険料" in line] == []
