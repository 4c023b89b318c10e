"""A resident calls back, at the desk: search, the one who was found, the talk; else the ward calls back."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from callflow import strangers
from callflow.console.pages.desk.place import Dialling, Preview, Talking, place_of
from callflow.console.pages.desk.screens import case_for, common_parts
from callflow.console.readings import name_pieces
from callflow.console.visit import Visit
from callflow.errors import InputError, RefusedError
from callflow.inbound import Asked, Found


def search_page(visit: Visit) -> Response:
    if _is_busy(visit):
        return visit.go("/desk")
    return _page(visit)


def search(visit: Visit) -> Response:
    """One answer or none. The case on the screen, if any, goes back to the queue: this caller comes first."""
    if _is_busy(visit):
        return visit.go("/desk")
    typed = {name: visit.typed(name) for name in ("phone", "kana", "born")}
    try:
        found = visit.site.inbound.find(visit.who.account_id, Asked(**typed))
    except InputError as error:
        return _page(visit, status=422, typed=typed, wrong={error.where.field: f"{error.what} {error.mend}".strip()})
    except RefusedError as error:
        return _page(visit, status=409, refused=f"{error.what} {error.mend}".strip(), missing=True)
    if not isinstance(found, Found):
        return _page(
            visit, typed={**typed, "ward_phone": typed["phone"]}, shared=found.shared, missing=not found.shared
        )
    seen = case_for(visit, found.case_id, f"inbound:{visit.now.isoformat()}", ("party",))
    return _page(visit, found=found, name=name_pieces(seen.name or "", seen.kana or ""))


def open_call(visit: Visit) -> Response:
    """The talk, from the script's `inbound` state."""
    place = place_of(visit.site, visit.who.account_id, visit.now)
    case = visit.typed("case")
    if isinstance(place, Dialling | Talking) or not case.isdecimal():
        return visit.go("/desk")
    if isinstance(place, Preview):
        visit.site.switchboard.give_back(place.deal)
    try:
        visit.site.inbound.open(visit.who.account_id, int(case))
    except RefusedError as error:
        return _page(visit, status=409, refused=f"{error.what}。{error.mend}")
    return visit.go("/desk")


def ask_ward(visit: Visit) -> Response:
    """A slip to the ward with only what was typed."""
    typed = {name: visit.typed(name) for name in ("name", "phone", "note")}
    try:
        strangers.ask(visit.site.database, visit.site.municipality_id, visit.who.account_id, visit.now, **typed)
    except InputError as error:
        wrong = {f"ward_{error.where.field}": f"{error.what} {error.mend}".strip()}
        again = {f"ward_{name}": value for name, value in typed.items()}
        return _page(visit, status=422, typed=again, wrong=wrong, missing=True)
    return visit.go("/desk", said="ward-asked")


def _page(visit: Visit, *, status: int = 200, refused: str = "", **names: Any) -> Response:
    shown = {"typed": {}, "wrong": {}, "found": None, "shared": False, "missing": False, "name": ()} | names
    line = visit.site.inbound.line_for_strangers() if shown["missing"] else ""
    with visit.site.database.read() as conn:
        common = common_parts(conn, visit, refused)
    return visit.page("desk/inbound.html", status=status, **common, **shown, line=line)


def _is_busy(visit: Visit) -> bool:
    return isinstance(place_of(visit.site, visit.who.account_id, visit.now), Dialling | Talking)
