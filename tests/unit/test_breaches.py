"""The judge of a finished run: each breach is planted among calls that are otherwise allowed, and counted once."""

from __future__ import annotations

import ast
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callflow.clock import TOKYO
from callflow.simulation import breaches as judge
from callflow.simulation.breaches import Contact, Releases, count
from scheduler.calendar import Calendar
from scheduler.settings import Policy

POLICY = Policy()
CALENDAR = Calendar(evening_days=frozenset({date(2026, 11, 25)}))
TUESDAY = datetime(2026, 11, 24, 10, tzinfo=TOKYO)
AFTERNOON = TUESDAY + timedelta(hours=4)
NEXT_DAY, NEXT_WEEK = TUESDAY + timedelta(days=1), TUESDAY + timedelta(days=7)


def dial(at: datetime, code: str = "NA", **others: Any) -> Contact:
    return Contact(at, **{"case_id": 1, "household_id": 1, "number_id": 1, "campaign_id": 1, "code": code, **others})


def days(*numbers: int, **others: Any) -> list[Contact]:
    """Dials that no wait forbids: one a day, to another number and with a code that asks for nothing."""
    return [dial(TUESDAY + timedelta(days=n), "WN", **{"number_id": 10 + n, **others}) for n in numbers]


PLANTED = [
    ("時間外の発信", [dial(TUESDAY.replace(hour=8))], Releases()),
    ("時間外の発信", [dial(TUESDAY + timedelta(days=4))], Releases()),
    ("架電停止中の発信", [dial(TUESDAY)], Releases(stopped={("case", 1): [(TUESDAY - timedelta(days=1), NEXT_WEEK)]})),
    ("架電停止中の発信", [dial(TUESDAY)], Releases(stopped={("household", 1): [(TUESDAY - timedelta(1), NEXT_WEEK)]})),
    ("一日の上限を超えた発信", [*days(0), *days(0), *days(0)], Releases()),
    ("一日の上限を超えた発信", [dial(TUESDAY, "WN", household_id=n) for n in (1, 2, 3)], Releases()),
    ("七日間の上限を超えた発信", [*days(0, 0, 1, 1, 2, 3)], Releases()),
    ("キャンペーンの上限を超えた発信", [*days(0, 2, 6, 7, 9, 13, 14, 16, 21)], Releases()),
    ("話し中の間隔に満たない発信", [dial(TUESDAY, "BZ"), dial(TUESDAY + timedelta(minutes=14))], Releases()),
    ("応答なしの間隔に満たない発信", [dial(TUESDAY, "NA"), dial(TUESDAY + timedelta(hours=2, minutes=59))], Releases()),
    ("同じ時間帯への続けての発信", [dial(TUESDAY, "NW"), dial(NEXT_DAY)], Releases()),
    ("伝言後の間隔に満たない発信", [dial(TUESDAY, "AM1"), dial(TUESDAY + timedelta(days=2))], Releases()),
    ("放棄呼後の間隔に満たない発信", [dial(TUESDAY, "AB"), dial(TUESDAY + timedelta(days=2), number_id=2)], Releases()),
    ("納付済み申出の確認前の発信", [dial(TUESDAY, "PD"), dial(TUESDAY + timedelta(days=9))], Releases()),
    ("切断・拒否後の間隔に満たない発信", [dial(TUESDAY, "HU0"), dial(TUESDAY + timedelta(days=2))], Releases()),
    ("切断・拒否後の間隔に満たない発信", [dial(TUESDAY, "RF"), dial(TUESDAY + timedelta(days=13))], Releases()),
    ("同じ日の再発信（子ども・本人以外）", [dial(TUESDAY, "CH"), dial(AFTERNOON)], Releases()),
    (
        "本人と話した後の間隔に満たない発信",
        [dial(TUESDAY, "PX", right_party=True), dial(TUESDAY + timedelta(days=6))],
        Releases(),
    ),
    (
        "本人と話した後の間隔に満たない発信",
        [dial(TUESDAY, "PX", right_party=True, dialled=False), dial(NEXT_DAY)],
        Releases(),
    ),
]


@pytest.mark.parametrize(("breach", "contacts", "releases"), PLANTED)
def test_a_planted_breach_is_counted(breach: str, contacts: list[Contact], releases: Releases) -> None:
    assert count(contacts, releases, CALENDAR, POLICY)[breach] >= 1
    earlier = count(contacts[:-1], releases, CALENDAR, POLICY)
    assert not earlier, "only the last call breaks a rule"


ALLOWED = [
    ([*days(0, 0, 1, 2, 3, 7)], Releases()),
    ([dial(TUESDAY, "BZ"), dial(TUESDAY + timedelta(minutes=15))], Releases()),
    ([dial(TUESDAY, "NA"), dial(AFTERNOON)], Releases()),
    ([dial(TUESDAY, "NA"), dial(NEXT_WEEK)], Releases()),
    ([dial(TUESDAY, "TF", counts=False), dial(TUESDAY + timedelta(minutes=6))], Releases()),
    ([dial(TUESDAY, "HU0"), dial(NEXT_DAY)], Releases(callbacks={1: [(TUESDAY, NEXT_DAY)]})),
    ([dial(TUESDAY, "PP", right_party=True), dial(NEXT_DAY)], Releases(broken={1: [NEXT_DAY]})),
    ([dial(TUESDAY)], Releases(stopped={("case", 1): [(TUESDAY, NEXT_WEEK)], ("household", 2): [(TUESDAY, TUESDAY)]})),
]


@pytest.mark.parametrize(("contacts", "releases"), ALLOWED)
def test_what_is_allowed_is_no_breach(contacts: list[Contact], releases: Releases) -> None:
    assert not count(contacts, releases, CALENDAR, POLICY)


def test_the_judge_does_not_ask_the_judged() -> None:
    tree = ast.parse(Path(judge.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"scheduler.policy", "scheduler.verdict", "scheduler.dealing", "scheduler.facts"}
