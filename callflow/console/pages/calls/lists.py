"""The list of calls, and the sample that is looked at again. Numbers and outcomes, no names: what was said is behind
the purpose that a replay asks for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, select
from starlette.responses import Response

from callflow.access.replays import visible_to
from callflow.access.views import Viewer
from callflow.console.i18n import said
from callflow.console.listing import SIZE, Listing, asked
from callflow.console.visit import Visit
from callflow.quality import Picked, Rule, sample, scored, talks_of
from models.tables import accounts, calls, campaigns, is_live, scorecards
from scheduler.calendar import tokyo_date, tokyo_midnight

MOST_COUNTED = 10_000
FILTERS: Final = ("day", "outcome", "operator", "campaign", "state")
STATES: Final = {
    "live": said("通話中"),
    "review": said("確認待ち"),
    "talk": said("話した通話"),
    "scored": said("採点済み"),
    "unscored": said("話した通話・未採点"),
}
WHY: Final = {
    "outcome": said("必ず見る結果"),
    "share": said("抽出（割合）"),
    "least": said("抽出（最低件数）"),
}


@dataclass(frozen=True, slots=True)
class CallRow:
    """A line of a list. `seconds`: from the answer to the end of the line."""

    id: int
    opened_at: datetime
    operator: str
    campaign: str
    case_id: int
    inbound: bool
    live: bool
    line_state: str
    disposition: str
    outcome: str
    party: str
    seconds: int | None
    scored: bool
    why: str = ""


def viewer_of(visit: Visit) -> Viewer:
    return Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)


def calls_page(visit: Visit) -> Response:
    """Newest first; every filter is a number, a day or a word of a closed set."""
    wanted = asked(visit.query, sorts=("opened",), filters=FILTERS, descending=True)
    site, m = visit.site, visit.site.municipality_id
    conditions = [visible_to(viewer_of(visit), m), *_conditions(m, wanted.filters), *_numbered(wanted.words)]
    c = calls.c
    with site.database.read() as conn:
        counted = select(c.id).where(*conditions).limit(MOST_COUNTED).subquery()
        total = conn.execute(select(func.count()).select_from(counted)).scalar_one()
        ids = select(c.id).where(*conditions).order_by(c.id.desc()).limit(SIZE).offset(wanted.offset)
        rows = rows_of(visit, conn, conn.execute(ids).scalars())
        choices = _choices(visit, conn)
    return visit.page(
        "calls/list.html", listing=Listing(wanted, rows, total), most=MOST_COUNTED, states=STATES, **choices
    )


def quality_page(visit: Visit) -> Response:
    """The sample of a month, drawn by the policy's rule."""
    wanted = asked(visit.query, sorts=("opened",), filters=("month", "operator", "state"), descending=True)
    site, m, rule = visit.site, visit.site.municipality_id, rule_of(visit)
    month = _month(wanted.filters.get("month", ""), visit.now)
    since, until = tokyo_midnight(month), tokyo_midnight(_next_month(month))
    with site.database.read() as conn:
        talks = talks_of(conn, m, since, until, visible_to(viewer_of(visit), m))
        drawn = sample(talks, rule)
        done = _scored_since(conn, m, since)
        found = [each for each in drawn if _fits(each, wanted.filters, done)]
        some = found[wanted.offset : wanted.offset + wanted.size]
        rows = rows_of(
            visit, conn, [each.talk.call_id for each in some], {each.talk.call_id: each.why for each in some}
        )
        choices = _choices(visit, conn)
    return visit.page(
        "calls/quality.html",
        listing=Listing(wanted, rows, len(found)),
        month=f"{month:%Y-%m}",
        rule=rule,
        talks=len(talks),
        drawn=len(drawn),
        done=sum(each.talk.call_id in done for each in drawn),
        why=WHY,
        **choices,
    )


def rule_of(visit: Visit) -> Rule:
    quality = visit.site.config.quality
    return Rule(quality.sample_percent, quality.sample_at_least, frozenset(quality.sample_always))


def rows_of(visit: Visit, conn: Connection, ids: Iterable[int], why: dict[int, str] | None = None) -> list[CallRow]:
    """The lines of these calls, in the order given."""
    m, wanted = visit.site.municipality_id, list(ids)
    c = calls.c
    query = (
        select(calls, accounts.c.login, accounts.c.display_name, campaigns.c.name.label("campaign_name"))
        .join(accounts, (accounts.c.municipality_id == c.municipality_id) & (accounts.c.id == c.operator_id))
        .outerjoin(campaigns, (campaigns.c.municipality_id == c.municipality_id) & (campaigns.c.id == c.campaign_id))
        .where(c.municipality_id == m, c.id.in_(wanted))
    )
    found = {row.id: row for row in conn.execute(query)}
    have = scored(conn, m, wanted)
    return [_row(visit, conn, found[each], each in have, (why or {}).get(each, "")) for each in wanted if each in found]


def _row(visit: Visit, conn: Connection, row: Row[Any], has_card: bool, why: str) -> CallRow:
    script = visit.site.shelf.flow(conn, visit.site.municipality_id, row.script_hash).script
    named = script.dispositions.get(row.disposition or "")
    ended = row.line_ended_at or row.closed_at
    return CallRow(
        id=row.id,
        opened_at=row.opened_at,
        operator=f"{row.display_name}（{row.login}）",
        campaign=row.campaign_name or "",
        case_id=row.case_id,
        inbound=row.direction == "inbound",
        live=row.live,
        line_state=row.line_state,
        disposition=row.disposition or "",
        outcome=named.name if named else "",
        party=row.party or "",
        seconds=int((ended - row.answered_at).total_seconds()) if ended and row.answered_at else None,
        scored=has_card,
        why=why,
    )


def _conditions(municipality_id: int, filters: Any) -> list[ColumnElement[bool]]:
    c = calls.c
    found: list[ColumnElement[bool]] = []
    if day := _day(filters.get("day", "")):
        found += [c.opened_at >= tokyo_midnight(day), c.opened_at < tokyo_midnight(day + timedelta(days=1))]
    if outcome := filters.get("outcome"):
        found.append(c.disposition == outcome.upper()[:8])
    for name, column in (("operator", c.operator_id), ("campaign", c.campaign_id)):
        if filters.get(name, "").isdecimal():
            found.append(column == int(filters[name]))
    s = scorecards.c
    carded = c.id.in_(select(s.call_id).where(s.municipality_id == municipality_id))
    talked = c.talk_state != ""
    states: dict[str, list[ColumnElement[bool]]] = {
        "live": [is_live],
        "review": [is_live, c.line_state == "needs_review"],
        "talk": [talked],
        "scored": [carded],
        "unscored": [~is_live, talked, ~carded],
    }
    return [*found, *states.get(filters.get("state", ""), [])]


def _numbered(words: str) -> list[ColumnElement[bool]]:
    """A call's number or a case's, in letters of any width; nothing else is looked for."""
    plain = unicodedata.normalize("NFKC", words).strip()
    if not plain:
        return []
    if not (plain.isascii() and plain.isdigit() and len(plain) < 15):
        return [calls.c.id < 0]
    return [(calls.c.id == int(plain)) | (calls.c.case_id == int(plain))]


def _choices(visit: Visit, conn: Connection) -> dict[str, Any]:
    """What the filters offer: operators, campaigns, and the outcomes of their scripts."""
    m, viewer, c, k = visit.site.municipality_id, viewer_of(visit), campaigns.c, accounts.c
    own = [c.municipality_id == m]
    if viewer.kind != "ward":
        own.append((c.supervisor_id == viewer.account_id) | (c.created_by == viewer.account_id))
    held = conn.execute(select(c.id, c.name, c.script_hash).where(*own).order_by(c.id.desc()).limit(200)).all()
    called = select(calls.c.id).where(calls.c.municipality_id == m, calls.c.operator_id == k.id).exists()
    people = select(k.id, k.display_name, k.login).where(k.municipality_id == m, called).order_by(k.login)
    if viewer.kind != "ward":
        colleague = accounts.alias().c
        people = people.where(
            k.organisation_id
            == select(colleague.organisation_id)
            .where(colleague.municipality_id == m, colleague.id == viewer.account_id)
            .scalar_subquery()
        )
    outcomes: dict[str, str] = {}
    for content_hash in dict.fromkeys(row.script_hash for row in held):
        script = visit.site.shelf.flow(conn, m, content_hash).script
        outcomes |= {code: each.name for code, each in script.dispositions.items()}
    return {"campaigns": held, "operators": conn.execute(people).all(), "outcomes": outcomes}


def _scored_since(conn: Connection, municipality_id: int, since: datetime) -> set[int]:
    s = scorecards.c
    query = select(s.call_id).where(s.municipality_id == municipality_id, s.at >= since)
    return set(conn.execute(query).scalars())


def _fits(picked: Picked, filters: Any, done: set[int]) -> bool:
    operator, state = filters.get("operator", ""), filters.get("state", "")
    if operator.isdecimal() and picked.talk.operator_id != int(operator):
        return False
    return state not in ("scored", "unscored") or (picked.talk.call_id in done) == (state == "scored")


def _day(text_: str) -> date | None:
    try:
        return date.fromisoformat(text_)
    except ValueError:
        return None


def _month(text_: str, now: datetime) -> date:
    """The first day of the month that is asked for, else of this one."""
    return _day(f"{text_}-01") or tokyo_date(now).replace(day=1)


def _next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)
