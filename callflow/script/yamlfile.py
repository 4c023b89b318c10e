"""YAML 1.2 with places: every mapping knows the line and column of its keys, duplicate keys are errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from callflow.script.faults import Fault, ScriptError, nearest
from callflow.script.model import Mark


def load(text: str, file: str) -> Node:
    """The mapping at the root of a script file. Raises ScriptError with the place of a fault of the YAML itself."""
    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    try:
        data = yaml.load(text)
    except DuplicateKeyError as error:
        raise ScriptError([Fault(_place(error, file), f"同じキーが二度あります: {_quoted(error)}")]) from error
    except MarkedYAMLError as error:
        raise ScriptError([Fault(_place(error, file), f"YAML として読めません: {error.problem}")]) from error
    except YAMLError as error:
        raise ScriptError([Fault(Mark(file, 1, 1), f"YAML として読めません: {error}")]) from error
    if not isinstance(data, CommentedMap):
        raise ScriptError([Fault(Mark(file, 1, 1), "台本は「キー: 値」の並びで書きます")])
    return Node(data, file, Mark(file, 1, 1), [])


def _place(error: MarkedYAMLError, file: str) -> Mark:
    mark = error.problem_mark or error.context_mark
    return Mark(file, mark.line + 1, mark.column + 1) if mark else Mark(file, 1, 1)


def _quoted(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "")
    return problem.split('"')[1] if problem.count('"') >= 2 else problem


class Node:
    """A mapping of the file. Wrong kinds and unknown keys become faults, collected, so that all are told at once."""

    def __init__(self, data: CommentedMap, file: str, mark: Mark, faults: list[Fault]) -> None:
        self.data = data
        self.file = file
        self.mark = mark
        self.faults = faults

    def at(self, key: str) -> Mark:
        """Where `key` stands; the mapping itself if it is missing."""
        if key in self.data:
            line, column = self.data.lc.key(key)
            return Mark(self.file, line + 1, column + 1)
        return self.mark

    def fault(self, key: str, what: str, mend: str = "") -> None:
        self.faults.append(Fault(self.at(key), what, mend))

    def names(self) -> Iterator[str]:
        for key in self.data:
            yield str(key)

    def only(self, *known: str) -> None:
        """Reports every key that is not one of `known`."""
        for key in self.data:
            if str(key) not in known:
                self.fault(key, f"知らないキー {key!s} です", nearest(str(key), known))

    def raw(self, key: str) -> Any:
        return self.data.get(key)

    def node(self, key: str) -> Node:
        """The mapping under `key`; an empty one if it is absent."""
        value = self.data.get(key)
        if value is None:
            return Node(CommentedMap(), self.file, self.at(key), self.faults)
        if not isinstance(value, CommentedMap):
            self.fault(key, f"{key} は「キー: 値」の並びで書きます")
            return Node(CommentedMap(), self.file, self.at(key), self.faults)
        return Node(value, self.file, self.at(key), self.faults)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Each key with the mapping under it."""
        for key in list(self.data):
            yield str(key), self.node(key)

    def text(self, key: str, *, needed: bool = False) -> str:
        value = self.data.get(key)
        if value is None:
            if needed:
                self.fault(key, f"{key} がありません", f"{key}: を書いてください")
            return ""
        if isinstance(value, CommentedMap | CommentedSeq | list | dict):
            self.fault(key, f"{key} は一つの語で書きます")
            return ""
        return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words; absent is empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(key, f"{key} は [語, 語] の形で書きます")
            return ()
        return tuple(str(word) for word in value)

    def flag(self, key: str) -> bool:
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            self.fault(key, f"{key} は true か false です")
            return False
        return value

    def number(self, key: str) -> int | None:
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.fault(key, f"{key} は0以上の整数です")
            return None
        return value
