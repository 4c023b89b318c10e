"""The radar, case by case: what needs a person, since when, and in which order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from callflow.radar import Blip, Glance, Limits, Need, Step, needs, radar
from tests.conftest import START
from tests.world import SCRIPTS, proved

SCRIPT, _ = proved(SCRIPTS / "nhi-premium.yaml")
LIMITS = Limits(timedelta(seconds=90), 3, timedelta(minutes=5))
SECOND = timedelta(seconds=1)


def glance(*acts: tuple[str, str, str] | str, operator: int = 1, help_at: int | None = None, gap: int = 10) -> Glance:
    """A talk of `(state, answer, to)` and `back`, `gap` seconds apart, from START on."""
    steps = [Step("begin", START, to="greeting")]
    for number, act in enumerate(acts, 1):
        at = START + number * gap * SECOND
        steps.append(Step("back", at) if isinstance(act, str) else Step("answer", at, *act))
    return Glance(operator, SCRIPT, tuple(steps), START + help_at * SECOND if help_at is not None else None)


def found(one: Glance, seconds: int = 60) -> list[tuple[str, int]]:
    """The reasons with the second at which each began."""
    told = needs(one, LIMITS, START + seconds * SECOND)
    return [(reason.need.name, int((reason.since - START).total_seconds())) for reason in told]


CALM = ("greeting", "yes", "party")
HARD = ("request", "hardship", "hardship")
SIGNAL = ("party", "signal", "party")
EMERGENCY = ("party", "emergency", "emergency")
ABUSE = ("party", "abusive", "abusive")


@pytest.mark.parametrize(
    ("one", "seconds", "reasons"),
    [
        (glance(CALM), 60, []),
        (glance(CALM, HARD), 60, [("HARDSHIP", 20)]),
        (glance(CALM, HARD, "back"), 60, []),
        (glance(CALM, SIGNAL), 60, [("SIGNAL", 20)]),
        (glance(CALM, SIGNAL, "back"), 60, [("SIGNAL", 20)]),
        (glance(CALM, EMERGENCY), 60, [("EMERGENCY", 20)]),
        (glance(CALM, ABUSE), 60, [("ABUSE", 20)]),
        (glance(CALM, ABUSE, "back"), 60, []),
        (glance(CALM, ABUSE, ("abusive", "still_on", "abusive_end")), 60, [("ABUSE", 20)]),
        (glance(CALM, ("emergency", "abuse_noted", "emergency")), 60, [("ABUSE", 20)]),
        (glance(CALM), 99, []),
        (glance(CALM), 100, [("SILENCE", 10)]),
        (glance(CALM, "back", CALM, "back"), 60, []),
        (glance(CALM, "back", CALM, "back", CALM, "back"), 60, [("BACK", 20)]),
        (glance(CALM, "back", CALM, "back", CALM, "back", gap=80), 485, []),
        (glance(CALM, help_at=5), 60, [("HELP", 5)]),
        (Glance(1, help_since=START), 60, [("HELP", 0)]),
        (Glance(1), 600, []),
        (
            glance(CALM, SIGNAL, HARD, EMERGENCY, help_at=55),
            200,
            [("EMERGENCY", 40), ("HELP", 55), ("HARDSHIP", 30), ("SIGNAL", 20), ("SILENCE", 40)],
        ),
    ],
)
def test_what_needs_a_person(one: Glance, seconds: int, reasons: list[tuple[str, int]]) -> None:
    assert found(one, seconds) == reasons


def test_the_most_urgent_comes_first_and_of_two_the_one_that_waits_longer() -> None:
    now = START + 60 * SECOND
    room = [
        glance(CALM, SIGNAL, operator=1),
        glance(CALM, operator=2),
        glance(CALM, EMERGENCY, operator=3),
        glance(CALM, operator=4, help_at=40),
        glance(CALM, operator=5, help_at=30),
        glance(CALM, HARD, operator=6),
    ]
    told: list[Blip] = radar(room, LIMITS, now)
    assert [blip.operator_id for blip in told] == [3, 5, 4, 6, 1]
    assert told == radar(reversed(room), LIMITS, now)


def test_every_script_that_is_shipped_has_an_answer_for_each_meaning() -> None:
    for path in SCRIPTS.glob("*.yaml"):
        script, _ = proved(path)
        meant = set()
        for name, state in script.states.items():
            for answer in state.answers.values():
                for to in answer.to.values:
                    steps = (Step("begin", START, to=name), Step("answer", START, name, answer.name, to))
                    meant |= {reason.need for reason in needs(Glance(1, script, steps), LIMITS, START)}
        assert meant == {Need.EMERGENCY, Need.ABUSE, Need.HARDSHIP, Need.SIGNAL}, path.name


def test_an_answer_that_is_no_abuse_is_none() -> None:
    abusive = {
        (name, answer.name)
        for name, state in SCRIPT.states.items()
        for answer in state.answers.values()
        for to in answer.to.values
        if Need.ABUSE
        in {
            reason.need
            for reason in needs(
                Glance(1, SCRIPT, (Step("begin", START), Step("answer", START, name, answer.name, to))), LIMITS, START
            )
        }
    }
    assert {answer for _, answer in abusive} <= {"abusive", "abuse_noted", "still_on"}
