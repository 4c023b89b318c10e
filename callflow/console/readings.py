"""How names and amounts are read aloud: readings from imported data only, never guessed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "読み未登録"
_DIGITS = "〇一二三四五六七八九"
_SMALL = ("", "十", "百", "千")
_LARGE = ("", "万", "億", "兆")
_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)円")
_SENTENCE = re.compile(r"[^。？！?!]*[。？！?!]*[」』）]*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of a line; `reading` stands above it, empty where it needs none."""

    text: str
    reading: str = ""


def yen_reading(amount: int) -> str:
    """32400 → 三万二千四百円."""
    if amount == 0:
        return "〇円"
    words, place = "", 0
    while amount:
        amount, block = divmod(amount, 10_000)
        if block:
            words = _block(block, place) + _LARGE[place] + words
        place += 1
    return words + "円"


def name_pieces(name: str, kana: str) -> tuple[Piece, ...]:
    """A name with its reading in hiragana, part by part where both have the same number of parts."""
    if not kana:
        return (Piece(name, UNKNOWN),)
    parts, readings = name.split(), hiragana(kana).split()
    if len(parts) != len(readings):
        return (Piece(name, hiragana(kana)),)
    found: list[Piece] = []
    for part, reading in zip(parts, readings, strict=True):
        found += [Piece("　")] if found else []
        found.append(Piece(part, reading))
    return tuple(found)


def line_pieces(line: str, name: str, kana: str) -> tuple[tuple[Piece, ...], ...]:
    """A line, one sentence after the other, with readings above the debtor's name and above amounts."""
    sentences = [each.strip() for each in _SENTENCE.findall(line) if each.strip()]
    return tuple(tuple(_sentence(each, name, kana)) for each in sentences)


def hiragana(kana: str) -> str:
    return "".join(chr(ord(one) - 0x60) if "ァ" <= one <= "ヶ" else one for one in kana)


def _sentence(text: str, name: str, kana: str) -> list[Piece]:
    found: list[Piece] = []
    for number, part in enumerate(text.split(name) if name else [text]):
        if number:
            found += name_pieces(name, kana)
        place = 0
        for amount in _AMOUNT.finditer(part):
            found += [Piece(part[place : amount.start()])] if amount.start() > place else []
            found.append(Piece(amount[0], yen_reading(int(amount[1].replace(",", "")))))
            place = amount.end()
        found += [Piece(part[place:])] if part[place:] else []
    return found


def _block(number: int, place: int) -> str:
    words = ""
    for power in (3, 2, 1, 0):
        digit = number // 10**power % 10
        if digit:
            silent = digit == 1 and power > 0 and not (power == 3 and place > 0)
            words += ("" if silent else _DIGITS[digit]) + _SMALL[power]
    return words
