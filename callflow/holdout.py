"""The hold-out group (対照群): households of a campaign that are never dialled in it, to measure its effect.

The draw is a hash of campaign and household: anybody can repeat it, nobody can choose it, and a household that is
planned in later falls where it would have fallen at first. Whole households are drawn, because a call to one debtor is
heard by the other. What was drawn is stored for each case and stays.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import islice

from sqlalchemy import Connection, func, insert, select

from callflow.planning import Question, included
from models.tables import campaign_holdouts

_AT_ONCE = 5_000
_PARTS = 10_000


def is_held_out(campaign_id: int, household_id: int, percent: int) -> bool:
    """Whether the draw holds this household out. Pure: the same question has the same answer for ever."""
    digest = sha256(f"holdout:{campaign_id}:{household_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _PARTS < percent * _PARTS // 100


def draw(conn: Connection, question: Question, percent: int) -> int:
    """Stores the draw among the included cases that are not in the queue. Returns how many cases are held out."""
    campaign_id = question.rules.campaign_id
    drawn = (
        {
            "municipality_id": question.municipality_id,
            "campaign_id": campaign_id,
            "case_id": case_id,
            "unpaid": unpaid,
            "drawn_at": question.now,
        }
        for case_id, household_id, unpaid in list(included(conn, question))
        if is_held_out(campaign_id, household_id, percent)
    )
    count = 0
    while rows := list(islice(drawn, _AT_ONCE)):
        conn.execute(insert(campaign_holdouts), rows)
        count += len(rows)
    return count


def held_out(conn: Connection, municipality_id: int, campaign_id: int) -> tuple[int, int]:
    """How many cases a campaign holds out, and what they owed in yen when they were drawn."""
    held = campaign_holdouts.c
    row = conn.execute(
        select(func.count(), func.coalesce(func.sum(held.unpaid), 0)).where(
            held.municipality_id == municipality_id, held.campaign_id == campaign_id
        )
    ).one()
    return int(row[0]), int(row[1])
