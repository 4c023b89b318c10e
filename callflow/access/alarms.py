"""Sights that somebody should ask about: beyond one's own work, very many in an hour, at odd hours.

`beyond` and `judge` are pure: they are given the sights of a stretch of time and the calls and campaigns beside them.
A view counts as work where the operator had a call with that case then, or the case was dealt to them shortly before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, insert, or_, select, update

from callflow.access.accounts import Accounts
from callflow.access.auditlog import PROGRAM, audit
from callflow.access.lookback import is_sight, reach_of
from callflow.access.views import Viewer
from callflow.errors import NotFoundError, RefusedError
from callflow.sections import Audit
from models.database import Database
from models.ids import new_id
from models.tables import audit_alerts, audit_events, calls, campaigns, queue_entries
from scheduler.calendar import TOKYO, Hours, tokyo_date, tokyo_midnight

PREVIEW: Final = timedelta(minutes=15)
"""A case is dealt for as long as a lease lasts (`queue`): what is seen then belongs to the call that follows."""

AFTER: Final = timedelta(minutes=2)
"""The end of a call is stored a moment before its last screen is gone."""

MOST: Final = 20_000
"""Sights that one look reads, newest first."""

Kind = Literal["many", "hours", "beyond"]
KIND_WORDS: Final[dict[Kind, str]] = {
    "many": "一時間に多くの閲覧",
    "hours": "時間外の閲覧",
    "beyond": "通話や担当によらない閲覧",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on sights are told of [O]. `many_per_hour`: different cases and calls in 60 minutes; `beyond_per_day`:
    views without a call; `hours`: outside of which every view is told of."""

    many_per_hour: int = 60
    beyond_per_day: int = 3
    hours: Hours | None = None


def thresholds_of(audit: Audit) -> Thresholds:
    """Those of the configuration."""
    return Thresholds(audit.many_views_per_hour, audit.views_without_call_per_day, audit.usual_hours)


@dataclass(frozen=True, slots=True)
class View:
    """One sight. `case_id` also of a call's; None where the thing is neither."""

    id: int
    at: datetime
    actor_id: int
    roles: frozenset[str]
    object: str
    case_id: int | None


@dataclass(frozen=True, slots=True)
class Spell:
    """A call of an operator with a case; `ended` is None while it lasts."""

    operator_id: int
    case_id: int
    began: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told of one person and day (Tokyo). `count`: sights that it is about."""

    kind: Kind
    actor_id: int
    day: date
    count: int
    first_at: datetime
    last_at: datetime


def beyond(views: Iterable[View], spells: Iterable[Spell], own: Collection[tuple[int, int]]) -> list[View]:
    """The views that no call and no campaign of the viewer explains. `own`: (supervisor, case). The ward's staff and
    auditors answer for all cases, so theirs are none."""
    of: dict[tuple[int, int], list[Spell]] = defaultdict(list)
    for spell in spells:
        of[spell.operator_id, spell.case_id].append(spell)
    return [view for view in views if _contractors(view) and not _explained(view, of, own)]


def _contractors(view: View) -> bool:
    return view.case_id is not None and bool(view.roles & {"operator", "supervisor"})


def _explained(view: View, of: dict[tuple[int, int], list[Spell]], own: Collection[tuple[int, int]]) -> bool:
    assert view.case_id is not None
    key = (view.actor_id, view.case_id)
    in_call = any(spell.began - PREVIEW <= view.at <= (spell.ended or view.at) + AFTER for spell in of[key])
    return in_call or ("supervisor" in view.roles and key in own)


def judge(views: Sequence[View], beyond_work: Iterable[View], thresholds: Thresholds) -> list[Alarm]:
    """What is to be told, one alarm for each kind, person and day."""
    found = [*_many(views, thresholds.many_per_hour)]
    if thresholds.hours is not None:
        late = [view for view in views if not _within(view.at, thresholds.hours)]
        found += [_alarm("hours", group) for group in _by_person_and_day(late)]
    loose = _by_person_and_day(beyond_work)
    found += [_alarm("beyond", group) for group in loose if len(group) >= thresholds.beyond_per_day]
    return found


def _many(views: Sequence[View], most: int) -> Iterator[Alarm]:
    for group in _by_person_and_day(views):
        worst: list[View] = []
        first = 0
        for last in range(len(group)):
            while group[last].at - group[first].at >= timedelta(hours=1):
                first += 1
            window = group[first : last + 1]
            if len({view.object for view in window}) > max(most, len({view.object for view in worst})):
                worst = window
        if worst:
            count = len({view.object for view in worst})
            yield Alarm("many", worst[0].actor_id, tokyo_date(worst[-1].at), count, worst[0].at, worst[-1].at)


def _by_person_and_day(views: Iterable[View]) -> list[list[View]]:
    groups: dict[tuple[int, date], list[View]] = defaultdict(list)
    for view in sorted(views, key=lambda each: (each.at, each.id)):
        groups[view.actor_id, tokyo_date(view.at)].append(view)
    return list(groups.values())


def _alarm(kind: Kind, group: list[View]) -> Alarm:
    return Alarm(kind, group[0].actor_id, tokyo_date(group[0].at), len(group), group[0].at, group[-1].at)


def _within(at: datetime, hours: Hours) -> bool:
    return hours.start <= at.astimezone(TOKYO).time() < hours.end


def views_of(conn: Connection, municipality_id: int, since: datetime, until: datetime, actor: int = 0) -> list[View]:
    """The sights of personal fields in a stretch of time, the newest `MOST`. A program's (`access.clients`) are left
    out: it reads whole lists, day and night, within its scopes and limits."""
    e, c = audit_events.c, calls.c
    query = select(e.id, e.at, e.actor_id, e.roles, e.object).where(
        e.municipality_id == municipality_id,
        e.at >= since,
        e.at < until,
        e.actor_id.is_not(None),
        is_sight(),
        e.roles != PROGRAM,
    )
    if actor:
        query = query.where(e.actor_id == actor)
    rows = conn.execute(query.order_by(e.at.desc(), e.id.desc()).limit(MOST)).all()
    numbers = {int(row.object[5:]) for row in rows if row.object.startswith("call:") and row.object[5:].isdecimal()}
    case_of: dict[int, int] = {}
    for some in _blocks(numbers):
        found = select(c.id, c.case_id).where(c.municipality_id == municipality_id, c.id.in_(some))
        case_of |= {row.id: row.case_id for row in conn.execute(found)}
    return [_view(row, case_of) for row in rows]


def beyond_work(conn: Connection, municipality_id: int, views: Sequence[View]) -> list[View]:
    """Those of the views that no call and no campaign of the viewer explains, by what the database holds now."""
    if not views:
        return []
    c, q, k = calls.c, queue_entries.c, campaigns.c
    first, last = min(view.at for view in views), max(view.at for view in views)
    spells: list[Spell] = []
    own: set[tuple[int, int]] = set()
    for some in _blocks({view.case_id for view in views if view.case_id is not None}):
        found = select(c.operator_id, c.case_id, c.opened_at, c.closed_at).where(
            c.municipality_id == municipality_id,
            c.case_id.in_(some),
            c.opened_at <= last + PREVIEW,
            or_(c.closed_at.is_(None), c.closed_at >= first - AFTER),
        )
        spells += [Spell(*row) for row in conn.execute(found) if row.operator_id is not None]
        held = (
            select(q.case_id, k.supervisor_id, k.created_by)
            .join(campaigns, (k.municipality_id == q.municipality_id) & (k.id == q.campaign_id))
            .where(q.municipality_id == municipality_id, q.case_id.in_(some))
        )
        own |= {(who, row.case_id) for row in conn.execute(held) for who in (row.supervisor_id, row.created_by) if who}
    return beyond(views, spells, own)


def seen_beyond_work(
    database: Database, municipality_id: int, viewer: Viewer, day: date, days: int, actor: str, now: datetime
) -> list[View]:
    """What people saw beyond their work in the `days` up to and with `day`, the newest first; the look is on record.

    `actor`: the login of one person, or empty. Raises RefusedError for whoever may not read the whole record."""
    if reach_of(viewer) != "all":
        raise RefusedError("担当外の閲覧は、区の職員と監査だけが見られます")

    def work(conn: Connection) -> list[View]:
        who = Accounts(conn, municipality_id, now).named(actor).id if actor else 0
        since, until = tokyo_midnight(day - timedelta(days=days - 1)), tokyo_midnight(day + timedelta(days=1))
        found = beyond_work(conn, municipality_id, views_of(conn, municipality_id, since, until, who))
        audit(conn, municipality_id, now, viewer.account_id, "audit:beyond", f"account:{who}" if who else "audit")
        return found

    return database.transact(work)


def watch(database: Database, municipality_id: int, thresholds: Thresholds, now: datetime) -> int:
    """Judges today's and yesterday's sights and keeps what is to be told; how many alarms are new or have grown."""
    since = tokyo_midnight(tokyo_date(now) - timedelta(days=1))
    with database.read() as conn:
        views = views_of(conn, municipality_id, since, now + timedelta(seconds=1))
        alarms = judge(views, beyond_work(conn, municipality_id, views), thresholds)

    def keep(conn: Connection) -> int:
        return sum(_keep(conn, municipality_id, alarm, now) for alarm in alarms)

    return database.transact(keep) if alarms else 0


def _keep(conn: Connection, municipality_id: int, alarm: Alarm, now: datetime) -> bool:
    """One row for each kind, person and day. One that grows is to be looked at again."""
    t = audit_alerts.c
    same = (
        (t.municipality_id == municipality_id)
        & (t.kind == alarm.kind)
        & (t.account_id == alarm.actor_id)
        & (t.day == alarm.day)
    )
    held = conn.execute(select(t.count).where(same)).scalar_one_or_none()
    values: dict[str, Any] = {"count": alarm.count, "first_at": alarm.first_at, "last_at": alarm.last_at}
    if held is not None and held >= alarm.count:
        return False
    if held is not None:
        conn.execute(update(audit_alerts).where(same).values(**values, seen_at=None, seen_by=None))
        return True
    one = new_id(conn, audit_alerts, municipality_id)
    key = {"municipality_id": municipality_id, "id": one, "kind": alarm.kind, "account_id": alarm.actor_id}
    conn.execute(insert(audit_alerts).values(**key, day=alarm.day, found_at=now, **values))
    audit(conn, municipality_id, now, None, "audit:alert", f"account:{alarm.actor_id}", fields=alarm.kind)
    return True


def alerts(conn: Connection, municipality_id: int, *, open_only: bool = False, size: int = 100) -> list[Any]:
    """The newest alarms that were kept; `open_only`: those that nobody has looked into."""
    t = audit_alerts.c
    query = select(audit_alerts).where(t.municipality_id == municipality_id)
    if open_only:
        query = query.where(t.seen_at.is_(None))
    return list(conn.execute(query.order_by(t.day.desc(), t.id.desc()).limit(size)))


def look_into(conn: Connection, municipality_id: int, alert_id: int, by: int, note: str, now: datetime) -> None:
    """Somebody has looked into an alarm and says what it was. Raises NotFoundError."""
    t = audit_alerts.c
    done = conn.execute(
        update(audit_alerts)
        .where(t.municipality_id == municipality_id, t.id == alert_id, t.seen_at.is_(None))
        .values(seen_at=now, seen_by=by, note=note)
    )
    if done.rowcount != 1:
        raise NotFoundError("確かめを待つ警告はありません")
    audit(conn, municipality_id, now, by, "audit:look_into", f"alert:{alert_id}")


def _view(row: Any, case_of: dict[int, int]) -> View:
    kind, _, number = row.object.partition(":")
    one = int(number) if number.isdecimal() else None
    case_id = one if kind == "case" else case_of.get(one) if kind == "call" and one is not None else None
    return View(row.id, row.at, row.actor_id, frozenset(filter(None, row.roles.split(","))), row.object, case_id)


def _blocks(numbers: Collection[int], size: int = 500) -> Iterator[list[int]]:
    ordered = sorted(numbers)
    for first in range(0, len(ordered), size):
        yield ordered[first : first + size]
