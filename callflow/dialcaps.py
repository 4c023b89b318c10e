"""How many calls may be placed in a minute, a day and a campaign, whoever asks: against toll fraud.

The count is kept in the transaction that commits the intent to dial: exact over all processes, and nothing is counted
that was not intended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from callflow.clock import TOKYO
from callflow.errors import RefusedError
from models.tables import dial_counts

_c = dial_counts.c


@dataclass(frozen=True, slots=True)
class Caps:
    """The most calls that are placed by one municipality."""

    per_minute: int
    per_day: int
    per_campaign: int


def count(conn: Connection, municipality_id: int, campaign_id: int, now: datetime, caps: Caps) -> None:
    """Counts one call. Raises RefusedError where a cap is reached."""
    here = now.astimezone(TOKYO)
    for scope, period, cap, what in (
        (f"campaign:{campaign_id}", "", caps.per_campaign, "このキャンペーン"),
        ("day", f"{here:%Y-%m-%d}", caps.per_day, "1日"),
        ("minute", f"{here:%Y-%m-%dT%H:%M}", caps.per_minute, "1分間"),
    ):
        if not _count(conn, municipality_id, scope, period, cap):
            raise RefusedError(
                f"{what}の発信数の上限（{cap:,}件）に達しました",
                mend="身に覚えのない発信なら、すべての架電を止めてください。上限は telephony の設定です",
            )


def _count(conn: Connection, municipality_id: int, scope: str, period: str, cap: int) -> bool:
    new = {"municipality_id": municipality_id, "scope": scope, "period": period, "used": 0}
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    conn.execute(insert(dial_counts).values(**new).on_conflict_do_nothing())
    counted = conn.execute(
        update(dial_counts)
        .where(_c.municipality_id == municipality_id, _c.scope == scope, or_(_c.period != period, _c.used < cap))
        .values(period=period, used=case((_c.period == period, _c.used + 1), else_=1))
    )
    return counted.rowcount == 1
