"""What the shipped scripts refuse: an answer without its fields, or while its condition does not hold."""

from __future__ import annotations

import pytest
from golden_talks import script_of

from callflow.script.model import Party
from callflow.script.talk import NotTaken, Taken, Talk, advance, step_back

SCRIPT = script_of("nhi-premium")

NEEDS: dict[tuple[str, str], str] = {
    ("inbound", "not_found"): "caller.typed",
    ("verify_householder", "match"): "identity",
    ("verify_householder", "no_match"): "identity",
    ("verify_spouse", "match"): "identity",
    ("verify_spouse", "no_match"): "identity",
    ("third_party", "told"): "callback.at",
    ("third_party_asks", "told"): "callback.at",
    ("request", "signal"): "signal.reason",
    ("request", "off_script"): "off_script.reason",
    ("already_paid", "told"): "paid.date, paid.place",
    ("promise_date", "told"): "promise.due",
    ("promise_amount", "told"): "promise.amount",
    ("promise_place", "told"): "promise.place",
    ("read_back", "yes"): "promise.due, promise.amount, promise.place",
    ("dispute", "amount"): "dispute.point",
    ("dispute", "eligibility"): "dispute.point",
    ("staff_calls", "told"): "consultation.at",
    ("callback_when", "told"): "callback.at",
    ("callback", "this_number"): "callback.at",
    ("callback", "other_number"): "callback.at, callback.phone",
    ("callback", "other_time"): "callback.at",
    ("fraud_fear", "ends"): "off_script.reason",
    ("language", "told"): "language.kind",
    ("representative", "told"): "representative.name",
    ("close", "callback_noted"): "callback.at",
    ("close", "off_script_noted"): "off_script.reason",
    ("emergency", "callback_noted"): "callback.at",
    ("emergency", "off_script_noted"): "off_script.reason",
}

HOLDS = {"identity_matches": True, "spouse_may_hear": True}


def refused(
    state: str, answer: str, *, party: Party | None, fields: frozenset[str], holds: dict[str, bool]
) -> NotTaken:
    """The refusal of an answer."""
    taken = advance(SCRIPT, Talk(state, party=party), answer, fields=fields, holds=holds)
    assert isinstance(taken, NotTaken)
    return taken


@pytest.mark.parametrize("gate", NEEDS, ids=".".join)
def test_an_answer_is_refused_without_its_fields(gate: tuple[str, str]) -> None:
    without = refused(*gate, party="householder", fields=frozenset(), holds=HOLDS)
    assert (without.reason, without.detail) == ("missing_field", NEEDS[gate])


def test_every_gate_of_the_script_is_in_the_table() -> None:
    in_table = {SCRIPT.states[state].answers[answer].mark for state, answer in NEEDS}
    written = {a.mark: f"{s.name}.{a.name}" for s in SCRIPT.states.values() for a in s.answers.values() if a.needs}
    assert sorted(name for mark, name in written.items() if mark not in in_table) == []


@pytest.mark.parametrize("state", ["verify_householder", "verify_spouse"])
@pytest.mark.parametrize(("answer", "matches"), [("match", False), ("no_match", True)])
def test_only_the_comparison_says_whether_the_party_matches(state: str, answer: str, matches: bool) -> None:
    holds = {"identity_matches": matches, "spouse_may_hear": True}
    assert refused(state, answer, party=None, fields=frozenset({"identity"}), holds=holds).reason == "condition"


def test_who_fears_fraud_ends_by_whether_the_party_was_verified() -> None:
    reason = frozenset({"off_script.reason"})
    assert refused("fraud_fear", "ends", party=None, fields=reason, holds={}).reason == "condition"
    assert refused("fraud_fear", "declines", party="spouse", fields=reason, holds={}).reason == "condition"


def test_farewells_and_detours_lead_to_no_further_detour() -> None:
    farewells = {
        "abusive_end", "child", "close", "close_neutral", "deceased", "declined", "dv", "emergency",
        "hardship_end", "machine", "mismatch", "not_found", "representative", "wrong_number",
    }  # fmt: skip
    detours = {
        "abusive", "callback", "callback_when", "complaint", "fraud_fear", "hearing", "language", "moved",
        "no_phone", "off_script", "relay",
    }  # fmt: skip
    without = {state.name for state in SCRIPT.states.values() if "complaint" not in state.answers}
    assert without == farewells | detours
    assert {state.name for state in SCRIPT.states.values() if "deceased" not in state.answers} == without


def test_after_a_farewell_a_new_voice_leads_nowhere() -> None:
    closed = {"abusive_end", "close_neutral", "deceased", "declined", "dv", "emergency", "mismatch", "representative"}
    for name in closed | {"not_found"}:
        voice = SCRIPT.states[name].answers["other_voice"]
        assert voice.to.values == ("same",)
        assert "new_voice" not in SCRIPT.states[name].answers


def test_every_field_is_asked_for_somewhere() -> None:
    shown = {name for state in SCRIPT.states.values() for name in state.asks}
    shown |= {name for state in SCRIPT.states.values() for a in state.answers.values() for name in a.needs}
    assert set(SCRIPT.fields) - shown == set()


def test_the_lines_that_wait_for_the_wards_approval() -> None:
    drafts = {state.name for state in SCRIPT.states.values() if state.draft}
    assert drafts == {"callback_when", "direct_debit", "dv", "late_date", "no_date", "not_found"}


def taken(talk: Talk, answer: str) -> Talk:
    """The talk after an answer that is taken."""
    found = advance(SCRIPT, talk, answer, holds={})
    assert isinstance(found, Taken)
    return found.talk


@pytest.mark.parametrize(
    ("answer", "refused"),
    [("emergency", True), ("dv", True), ("new_voice", True), ("callback", False), ("signal", False)],
)
def test_nobody_steps_back_out_of_an_emergency_to_the_talk_of_payment(answer: str, refused: bool) -> None:
    talk = Talk("request", party="householder", history=(Talk("time_ok", party="householder"),))
    taken = advance(SCRIPT, talk, answer, fields=frozenset({"signal.reason"}), holds=HOLDS)
    assert isinstance(taken, Taken)
    assert isinstance(step_back(SCRIPT, taken.talk), NotTaken) is refused
