"""The settings of the shipped scripts in the words that people see; a script's own keep their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SETTING_WORDS: Final[Mapping[str, str]] = {
    "opening": "名乗り",
    "recording": "録音",
    "other_instalments": "ほかの期別",
    "closing_words": "結びの言葉",
}
VALUE_WORDS: Final[Mapping[str, str]] = {
    "documented": "用件名を言う（資料のとおり）",
    "minimal": "用件名を言わない",
    "unrecorded": "しない",
    "recorded": "先に知らせて録音する",
    "others_named": "あることを添える",
    "oldest_only": "最も古いものだけ",
    "corrected": "「よろしくお願い申し上げます」",
    "as_printed": "資料の字句のまま",
}


def setting_in_words(name: str, value: str) -> str:
    """As one reads it in Japanese."""
    return f"{SETTING_WORDS.get(name, name)}: {VALUE_WORDS.get(value, value)}"
