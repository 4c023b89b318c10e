"""Calls whose truth nobody knows: the list of those that a person may settle, and the form that settles one."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from callflow.console.listing import Listing, asked
from callflow.console.pages.calls.lists import viewer_of
from callflow.console.visit import Visit
from callflow.errors import InputError, NotFoundError
from callflow.reviews import FINDINGS, Waiting, waiting


def review_page(visit: Visit) -> Response:
    """The oldest first, each with its age and why it waits."""
    wanted = asked(visit.query, sorts=("opened",))
    found = _waiting(visit)
    shown = found[wanted.offset : wanted.offset + wanted.size]
    return visit.page(
        "calls/review.html", live=True, listing=Listing(wanted, shown, len(found)), ages=_ages(visit, shown)
    )


def settle_page(visit: Visit) -> Response:
    return _form(visit)


def settle(visit: Visit) -> Response:
    """Ends the call by what was found out, as `callflow correct resolve` does."""
    site, outcome, reason = visit.site, visit.typed("outcome"), visit.typed("reason")
    if outcome not in FINDINGS:
        return _form(visit, wrong=visit.say("何が分かったかを選んでください。"))
    try:
        site.corrections.resolve(site.calls, _one(visit).call_id, visit.who.account_id, outcome, reason)
    except InputError as error:
        return _form(visit, wrong=f"{error.what} {error.mend}".strip())
    return visit.go("/review", said="settled")


def _form(visit: Visit, wrong: str = "") -> Response:
    call = _one(visit)
    findings = {name: words for name, words in FINDINGS.items() if name == "answered" or not call.has_talk}
    typed = {name: visit.typed(name) for name in ("outcome", "reason")}
    return visit.page(
        "calls/settle.html",
        status=422 if wrong else 200,
        call=call,
        age=_ages(visit, [call])[call.call_id],
        findings=findings,
        typed=typed,
        wrong=wrong,
    )


def _one(visit: Visit) -> Waiting:
    found = next((each for each in _waiting(visit) if each.call_id == visit.id()), None)
    if found is None:
        raise NotFoundError(visit.say("この番号の通話は、あなたの確認を待っていません"))
    return found


def _waiting(visit: Visit) -> list[Waiting]:
    with visit.site.database.read() as conn:
        return waiting(conn, visit.site.municipality_id, viewer_of(visit))


def _ages(visit: Visit, found: list[Waiting]) -> dict[int, tuple[int, int]]:
    """Hours and minutes since each was opened."""
    minutes = {each.call_id: (visit.now - each.opened_at) // timedelta(minutes=1) for each in found}
    return {call_id: divmod(total, 60) for call_id, total in minutes.items()}
