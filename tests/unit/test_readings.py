"""How amounts and names are read, and days as an operator types them."""

from __future__ import annotations

from datetime import date

import pytest

from callflow.console.readings import UNKNOWN, Piece, line_pieces, name_pieces, yen_reading
from callflow.console.typed import day, moment

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "〇円"),
        (10, "十円"),
        (1_000, "千円"),
        (32_400, "三万二千四百円"),
        (110_115, "十一万百十五円"),
        (10_000_000, "一千万円"),
        (123_456_789, "一億二千三百四十五万六千七百八十九円"),
    ],
)
def test_amounts_in_words(amount: int, words: str) -> None:
    assert yen_reading(amount) == words


def test_a_reading_stands_above_each_part_of_a_name_and_is_never_guessed() -> None:
    assert name_pieces("試川　一", "タメシガワ ハジメ") == (
        Piece("試川", "ためしがわ"),
        Piece("　"),
        Piece("一", "はじめ"),
    )
    assert name_pieces("試川一", "タメシガワ ハジメ") == (Piece("試川一", "ためしがわ はじめ"),)
    assert name_pieces("試川　一", "") == (Piece("試川　一", UNKNOWN),)


def test_one_sentence_a_line_with_the_amounts_read() -> None:
    lines = line_pieces("合計58,300円ございます。よろしいですか？", "試川　一", "")
    assert lines == (
        (Piece("合計"), Piece("58,300円", "五万八千三百円"), Piece("ございます。")),
        (Piece("よろしいですか？"),),
    )


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("12/4", "2026-12-04"),
        ("１２月４日", "2026-12-04"),
        ("1/5", "2027-01-05"),
        ("4日", "2026-12-04"),
        ("R8.12.4", "R8.12.4"),
        ("31/31", "31/31"),
        ("2/30", "2/30"),
    ],
)
def test_days_as_they_are_typed(typed: str, read: str) -> None:
    assert day(typed, TODAY) == read


def test_moments_as_they_are_typed() -> None:
    assert moment("12/4 14", TODAY) == "2026-12-04 14:00"
    assert moment("12/4 14:30", TODAY) == "2026-12-04 14:30"
    assert moment("12月4日 9時5分", TODAY) == "2026-12-04 09:05"
    assert moment("いつでも", TODAY) == "いつでも"
