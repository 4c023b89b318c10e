"""What commands print: words for people, or data for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from callflow.errors import CallflowError, RefusedError
from callflow.telephony.finding import Finding


def say(lines: Iterable[str], data: Any, *, as_json: bool) -> None:
    """`lines`, or `data` as JSON, on standard output."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    for line in lines:
        typer.echo(line)


def say_findings(found: Sequence[Finding], *, as_json: bool) -> None:
    """Each finding with its mend. Raises CallflowError where anything has to be mended."""
    lines = [
        f"{'良' if each.good else '要'}  {each.name:<12} {each.ja}" + ("" if each.good else f"\n    → {each.mend}")
        for each in found
    ]
    say(lines, [asdict(each) for each in found], as_json=as_json)
    wrong = sum(not each.good for each in found)
    if wrong:
        raise CallflowError(f"{wrong} 件を直してください")


def free(file: Path) -> Path:
    """A file that is still to be written, asked before what is written is on record. Raises RefusedError where it is
    there already or its folder is not.
    """
    if file.exists():
        raise RefusedError(f"{file} はすでにあります", mend="別の名前にしてください")
    if not file.parent.is_dir():
        raise RefusedError(f"フォルダー {file.parent} がありません", mend="先に作ってください")
    return file
