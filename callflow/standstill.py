"""Why a whole campaign is not dialled now: hours, days, holidays, payment data, supervisor, the stop of everything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, func, select

from callflow.explanation import moment
from models.tables import campaigns, cases, queue_entries
from scheduler.dealing import Rules
from scheduler.facts import CaseFacts
from scheduler.policy import campaign_blocks
from scheduler.snapshot import is_stopped, supervised_until
from scheduler.verdict import Block, Reason

ENDS: Final[Mapping[Reason, str]] = {
    Reason.NOT_A_CALLING_DAY: "この先に架電日がありません",
    Reason.PAYMENTS_STALE: "新しい収納データの取り込みを待っています",
}
"""What is to be done where time alone does not end it and the reason does not say so."""

_q = queue_entries.c
_TENANT = bindparam("m", type_=Integer)
_THIS = bindparam("campaign", type_=Integer)
_CAMPAIGN = select(
    campaigns.c.claim_type,
    campaigns.c.state,
    supervised_until.label("supervised_until"),
    is_stopped.label("is_stopped"),
).where(campaigns.c.municipality_id == _TENANT, campaigns.c.id == _THIS)
_SOME = select(_q.case_id).where(_q.municipality_id == _TENANT, _q.campaign_id == _THIS).limit(20).subquery()
_NEWEST = select(func.max(cases.c.payments_as_of)).where(
    cases.c.municipality_id == _TENANT, cases.c.id.in_(select(_SOME.c.case_id))
)
"""Payment data come by whole lists: a few of a campaign's cases stand for all."""


def standstill(conn: Connection, municipality_id: int, rules: Rules, now: datetime) -> tuple[Block, ...]:
    """What forbids every call of a campaign at `now`. `until` None: time alone does not end it."""
    about = {"m": municipality_id, "campaign": rules.campaign_id}
    row = conn.execute(_CAMPAIGN, about).one()
    case = CaseFacts(
        case_id=0,
        household_id=0,
        claim_type=row.claim_type,
        campaign_id=rules.campaign_id,
        instalments=(),
        payments_as_of=conn.execute(_NEWEST, about).scalar(),
        campaign_state=row.state,
        supervised_until=row.supervised_until,
        is_stopped=bool(row.is_stopped),
    )
    return campaign_blocks(case, rules.policy, rules.calendar, now)


def in_words(blocks: tuple[Block, ...]) -> str:
    """Japanese: each reason with its end."""
    return "、".join(block.reason.ja + _end(block) for block in blocks)


def _end(block: Block) -> str:
    words = f"{moment(block.until)} から" if block.until is not None else ENDS.get(block.reason)
    return f"（{words}）" if words else ""
