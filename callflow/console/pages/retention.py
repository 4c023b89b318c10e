"""What is kept and what may be erased: the dry run, holds, requests with their approval, certificates."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select
from starlette.responses import Response

from callflow.console.i18n import said
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit
from callflow.errors import CallflowError, InputError, RefusedError
from callflow.keeping import BY_NAME
from callflow.reports.erasure import paper
from callflow.retention import certificates, holds, requests
from callflow.retention.classes import cutoffs
from callflow.retention.plan import plan
from models.tables import accounts

STAFF, KNOW = allow("staff"), allow("staff", "auditor")
TITLE: Final = said("保存と消去")
SCOPES: Final = {"case": said("案件"), "household": said("世帯"), "call": said("通話"), "class": said("種類")}
SAID: Final = {
    "asked": said("消去を求めました。ほかの職員の承認を待っています。"),
    "approved": said("承認しました。管理者が callflow retention run で実行します。"),
    "refused": said("却下しました。"),
    "held": said("消去を差し止めました。"),
    "released": said("差し止めを外しました。"),
}


def overview(visit: Visit, wrong: str = "") -> Response:
    site, m = visit.site, visit.site.municipality_id
    days = site.config.kept_for()
    with site.database.read() as conn:
        due = plan(conn, m, cutoffs(days, visit.now))
        asked = [_request(row, visit) for row in requests.listed(conn, m)]
        held = holds.listed(conn, m)
        people = _people(conn, m)
    return visit.page(
        "retention/overview.html",
        status=422 if wrong else 200,
        wrong=wrong,
        due=due,
        days=days,
        asked=asked,
        held=held,
        people=people,
        scopes=SCOPES,
        states=requests.STATES,
        kinds=BY_NAME,
        open_for=requests.OPEN_FOR.days,
    )


def ask(visit: Visit) -> Response:
    kinds = [str(name) for name in visit.form.getlist("kind")]
    if not kinds:
        return overview(visit, visit.say(said("消去する種類を選んでください")))
    before = cutoffs(visit.site.config.kept_for(), visit.now)

    def work(conn: Connection) -> object:
        return requests.ask(conn, _here(visit), kinds, before, visit.typed("reason"), _who(visit), visit.now)

    return _done(visit, work, "asked")


def decide(visit: Visit) -> Response:
    yes = visit.typed("decision") == "approve"

    def work(conn: Connection) -> None:
        requests.decide(conn, _here(visit), visit.id(), _who(visit), visit.now, approve=yes)

    return _done(visit, work, "approved" if yes else "refused")


def hold(visit: Visit) -> Response:
    thing = f"{visit.typed('scope')}:{visit.typed('thing')}"

    def work(conn: Connection) -> object:
        return holds.place(conn, _here(visit), thing, visit.typed("reason"), _who(visit), visit.now)

    return _done(visit, work, "held")


def release(visit: Visit) -> Response:
    def work(conn: Connection) -> None:
        holds.lift(conn, _here(visit), visit.id(), visit.typed("reason"), _who(visit), visit.now)

    return _done(visit, work, "released")


def certificate(visit: Visit) -> Response:
    with visit.site.database.read() as conn:
        found = certificates.certificate(conn, _here(visit), visit.id())
    ended = datetime.fromisoformat(found["ended_at"])
    names: dict[str, Any] = {"found": found, "ended": ended, "digest": certificates.digest(found), "kinds": BY_NAME}
    return visit.page("retention/certificate.html", **names)


def certificate_on_paper(visit: Visit) -> Response:
    with visit.site.database.read() as conn:
        found = certificates.certificate(conn, _here(visit), visit.id())
    named = {"content-disposition": f'attachment; filename="erasure-{visit.id()}.pdf"'}
    return Response(paper(found, visit.now), media_type="application/pdf", headers=named)


def _done(visit: Visit, work: Callable[[Connection], object], code: str) -> Response:
    """Does it and says so; what was typed wrongly stands above the same page."""
    try:
        visit.site.database.transact(work)
    except (InputError, RefusedError) as error:
        return overview(visit, _words(visit, error))
    return visit.go("/retention", said=code)


def _words(visit: Visit, error: CallflowError) -> str:
    return "。".join(visit.say(words) for words in (error.what, error.mend) if words)


def _request(row: Any, visit: Visit) -> dict[str, Any]:
    """`may`: this person may decide, or why not."""
    waits = row.state == "asked" and visit.now < row.expires_at
    return {
        "row": row,
        "kinds": list(json.loads(row.cutoffs)),
        "plan": json.loads(row.plan) if row.purpose == requests.RULE else [],
        "over": row.state in ("asked", "approved") and visit.now >= row.expires_at,
        "may": waits and "staff" in visit.who.roles and row.asked_by != visit.who.account_id,
    }


def _people(conn: Connection, municipality_id: int) -> dict[int, str]:
    a = accounts.c
    own = select(a.id, a.display_name, a.login).where(a.municipality_id == municipality_id)
    return {row.id: f"{row.display_name}（{row.login}）" for row in conn.execute(own)}


def _here(visit: Visit) -> int:
    return visit.site.municipality_id


def _who(visit: Visit) -> int:
    return visit.who.account_id


ROUTES = (
    Route("GET", "/retention", overview, KNOW, TITLE, menu=True, aside=True),
    Route("POST", "/retention/requests", ask, STAFF, TITLE),
    Route("POST", "/retention/requests/{id}", decide, STAFF, TITLE),
    Route("POST", "/retention/holds", hold, STAFF, TITLE),
    Route("POST", "/retention/holds/{id}", release, STAFF, TITLE),
    Route("GET", "/retention/certificates/{id}", certificate, KNOW, said("消去証明書")),
    Route("GET", "/retention/certificates/{id}/pdf", certificate_on_paper, KNOW, said("消去証明書")),
)
