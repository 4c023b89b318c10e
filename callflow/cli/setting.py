"""What the campaign and dial commands need of their surroundings; the command line hands it over as `ctx.obj`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

import typer

from callflow.clock import Clock
from models.database import Database
from scheduler.dealing import Rules


class Setting(Protocol):
    """One municipality's database, the moment, who acts (`--as`), and the rules of a claim type."""

    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def municipality_id(self) -> int: ...

    @property
    def actor_id(self) -> int: ...

    def rules(self, claim_type: str) -> Rules: ...


def say(lines: Iterable[str], data: Any, *, as_json: bool) -> None:
    """Words for people, or data for programs, on standard output."""
    if as_json:
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        for line in lines:
            typer.echo(line)
