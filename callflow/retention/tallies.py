"""What reports count in texts that are about to be erased is counted first, without whose it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from callflow.clock import TOKYO
from models.ids import new_ids
from models.tables import calls, erased_tallies

REASON_FIELD: Final = "arrears_reason.kind"
"""The scripts' field with the reason for the arrears (the council's question C7)."""
READ: Final = "case:view"


def keep_reasons(conn: Connection, m: int, erasure: int, events: Iterable[Any]) -> None:
    """The last reason that each call with the right party told, by day and campaign."""
    last: dict[int, str] = {}
    for event in events:
        if event.payload is not None and REASON_FIELD in event.payload:
            told = json.loads(event.payload).get("fields") or {}
            if told.get(REASON_FIELD) is not None:
                last[event.call_id] = str(told[REASON_FIELD])
    c = calls.c
    query = select(c.id, c.opened_at, c.campaign_id).where(
        c.municipality_id == m, c.id.in_(list(last)), c.right_party == 1, c.disposition.is_not(None)
    )
    found = Counter(
        (row.opened_at.astimezone(TOKYO).date(), row.campaign_id, None, last[row.id][:64])
        for row in conn.execute(query)
    )
    _keep(conn, m, erasure, "reason", found)


def keep_alone(conn: Connection, m: int, erasure: int, acts: Sequence[Any]) -> None:
    """The looks at a case without a call of the same day with it, by day and person."""
    looks = [(act, act.object.partition(":")[2]) for act in acts if act.verb == READ]
    looks = [(act, case) for act, case in looks if case.isdecimal()]
    if not looks:
        return
    c, day_long = calls.c, timedelta(days=1)
    query = select(c.case_id, c.operator_id, c.opened_at).where(
        c.municipality_id == m,
        c.opened_at > min(act.at for act, _ in looks) - day_long,
        c.opened_at < max(act.at for act, _ in looks) + day_long,
        c.case_id.in_({int(case) for _, case in looks}),
        c.operator_id.in_({act.actor_id for act, _ in looks if act.actor_id is not None}),
    )
    called = {(row.case_id, row.operator_id, row.opened_at.astimezone(TOKYO).date()) for row in conn.execute(query)}
    found: Counter[tuple[Any, ...]] = Counter()
    for act, case in looks:
        day = act.at.astimezone(TOKYO).date()
        if (int(case), act.actor_id, day) not in called:
            found[(day, None, act.actor_id, "")] += 1
    _keep(conn, m, erasure, "alone", found)


def _keep(conn: Connection, m: int, erasure: int, kind: str, found: Counter[tuple[Any, ...]]) -> None:
    if not found:
        return
    ids = new_ids(conn, erased_tallies, m, len(found))
    rows = [
        {
            "municipality_id": m,
            "id": one,
            "erasure_id": erasure,
            "kind": kind,
            "day": day,
            "campaign_id": campaign,
            "account_id": account,
            "word": word,
            "count": count,
        }
        for one, ((day, campaign, account, word), count) in zip(ids, found.items(), strict=True)
    ]
    conn.execute(insert(erased_tallies), rows)
