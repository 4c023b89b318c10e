"""Lines in Jinja2: what a line may name, and the line as it is read aloud.

Below its level a fact is not in the line's namespace at all: a line of level `name` that asks for `arrears`
fails, whatever the checker said. Templates are sandboxed, reach nothing but these facts, and unknown names
are errors, not blanks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from callflow.errors import RefusedError
from callflow.script.model import Level, Script

FACT_LEVELS: dict[str, Level] = {
    "ward": Level.NOTHING,
    "company": Level.NOTHING,
    "operator": Level.NOTHING,
    "desk_name": Level.NOTHING,
    "desk_phone": Level.NOTHING,
    "desk_hours": Level.NOTHING,
    "debtor": Level.NAME,
    "claim_name": Level.TOPIC,
    "arrears.year": Level.DEBT,
    "arrears.month": Level.DEBT,
    "arrears.amount": Level.DEBT,
    "arrears.count": Level.DEBT,
    "arrears.others": Level.DEBT,
    "arrears.total": Level.DEBT,
    "arrears.spoken": Level.DEBT,
}
"""Every fact that a line may name, and how much it gives away."""

_TOKYO = ZoneInfo("Asia/Tokyo")
_WEEKDAYS = "月火水木金土日"


class _Facts(dict[str, Any]):
    """A fact with parts (`arrears.amount`). A part that is missing is an error like any unknown name."""


class _LineEnvironment(SandboxedEnvironment):
    """Attributes are parts of facts and nothing else: no methods, no dunder names."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, _Facts) and attribute in obj:
            return obj[attribute]
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self.getattr(obj, str(argument))

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002  nothing in a line may be called
        return False


def yen(amount: int) -> str:
    """35700 → 35,700."""
    return f"{int(amount):,}"


def day(iso: str) -> str:
    """2026-12-04 → 12月4日（金）."""
    value = date.fromisoformat(iso)
    return f"{value.month}月{value.day}日（{_WEEKDAYS[value.weekday()]}）"


def time(iso: str) -> str:
    """An instant → 12月4日（金）14時30分 in Tokyo."""
    value = datetime.fromisoformat(iso).astimezone(_TOKYO)
    minutes = f"{value.minute}分" if value.minute else ""
    return f"{day(value.date().isoformat())}{value.hour}時{minutes}"


FILTERS = {"yen": yen, "day": day, "time": time}


def environment() -> SandboxedEnvironment:
    """The environment in which lines are compiled, and parsed by the checker."""
    env = _LineEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
    env.globals.clear()
    env.filters = dict(FILTERS)
    env.tests = {name: env.tests[name] for name in ("defined", "none")}
    return env


_ENVIRONMENT = environment()


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Template:
    return _ENVIRONMENT.from_string(source)


def render(script: Script, state_name: str, settings: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The line of a state in a call with these settings and facts (fields included, nested like facts).

    Raises RefusedError if the line names something that is unknown, unfilled, or above the state's level.
    """
    state = script.states[state_name]
    level = Level[state.reveals.pick(settings).upper()]
    try:
        return _compiled(state.says.pick(settings)).render(_namespace(script, level, settings, facts)).strip()
    except TemplateError as error:
        raise RefusedError(f"状態 {state_name} の台詞を作れません: {error.message}") from error


def _namespace(script: Script, level: Level, settings: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, and the facts and fields that a line of this level may name."""
    allowed: dict[str, Any] = dict(settings)
    for dotted, needed in known_names(script).items():
        value = _look_up(facts, dotted)
        if needed <= level and value is not None:
            _place(allowed, dotted, value)
    return allowed


def known_names(script: Script) -> dict[str, Level]:
    """Every dotted name that a line of this script may use, with its level."""
    return {**FACT_LEVELS, **{name: field.reveals for name, field in script.fields.items()}}


def _look_up(facts: Mapping[str, Any], dotted: str) -> Any:
    value: Any = facts
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _place(target: dict[str, Any], dotted: str, value: Any) -> None:
    *outer, last = dotted.split(".")
    for part in outer:
        target = target.setdefault(part, _Facts())
    target[last] = value
