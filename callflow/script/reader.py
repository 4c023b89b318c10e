"""Reads a script and the files that it includes. All faults are told at once, each with its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from callflow.errors import InputError, NotFoundError
from callflow.script import names
from callflow.script.faults import Fault, ScriptError, nearest
from callflow.script.model import (
    ELSE,
    END,
    RESERVED_TARGETS,
    RESUME,
    Answer,
    Choice,
    Condition,
    Disposition,
    Field,
    Level,
    Script,
    State,
    Variants,
    always,
)
from callflow.script.yamlfile import Node, load

MAIN_KEYS = ("script", "title", "claim_type", "starts", "settings", "include")
SHARED_KEYS = ("conditions", "fields", "never_say", "anywhere", "groups", "states", "dispositions")
STATE_KEYS = ("reveals", "says", "asks", "offers", "not_here", "may_say", "does", "settles", "draft", "answers")
ANSWER_KEYS = (
    "label",
    "key",
    "to",
    "needs",
    "only_if",
    "at_most",
    "then",
    "verifies",
    "new_voice",
    "does",
    "settles",
)
FIELD_KEYS = ("type", "from", "to", "max", "of", "reveals")
DISPOSITION_KEYS = ("name", "from", "rank", "a", "c", "r", "makes", "cancels")
FIELD_TYPES = ("date", "yen", "choice", "slot", "phone", "text", "arrears", "identity")
LEVELS = tuple(level.name.lower() for level in Level)


def read(path: Path, *, sources: Mapping[str, str] | None = None) -> Script:
    """The script in `path`, from the folder or, for a published version, from its stored `sources`.

    Raises ScriptError with every fault, NotFoundError for a missing file.
    """
    files = dict(sources) if sources is not None else _gather(path)
    main = load(next(iter(files.values())), next(iter(files)))
    main.only(*MAIN_KEYS, *SHARED_KEYS)
    nodes = [main, *(_included(files, name, main) for name in list(files)[1:])]
    script = _Reader(nodes, files).script()
    faults = [fault for node in nodes for fault in node.faults]
    faults += names.unknown(script)
    if faults:
        raise ScriptError(sorted(set(faults), key=lambda fault: (fault.mark.file, fault.mark.line, fault.mark.column)))
    return script


def _included(files: Mapping[str, str], name: str, main: Node) -> Node:
    node = load(files[name], name)
    node.faults = main.faults
    for key in node.names():
        if key in MAIN_KEYS:
            node.fault(key, f"{key} は取り込まれるファイルには書けません", "主となる台本に書いてください")
    node.only(*SHARED_KEYS, *MAIN_KEYS)
    return node


def _gather(path: Path) -> dict[str, str]:
    """The texts of the main file and of what it includes, by name relative to the main file's folder."""
    files = {path.name: _text(path, path.name)}
    main = load(files[path.name], path.name)
    for included in main.words("include"):
        pure = PurePosixPath(included)
        if pure.is_absolute() or ".." in pure.parts:
            raise ScriptError([Fault(main.at("include"), f"{included} は台本のフォルダーの外です")])
        if included in files:
            raise ScriptError([Fault(main.at("include"), f"{included} が二度取り込まれています")])
        if not (path.parent / included).is_file():
            known = (str(p.relative_to(path.parent).as_posix()) for p in path.parent.rglob("*.yaml"))
            fault = Fault(main.at("include"), f"取り込むファイル {included} がありません", nearest(included, known))
            raise ScriptError([fault])
        files[included] = _text(path.parent / included, included)
    return files


def _text(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(f"台本 {path} がありません") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name} は UTF-8 ではありません", mend="UTF-8 で保存し直してください") from error


def content_hash(files: Mapping[str, str]) -> str:
    """SHA-256 over the names and texts of all files, the main one first."""
    return hashlib.sha256(json.dumps(list(files.items()), ensure_ascii=False).encode()).hexdigest()


class _Reader:
    """The files' mappings become one Script."""

    def __init__(self, nodes: list[Node], files: Mapping[str, str]) -> None:
        self.nodes, self.files, self.main = nodes, files, nodes[0]
        self.settings = {name: self.main.node("settings").words(name) for name in self.main.node("settings").names()}
        self.groups = {
            name: [_answer(key, node) for key, node in group.items()] for name, group in self._merged("groups").items()
        }
        self.anywhere = [
            replace(_answer(name, node), from_anywhere=True) for name, node in self._merged("anywhere").items()
        ]

    def script(self) -> Script:
        main = self.main
        states = {name: self._state(name, node) for name, node in self._merged("states").items()}
        starts = {key: main.node("starts").text(key) for key in main.node("starts").names()}
        if "outbound" not in starts:
            main.fault("starts", "starts に outbound がありません", "starts: {outbound: 最初の状態}")
        main.node("starts").only("outbound", "inbound")
        return Script(
            name=main.text("script", needed=True),
            title=main.text("title", needed=True),
            claim_type=main.text("claim_type", needed=True),
            starts=starts,
            settings=self.settings,
            conditions=self._conditions(),
            fields={name: _field(name, node) for name, node in self._merged("fields").items()},
            never_say=self._never_say(),
            states=_with_detours(states, starts, self.anywhere),
            dispositions={name: _disposition(name, node) for name, node in self._merged("dispositions").items()},
            sources=dict(self.files),
            content_hash=content_hash(self.files),
        )

    def _merged(self, key: str) -> dict[str, Node]:
        """What all files say under `key`; a name that two files use is a fault."""
        found: dict[str, Node] = {}
        for node in self.nodes:
            for name, value in node.node(key).items():
                if name in found:
                    node.node(key).fault(name, f"{name} は {found[name].mark} にもあります", "名前を変えてください")
                else:
                    found[name] = value
        return found

    def _conditions(self) -> dict[str, Literal["call", "screen"]]:
        found: dict[str, Literal["call", "screen"]] = {}
        for node in self.nodes:
            declared = node.node("conditions")
            for name in declared.names():
                kind = declared.text(name)
                if kind not in ("call", "screen"):
                    declared.fault(name, f"条件 {name} は call か screen です", nearest(kind, ("call", "screen")))
                if name in found and found[name] != kind:
                    declared.fault(name, f"条件 {name} が別の種類で二度あります")
                found[name] = "call" if kind == "call" else "screen"
        return found

    def _never_say(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for node in self.nodes:
            words = node.node("never_say")
            words.only("name", "topic", "debt", "forbidden")
            for level in words.names():
                found[level] = (*found.get(level, ()), *words.words(level))
        return found

    def _state(self, name: str, node: Node) -> State:
        node.only(*STATE_KEYS)
        if name in RESERVED_TARGETS:
            node.faults.append(Fault(node.mark, f"{name} は台本の決まりの語で、状態の名前には使えません"))
        own = [_answer(key, answer) for key, answer in node.node("answers").items()]
        return State(
            name=name,
            reveals=self._variants(node, "reveals", levels=True),
            says=self._variants(node, "says"),
            answers=self._screen(node, own),
            asks=node.words("asks"),
            may_say=node.words("may_say"),
            does=node.words("does"),
            settles=_choice(node, "settles"),
            draft=node.flag("draft"),
            mark=node.mark,
        )

    def _variants(self, node: Node, key: str, *, levels: bool = False) -> Variants:
        """Text or level, plain or by a setting's value; every value of that setting must have its variant."""
        raw = node.raw(key)
        if not isinstance(raw, dict):
            variants = {"": node.text(key, needed=True)}
        else:
            by_value = node.node(key)
            variants = {value: by_value.text(value) for value in by_value.names()}
            fitting = [allowed for allowed in self.settings.values() if set(variants) <= set(allowed)]
            if not fitting:
                known = [value for allowed in self.settings.values() for value in allowed]
                node.fault(key, f"{key} の {'、'.join(variants)} は一つの設定の値ではありません", nearest("", known))
            elif missing := set(fitting[0]) - set(variants):
                node.fault(key, f"{key} に {'、'.join(sorted(missing))} の場合がありません")
        for value in variants.values() if levels else ():
            if value and value not in LEVELS:
                node.fault(key, f"水準 {value} はありません", nearest(value, LEVELS))
        return Variants(variants)

    def _screen(self, node: Node, own: list[Answer]) -> dict[str, Answer]:
        """All answers of a state in screen order: its own, the groups it offers, then those of `anywhere`."""
        offered = list(own)
        for group in node.words("offers"):
            if group not in self.groups:
                node.fault("offers", f"組 {group} はありません", nearest(group, self.groups))
            offered += self.groups.get(group, [])
        absent = node.words("not_here")
        known = {answer.name for answer in self.anywhere}
        for name in absent:
            if name == "hang_up":
                node.fault("not_here", "hang_up はどの状態からも外せません")
            elif name not in known:
                node.fault("not_here", f"anywhere に {name} はありません", nearest(name, known))
        offered += [answer for answer in self.anywhere if answer.name not in absent or answer.name == "hang_up"]
        return _keyed(node, offered)


def _keyed(node: Node, answers: list[Answer]) -> dict[str, Answer]:
    """Answers by name with a key each: those without one are numbered by position. Clashes are faults."""
    screen: dict[str, Answer] = {}
    keys: dict[str, str] = {}
    labels: dict[str, str] = {}
    position = 0
    for given in answers:
        position += 0 if given.key else 1
        answer = given if given.key else replace(given, key=str(position))
        if answer.name in screen:
            node.faults.append(Fault(answer.mark, f"応答 {answer.name} が同じ画面に二つあります"))
            continue
        for kind, value, taken in (("キー", answer.key, keys), ("表示", answer.label, labels)):
            if value in taken:
                what = f"{kind} {value} が {taken[value]} と {answer.name} で重なります（状態 {_name(node)}）"
                node.faults.append(Fault(answer.mark, what))
            taken[value] = answer.name
        screen[answer.name] = answer
    return screen


def _name(node: Node) -> str:
    return f"{node.mark.line}行"


def _answer(name: str, node: Node) -> Answer:
    node.only(*ANSWER_KEYS)
    verifies = node.text("verifies")
    if verifies and verifies not in ("householder", "spouse"):
        node.fault("verifies", f"verifies に {verifies} はありません", nearest(verifies, ("householder", "spouse")))
    return Answer(
        name=name,
        label=node.text("label", needed=True),
        key=node.text("key"),
        to=_choice(node, "to", needed=True) or always(END),
        needs=node.words("needs"),
        only_if=_condition(node.text("only_if")) if node.raw("only_if") is not None else None,
        at_most=node.number("at_most"),
        then=node.text("then") or None,
        verifies=verifies if verifies in ("householder", "spouse") else None,  # type: ignore[arg-type]
        new_voice=node.flag("new_voice"),
        does=node.words("does"),
        settles=_choice(node, "settles"),
        mark=node.mark,
    )


def _condition(text: str) -> Condition:
    text = text.strip()
    return Condition(text.removeprefix("not ").strip(), negated=True) if text.startswith("not ") else Condition(text)


def _choice(node: Node, key: str, *, needed: bool = False) -> Choice | None:
    """A plain word, or conditions in order with `else` obligatory and last."""
    raw = node.raw(key)
    if raw is None:
        if needed:
            node.fault(key, f"{key} がありません", "行き先の状態、same、resume、end のどれかを書いてください")
        return None
    if not isinstance(raw, dict):
        return always(node.text(key))
    branches = node.node(key)
    if list(branches.names())[-1:] != ["else"]:
        node.fault(key, f"{key} の場合分けは else で終わらなければなりません", "最後に else: を足してください")
        return None
    return Choice(
        tuple((ELSE if name == "else" else _condition(name), branches.text(name)) for name in branches.names())
    )


def _field(name: str, node: Node) -> Field:
    node.only(*FIELD_KEYS)
    kind, level = node.text("type", needed=True), node.text("reveals") or "nothing"
    if kind not in FIELD_TYPES:
        node.fault("type", f"型 {kind} はありません", nearest(kind, FIELD_TYPES))
    if level not in LEVELS:
        node.fault("reveals", f"水準 {level} はありません", nearest(level, LEVELS))
        level = "debt"
    if kind == "choice" and not node.words("of"):
        node.fault("of", f"選択肢の項目 {name} に of がありません", "of: [選択肢, …]")
    return Field(
        name=name,
        type=kind,  # type: ignore[arg-type]
        reveals=Level[level.upper()],
        earliest=node.text("from"),
        latest=node.text("to"),
        max=node.number("max") or 0,
        options=node.words("of"),
        mark=node.mark,
    )


def _disposition(code: str, node: Node) -> Disposition:
    node.only(*DISPOSITION_KEYS)
    for key, allowed in (("from", ("line", "talk")), ("c", ("0", "1", "log")), ("r", ("yes", "no", "any"))):
        if node.text(key, needed=True) not in allowed:
            node.fault(key, f"{code} の {key} は {'、'.join(allowed)} のどれかです")
    return Disposition(
        code=code,
        name=node.text("name", needed=True),
        source=node.text("from"),  # type: ignore[arg-type]
        rank=node.number("rank") or 0,
        attempt=node.number("a") or 0,
        contact=node.text("c"),  # type: ignore[arg-type]
        right_party=node.text("r"),  # type: ignore[arg-type]
        makes=node.words("makes"),
        cancels=node.words("cancels"),
        mark=node.mark,
    )


def _with_detours(states: dict[str, State], starts: Mapping[str, str], anywhere: list[Answer]) -> dict[str, State]:
    """Marks the detours: states that are left by `resume`, and those that only `anywhere` answers lead to."""
    main = _reachable(states, [name for name in starts.values() if name in states])
    entered = {target for answer in anywhere if not answer.new_voice for target in _targets(answer)}
    return {
        name: replace(
            state,
            detour=name not in main or name in entered or any(RESUME in _targets(answer) for answer in _own(state)),
        )
        for name, state in states.items()
    }


def _reachable(states: Mapping[str, State], names_: list[str]) -> set[str]:
    """The states that own and offered answers reach, without going on from a detour's entrance."""
    found: set[str] = set()
    waiting = list(names_)
    while waiting:
        name = waiting.pop()
        if name in found or name not in states:
            continue
        found.add(name)
        waiting += [target for answer in _own(states[name]) for target in _targets(answer)]
    return found


def _own(state: State) -> list[Answer]:
    return [answer for answer in state.answers.values() if not answer.from_anywhere]


def _targets(answer: Answer) -> tuple[str, ...]:
    return (*answer.to.values, *((answer.then,) if answer.then else ()))
