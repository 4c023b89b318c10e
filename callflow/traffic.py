"""Which ways through a script calls have taken of late: how often each answer was given, and where it led."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import Connection, select

from callflow.calllog import ANSWER
from models.tables import call_events, calls

WINDOW: Final = timedelta(days=7)
MOST: Final = 20_000
"""The newest calls that are counted, so that a busy week costs no more than a quiet one."""

Way = tuple[str, str, str]
"""A line, the answer given there, and the line (or `end`) that it led to."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """`calls`: how many were counted. `ways` holds each answer that was given, steps back and all."""

    calls: int
    ways: Mapping[Way, int]


def traffic(conn: Connection, municipality_id: int, script_hash: str, now: datetime) -> Traffic:
    """The calls with this version of a script that were opened in the last `WINDOW`. Erased events are left out."""
    chosen = (
        select(calls.c.id)
        .where(
            calls.c.municipality_id == municipality_id,
            calls.c.opened_at >= now - WINDOW,
            calls.c.script_hash == script_hash,
        )
        .order_by(calls.c.opened_at.desc())
        .limit(MOST)
        .subquery()
    )
    e = call_events.c
    rows = conn.execute(
        select(e.call_id, e.payload)
        .join(chosen, chosen.c.id == e.call_id)
        .where(e.municipality_id == municipality_id, e.kind == ANSWER, e.payload.is_not(None))
        .execution_options(yield_per=5_000)
    )
    counted: set[int] = set()
    ways: Counter[Way] = Counter()
    for call_id, payload in rows:
        told = orjson.loads(payload)
        counted.add(call_id)
        ways[told["state"], told["answer"], told["to"]] += 1
    return Traffic(len(counted), dict(ways))
