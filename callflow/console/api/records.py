"""Records out: what calls left behind, since a cursor; how cases and campaigns stand; 行き違い."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from callflow import feed
from callflow.campaigns import Campaigns
from callflow.console.api.gate import Asked, MayReadCalls, MayReadRecords, MayReadSlips
from callflow.console.api.shapes import (
    CallOut,
    CampaignOut,
    CampaignStateOut,
    CaseOut,
    ChangeOut,
    CrossingOut,
    LivingReportOut,
    Page,
    PromiseOut,
    RecordOut,
    SlipOut,
)
from callflow.intake.crossing import crossings
from callflow.progress import progress

router = APIRouter(tags=["records out"])

LARGEST_ID = 10**15 - 1
Since = Annotated[
    str,
    Query(pattern=r"^([0-9]{1,16}-[0-9]{1,15})?$", description="the `next` of the page before; empty: from the start"),
]
Limit = Annotated[int, Query(ge=1, le=200)]
Number = Annotated[int, Path(ge=1, le=LARGEST_ID)]
AfterId = Annotated[int, Query(ge=0, le=LARGEST_ID, description="the last number of the page before")]


@router.get("/records", response_model=Page[RecordOut], summary="交渉経過記録")
def records(asked: MayReadRecords, after: Since = "", limit: Limit = 100) -> Any:
    """In the order in which they were made, 10 seconds after the call's end."""
    return _page(asked, "records", after, limit)


@router.get("/promises", response_model=Page[PromiseOut], summary="納付約束")
def promises(asked: MayReadRecords, after: Since = "", limit: Limit = 100) -> Any:
    """As they stand now; what became of older ones since stands in `/changes`."""
    return _page(asked, "promises", after, limit)


@router.get("/living-reports", response_model=Page[LivingReportOut], summary="生活状況報告書の状況")
def living_reports(asked: MayReadRecords, after: Since = "", limit: Limit = 100) -> Any:
    """States and days, never the content."""
    return _page(asked, "living-reports", after, limit)


@router.get("/changes", response_model=Page[ChangeOut], summary="通話の後の動き")
def changes(asked: MayReadRecords, after: Since = "", limit: Limit = 100) -> Any:
    """Every act on a slip, a living report, a promise or a visit: ids and codes."""
    return _page(asked, "changes", after, limit)


@router.get("/slips", response_model=Page[SlipOut], summary="連絡票")
def slips(asked: MayReadSlips, after: Since = "", limit: Limit = 100) -> Any:
    """Urgent ones at once, the others 10 seconds after the call's end."""
    return _page(asked, "slips", after, limit)


@router.get("/calls", response_model=Page[CallOut], summary="通話の結果")
def calls(asked: MayReadCalls, after: Since = "", limit: Limit = 100) -> Any:
    """Ended calls in the order of their last event, without what was said."""
    return _page(asked, "calls", after, limit)


@router.get("/cases", response_model=Page[CaseOut], summary="案件の状況")
def cases(asked: MayReadRecords, after: AfterId = 0, limit: Limit = 100) -> Any:
    """Every case by number."""
    site = asked.site
    found = feed.cases_after(site.database, site.municipality_id, asked.client.viewer, after, limit, asked.now)
    kept = found[:limit]
    return {"items": kept, "next": str(kept[-1]["id"] if kept else after), "more": len(found) > limit}


@router.get("/crossed-payments", response_model=Page[CrossingOut], summary="行き違い")
def crossed_payments(asked: MayReadRecords, after: AfterId = 0, limit: Limit = 100) -> Any:
    """Of the next `limit` payments those that a call crossed: a page may be empty although there is more."""
    site, m = asked.site, asked.site.municipality_id

    def work(conn: Any) -> tuple[list[dict[str, Any]], int | None]:
        found, last = crossings(conn, m, after=after, limit=limit)
        rows = [asdict(each) for each in found]
        feed.note(conn, m, asked.client.viewer, rows, "history", asked.now, purpose="api:crossed-payments")
        return rows, last

    rows, last = site.database.transact(work)
    reached = last or max((row["payment_id"] for row in rows), default=after)
    return {"items": rows, "next": str(reached), "more": last is not None}


@router.get("/campaigns", response_model=list[CampaignOut], summary="架電計画")
def campaigns(asked: MayReadCalls) -> Any:
    """All of them, with their states."""
    with asked.site.database.read() as conn:
        return [dict(row._mapping) for row in Campaigns(conn, asked.site.municipality_id, asked.now).all()]


@router.get("/campaigns/{id}", response_model=CampaignStateOut, summary="架電計画の状況")
def campaign(asked: MayReadCalls, id: Number) -> Any:  # noqa: A002  the name in the path
    """Queue, calls by outcome, what was not dialled and why."""
    with asked.site.database.read() as conn:
        row = Campaigns(conn, asked.site.municipality_id, asked.now).get(id)
        return dict(row._mapping) | asdict(progress(conn, asked.site.municipality_id, id, asked.now))


def _page(asked: Asked, name: str, after: str, limit: int) -> dict[str, Any]:
    site = asked.site
    batch = feed.read_on(site.database, site.municipality_id, asked.client.viewer, name, after, limit, asked.now)
    return {"items": batch.rows, "next": batch.next, "more": batch.more}
