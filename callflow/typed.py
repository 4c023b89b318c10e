"""What an operator typed or chose, read and held against what was told before. Pure.

Whatever cannot be taken is said in words: what is wrong, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from callflow.clock import TOKYO
from callflow.errors import InputError, Where
from callflow.replay import Told
from callflow.script.fields import has_control_characters, read_fields, told_anew
from callflow.script.model import Script
from callflow.script.talk import NotTaken
from scheduler.calendar import Calendar

LONGEST_TEXT = 500


def read(script: Script, typed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The recorded form of every field. Raises InputError for the first that cannot be read."""
    values, faults = read_fields(script.fields, typed, now)
    if faults:
        first = faults[0]
        raise InputError(first.what, where=Where(field=first.field), mend=first.mend)
    return values


def check_callback(script: Script, typed: Mapping[str, Any], calendar: Calendar, now: datetime) -> None:
    """A call is agreed only for a moment at which calls are placed. Raises InputError that names the next one.

    A time that cannot be read is left to `read`, and so is a calendar without any day to come.
    """
    name = "callback.at"
    if name not in typed or name not in script.fields:
        return
    values, faults = read_fields(script.fields, {name: typed[name]}, now)
    opening = calendar.next_opening(now)
    if faults or opening is None:
        return
    asked = datetime.fromisoformat(values[name])
    if calendar.window_at(asked) is None:
        best = (calendar.next_opening(asked) or opening).astimezone(TOKYO)
        day = f"{best.month}月{best.day}日({'月火水木金土日'[best.weekday()]})"
        raise InputError(
            "その日時には架電できません",
            where=Where(field=name),
            mend=f"その後で最初に架けられるのは {day} {best:%H:%M} です",
        )


def check_text(name: str, text: str, *, needed: bool = False) -> None:
    """A note or a reason of up to 500 characters. Raises InputError."""
    words = {"reason": "理由", "note": "メモ"}[name]
    if (needed and not text.strip()) or len(text) > LONGEST_TEXT:
        raise InputError(f"{words}は{'1〜' if needed else ''}{LONGEST_TEXT}文字です", where=Where(field=name))
    if has_control_characters(text):
        raise InputError("使えない文字（制御文字）があります", where=Where(field=name), mend="打ち直してください")


def said_otherwise(script: Script, told: Told, name: str, values: Mapping[str, Any]) -> list[str]:
    """The labels of fields that would be recorded otherwise than they were told: the operator steps back for that."""
    state = script.states.get(told.talk.state) if told.talk else None
    answer = state.answers.get(name) if state else None
    if state is None or answer is None or answer.from_anywhere:
        return []
    anew = told_anew(state, answer)
    return [
        script.fields[field].label or field
        for field, value in values.items()
        if field not in anew and told.won.values.get(field, value) != value
    ]


def is_beyond(due: object, horizon: timedelta, now: datetime) -> bool:
    """Whether a promised day (ISO) lies after the last that a promise may name, counted in Asia/Tokyo."""
    last = (now + horizon).astimezone(TOKYO).date().isoformat()
    return bool(due) and str(due) > last


def chosen_settings(script: Script, chosen: Mapping[str, str]) -> dict[str, str]:
    """The call's settings: the script's first value of each unless another is chosen. Raises InputError."""
    settings = {}
    for name, allowed in script.settings.items():
        value = chosen.get(name, allowed[0])
        if value not in allowed:
            raise InputError(f"設定 {name} に {value} はありません", mend=f"使える値: {'、'.join(allowed)}")
        settings[name] = value
    return settings


def why_not(no: NotTaken) -> str:
    """Why an answer was not taken, for the screen."""
    words = {
        "unknown_answer": "この段階では選べない応答です。",
        "missing_field": "先に入力が要ります",
        "condition": "条件に合わないため選べません。",
        "ended": "通話は終わっています。",
    }
    return words.get(no.reason, "選べません。") + (
        f": {no.detail}" if no.detail and no.reason == "missing_field" else ""
    )
