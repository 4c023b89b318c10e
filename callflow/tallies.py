"""How many calls of a campaign came to which outcome, without walking through them.

`call_tallies` holds the counts; each counted call says as what it was counted (`tallied_as`). A call that has just
ended, was corrected or taken back is `untallied`: it lies in a small index and is added when the counts are read, until
the periodic work has counted it. So no writer of an outcome writes another row, or waits for another's count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.tables import call_tallies, calls, is_untallied
from scheduler.queue import WAKE_AT_ONCE

_c, _t = calls.c, call_tallies.c
_TENANT = bindparam("m", type_=Integer)
_CAMPAIGN = bindparam("campaign", type_=BigInteger)


def _parts(calls_counted: ColumnElement[bool], tallied: ColumnElement[bool]) -> CompoundSelect[Any]:
    """What is tallied, and how each call that is not counted in yet changes it."""
    one = literal_column("1", Integer)
    new, old = (
        select(_c.campaign_id, code, by).where(
            _c.municipality_id == _TENANT, calls_counted, is_untallied, code.is_not(None)
        )
        for code, by in ((_c.disposition, one), (_c.tallied_as, -one))
    )
    kept = select(_t.campaign_id, _t.disposition, _t.count).where(_t.municipality_id == _TENANT, tallied)
    return union_all(kept, new, old)


# Built once, and each one statement, so that it sees one moment: what is being counted in is never missed or twice.
_OUTCOMES = _parts(_c.campaign_id == _CAMPAIGN, _t.campaign_id == _CAMPAIGN)
_ALL = _parts(_c.campaign_id.is_not(None), _t.campaign_id.is_not(None)).subquery()
_RECOUNT = (
    select(_c.campaign_id, _c.disposition, (-func.count()).label("count"))
    .where(_c.municipality_id == _TENANT, _c.campaign_id.is_not(None), _c.disposition.is_not(None))
    .group_by(_c.campaign_id, _c.disposition)
)
_BOTH = union_all(select(_ALL), _RECOUNT).subquery()
_ASTRAY = (
    select(_BOTH.c.campaign_id, _BOTH.c.disposition, func.sum(_BOTH.c.count))
    .group_by(_BOTH.c.campaign_id, _BOTH.c.disposition)
    .having(func.sum(_BOTH.c.count) != 0)
)
_NEXT = (
    select(_c.id, _c.campaign_id, _c.tallied_as, _c.disposition)
    .where(_c.municipality_id == _TENANT, is_untallied)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_COUNTED = (
    update(calls)
    .where(_c.municipality_id == _TENANT, _c.id.in_(bindparam("calls", expanding=True)))
    .values(tallied_as=_c.disposition, untallied=False)
)


def outcomes(conn: Connection, municipality_id: int, campaign_id: int) -> dict[str, int]:
    """How many ended calls of the campaign have which outcome, as it stands after corrections."""
    found: Counter[str] = Counter()
    for _campaign, code, count in conn.execute(_OUTCOMES, {"m": municipality_id, "campaign": campaign_id}):
        found[code] += int(count)
    return {code: count for code, count in sorted(found.items()) if count}


def count_in(conn: Connection, municipality_id: int, *, limit: int = WAKE_AT_ONCE) -> int:
    """Adds calls that are untallied to the counts. Returns how many; `limit`: there may be more.

    Calls that somebody holds are left for the next time. Needs a write transaction.
    """
    rows = conn.execute(_NEXT, {"m": municipality_id, "limit": limit}).all()
    if not rows:
        return 0
    changes: Counter[tuple[int, str]] = Counter()
    for row in rows:
        for code, by in ((row.tallied_as, -1), (row.disposition, 1)):
            if code is not None and row.campaign_id is not None:
                changes[row.campaign_id, code] += by
    conn.execute(_COUNTED, {"m": municipality_id, "calls": [row.id for row in rows]})
    _add(conn, municipality_id, changes)
    return len(rows)


def _add(conn: Connection, municipality_id: int, changes: Mapping[tuple[int, str], int]) -> None:
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(call_tallies)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=["municipality_id", "campaign_id", "disposition"],
            set_={"count": _t.count + statement.excluded.count},
        ),
        [
            {"municipality_id": municipality_id, "campaign_id": campaign, "disposition": code, "count": count}
            for (campaign, code), count in sorted(changes.items())  # in one order, so that nobody waits in a circle
        ],
    )


def astray(conn: Connection, municipality_id: int) -> dict[tuple[int, str], int]:
    """By campaign and outcome, by how much the counts differ from the calls themselves; empty if all is well.

    Counts every call: for `callflow doctor` and tests.
    """
    return {(campaign, code): int(by) for campaign, code, by in conn.execute(_ASTRAY, {"m": municipality_id}).all()}


def set_right(conn: Connection, municipality_id: int) -> dict[tuple[int, str], int]:
    """Takes what is astray out of the tally, and returns it. Calls may end meanwhile: that changes no difference."""
    found = astray(conn, municipality_id)
    if found:
        _add(conn, municipality_id, {key: -by for key, by in found.items()})
    return found
