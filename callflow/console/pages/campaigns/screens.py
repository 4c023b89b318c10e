"""The list of campaigns, and one campaign: its plan, its state, its days, and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from starlette.responses import Response

from callflow.campaigns import MODE_WORDS, STATE_WORDS, Campaigns, Plan, rules_of, selection_of
from callflow.console.listing import asked, listed
from callflow.console.site import Site
from callflow.console.visit import Visit
from callflow.dayplan import Ledger, year_of
from callflow.explanation import QUEUE_WORDS
from callflow.holdout import held_out
from callflow.oversight import Oversight
from callflow.planning import Exclusion
from callflow.policywords import changes_of
from callflow.progress import by_day, progress
from callflow.settingwords import SETTING_WORDS, VALUE_WORDS
from callflow.standstill import ENDS, standstill
from models.tables import accounts
from scheduler.budgets import CallingDays, fiscal_year
from scheduler.calendar import tokyo_date
from scheduler.dealing import Rules
from scheduler.verdict import Reason

HIDDEN = frozenset({Exclusion.PROTECTED, Exclusion.SUPPRESSED})
"""Who may not be called is counted for the contractor, and never listed."""


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A line of the list."""

    id: int
    name: str
    claim: str
    state: str
    word: str
    reason: str
    included: int
    meant: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Excluded:
    """An exclusion with its count. `listed`: this person may see the numbers of its cases."""

    code: str
    words: str
    count: int
    listed: bool


def campaigns_page(visit: Visit) -> Response:
    """Newest first."""
    site = visit.site
    wanted = asked(visit.query, sorts=("created_at", "name", "claim", "state"), filters=("state",), descending=True)
    with site.database.read() as conn:
        rows = Campaigns(conn, site.municipality_id, visit.now).all()
    state = wanted.filters.get("state", "")
    found = [_row(site, row) for row in rows if not state or row.state == state]
    listing = listed(found, wanted, words=lambda each: f"{each.name} {each.claim} {each.id}")
    return visit.page("campaigns/list.html", listing=listing, states=STATE_WORDS)


def campaign_page(visit: Visit) -> Response:
    site, m, campaign_id = visit.site, visit.site.municipality_id, visit.id()
    with site.database.read() as conn:
        desk = Campaigns(conn, m, visit.now)
        row = desk.get(campaign_id)
        oversight = Oversight(conn, m, visit.now)
        shifts = oversight.on_shift()
        days = CallingDays.from_data(json.loads(row.days)) if row.days else None
        names: dict[str, Any] = {
            "campaign": row,
            "people": _people(conn, m, {row.created_by, row.supervisor_id or 0}),
            "approval": desk.approval(row.id),
            "script": site.shelf.flow(conn, m, row.script_hash).script,
            "progress": progress(conn, m, row.id, visit.now),
            "by_day": by_day(conn, m, row.id, visit.now),
            "held": held_out(conn, m, row.id) if row.holdout_percent else None,
            "year": _year(visit, conn, row.claim_type, days),
            "stopped": oversight.stop(),
            "still": standstill(conn, m, site.rules_of(row.id), visit.now) if row.state == "running" else (),
        }
    watching = next((each for each in shifts if each.account_id == row.supervisor_id), None)
    return visit.page(
        "campaigns/campaign.html",
        **names,
        claim=site.config.claim(row.claim_type).name,
        mode=MODE_WORDS[row.mode],
        changes=changes_of(json.loads(row.policy), rules_for(site, row.claim_type).policy),
        ends=ENDS,
        settings=json.loads(row.settings),
        setting_words=SETTING_WORDS,
        value_words=VALUE_WORDS,
        state=STATE_WORDS[row.state],
        conditions=selection_of(row).in_words(),
        plan=Plan.from_data(json.loads(row.plan)),
        excluded=excluded_of(visit, Plan.from_data(json.loads(row.plan))),
        days=days,
        today=tokyo_date(visit.now),
        watching=watching,
        mine=any(each.account_id == visit.who.account_id for each in shifts),
        others=[each for each in shifts if each.account_id != row.supervisor_id],
        queue_words=QUEUE_WORDS,
        reasons={each.code: each.en if visit.language == "en" else each.ja for each in Reason},
        runs="supervisor" in visit.who.roles,
        approves="staff" in visit.who.roles,
    )


def excluded_of(visit: Visit, plan: Plan) -> list[Excluded]:
    """The exclusions in the words and with the links that this person may have."""
    ward = visit.who.kind == "ward"
    seen = plan if ward else plan.as_contractor_sees()
    return [
        Excluded(each.code, words_of(visit, each), seen.excluded[each], may_list(each, ward=ward))
        for each in Exclusion
        if each in seen.excluded
    ]


def words_of(visit: Visit, exclusion: Exclusion) -> str:
    """Why, as this person may know it: the contractor is not told protection from suppression."""
    if exclusion is Exclusion.SUPPRESSED and visit.who.kind != "ward":
        return visit.say("架電できない世帯・案件")
    return exclusion.en if visit.language == "en" else exclusion.ja


def may_list(exclusion: Exclusion, *, ward: bool) -> bool:
    """What is looked for before protection may hold protected households: those too are for the ward alone."""
    return ward or exclusion not in {Exclusion.OUTSIDE, *HIDDEN}


def rules_for(site: Site, claim_type: str) -> Rules:
    """The rules of a claim type, before any campaign tightens them."""
    return Rules(0, site.config.policy_for(claim_type), site.config.calendar_for(claim_type))


def rules_now(site: Site, row: Row[Any]) -> Rules:
    """The rules of a campaign."""
    return rules_of(row, rules_for(site, row.claim_type))


def _row(site: Site, row: Row[Any]) -> CampaignRow:
    plan = Plan.from_data(json.loads(row.plan))
    return CampaignRow(
        row.id,
        row.name,
        site.config.claim(row.claim_type).name,
        row.state,
        STATE_WORDS[row.state],
        row.state_reason,
        plan.included,
        plan.meant,
        row.created_at,
    )


def _year(visit: Visit, conn: Connection, claim_type: str, days: CallingDays | None) -> Ledger:
    first: date = min(days.of_kind("days")) if days else tokyo_date(visit.now)
    site = visit.site
    return year_of(conn, site.municipality_id, site.config, claim_type, fiscal_year(first), visit.now)


def _people(conn: Connection, municipality_id: int, ids: set[int]) -> dict[int, str]:
    a = accounts.c
    query = select(a.id, a.display_name, a.login).where(a.municipality_id == municipality_id, a.id.in_(ids))
    return {row.id: f"{row.display_name}（{row.login}）" for row in conn.execute(query)}
