"""What every page of the inbox asks for: who looks, the ward's rules, and names only where they were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.responses import Response

from callflow.access.views import CaseView, Viewer, see_cases
from callflow.console.listing import Asked
from callflow.console.visit import Visit
from callflow.followup import signals, slip_lists
from callflow.followup.history import Who
from callflow.followup.terms import Rules, rules_of
from callflow.papers.giving import Paper


def viewer_of(visit: Visit) -> Viewer:
    return Viewer(visit.who.account_id, visit.who.roles, visit.who.kind)


def who_of(visit: Visit) -> Who:
    return Who(visit.site.municipality_id, visit.who.account_id, visit.now)


def rules_for(visit: Visit) -> Rules:
    return rules_of(visit.site.config)


def names_asked(wanted: Asked) -> bool:
    """Names are shown where somebody asks for them or looks for one: each is an access on record, so a list that
    renews itself shows none."""
    return bool(wanted.words) or wanted.filters.get("names") == "1"


def named(visit: Visit, wanted: Asked, case_ids: Iterable[int]) -> Mapping[int, CaseView]:
    """The residents of these cases, if names were asked for."""
    if not names_asked(wanted):
        return {}
    return see_cases(visit.site.database, visit.site.municipality_id, viewer_of(visit), case_ids, ("party",), visit.now)


def ids_of(visit: Visit, name: str) -> list[int]:
    """The numbers that were ticked."""
    return [int(str(each)) for each in visit.form.getlist(name) if str(each).isdecimal() and len(str(each)) < 15]


def file_of(paper: Paper) -> Response:
    """A document to be kept, whose record is committed. No browser stores it (`no-store`)."""
    headers = {"content-disposition": f'attachment; filename="{paper.name}"'}
    return Response(paper.content, media_type=paper.media_type, headers=headers)


def waiting(visit: Visit) -> dict[str, int]:
    """The figures above every page of the inbox."""
    site, viewer = visit.site, viewer_of(visit)
    with site.database.read() as conn:
        found = slip_lists.alarms(conn, site.municipality_id, viewer, rules_for(visit), visit.now)
        found["signals"] = signals.count(conn, site.municipality_id, viewer, unread=True)
    return found
