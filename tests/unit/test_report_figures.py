"""Rates, intervals, periods, files and charts of reports: what they are made of, without a database."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import pytest

from callflow.errors import InputError
from callflow.reports import charts, files
from callflow.reports.catalogue import KINDS
from callflow.reports.figures import (
    Chart,
    Column,
    Difference,
    Mean,
    Period,
    Phrase,
    Rate,
    Report,
    Section,
    Series,
    Table,
    period_of,
    wilson,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def report(*rows: tuple[object, ...], kinds: tuple[str, ...] = ("text", "rate", "yen")) -> Report:
    table = Table([Column(f"列{number}", kind) for number, kind in enumerate(kinds)], rows)  # type: ignore[arg-type]
    return Report(
        "daily", "日報", "", Period(date(2026, 11, 24), date(2026, 11, 24)), "", NOW, (Section("題", "定義", table),)
    )


def test_wilson_and_newcombe_give_the_published_values() -> None:
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    difference = Difference(Rate(56, 70), Rate(48, 80))  # the same, table II
    assert difference.value == pytest.approx(0.2)
    assert difference.bounds == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_a_rate_of_fewer_than_ten_is_not_shown() -> None:
    assert Rate(9, 9, interval=True).share is None
    assert Rate(9, 9, interval=True).bounds is None
    assert str(Rate(9, 9)) == "— (9/9)"
    assert str(Rate(1, 10, interval=True)) == "10.0% [1.8%–40.4%] (1/10)"
    assert Mean(50, 9).value is None
    assert Mean(50, 10).value == 5
    assert Difference(Rate(5, 9), Rate(5, 100)).value is None


def test_periods() -> None:
    assert period_of("", "", NOW) == Period(date(2026, 11, 1), date(2026, 11, 24))
    assert period_of("2026-02", "", NOW) == Period(date(2026, 2, 1), date(2026, 2, 28))
    assert period_of("", "2026-10-05", NOW) == Period(date(2026, 10, 1), date(2026, 10, 5))
    one = period_of("2026-11-24", "2026-11-24", NOW)
    assert (one.days, one.since, one.until.hour) == (1, datetime(2026, 11, 23, 15, tzinfo=UTC), 15)
    for first, last in (("2026-11-25", "2026-11-24"), ("月曜", ""), ("2026-13", ""), ("1990-01-01", "2026-01-01")):
        with pytest.raises(InputError):
            period_of(first, last, NOW)


@pytest.mark.parametrize("text", ["=1+1", "+81", "-2+3", "@SUM(A1)", "\tx", "\rx", "＝１"])
def test_no_text_becomes_a_formula(text: str) -> None:
    found = files.csv_utf8(report((text, Rate(1, 20), -5)))
    assert found.startswith(b"\xef\xbb\xbf")
    assert f"'{text}".split("\r")[0] in found.decode("utf-8-sig")
    assert ",-5\r\n" in found.decode("utf-8-sig")  # a number stays one
    with zipfile.ZipFile(io.BytesIO(files.xlsx(report((text, Rate(1, 20), -5))))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "<v>0.05</v>" in sheet
    assert f"<t>'{text}".split("\r")[0].split("\t")[0] in strings.replace(' xml:space="preserve"', "")


def test_cp932_counts_what_it_has_no_place_for() -> None:
    content, missing = files.csv_cp932(report(("𠮷田髙﨑\u301c", Rate(3, 4), 1)))
    assert missing == {"𠮷": 1}
    text = content.decode("cp932")
    assert "〓田髙﨑\uff5e" in text
    assert "列1（分子）" in text
    assert (
        "列0,列1,列1（分子）,列1（分母）,列2\r\n〓田髙﨑\uff5e,,3,4,1\r\n" in text
    )  # suppressed: counts without a share


def test_json_keeps_counts_apart() -> None:
    row = (Phrase("{n}日", {"n": 7}), Rate(5, 20, interval=True), Difference(Rate(5, 20), Rate(1, 20)))
    section = files.as_data(report(row, kinds=("text", "rate", "difference")))["sections"][0]
    words, rate, difference = section["rows"][0]
    assert (words, rate["value"], rate["numerator"], rate["denominator"]) == ("7日", 0.25, 5, 20)
    assert rate["interval_95"] == list(wilson(5, 20))
    assert difference["value"] == pytest.approx(0.2)


@pytest.mark.parametrize("shape", ["bars", "lines", "heat"])
def test_a_chart_is_valid_and_says_every_value(shape: str) -> None:
    series = (Series("応答 <率>", [0.25, None, 0.5]), Series("本人", [0.1, 0.2, 0.3]))
    drawn = charts.svg(Chart(shape, "題&", ["月", "火", "水"], series, "%"))  # type: ignore[arg-type]
    root = ElementTree.fromstring(drawn)
    words = "".join(root.itertext())
    assert root.get("role") == "img"
    assert "題&" in words
    assert "応答 <率>" in words
    assert "style" not in drawn
    for value in ("25.0%", "30.0%") if shape != "lines" else ("50.0%", "30.0%"):
        assert value in words


def test_an_empty_chart_is_left_out() -> None:
    assert charts.svg(Chart("bars", "題", [], ())) == ""
    assert charts.svg(Chart("heat", "題", ["月"], (Series("a", [None]),))) == ""


@pytest.mark.parametrize(("values", "top"), [([], 1), ([0.0], 1), ([7], 10), ([101], 200), ([2400], 2500), ([10], 10)])
def test_an_axis_ends_at_a_round_number(values: list[float], top: float) -> None:
    assert charts.top_of(values, "") == top
    assert charts.top_of([0.6], "%") == 1


def test_every_question_of_the_council_has_its_page() -> None:
    answered = {kind.number for kind in KINDS if kind.question}
    assert answered >= {f"C{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 16)}
