"""What an operator may type: each field's value is read once, here, into the form in which it is recorded.

Dates are ISO (`2026-12-04`), slots are ISO instants in UTC, money is integer yen. 和暦 and full-width digits
are understood wherever a date or a number is typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from callflow.script.lines import wording
from callflow.script.model import SAME, Answer, Field, State

_TOKYO = ZoneInfo("Asia/Tokyo")
_ERAS = {"R": 2018, "令和": 2018, "H": 1988, "平成": 1988, "S": 1925, "昭和": 1925}
_DATE = re.compile(
    r"(?P<era>R|H|S|令和|平成|昭和)?(?P<year>元|\d{1,4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
)
_BOUND = re.compile(r"today(?:\s*\+\s*(?P<days>\d+))?")


@dataclass(frozen=True, slots=True)
class FieldFault:
    """Why a value cannot be taken, and how to mend it; never the value itself."""

    field: str
    what: str
    mend: str


def told_anew(state: State, answer: Answer) -> frozenset[str]:
    """The fields that an answer may change though they were told before: what its state asks for.

    What the line has just read out changes only by an answer that says the line again, so that what is recorded is
    what was heard.
    """
    texts = () if SAME in answer.to.values else state.says.by_setting_value.values()
    return frozenset(state.asks).difference(*(wording(text).names for text in texts))


def read_fields(
    declared: Mapping[str, Field], typed: Mapping[str, Any], now: datetime
) -> tuple[dict[str, Any], list[FieldFault]]:
    """The recorded form of every typed value, and what is wrong with the others."""
    values: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, raw in typed.items():
        if name not in declared:
            faults.append(FieldFault(name, "この台本にない項目です", f"使える項目: {'、'.join(sorted(declared))}"))
            continue
        result = read_field(declared[name], raw, now)
        if isinstance(result, FieldFault):
            faults.append(result)
        else:
            values[name] = result
    return values, faults


def read_field(field: Field, raw: Any, now: datetime) -> Any | FieldFault:
    """One value in its recorded form. `now` is an aware instant; bounds are judged on Tokyo's calendar."""
    if field.type == "identity":
        return True  # what was tried is never recorded
    if field.type == "choices":
        return _read_choices(field, raw)
    typed = unicodedata.normalize("NFKC", str(raw)).strip()
    if not typed:
        return FieldFault(field.name, "空欄です", "値を入れてください")
    match field.type:
        case "date":
            return _read_date(field, typed, now)
        case "yen":
            return _read_yen(field, typed)
        case "choice":
            if str(raw) in field.options:
                return str(raw)
            return FieldFault(field.name, "選択肢にありません", f"選択肢: {'、'.join(field.options)}")
        case "slot":
            return _read_slot(field, typed, now)
        case "phone":
            return _read_phone(field, typed)
        case _:
            return _read_text(field, str(raw).strip())


def _read_choices(field: Field, raw: Any) -> list[str] | FieldFault:
    """What was ticked, in the order of the script: a list, or words with `、` or `,` between them."""
    words = re.split("[、,]", raw) if isinstance(raw, str) else raw if isinstance(raw, list | tuple) else [raw]
    ticked = {str(word).strip() for word in words} - {""}
    if not ticked:
        return FieldFault(field.name, "一つも選ばれていません", f"選択肢: {'、'.join(field.options)}")
    if not ticked <= set(field.options):
        return FieldFault(field.name, "選択肢にないものがあります", f"選択肢: {'、'.join(field.options)}")
    return [option for option in field.options if option in ticked]


def _read_date(field: Field, typed: str, now: datetime) -> str | FieldFault:
    day = parse_date(typed)
    if day is None:
        return FieldFault(field.name, "日付として読めません", "例: 2026-12-04、R8.12.4")
    return _out_of_bounds(field, day, now) or day.isoformat()


def _out_of_bounds(field: Field, day: date, now: datetime) -> FieldFault | None:
    today = now.astimezone(_TOKYO).date()
    earliest, latest = _day(field.earliest, today), _day(field.latest, today)
    if earliest and day < earliest:
        return FieldFault(field.name, f"{earliest.isoformat()} より前です", "それ以後の日付を入れてください")
    if latest and day > latest:
        return FieldFault(field.name, f"{latest.isoformat()} より後です", "それ以前の日付を入れてください")
    return None


def parse_date(typed: str) -> date | None:
    """A day typed as ISO, with slashes, or in 和暦; None if it is none or does not exist."""
    found = _DATE.fullmatch(typed)
    if not found:
        return None
    year = 1 if found["year"] == "元" else int(found["year"])
    try:
        return date(year + _ERAS.get(found["era"] or "", 0), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def bound_of(kind: str, bound: str) -> int | date | None:
    """A bound as the kind of field compares it: a day (`today` is day 0), or a number of yen; None if it is none."""
    if kind == "yen":
        return int(bound) if bound.isascii() and bound.isdigit() else None
    found = _BOUND.fullmatch(bound)
    return int(found["days"] or 0) if found else parse_date(bound)


def _day(bound: str, today: date) -> date | None:
    found = _BOUND.fullmatch(bound)
    if found:
        return today + timedelta(days=int(found["days"] or 0))
    return parse_date(bound)


def _read_yen(field: Field, typed: str) -> int | FieldFault:
    digits = typed.replace(",", "").removesuffix("円")
    if not digits.isdecimal() or int(digits) == 0:
        return FieldFault(field.name, "金額として読めません", "1円以上の整数を入れてください")
    amount, least, most = int(digits), int(field.earliest or 1), int(field.max or field.latest or 0)
    if amount < least:
        return FieldFault(field.name, f"{least:,}円に足りません", "金額を確かめてください")
    if most and amount > most:
        return FieldFault(field.name, f"{most:,}円を超えています", "金額を確かめてください")
    return amount


def _read_slot(field: Field, typed: str, now: datetime) -> str | FieldFault:
    day_part, _, time_part = typed.replace("T", " ").partition(" ")
    day = parse_date(day_part)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})(?::\d{2})?(?P<zone>\+\d\d:\d\d|Z)?", time_part)
    if day is None or clock is None or int(clock[1]) > 23 or int(clock[2]) > 59:
        return FieldFault(field.name, "日時として読めません", "例: 2026-12-04 14:00")
    zone = {"Z": UTC, "+00:00": UTC}.get(clock["zone"] or "", _TOKYO)
    at = datetime.combine(day, time(int(clock[1]), int(clock[2])), zone)
    if at <= now:
        return FieldFault(field.name, "過ぎた日時です", "これからの日時を入れてください")
    outside = _out_of_bounds(field, at.astimezone(_TOKYO).date(), now)
    if outside:
        return outside
    return at.astimezone(UTC).isoformat()


def _read_phone(field: Field, typed: str) -> str | FieldFault:
    digits = re.sub(r"[-() ]", "", typed)
    if not re.fullmatch(r"0\d{9,10}|\+81\d{9,10}", digits):
        return FieldFault(field.name, "電話番号として読めません", "例: 03-1234-5678")
    return digits


def _read_text(field: Field, typed: str) -> str | FieldFault:
    limit = field.max or 500
    if len(typed) > limit:
        return FieldFault(field.name, f"{limit}文字を超えています", "短くしてください")
    if has_control_characters(typed):
        return FieldFault(field.name, "使えない文字（制御文字）があります", "打ち直してください")
    return typed


def has_control_characters(text: str) -> bool:
    """Whether `text` holds what no keyboard types and not every database stores, such as NUL; line breaks are fine."""
    return any(unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t" for one in text)
