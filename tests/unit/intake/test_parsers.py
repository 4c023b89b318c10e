"""Values as municipalities write them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from japanera import EraDate

from callflow.errors import InputError
from callflow.intake.encoding import inspect, odd_characters
from callflow.intake.faults import FieldError
from callflow.intake.money import parse_yen
from callflow.intake.names import kana
from callflow.intake.phones import parse_phone
from callflow.intake.wareki import parse_date
from callflow.numbering import grouped

_LETTERS = {"明治": ("M", 1), "大正": ("T", 2), "昭和": ("S", 3), "平成": ("H", 4), "令和": ("R", 5)}


@pytest.mark.parametrize(
    "raw", ["R7.4.1", "令和7年4月1日", "5070401", "2025-04-01", "2025/4/1", "20250401", "Ｒ７．４．１", " r7.4.1 "]
)
def test_one_day_in_every_form(raw: str) -> None:
    assert parse_date(raw) == date(2025, 4, 1)


def test_the_first_year_of_an_era_has_a_name() -> None:
    assert parse_date("令和元年5月1日") == date(2019, 5, 1)


@pytest.mark.parametrize("raw", ["", "0000-00-00", "99999999"])
def test_none_has_several_forms(raw: str) -> None:
    assert parse_date(raw) is None


@pytest.mark.parametrize(
    "raw", ["R99.13.40", "R0.5.1", "R1.4.30", "H31.5.1", "S64.1.8", "2025-02-29", "明日", "2025-4/1"]
)
def test_days_that_never_were_are_refused(raw: str) -> None:
    with pytest.raises(FieldError):
        parse_date(raw)


@given(st.dates(date(1873, 1, 1), date(2100, 1, 1)))
def test_eras_agree_with_another_library(day: date) -> None:
    era = EraDate.from_date(day)
    letter, digit = _LETTERS[era.era.kanji]
    year = day.year - era.era.since.year + 1
    assert parse_date(f"{letter}{year}.{day.month}.{day.day}") == day
    if year < 100:
        assert parse_date(f"{digit}{year:02}{day.month:02}{day.day:02}") == day
    assert day + timedelta(0) == parse_date(day.isoformat())


@pytest.mark.parametrize(("raw", "yen"), [("4,700", 4700), ("0", 0), ("１２，３００", 12300), ("500円", 500)])
def test_amounts(raw: str, yen: int) -> None:
    assert parse_yen(raw) == yen


@pytest.mark.parametrize("raw", ["-500", "△500", "一万円", "", "1,00", "12.5", "9" * 30])
def test_amounts_that_are_none(raw: str) -> None:
    with pytest.raises(FieldError):
        parse_yen(raw)


@pytest.mark.parametrize(
    ("raw", "e164", "note"),
    [
        ("03(6659)6386", "+81366596386", ""),
        ("０９０－８０５６－６４４７", "+819080566447", ""),
        ("6659-6386", "+81366596386", ""),
        ("090-3239-8358(妻携帯)", "+819032398358", "妻携帯"),
        ("+81 3-6659-6386", "+81366596386", ""),
    ],
)
def test_numbers_that_can_be_dialled(raw: str, e164: str, note: str) -> None:
    phone = parse_phone(raw)
    assert (phone.e164, phone.note, phone.raw) == (e164, note, raw)


@pytest.mark.parametrize("raw", ["電話なし", "090-1234", "110", "+1 212 555 0100", "03-6659-6386 / 090-3239-8358"])
def test_other_numbers_are_quarantined_with_a_reason(raw: str) -> None:
    phone = parse_phone(raw)
    assert phone.e164 is None
    assert phone.reason


@pytest.mark.parametrize(
    "number",
    ["03-6659-0001", "045-123-4567", "0422-50-0000", "04992-2-1111", "090-1234-5678", "050-1234-5678", "0120-123-456"],
)
def test_numbers_are_shown_in_the_groups_in_which_they_are_dialled(number: str) -> None:
    assert grouped("+81" + number.replace("-", "")[1:]) == number


def test_only_readings_are_normalised() -> None:
    assert kana("ﾜﾀﾅﾍﾞ ﾏﾅﾌﾞ") == "ワタナベ マナブ"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_encodings_are_told_apart(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("氏名\n髙﨑①㈱\n", encoding=encoding)
    assert inspect(path).encoding == encoding


def test_utf_16_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("宛名番号,氏名\n", encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16 のファイル"):
        inspect(tmp_path / "list.csv")


def test_bytes_of_no_encoding_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("氏名\n見本\n".encode() + b"\x81\n")
    with pytest.raises(InputError) as raised:
        inspect(path)
    assert raised.value.where.line == 3


@pytest.mark.parametrize("text", ["\ue000", "葛\U000e0100", "\ufffd"])
def test_characters_of_unknown_form_are_reported(text: str) -> None:
    assert odd_characters(text)
    assert odd_characters("髙﨑邊𠮷") is None
