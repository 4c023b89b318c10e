"""The worked example of docs/call-script.md, and ways to change one thing in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from callflow.script.model import Script
from callflow.script.reader import read

ROOT = Path(__file__).parents[3]
FILE = "water-fee.yaml"


@cache
def example() -> str:
    """The first YAML block of the document that is a whole script."""
    text = (ROOT / "docs" / "call-script.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if block.startswith("script:"))


def changed(old: str, new: str) -> str:
    """The example with one passage replaced; the passage must be there once."""
    assert example().count(old) == 1, f"{old!r} stands {example().count(old)} times in the example"
    return example().replace(old, new)


def line_of(text: str, passage: str) -> int:
    """The first line that begins with `passage`, or else has it, counted from 1."""
    lines = list(enumerate(text.splitlines(keepends=True), start=1))
    return next((n for n, line in lines if line.startswith(passage)), 0) or next(
        n for n, line in lines if passage in line
    )


def script(text: str, **included: str) -> Script:
    """The script of these sources; a keyword's `__` stands for the dot of a file's name."""
    others = {name.replace("__", "."): each for name, each in included.items()}
    return read(Path(FILE), sources={FILE: text, **others})
