"""One step of a talk: its order, the tries, the line to resume, the new voice, stepping back."""

from __future__ import annotations

import json

import pytest

from callflow.errors import InputError
from callflow.script.talk import NotTaken, Taken, Talk, advance, begin, outcome, step_back
from tests.unit.script.example import changed, example, script

SOUND = script(example())
HOLDS = {"spouse_may_hear": True}
MATCHES = {**HOLDS, "identity_matches": True}
IDENTITY = frozenset({"identity"})
PROMISE = frozenset({"promise.due", "promise.amount", "promise.place"})


def go(*steps: str, fields: dict[str, frozenset[str]] | None = None, talk: Talk | None = None) -> Talk:
    """The talk after answers that must all be taken; `match` and `told` bring what they need."""
    given = {"match": IDENTITY, "no_match": IDENTITY, "told": PROMISE, "signal": frozenset({"signal.reason"})}
    at = talk or begin(SOUND, "outbound", HOLDS)
    for name in steps:
        holds = {**HOLDS, "identity_matches": name == "match"}
        taken = advance(SOUND, at, name, fields={**given, **(fields or {})}.get(name, frozenset()), holds=holds)
        assert isinstance(taken, Taken), (at.state, name, taken)
        at = taken.talk
    return at


def refused(talk: Talk, name: str, fields: frozenset[str] = frozenset(), **holds: bool) -> tuple[str, str]:
    no = advance(SOUND, talk, name, fields=fields, holds={**HOLDS, **holds})
    assert isinstance(no, NotTaken)
    return no.reason, no.detail


def test_a_promise_from_beginning_to_end() -> None:
    talk = go("yes", "yes", "match", "pays", "told", "yes", "done")
    assert (talk.state, talk.party, outcome(SOUND, talk)) == ("end", "householder", "PP")
    assert talk.effects == {"promise"}
    assert refused(talk, "done") == ("ended", "")


def test_what_cannot_be_taken_changes_nothing_and_says_why() -> None:
    verify = go("yes", "yes")
    assert refused(verify, "nothing_like_this") == ("unknown_answer", "nothing_like_this")
    assert refused(verify, "match") == ("missing_field", "identity")
    assert refused(verify, "match", IDENTITY, identity_matches=False) == ("condition", "identity_matches")
    assert refused(verify, "no_match", IDENTITY, identity_matches=True) == ("condition", "not identity_matches")


def test_needs_come_before_only_if() -> None:
    assert refused(go("yes", "yes"), "match", identity_matches=False)[0] == "missing_field"


def test_the_second_mismatch_is_spent_and_both_verify_states_count_together() -> None:
    once = go("yes", "yes", "no_match")
    assert (once.state, once.counts) == ("verify", (("no_match", 1),))
    assert go("no_match", talk=once).state == "declined"
    assert go("new_voice", "spouse", "no_match", talk=once).state == "declined"


def test_stepping_back_does_not_give_a_try_back() -> None:
    back = step_back(SOUND, go("yes", "yes", "no_match"))
    assert isinstance(back, Talk)
    assert (back.state, back.counts) == ("verify", (("no_match", 1),))


def test_stepping_back_gives_up_what_the_step_had_won_but_not_a_signal() -> None:
    before = go("yes", "yes", "match", "pays")
    after = go("signal", "told", "yes", talk=before)
    assert (after.settled, after.effects) == ("PP", {"promise", "signal"})
    for _ in range(3):
        stepped = step_back(SOUND, after)
        assert isinstance(stepped, Talk)
        after = stepped
    assert (after.state, after.settled, after.effects) == ("promise", None, {"signal"})
    verification = step_back(SOUND, go("yes", "yes", "match"))
    assert isinstance(verification, Talk)
    assert verification.party is None


def test_a_new_voice_drops_the_party_and_the_fields_keeps_the_outcome_and_is_a_barrier() -> None:
    talk = go("yes", "yes", "match", "pays", "told", "yes", "new_voice")
    assert (talk.state, talk.party, talk.filled) == ("party", None, frozenset())
    assert (talk.settled, talk.effects) == ("PP", {"promise"})
    assert step_back(SOUND, talk) == NotTaken("barrier")
    assert step_back(SOUND, begin(SOUND, "outbound")) == NotTaken("barrier")


def test_a_detour_comes_back_to_its_line_without_saying_it_anew() -> None:
    away = go("yes", "yes", "match", "hardship", "abusive")
    assert (away.state, away.return_to) == ("abusive", "hardship")
    taken = advance(SOUND, away, "calmer", holds=HOLDS)
    assert isinstance(taken, Taken)
    assert (taken.talk.state, taken.talk.return_to, taken.said) == ("hardship", None, False)
    assert (taken.earned, taken.codes) == (frozenset(), ())


def test_a_detour_out_of_a_detour_keeps_the_outer_line() -> None:
    passage = "  abusive:\n    reveals: nothing\n"
    text = changed(
        passage,
        "  rude:\n    reveals: nothing\n    says: はい。\n    answers:\n      back: {label: 戻る, to: resume}\n\n"
        + passage,
    )
    text = text.replace("anywhere:\n", "anywhere:\n  rude: {label: 無礼, key: r, to: rude}\n")
    two = script(text)
    at = begin(two, "outbound", HOLDS)
    for name in ("yes", "abusive", "rude"):
        taken = advance(two, at, name, holds=HOLDS)
        assert isinstance(taken, Taken)
        at = taken.talk
    assert (at.state, at.return_to) == ("rude", "party")


def test_a_counted_answer_leads_on_once_it_is_spent() -> None:
    assert go("yes", "abusive", "calmer", "abusive").state == "abusive_end"


def test_a_lower_rank_does_not_replace_a_higher_one_and_an_equal_one_does() -> None:
    talk = go("yes", "yes", "match", "pays", "told", "yes", "abusive", "still_on")
    assert talk.settled == "PP"
    later = script(
        changed("VD:  {name: 本人確認拒否, from: talk, rank: 12", "VD:  {name: 本人確認拒否, from: talk, rank: 10")
    )
    at = Talk("verify", settled="TP")
    taken = advance(later, at, "declines", holds=HOLDS)
    assert isinstance(taken, Taken)
    assert (taken.settled, taken.codes) == ("VD", ("VD",))


def test_a_hang_up_is_before_or_after_the_verification() -> None:
    assert outcome(SOUND, go("yes", "hang_up")) == "HU0"
    assert outcome(SOUND, go("yes", "yes", "match", "hang_up")) == "HU1"
    assert outcome(SOUND, go("yes", "yes", "match", "pays", "told", "yes", "hang_up")) == "PP"


def test_a_prompt_wants_its_field_each_time() -> None:
    assert refused(go("yes", "signal"), "signal") == ("missing_field", "signal.reason")


def test_same_says_nothing_new() -> None:
    taken = advance(SOUND, go("yes"), "signal", fields=frozenset({"signal.reason"}), holds=HOLDS)
    assert isinstance(taken, Taken)
    assert (taken.talk.state, taken.said, taken.earned) == ("party", False, {"signal"})


def test_the_spouse_is_led_by_the_calls_condition() -> None:
    party = go("yes")
    for may_hear, target in ((True, "verify_spouse"), (False, "third_party")):
        taken = advance(SOUND, party, "spouse", holds={"spouse_may_hear": may_hear})
        assert isinstance(taken, Taken)
        assert taken.talk.state == target


def test_a_talk_survives_as_json_at_every_step() -> None:
    steps = (
        "yes",
        "yes",
        "no_match",
        "match",
        "pays",
        "signal",
        "told",
        "yes",
        "abusive",
        "calmer",
        "new_voice",
        "yes",
        "hang_up",
    )
    for number in range(len(steps) + 1):
        talk = go(*steps[:number])
        assert Talk.from_json(json.loads(json.dumps(talk.to_json()))) == talk


def test_a_direction_without_a_start_is_told() -> None:
    with pytest.raises(InputError, match="inbound"):
        begin(SOUND, "inbound", HOLDS)
