"""What was typed during a talk, as a person at the ward reads it: the field's own label, and the value in words.

A line that is read aloud speaks values its own way (`callflow.script.lines`); a slip is read at a desk, days later,
so its dates have a year (in 和暦) and its amounts their unit. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from callflow.script.model import Field

_TOKYO = ZoneInfo("Asia/Tokyo")
_WEEKDAYS = "月火水木金土日"
_REIWA_BEGAN = date(2019, 5, 1)
_INSTALMENTS = {"oldest": "いちばん古い期別", "all": "すべての期別"}


def in_words(fields: Mapping[str, Field], times: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each field that was filled, in the order in which the script declares them.

    `times` are the values as they stood at several moments of the call, oldest first: what was corrected, or said
    again by another voice, is shown with what it was before.
    """
    lines = []
    for name, field in fields.items():
        told = dict.fromkeys(written(field, values[name]) for values in times if name in values)
        if told and field.type != "identity":
            lines.append(f"{field.label}: {' → '.join(told)}")
    return lines


def written(field: Field, value: Any) -> str:
    """A recorded value as it is written for people; one that is not in its recorded form stands as it is."""
    text = str(value)
    try:
        match field.type:
            case "date":
                return day(date.fromisoformat(text))
            case "slot":
                return moment(datetime.fromisoformat(text))
            case "yen":
                return f"{int(value):,}円"
    except ValueError:
        return text
    if field.type == "choices" and isinstance(value, list):
        return "、".join(value)
    return _INSTALMENTS.get(text, text) if field.type == "arrears" else text


def day(value: date) -> str:
    """令和8年12月4日（金）; before 令和 the year of the western calendar."""
    year = f"令和{value.year - 2018}年".replace("令和1年", "令和元年") if value >= _REIWA_BEGAN else f"{value.year}年"
    return f"{year}{value.month}月{value.day}日（{_WEEKDAYS[value.weekday()]}）"


def moment(at: datetime) -> str:
    """令和8年12月4日（金）14時30分, in Tokyo; so is what was said without a zone."""
    local = at.astimezone(_TOKYO) if at.tzinfo else at
    minutes = f"{local.minute}分" if local.minute else ""
    return f"{day(local.date())}{local.hour}時{minutes}"
