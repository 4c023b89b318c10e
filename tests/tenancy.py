"""Holds every statement of the program to the distribution key: one municipality's work touches its own rows alone.

Heard on every engine in every test. Each mention of a tenant table must be tied to `municipality_id` by an equality,
and at least one of them to a value that was given.
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from models.tables import metadata

ROOT = Path(__file__).parent.parent
OURS = tuple(str(ROOT / package) + "/" for package in ("models", "scheduler", "callflow"))
TENANT_TABLES = frozenset(name for name, table in metadata.tables.items() if "municipality_id" in table.c)

ALLOWED = {
    "callflow/simulation/invariants.py:check": "proves a whole database: what crosses a border is what it looks for",
    "callflow/backup/": "a backup and a restore are of the whole database",
    "models/migrations/": "a migration is of the whole database",
    "callflow/doctor/": "looks after the installation, not after one municipality's cases",
}
"""What may ask across municipalities, each with its reason: a folder, or `file:function`."""

_MENTION = re.compile(rf"(?<![.\w])({'|'.join(sorted(TENANT_TABLES))})\b(?!\.)(?:\s+AS\s+(?!SELECT)(\w+))?")
_GIVEN = re.compile(r"\bmunicipality_id(?:\s*=|\s+IN)\s*(?:\(?\s*)(?:%\(|%s|\?|:\w|\d|__\[)")
_QUOTED = re.compile(r"'(?:[^']|'')*'")

breaches: list[str] = []


@lru_cache(maxsize=4096)
def why_not(statement: str) -> str:
    """What is wrong with a statement; empty if nothing is."""
    text = _QUOTED.sub("''", statement)
    if not re.match(r"\s*(SELECT|WITH|UPDATE|INSERT|DELETE)\b", text):
        return ""
    written = re.match(r"\s*INSERT\s+INTO\s+(\w+)\s*\(([^)]*)\)", text)
    if written and written[1] in TENANT_TABLES:
        if "municipality_id" not in re.split(r"[,\s]+", written[2]):
            return f"{written[1]} is written without its municipality"
        text = text[written.end() :]
        text = text.partition("ON CONFLICT")[0]
    mentions = [found[2] or found[1] for found in _MENTION.finditer(re.sub(r"\bFOR\b[^)]*\bOF \w+", "", text))]
    for name in set(mentions):
        key = rf"\b{name}\.municipality_id"
        tied = len(re.findall(rf"{key}(?:\s*=|\s+IN)|=\s*{key}", text))
        if len(set(mentions)) == 1 and not tied:
            tied = len(re.findall(r"(?<![.\w])municipality_id(?:\s*=|\s+IN)", text))
        if tied < mentions.count(name):
            return f"{name} is not tied to a municipality"
    return "" if not mentions or _GIVEN.search(text) else "no municipality is given"


def _asked_by() -> str:
    """`file:function` of the program's innermost frame; empty if a test asked by itself."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(OURS):
            return f"{Path(file).relative_to(ROOT)}:{frame.f_code.co_name}"
        if file.startswith(str(ROOT / "tests")):
            return ""
        frame = frame.f_back  # type: ignore[assignment]
    return ""


@event.listens_for(Engine, "before_cursor_execute")
def _check(_conn: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
    if wrong := why_not(statement):
        place = _asked_by()
        if place and not place.startswith(tuple(ALLOWED)):
            breaches.append(f"{place}: {wrong}\n{statement}")
