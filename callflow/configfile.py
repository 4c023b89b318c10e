"""A YAML file as text values with their places, overlaid by the environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from callflow.errors import ConfigError, Where
from callflow.yamltext import UnreadableError, compose

PREFIX = "CALLFLOW_"
_A_SLIP = 0.8
Key = tuple[str, ...]

_NOTHING = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: a file's line (1-based), or an environment variable."""

    file: str = ""
    line: int = 0
    column: int = 0
    variable: str = ""

    def __str__(self) -> str:
        if self.variable:
            return f"環境変数 {self.variable}"
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Given:
    """What was given: a tree of texts, lists and mappings, and the source of every key in it."""

    tree: dict[str, Any]
    file: str
    sources: dict[Key, Source] = field(default_factory=dict)

    def origin(self, key: Key) -> Source | None:
        """Where the value of `key` was given; None if it was not."""
        if key in self.sources:
            return self.sources[key]
        above = self.sources.get(key[:-1])
        return above if above is not None and above.variable else None

    def source(self, key: Key) -> Source:
        """The source of `key`, or of the nearest part above it that was given: where a fault is."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.sources:
                return self.sources[key[:length]]
        return Source(self.file, 1)


def read_file(path: Path) -> Given:
    """The file's values; every scalar is text, a key without a value is left out. Raises ConfigError with its place."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        mend = "config.yaml のあるフォルダーで実行するか、CALLFLOW_CONFIG で指定してください"
        raise ConfigError(f"設定ファイル {path} がありません", mend=mend) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} は UTF-8 ではありません", mend="UTF-8 で保存し直してください") from error
    except OSError as error:
        raise ConfigError(f"設定ファイル {path} を読めません: {error.strerror}") from error
    node = _compose(text, str(path))
    if not isinstance(node, MappingNode):
        raise ConfigError("設定は「キー: 値」の並びで書きます", where=Where(str(path), 1))
    given = Given({}, str(path))
    given.tree = _value(node, (), given)
    return given


def overlay(given: Given, environ: Mapping[str, str], top: Collection[str]) -> Given:
    """With every `CALLFLOW_A__B` in place of `a.b`, and `CALLFLOW_A` of `a` if it is one of the `top` keys.

    A value that begins with `[` or `{` is YAML. A variable that is nearly one of the `top` keys is taken for a slip
    of it, and becomes an unknown key; others of one part are no settings.
    """
    for variable, text in sorted(environ.items()):
        key = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
        if not variable.startswith(PREFIX) or (len(key) < 2 and not get_close_matches(key[0], top, 1, _A_SLIP)):
            continue
        place = given.tree
        for depth, part in enumerate(key[:-1], start=1):
            if not isinstance(place.get(part), dict):
                place[part] = {}
                given.sources[key[:depth]] = Source(variable=variable)
            place = place[part]
        for below in [known for known in given.sources if known[: len(key)] == key]:
            del given.sources[below]
        place[key[-1]] = _from_environment(text, variable)
        given.sources[key] = Source(variable=variable)
    return given


def _from_environment(text: str, variable: str) -> Any:
    if not text.lstrip().startswith(("[", "{")):
        return text
    node = _compose(text, variable)
    return _value(node, (), Given({}, variable)) if node is not None else None


def _compose(text: str, file: str) -> Node | None:
    try:
        return compose(text)
    except UnreadableError as error:
        raise ConfigError(
            error.what, where=Where(file, error.line, error.column, error.field), mend=error.mend
        ) from error


def _value(node: Node, key: Key, given: Given) -> Any:
    if isinstance(node, MappingNode):
        return _mapping(node, key, given)
    if isinstance(node, SequenceNode):
        return [_value(item, _mark(item, (*key, str(at)), given), given) for at, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return None if node.tag == _NOTHING else str(node.value)


def _mapping(node: MappingNode, key: Key, given: Given) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name_node, value in node.value:
        name = str(name_node.value)
        if name in found:
            first = given.sources[(*key, name)].line
            where = Where(given.file, name_node.start_mark.line + 1, name_node.start_mark.column + 1, name)
            raise ConfigError("同じキーが二度あります", where=where, mend=f"先のものは {first} 行目")
        told = _value(value, _mark(name_node, (*key, name), given), given)
        if told is not None:
            found[name] = told
    return found


def _mark(node: Node, key: Key, given: Given) -> Key:
    given.sources[key] = Source(given.file, node.start_mark.line + 1, node.start_mark.column + 1)
    return key
