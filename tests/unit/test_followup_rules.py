"""Deadlines, alarms, marks, and what may be done from which state: the pure part of the follow-up."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.errors import InputError, RefusedError
from callflow.followup.acts import ACTS, STATES, decide, possible
from callflow.followup.deadlines import Terms, alarm, due_at, next_mark, overdue_before, post_by, return_by
from callflow.followup.slip_lists import in_words
from scheduler.calendar import TOKYO, Calendar

CALENDAR, TERMS = Calendar(closed=frozenset({date(2026, 11, 30)})), Terms()
STAFF = frozenset({"staff"})


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("urgency", "raised", "due"),
    [
        ("urgent", at(24, 18, 30), at(24, 19)),
        ("urgent", at(28, 10), at(28, 10, 30)),  # a Saturday
        ("same_day", at(24, 10), at(24, 17)),
        ("same_day", at(24, 17), at(25, 17)),
        ("same_day", at(28, 10), at(1, 17, month=12)),  # Saturday; Monday is listed as closed
        ("normal", at(24, 10), at(26, 17)),
        ("normal", at(24, 19), at(27, 17)),
        ("normal", at(27, 10), at(2, 17, month=12)),
    ],
)
def test_by_when_a_slip_must_be_taken_up(urgency: str, raised: datetime, due: datetime) -> None:
    assert due_at(urgency, raised, CALENDAR, TERMS) == due


@given(
    st.sampled_from(["urgent", "same_day", "normal"]),
    st.integers(0, 40 * 24 * 60),
    st.integers(0, 20 * 24 * 60),
)
def test_the_question_to_the_database_is_the_deadline_turned_round(urgency: str, now: int, before: int) -> None:
    moment = at(1, 9) + timedelta(minutes=now)
    raised = moment - timedelta(minutes=before)
    late = due_at(urgency, raised, CALENDAR, TERMS) <= moment
    assert late == (raised < overdue_before(urgency, moment, CALENDAR, TERMS))


def test_an_alarm_says_what_waits_too_long() -> None:
    due = at(26, 17)
    assert alarm("raised", due, None, at(26, 12)) == ""
    assert alarm("raised", due, None, at(26, 13)) == "soon"
    assert alarm("sent_back", due, None, at(26, 17)) == "overdue"
    assert alarm("in_work", due, None, at(27, 17)) == ""
    assert alarm("in_work", due, at(27, 11), at(27, 11)) == "call_missed"
    assert alarm("done", due, at(27, 11), at(27, 11)) == ""


def test_a_form_is_posted_due_asked_for_again_and_given_up() -> None:
    assert post_by(date(2026, 11, 27), CALENDAR, TERMS) == date(2026, 12, 2)
    due = return_by(date(2026, 12, 1), TERMS)
    assert due == date(2026, 12, 15)

    def mark(state: str, days: int, *, again: bool = False) -> str:
        return next_mark(state, due, asked_again=again, today=due + timedelta(days=days), terms=TERMS)

    assert [mark("sent", days) for days in (0, 6, 7)] == ["", "", "re_request"]
    assert [mark("re_requested", days, again=True) for days in (13, 14)] == ["", "escalate"]
    assert mark("re_requested", 30) == ""
    assert mark("returned", 30) == ""


@pytest.mark.parametrize("thing", sorted(ACTS))
def test_every_act_and_state_has_its_word_and_an_act_is_possible_where_it_is_allowed(thing: str) -> None:
    states = set(STATES[thing])  # type: ignore[index]
    for name, act in ACTS[thing].items():  # type: ignore[index]
        assert act.before <= states
        assert not act.after or act.after in states
        for state in states:
            roles = frozenset({act.role})
            if name in possible(thing, state, roles):  # type: ignore[arg-type]
                assert decide(thing, name, state, roles, "x").after in states  # type: ignore[arg-type]
            else:
                with pytest.raises(RefusedError):
                    decide(thing, name, state, roles, "x")  # type: ignore[arg-type]
            with pytest.raises(RefusedError):
                decide(thing, name, state, frozenset({"operator", "auditor", "admin"}), "x")  # type: ignore[arg-type]


def test_what_must_be_written_is_asked_for_and_not_without_end() -> None:
    for note in ("", " \n"):
        with pytest.raises(InputError):
            decide("slip", "done", "in_work", STAFF, note)
    with pytest.raises(InputError):
        decide("slip", "done", "in_work", STAFF, "あ" * 1001)
    with pytest.raises(InputError):
        decide("slip", "fly", "in_work", STAFF, "x")


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (("EM", "emergency"), ("緊急（生命・健康）",)),
        (("HC", "hardship", "signal"), ("生活困窮・職員から架電", "シグナル")),
        (("CB", "hardship"), ("再架電希望", "生活困窮")),
        (("emergency",), ("緊急",)),
        (("own_code", "broken_promises"), ("own_code", "約束の不履行が重なった")),
    ],
)
def test_a_slip_says_each_reason_once(reasons: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert in_words(reasons) == words
