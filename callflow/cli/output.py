"""What commands print: words for people, or data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import typer


def say(lines: Iterable[str], data: Any, *, as_json: bool) -> None:
    """`lines`, or `data` as JSON, on standard output."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    for line in lines:
        typer.echo(line)
