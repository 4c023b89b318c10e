"""折衝経過の証拠書 in the browser: a household's evidence as one PDF, for a purpose."""

from __future__ import annotations

from starlette.responses import Response

from callflow.console.pages.inbox.desk import file_of, viewer_of, waiting, who_of
from callflow.console.visit import Visit
from callflow.papers import evidence


def evidence_page(visit: Visit) -> Response:
    return visit.page("inbox/evidence.html", case=visit.query.get("case", "")[:32], counts=waiting(visit))


def give(visit: Visit) -> Response:
    """The document; its record is committed before a byte of it is sent."""
    site, who, viewer = visit.site, who_of(visit), viewer_of(visit)
    case, purpose = visit.typed("case"), visit.typed("purpose")
    return file_of(evidence.handed(site.database, site.config, site.shelf, who, viewer, case, purpose))
