"""Dials that must not have been: out of hours, beyond a day's limit, to a case that calls are stopped for.

Counted from the stored calls alone; the stricter count of every wait, call by call, is the simulation's.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import ColumnElement, and_, func, or_, select, union

from callflow.reports.asking import Ask, tokyo_day, tokyo_hour
from callflow.reports.figures import said
from models.tables import calls, campaigns, suppressions

_c = calls.c
OUT_OF_HOURS, OVER_LIMIT, STOPPED = said("時間外の発信"), said("一日の上限を超えた発信"), said("架電停止中の発信")


def count(ask: Ask) -> Counter[str]:
    """How many dials broke each rule; every rule is there, also with 0."""
    return Counter({OUT_OF_HOURS: _out_of_hours(ask), OVER_LIMIT: _over_limit(ask), STOPPED: _stopped(ask)})


def _dials(ask: Ask) -> ColumnElement[bool]:
    """What we dialled; every such call is of a campaign."""
    return and_(ask.these_calls(), _c.direction == "outbound", _c.placed_at.is_not(None), _c.campaign_id.is_not(None))


def _out_of_hours(ask: Ask) -> int:
    """By each claim type's hours. Only an hour that is open for a part needs a look at its single dials."""
    k = campaigns.c
    day, hour = tokyo_day(_c.placed_at), tokyo_hour(_c.placed_at)
    of_campaign = and_(k.municipality_id == _c.municipality_id, k.id == _c.campaign_id)
    hours = ask.rows(
        select(k.claim_type, day, func.min(_c.placed_at), func.max(_c.placed_at), func.count())
        .join(campaigns, of_campaign)
        .where(_dials(ask))
        .group_by(k.claim_type, day, hour)
    )
    found = 0
    calendars = {each: ask.config.calendar_for(each) for each in {row[0] for row in hours}}
    for claim_type, on, first, last, dials in hours:
        calendar = calendars[claim_type]
        open_then = [window for window in calendar.windows_on(on) if window.opens <= last and first < window.last_dial]
        if not open_then:
            found += dials
        elif not any(first in window and last in window for window in open_then):
            single = select(_c.placed_at).join(campaigns, of_campaign).where(_dials(ask), k.claim_type == claim_type)
            some = ask.rows(single.where(_c.placed_at.between(first, last)))
            found += sum(calendar.window_at(moment) is None for (moment,) in some)
    return found


def _over_limit(ask: Ask) -> int:
    """Attempts beyond the policy's number (of claim types that differ, the largest) for one household and day, and for
    one telephone number and day."""
    limit = max(ask.config.policy_for(each).attempts_per_day for each in ask.config.claim_types)
    found = 0
    for whom in (_c.household_id, _c.number_id):
        many = (
            select(func.count().label("dials"))
            .where(_dials(ask), _c.attempt == 1, whom.is_not(None))
            .group_by(whom, tokyo_day(_c.placed_at))
            .having(func.count() > limit)
            .subquery()
        )
        found = max(found, int(ask.one(select(func.coalesce(func.sum(many.c.dials - limit), 0)))[0]))
    return found


def _stopped(ask: Ask) -> int:
    """From the few suppressions to the calls of their cases and households, by the calls' own indexes."""
    s = suppressions.c
    during = and_(
        s.municipality_id == ask.municipality_id,
        s.since < _c.placed_at,
        or_(s.until.is_(None), s.until > _c.placed_at),
        or_(s.lifted_at.is_(None), s.lifted_at > _c.placed_at),
        _dials(ask),
    )
    branches = [
        select(_c.id).join(suppressions, and_(s.municipality_id == _c.municipality_id, whose)).where(during)
        for whose in (s.case_id == _c.case_id, s.household_id == _c.household_id)
    ]
    return int(ask.one(select(func.count()).select_from(union(*branches).subquery()))[0])
