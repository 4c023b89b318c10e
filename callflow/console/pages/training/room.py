"""Who practises now in this server, and the desk as it is for them: the same views, over the practice's own site."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select
from starlette.responses import Response

from callflow.console.i18n import said
from callflow.console.pages.desk.place import Dialling, Talking, place_of
from callflow.console.site import Site
from callflow.console.visit import Visit
from callflow.corrections import Corrections
from callflow.errors import InputError, RefusedError, Where
from callflow.simulation.practice import Practice, Published, Result, Trainee, begin
from models.ids import new_id
from models.tables import accounts, practices, script_versions

MOST: Final = 50
"""Practices at a time in one server; each is a small database in a folder of its own."""
LISTED: Final = 30
AT: Final = "/training/desk"

View = Callable[[Visit], Response]

_now: dict[tuple[str, int, int], Practice] = {}
_lock = Lock()


def training_page(visit: Visit) -> Response:
    """An operator's own practices with their scores; for a supervisor that there were some."""
    m, who = visit.site.municipality_id, visit.who
    with visit.site.database.read() as conn:
        mine = _own(conn, m, who.account_id) if "operator" in who.roles else []
        others = _others(conn, m) if "supervisor" in who.roles else []
        scripts = _scripts(conn, m) if "operator" in who.roles else []
    return visit.page(
        "training/start.html",
        scripts=scripts,
        mine=[(row, json.loads(row.card)) for row in mine],
        others=others,
        practising=_key(visit) in _now,
        practises="operator" in who.roles,
    )


def start(visit: Visit) -> Response:
    """Begins a practice with a published script; the one before ends."""
    site, who = visit.site, visit.who
    if isinstance(place_of(site, who.account_id, visit.now), Dialling | Talking):
        raise RefusedError(said("通話の途中です。"), mend=said("通話を終えてから練習を始めてください。"))
    name, _, version = visit.typed("script").partition("/")
    with site.database.read() as conn:
        found = next((one for one in _scripts(conn, site.municipality_id) if one.name == name), None)
    if found is None or str(found.version) != version:
        raise InputError(said("練習する台本を選んでください。"), where=Where(field="script"))
    if len(_now) >= MOST and _key(visit) not in _now:
        raise RefusedError(said("練習している人が多すぎます。"), mend=said("少し待ってから始めてください。"))
    trainee = Trainee(who.account_id, who.login, who.name)
    _keep(visit, begin(site.config, site.municipality_id, trainee, found))
    return visit.go(AT)


def end(visit: Visit) -> Response:
    """The practice is over; its database goes."""
    _keep(visit, None)
    return visit.go("/training", said="practice-ended")


def result_page(visit: Visit) -> Response:
    """The score of the call that has just ended."""
    practice = _now.get(_key(visit))
    if practice is None or practice.result is None:
        return visit.go("/training")
    return visit.page("training/result.html", result=practice.result)


def at_desk(view: View) -> View:
    """A view of the desk, over the practice of whoever asks; without one they are sent to begin one."""

    def practised(visit: Visit) -> Response:
        practice = _now.get(_key(visit))
        if practice is None:
            return visit.go("/training")
        practice.tend()
        inside = replace(visit, site=_site(visit.site, practice), now=practice.clock.now())
        answer = view(inside)
        ended = practice.results()
        for each in ended:
            _write_down(visit, practice, each)
        return visit.go("/training/result") if ended else answer

    return practised


def _site(site: Site, practice: Practice) -> Site:
    """The console's site with everything that is written to or dialled from replaced by the practice's."""
    corrections = Corrections(practice.database, practice.clock, practice.shelf, practice.municipality_id)
    return replace(
        site,
        database=practice.database,
        clock=practice.clock,
        shelf=practice.shelf,
        calls=practice.calls,
        corrections=corrections,
        switchboard=practice.switchboard,
        phone=practice.phone,
        rules_of=lambda _campaign: practice.rules,
        hook=None,
        softphone=None,
        practice=practice,
        desk_at=AT,
    )


def _write_down(visit: Visit, practice: Practice, result: Result) -> None:
    """The score alone."""
    m = visit.site.municipality_id
    card = json.dumps({line.key: line.answer for line in result.card})

    def work(conn: Connection) -> None:
        who = {"municipality_id": m, "id": new_id(conn, practices, m), "account_id": visit.who.account_id}
        what = {"at": visit.now, "script_name": practice.published.name, "card": card}
        conn.execute(practices.insert().values(**who, **what, fitting=result.fitting, answers=result.answers))

    visit.site.database.transact(work)


def _keep(visit: Visit, practice: Practice | None) -> None:
    with _lock:
        before = _now.pop(_key(visit), None)
        if practice is not None:
            _now[_key(visit)] = practice
    if before is not None:
        before.close()


def _key(visit: Visit) -> tuple[str, int, int]:
    return visit.site.database.url, visit.site.municipality_id, visit.who.account_id


def _scripts(conn: Connection, municipality_id: int) -> list[Published]:
    """The newest version of each published script."""
    v = script_versions.c
    newest = (
        select(v.name, func.max(v.version).label("version"))
        .where(v.municipality_id == municipality_id)
        .group_by(v.name)
        .subquery()
    )
    query = (
        select(v.name, v.version, v.hash, v.sources)
        .join(newest, (newest.c.name == v.name) & (newest.c.version == v.version))
        .where(v.municipality_id == municipality_id)
        .order_by(v.name)
    )
    return [Published(*row) for row in conn.execute(query)]


def _own(conn: Connection, municipality_id: int, account_id: int) -> list[Row[Any]]:
    p = practices.c
    query = select(p.at, p.script_name, p.card, p.fitting, p.answers).where(
        p.municipality_id == municipality_id, p.account_id == account_id
    )
    return list(conn.execute(query.order_by(p.at.desc(), p.id.desc()).limit(LISTED)))


def _others(conn: Connection, municipality_id: int) -> list[Row[Any]]:
    """Who practised how often and when last; neither words nor scores."""
    p, a = practices.c, accounts.c
    query = (
        select(a.login, a.display_name, func.count().label("count"), func.max(p.at).label("last"))
        .join(accounts, (a.municipality_id == p.municipality_id) & (a.id == p.account_id))
        .where(p.municipality_id == municipality_id, a.municipality_id == municipality_id)
        .group_by(a.login, a.display_name)
        .order_by(func.max(p.at).desc())
    )
    return list(conn.execute(query))
