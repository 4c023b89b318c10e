"""The cases that a campaign leaves out for one reason: their numbers, nothing else of them."""

from __future__ import annotations

from starlette.responses import Response

from callflow.campaigns import Campaigns
from callflow.console.i18n import said
from callflow.console.listing import Listing, asked
from callflow.console.pages.campaigns.screens import may_list, rules_now, words_of
from callflow.console.visit import Visit
from callflow.errors import NotFoundError
from callflow.planning import Exclusion

SIZE = 200


def cases_page(visit: Visit) -> Response:
    """As of now: what changed since the plan was counted shows. Raises NotFoundError for what may not be listed."""
    site, m, campaign_id = visit.site, visit.site.municipality_id, visit.id()
    wanted = asked(visit.query, sorts=("id",), filters=("why",))
    why = next((each for each in Exclusion if each.code == wanted.filters.get("why")), None)
    if why is None or not may_list(why, ward=visit.who.kind == "ward"):
        raise NotFoundError(
            said("この理由の案件の一覧はありません。"), mend=said("キャンペーンの画面から開いてください。")
        )
    with site.database.read() as conn:
        desk = Campaigns(conn, m, visit.now)
        row = desk.get(campaign_id)
        rules = rules_now(site, row)
        total = desk.recount(row, rules).excluded.get(why, 0)
        ids = desk.excluded_cases(row, rules, why, offset=(wanted.page - 1) * SIZE, limit=SIZE)
    listing = Listing(type(wanted)(wanted.page, "id", False, "", wanted.filters, SIZE), ids, total)
    return visit.page("campaigns/cases.html", campaign=row, why=words_of(visit, why), listing=listing)
