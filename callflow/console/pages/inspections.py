"""Inspections by the ward, and the audit pack: what shows how the work was checked."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy import select
from starlette.responses import Response

from callflow import inspections
from callflow.console.i18n import said
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.inspections import Inspection
from callflow.reports import auditpack
from callflow.reports.asking import Ask
from callflow.reports.figures import month_of, period_of
from models.tables import accounts
from scheduler.calendar import tokyo_date

STAFF, KNOW = allow("staff"), allow("staff", "auditor")
TITLE: Final = said("検査と監査パック")
SAID: Final = {"inspected": said("検査を記録しました。")}


def checks(visit: Visit, wrong: str = "") -> Response:
    m, today = visit.site.municipality_id, tokyo_date(visit.now)
    a = accounts.c
    with visit.site.database.read() as conn:
        found = inspections.held(conn, m)
        own = select(a.id, a.display_name).where(a.municipality_id == m)
        people = dict(map(tuple, conn.execute(own)))
    return visit.page(
        "audit/inspections.html",
        status=422 if wrong else 200,
        wrong=wrong,
        found=found,
        people=people,
        today=today,
        month=month_of(today.replace(day=1) - timedelta(days=1)),
        typed={name: visit.typed(name) for name in ("on", "place", "finding", "measure")},
    )


def record(visit: Visit) -> Response:
    m, by, now = visit.site.municipality_id, visit.who.account_id, visit.now
    try:
        seen = Inspection(_day(visit.typed("on")), visit.typed("place"), visit.typed("finding"), visit.typed("measure"))
        visit.site.database.transact(lambda conn: inspections.record(conn, m, seen, by, now))
    except InputError as error:
        return checks(visit, "。".join(visit.say(words) for words in (error.what, error.mend) if words))
    return visit.go("/audit/inspections", said="inspected")


def pack(visit: Visit) -> Response:
    """The pack, once it is on record that it leaves the program."""
    site = visit.site
    try:
        period = period_of(visit.typed("from"), visit.typed("to"), visit.now)
        with site.database.read() as conn:
            ask = Ask(
                conn=conn,
                municipality_id=site.municipality_id,
                period=period,
                now=visit.now,
                config=site.config,
                kind="ward",
                account_id=visit.who.account_id,
                shelf=site.shelf,
            )
            made = auditpack.build(ask, site.config.database.url, site.config.audit.anchors)
        auditpack.give(site.database, ask, made, visit.who.roles, visit.typed("purpose"))
    except InputError as error:
        return checks(visit, "。".join(visit.say(words) for words in (error.what, error.mend) if words))
    named = {"content-disposition": f'attachment; filename="{made.name}"'}
    return Response(made.content, media_type="application/zip", headers=named)


def _day(typed: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise InputError("日付ではありません", where=Where(field="on"), mend="例: 2026-11-24") from None


ROUTES = (
    Route("GET", "/audit/inspections", checks, KNOW, TITLE),
    Route("POST", "/audit/inspections", record, STAFF, TITLE),
    Route("POST", "/audit/pack", pack, KNOW, TITLE),
)
