"""YAML 1.2 with places: nodes are read, never constructed.

So the place of every word is known, a key given twice is seen wherever it stands, `yes` and `no` are words, and
nothing in a file can build an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from callflow.script.faults import Faults, nearest
from callflow.script.model import Mark
from callflow.yamltext import UnreadableError, compose


@dataclass(frozen=True, slots=True)
class Place:
    """A node of a file, read as what the grammar expects there. Wrong shapes become faults, not exceptions."""

    file: str
    node: Node
    faults: Faults
    mark: Mark  # of the key, where it is the value of one

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MappingNode)

    @property
    def text_mark(self) -> Mark:
        """Where the text itself begins: for a block (`|`) the line below."""
        start = self.node.start_mark
        below = 1 if getattr(self.node, "style", None) in ("|", ">") else 0
        return Mark(self.file, start.line + 1 + below, 1 if below else start.column + 1)

    def fault(self, rule: str, what: str, mend: str = "") -> None:
        self.faults.add(rule, self.mark, what, mend)

    def entries(self) -> dict[str, Place]:
        """A mapping's values by key, in order; empty, with a fault, for anything else."""
        if not isinstance(self.node, MappingNode):
            self.fault("shape", "ここは「キー: 値」の並びで書きます")
            return {}
        found: dict[str, Place] = {}
        for key, value in self.node.value:
            place = Place(self.file, value, self.faults, _mark(self.file, key))
            if not isinstance(key, ScalarNode) or not key.value:
                place.fault("shape", "キーは一つの語で書きます")
            elif key.value in found:
                first = found[key.value].mark.line
                place.fault("duplicate_key", f"同じキー {key.value} が二度あります", f"先のものは {first} 行目")
            else:
                found[key.value] = place
        return found

    def keys(self, allowed: Iterable[str], required: Iterable[str] = ()) -> dict[str, Place]:
        """A mapping with a fixed set of keys."""
        allowed, entries = tuple(allowed), self.entries()
        for name, place in entries.items():
            if name not in allowed:
                place.fault("unknown_key", f"知らないキー {name} です", nearest(name, allowed))
        for name in required:
            if self.is_mapping and name not in entries:
                self.fault("missing_key", f"{name} がありません", f"{name}: を書いてください")
        return {name: place for name, place in entries.items() if name in allowed}

    def text(self) -> str:
        """A scalar as it is written; empty, with a fault, for anything else."""
        if not isinstance(self.node, ScalarNode):
            self.fault("shape", "ここは一つの語で書きます")
            return ""
        value = str(self.node.value)
        if not value.strip():
            self.fault("shape", "値が空です")
        return value

    def one_of(self, options: Iterable[str]) -> str:
        """One word of a fixed set; the last of them, with a fault, for any other."""
        options, value = tuple(options), self.text()
        if value in options:
            return value
        if value.strip():
            self.fault("unknown_word", f"{value} は書けません", nearest(value, options))
        return options[-1]

    def whole(self, *, least: int = 0) -> int:
        """A whole number, `least` or more."""
        value = self.text()
        if value.isascii() and value.isdigit() and int(value) >= least:
            return int(value)
        if value.strip():
            self.fault("shape", f"{value} ではなく、{least}以上の整数で書きます")
        return least

    def truth(self) -> bool:
        return self.one_of(("true", "false")) == "true"

    def words(self) -> tuple[str, ...]:
        """A list of words, each once."""
        return tuple(self.marked_words())

    def marked_words(self) -> dict[str, Place]:
        """A list of words, each with its place."""
        if not isinstance(self.node, SequenceNode):
            self.fault("shape", "ここは [語, 語] の形で書きます")
            return {}
        found: dict[str, Place] = {}
        for node in self.node.value:
            item = Place(self.file, node, self.faults, _mark(self.file, node))
            word = item.text()
            if word in found:
                item.fault("duplicate_key", f"{word} が二度あります")
            elif word:
                found[word] = item
        return found


def words(at: Mapping[str, Place], key: str) -> tuple[str, ...]:
    """The list of words under `key`; empty if there is none."""
    return at[key].words() if key in at else ()


def load(text: str, file: str, faults: Faults) -> Place | None:
    """A file's top node, or None, with a fault, where the text is no YAML or is empty."""
    top = Mark(file, 1, 1)
    try:
        node = compose(text)
    except UnreadableError as error:
        faults.add("yaml", Mark(file, error.line, error.column), error.what, error.mend)
        return None
    if node is None:
        faults.add("yaml", top, "ファイルが空です")
        return None
    return Place(file, node, faults, top)


def _mark(file: str, node: Node) -> Mark:
    return Mark(file, node.start_mark.line + 1, node.start_mark.column + 1)
