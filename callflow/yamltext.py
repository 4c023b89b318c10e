"""YAML that people write, as nodes that keep their places: scripts, config.yaml and tables of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

_BEYOND: Final = re.compile(r"\\U(?!000[0-9a-fA-F]|0010)[0-9a-fA-F]{8}")
"""An escape of a character beyond the last one there is."""


class UnreadableError(Exception):
    """Why a text cannot be read, and where: `line` and `column` from 1; `field`: the keys down to it, if known."""

    def __init__(self, what: str, line: int = 1, column: int = 1, mend: str = "", field: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.column, self.mend, self.field = what, line, column, mend, field


def compose(text: str) -> Node | None:
    """The text's top node; None where it holds nothing.

    Raises UnreadableError for what is no YAML, nests too deeply, or holds what is no character: YAML lets an escape
    write half of one, which no encoding can hold.
    """
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        place = (at.line + 1, at.column + 1) if at else (1, 1)
        raise UnreadableError(f"YAML として読めません: {error.problem or error.context}", *place) from error
    except ReaderError as error:
        what = f"文字 U+{ord(text[error.position]):04X} は書けません"
        raise UnreadableError(what, *_place(text, error.position), "この文字を消してください") from error
    except RecursionError as error:
        raise UnreadableError("入れ子が深すぎます") from error
    except (ValueError, OverflowError) as error:  # of `chr`
        found = _BEYOND.search(text)
        raise _no_character(*_place(text, found.start() if found else 0)) from error
    except YAMLError as error:
        raise UnreadableError(f"YAML として読めません: {type(error).__name__}") from error
    for field, each in _scalars(node):
        if not _is_text(each.value):
            raise _no_character(each.start_mark.line + 1, each.start_mark.column + 1, field)
    return node


def _no_character(line: int, column: int, field: str = "") -> UnreadableError:
    what = "文字にならない文字参照（\\ud800 など）があります"
    return UnreadableError(what, line, column, "消してください", field)


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _scalars(top: Node | None) -> Iterator[tuple[str, ScalarNode]]:
    """Every scalar under a node behind the keys down to it, each once however many aliases name it."""
    waiting, seen = [("", top)] if top is not None else [], set[int]()
    while waiting:
        field, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode):
            yield field, node
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                waiting += [(field, key), (".".join(filter(None, (field, str(key.value)))), value)]
        else:
            waiting.extend((field, each) for each in node.value)
