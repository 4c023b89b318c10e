"""Protected households are opened here for a quarter of an hour; another member of staff reviews each opening."""

from __future__ import annotations

from starlette.responses import Response

from callflow.access import glass
from callflow.access.views import Viewer
from callflow.console.i18n import said
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit
from callflow.errors import InputError

STAFF, KNOW = allow("staff"), allow("staff", "auditor")
SAID = {
    "opened": said("理由を記録し、15分だけ開けました。見たかったページをもう一度開いてください。"),
    "reviewed": said("確かめた結果を記録しました。"),
}


def openings(visit: Visit, wrong: str = "") -> Response:
    """The openings, those that wait for their review first; with a case, the form that opens its household."""
    site = visit.site
    with site.database.read() as conn:
        found = glass.openings(conn, site.municipality_id)
    return visit.page(
        "glass.html",
        status=422 if wrong else 200,
        found=found,
        case=_case(visit),
        wrong=wrong,
        reason=visit.typed("reason"),
        verdicts=glass.VERDICTS,
        minutes=int(glass.OPEN_FOR.total_seconds() // 60),
    )


def open_(visit: Visit) -> Response:
    site = visit.site
    try:
        glass.break_glass(
            site.database, site.municipality_id, _viewer(visit), _case(visit), visit.typed("reason"), visit.now
        )
    except InputError as error:
        return openings(visit, " ".join(visit.say(words) for words in (error.what, error.mend) if words))
    return visit.go("/glass", said="opened")


def review(visit: Visit) -> Response:
    site = visit.site
    words = (visit.typed("verdict"), visit.typed("note"))
    glass.review(site.database, site.municipality_id, _viewer(visit), visit.id(), *words, visit.now)
    return visit.go("/glass", said="reviewed")


def _case(visit: Visit) -> int:
    given = visit.typed("case") or visit.query.get("case", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else 0


def _viewer(visit: Visit) -> Viewer:
    return Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)


ROUTES = (
    Route("GET", "/glass", openings, KNOW, said("支援措置の世帯"), menu=True, aside=True),
    Route("POST", "/glass", open_, STAFF, said("支援措置の世帯")),
    Route("POST", "/glass/{id}", review, STAFF, said("支援措置の世帯")),
)
