"""Calls whose truth nobody knows (`needs_review`): which wait for a person, and who may settle them.

The ward's staff settle every one, a supervisor those of their own campaigns and those without a campaign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from callflow.access.replays import visible_to
from callflow.access.views import Viewer
from models.tables import accounts, calls, campaigns, is_live

FINDINGS: Mapping[str, str] = {
    "no-answer": "応答なし",
    "busy": "話し中",
    "unreachable": "圏外・電源断",
    "invalid-number": "欠番・不通",
    "fax": "FAX・モデム",
    "abandoned": "つながったが、担当者が出られずに切れた",
    "not-placed": "発信されていなかった",
    "answered": "つながって話した（内容が分かるまで未確定）",
}
"""What a person may find out (`corrections.OUTCOMES`), in words."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in review. `reason`: why its truth is unknown, as the line told it."""

    call_id: int
    case_id: int
    campaign_id: int | None
    campaign: str
    operator: str
    opened_at: datetime
    has_talk: bool
    reason: str


def waiting(conn: Connection, municipality_id: int, viewer: Viewer) -> list[Waiting]:
    """The calls in review that this person may settle, the oldest first."""
    c, k, a = calls.c, campaigns.c, accounts.c
    mine = [visible_to(viewer, municipality_id), c.line_state == "needs_review", is_live]
    if viewer.kind != "ward":
        mine.append(c.campaign_id.is_(None) | (k.supervisor_id == viewer.account_id))
    query = (
        select(c.id, c.case_id, c.campaign_id, k.name, a.display_name, a.login, c.opened_at, c.talk_state)
        .add_columns(c.review_reason)
        .join(accounts, (a.municipality_id == c.municipality_id) & (a.id == c.operator_id))
        .outerjoin(campaigns, (k.municipality_id == c.municipality_id) & (k.id == c.campaign_id))
        .where(*mine)
        .order_by(c.opened_at, c.id)
    )
    return [
        Waiting(
            row.id,
            row.case_id,
            row.campaign_id,
            row.name or "",
            f"{row.display_name}（{row.login}）",
            row.opened_at,
            bool(row.talk_state),
            row.review_reason or "",
        )
        for row in conn.execute(query)
    ]
