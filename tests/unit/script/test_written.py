"""What staff read of what was typed: labels instead of names, dates with a year, amounts with their unit."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.script.fields import parse_date
from callflow.script.model import Field, Level
from callflow.script.written import day, in_words, written


def field(name: str, kind: str, label: str = "項目") -> Field:
    """A field of that type."""
    return Field(name, kind, Level.DEBT, label)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("date", "2026-12-04", "令和8年12月4日（金）"),
        ("slot", "2026-12-04T05:30:00+00:00", "令和8年12月4日（金）14時30分"),
        ("slot", "2026-12-03T15:00:00+00:00", "令和8年12月4日（金）0時"),
        ("slot", "2026-12-04 14:30", "令和8年12月4日（金）14時30分"),  # as it is said
        ("yen", 35700, "35,700円"),
        ("arrears", "oldest", "いちばん古い期別"),
        ("choice", "金融機関", "金融機関"),
        ("text", "2026-12-04", "2026-12-04"),
        ("date", "いつか", "いつか"),
    ],
)
def test_a_value_is_written_as_people_read_it(kind: str, value: object, words: str) -> None:
    assert written(field("a.b", kind), value) == words


@pytest.mark.parametrize(
    ("on", "words"),
    [(date(2019, 5, 1), "令和元年5月1日（水）"), (date(2019, 4, 30), "2019年4月30日（火）")],
)
def test_the_first_year_of_the_era_and_the_day_before_it(on: date, words: str) -> None:
    assert day(on) == words


@given(st.dates(min_value=date(2019, 5, 1), max_value=date(2099, 12, 31)))
def test_a_written_day_reads_back_as_the_same_day(on: date) -> None:
    assert parse_date(day(on).split("（")[0]) == on


def test_fields_stand_in_the_order_of_the_script_with_what_they_were_before() -> None:
    fields = {
        "slip.note": field("slip.note", "text", "相談したいこと"),
        "promise.due": field("promise.due", "date", "納付の予定日"),
        "identity": field("identity", "identity", "本人確認"),
        "slip.other": field("slip.other", "text", "空のまま"),
    }
    before = {"promise.due": "2026-12-04", "identity": True}
    after = {"promise.due": "2026-12-07", "slip.note": "収入が減った"}
    assert in_words(fields, [before, after, after]) == [
        "相談したいこと: 収入が減った",
        "納付の予定日: 令和8年12月4日（金） → 令和8年12月7日（月）",
    ]
