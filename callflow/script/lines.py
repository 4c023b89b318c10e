"""Lines in Jinja2: what a line may name, and the line as it is read aloud.

Below its level a fact is not in the line's namespace at all: a line of level `name` that asks for `arrears`
fails, whatever the checker said. A line may print facts and choose by them, and nothing else; templates are
sandboxed, reach nothing but these facts, and unknown names are errors, not blanks. A field of type `date` or
`slot` is spoken as a person says it, never as it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
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

NUMBERS = frozenset({"arrears.amount", "arrears.count", "arrears.others", "arrears.total"})
"""The facts that are numbers: only they, and fields of type yen, can be written as yen or ordered by size."""

NAMED = "\ufffc"
"""Stands in a line's texts where it says a fact or a field."""

_TOKYO = ZoneInfo("Asia/Tokyo")
_WEEKDAYS = "月火水木金土日"
_ALLOWED = (
    *(nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr, nodes.Filter),
    *(nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or),
)


@dataclass(frozen=True, slots=True)
class LineFault:
    """What a line's template does that a line may not do; `line` is counted from the text's first line."""

    rule: str  # `template` or `attribute`
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A line's template taken apart: the names in it with the line where each stands first, and what it can say.

    `numbers` are the names that stand where only a number can. `texts` has one text for each way through the line's
    choices, with `NAMED` for what is said of a fact.
    """

    names: Mapping[str, int]
    numbers: Mapping[str, int]
    texts: frozenset[str]
    faults: tuple[LineFault, ...]


@dataclass(frozen=True, slots=True)
class _Number:
    """A name that stands where only a number can."""

    name: str
    line: int


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


FILTERS = {"yen": yen}
_SPOKEN: Mapping[str, Callable[[Any], str]] = {"date": day, "slot": time, "choices": "、".join}
_MOST_TEXTS = 4_096


def _environment() -> SandboxedEnvironment:
    env = _LineEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
    env.globals.clear()
    env.filters = dict(FILTERS)
    env.tests = {}
    return env


_ENVIRONMENT = _environment()


@lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[Template, tuple[str, ...]]:
    """A held template and the names that it uses. Raises TemplateError for what no line may do."""
    taken = wording(source)
    if taken.faults:
        raise TemplateError(taken.faults[0].what)
    return _ENVIRONMENT.from_string(source), tuple(taken.names)


@lru_cache(maxsize=4096)
def _unchanging(source: str) -> str:
    """A line that names nothing, and so is the same in every call."""
    return _compiled(source)[0].render().strip()


@lru_cache(maxsize=4096)
def wording(source: str) -> Wording:
    """A line's template taken apart. Never raises: what is wrong with it stands in `faults`."""
    try:
        tree = _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        return Wording({}, {}, frozenset({source}), (LineFault("template", error.lineno, str(error.message)),))
    names: dict[str, int] = {}
    numbers: dict[str, int] = {}
    faults: list[LineFault] = []
    for node in tree.body:
        for part in _parts(node):
            match part:
                case (str() as name, int() as line):
                    names.setdefault(name, line)
                case _Number():
                    numbers.setdefault(part.name, part.line)
                case LineFault():
                    faults.append(part)
    texts = _texts(tree.body)
    if len(texts) > _MOST_TEXTS:
        faults.append(LineFault("template", 1, "一つの台詞に場合分けが多すぎます"))
    return Wording(names, numbers, frozenset(texts), tuple(faults))


def render(script: Script, state_name: str, settings: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The line of a state in a call with these settings and facts (fields included, nested like facts).

    Raises RefusedError if the line names something that is unknown, unfilled, or above the state's level.
    """
    state = script.states[state_name]
    level = Level[state.reveals.pick(settings).upper()]
    try:
        source = state.says.pick(settings)
        template, names = _compiled(source)
        if not names:
            return _unchanging(source)
        return template.render(_namespace(script, level, names, facts)).strip()
    except (TemplateError, TypeError, ValueError) as error:
        raise RefusedError(f"状態 {state_name} の台詞を作れません: {error}") from error


def level_of_name(script: Script, dotted: str) -> Level | None:
    """How much a fact or a field gives away; None if a line may not name it at all, as what identifies a person."""
    level = FACT_LEVELS.get(dotted)
    if level is None and dotted in script.fields and script.fields[dotted].type != "identity":
        return script.fields[dotted].reveals
    return level


def known_names(script: Script) -> dict[str, Level]:
    """Every dotted name that a line of this script may use, with its level."""
    fields = {name: field.reveals for name, field in script.fields.items() if field.type != "identity"}
    return {**fields, **FACT_LEVELS}


def _texts(parts: Sequence[nodes.Node]) -> set[str]:
    """What these parts can say, one text for each way through their choices; no more once there are too many."""
    found = {""}
    for node in parts:
        if len(found) <= _MOST_TEXTS:
            found = {before + after for before in found for after in _said(node)}
    return found


def _said(node: nodes.Node) -> set[str]:
    match node:
        case nodes.TemplateData():
            return {node.data}
        case nodes.Const():
            return {str(node.value)}
        case nodes.Output():
            return _texts(node.nodes)
        case nodes.If():
            ways = [node.body, *(each.body for each in node.elif_), node.else_]
            return set().union(*(_texts(way) for way in ways))
        case nodes.CondExpr():
            return _said(node.expr1) | (_said(node.expr2) if node.expr2 else {""})
        case nodes.And() | nodes.Or():
            return _said(node.left) | _said(node.right)
    return {NAMED}


def _parts(node: nodes.Node) -> Iterator[tuple[str, int] | _Number | LineFault]:
    """The names in a node, those of them that must be numbers, and what a line may not do."""
    match node:
        case nodes.Name() | nodes.Getattr():
            yield from _dotted(node)
            return
        case nodes.Filter() if node.name not in FILTERS:
            known = "、".join(FILTERS)
            yield LineFault("template", node.lineno, f"フィルター {node.name} はありません。使えるもの: {known}")
        case nodes.Filter() if node.args or node.kwargs:
            yield LineFault("template", node.lineno, f"フィルター {node.name} は () なしで書きます")
        case nodes.Filter():
            yield from _numbers(node.node, f"{node.name} で書く")
        case nodes.Compare():
            yield from _compared(node)
        case nodes.CondExpr() if node.expr2 is None:
            yield LineFault("template", node.lineno, "台詞の中の if には else も書いてください")
        case nodes.Call() | nodes.Getitem():
            yield LineFault("attribute", node.lineno, "台詞は事実の名前のほか、何にも触れられません")
        case _ if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            yield LineFault("template", node.lineno, f"台詞にこの書き方は使えません（{kind}）")
    for child in node.iter_child_nodes():
        yield from _parts(child)


def _compared(node: nodes.Compare) -> Iterator[_Number | LineFault]:
    """What `<` and the like compare must be numbers, or a text would stop the call; `in` is not there at all."""
    for operand in node.ops:
        if operand.op in ("in", "notin"):
            yield LineFault("template", node.lineno, "台詞に in は使えません。== で比べてください")
        elif operand.op not in ("eq", "ne"):
            yield from _numbers(node.expr, "大小を比べる")
            yield from _numbers(operand.expr, "大小を比べる")


def _numbers(node: nodes.Node | None, wanted: str) -> Iterator[_Number | LineFault]:
    if isinstance(node, nodes.Const) and isinstance(node.value, int):
        return
    names = list(_dotted(node)) if isinstance(node, nodes.Name | nodes.Getattr) else []
    if not names:
        yield LineFault("template", node.lineno if node else 1, f"{wanted}のは、数の名前だけです")
    for name in names:
        if not isinstance(name, LineFault):
            yield _Number(*name)


def _dotted(node: nodes.Name | nodes.Getattr) -> Iterator[tuple[str, int] | LineFault]:
    """`arrears.amount` from the chain of nodes; a chain that begins elsewhere than in a name is a fault."""
    attributes: list[str] = []
    inner: nodes.Node = node
    while isinstance(inner, nodes.Getattr):
        attributes.append(inner.attr)
        inner = inner.node
    if not isinstance(inner, nodes.Name) or inner.name == "self" or any(a.startswith("_") for a in attributes):
        yield LineFault("attribute", node.lineno, "台詞は事実の名前のほか、何にも触れられません")
        return
    yield ".".join((inner.name, *reversed(attributes))), node.lineno


def _namespace(script: Script, level: Level, names: tuple[str, ...], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Of the names in a line, those that a line of this level may use and that are known in this call."""
    allowed: dict[str, Any] = {}
    for dotted in names:
        needed = level_of_name(script, dotted)
        value = _look_up(facts, dotted) if needed is not None and needed <= level else None
        if value is not None:
            field = script.fields.get(dotted)
            spoken = _SPOKEN.get(field.type) if field else None
            _place(allowed, dotted, spoken(value) if spoken else value)
    return allowed


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
