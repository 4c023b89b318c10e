"""連絡票 in the browser: the list, one slip with its acts, and the sheets that staff print."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from starlette.responses import Response

from callflow.access.views import see_case
from callflow.clock import TOKYO
from callflow.console.i18n import said
from callflow.console.listing import SIZE, Listing, asked
from callflow.console.pages.inbox.desk import file_of, ids_of, named, names_asked, rules_for, viewer_of, waiting, who_of
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.followup import history, slip_lists, slips
from callflow.followup.acts import SLIP_STATES, possible
from callflow.followup.balance import GAPS, balance
from callflow.followup.slip_lists import CONSULTATIONS, REASONS, URGENCIES, Question
from callflow.papers import slip_sheets
from scheduler.calendar import tokyo_date

FILTERS: Final = ("state", "urgency", "reason", "alarm", "mine", "names")
ALARMS: Final = {"overdue": said("期限切れ"), "call_missed": said("約束の電話が未了")}
ALARM_WORDS: Final = {"soon": said("まもなく期限"), **ALARMS}
STATES: Final = {"open": said("終わっていないもの"), **SLIP_STATES}
WORDS: Final[dict[str, Any]] = {
    "urgencies": URGENCIES,
    "reason_words": REASONS,
    "state_words": SLIP_STATES,
    "alarm_words": ALARM_WORDS,
    "consultations": CONSULTATIONS,
}
PRINTING: Final = "連絡票の印刷"


def slips_page(visit: Visit) -> Response:
    """What waits, the most pressing first, below the balance; it renews itself while no name stands on it."""
    staff = "staff" in visit.who.roles
    usual = "open" if staff else "sent_back"
    wanted = asked(visit.query, sorts=("waiting",), filters=FILTERS)
    site, m, viewer, rules = visit.site, visit.site.municipality_id, viewer_of(visit), rules_for(visit)
    given = wanted.filters
    question = Question(
        state=_known(given.get("state", usual), STATES),
        urgency=_known(given.get("urgency", ""), URGENCIES),
        reason=given.get("reason", ""),
        alarm=_known(given.get("alarm", ""), ALARMS),
        handler_id=visit.who.account_id if given.get("mine") == "1" else None,
        words=wanted.words,
        by_name=staff,
    )
    with site.database.read() as conn:
        total = slip_lists.count(conn, m, viewer, question, rules, visit.now)
        rows = slip_lists.some(conn, m, viewer, question, rules, visit.now, limit=SIZE, offset=wanted.offset)
        sheet = balance(conn, m, visit.now, rules) if staff else None
    return visit.page(
        "inbox/slips.html",
        listing=Listing(wanted, rows, total),
        people=named(visit, wanted, [each.case_id for each in rows]),
        names=names_asked(wanted),
        balance=sheet,
        gap_words=GAPS,
        counts=waiting(visit),
        states=STATES,
        alarms=ALARMS,
        chosen_state=question.state,
        staff=staff,
        live=not names_asked(wanted),
        **WORDS,
    )


def slip_page(visit: Visit) -> Response:
    return visit.page("inbox/slip.html", **_slip(visit), tomorrow=tokyo_date(visit.now) + timedelta(days=1))


def print_sheets(visit: Visit) -> Response:
    """For the ward's own printer; the contractor has no way to it (R62)."""
    site, ticked = visit.site, ids_of(visit, "slip")
    paper = slip_sheets.printed(site.database, site.config, who_of(visit), viewer_of(visit), ticked, PRINTING)
    return file_of(paper)


def _slip(visit: Visit) -> dict[str, Any]:
    """One slip as this person may see it, with its access event committed."""
    site, m, viewer, who = visit.site, visit.site.municipality_id, viewer_of(visit), who_of(visit)
    with site.database.read() as conn:
        row = slips.find(conn, who, viewer, visit.id())
        found = slip_lists.one(conn, m, row.id, rules_for(visit), visit.now)
        events = history.told(conn, m, "slip", row.id)
        planned = slips.planned(conn, m, row.id)
    case = see_case(site.database, m, viewer, row.case_id, slip_sheets.PERSON, visit.now)
    return {
        "slip": found,
        "case": case,
        "claim": site.config.claim(case.claim_type).name,
        "lines": slip_sheets.lines_of(found),
        "events": events,
        "planned": planned,
        "acts": possible("slip", row.state, visit.who.roles),
        "staff": "staff" in visit.who.roles,
        **WORDS,
    }


def act(visit: Visit) -> Response:
    name, one = visit.typed("act"), visit.id()
    who, viewer, note = who_of(visit), viewer_of(visit), visit.typed("note")
    visit.site.database.transact(lambda conn: slips.act(conn, who, viewer, one, name, note))
    return visit.go(f"/inbox/slips/{one}", said=f"slip_{name}")


def receive(visit: Visit) -> Response:
    """受理 of all that were ticked: all of them or none."""
    who, viewer = who_of(visit), viewer_of(visit)
    ticked = ids_of(visit, "slip")
    if not ticked:
        raise InputError(said("連絡票が選ばれていません"), mend=said("受理する連絡票に印を付けてください"))

    def work(conn: Any) -> None:
        for one in ticked:
            slips.act(conn, who, viewer, one, "receive")

    visit.site.database.transact(work)
    return visit.go("/inbox", said="slip_receive")


def plan_call(visit: Visit) -> Response:
    one, who, viewer = visit.id(), who_of(visit), viewer_of(visit)
    begins = _moment(visit, "day", "from")
    ends = _moment(visit, "day", "until")
    visit.site.database.transact(lambda conn: slips.plan_call(conn, who, viewer, one, begins, ends))
    return visit.go(f"/inbox/slips/{one}", said="call_planned")


def close_call(visit: Visit) -> Response:
    one, who, viewer = visit.id(), who_of(visit), viewer_of(visit)
    outcome, note = visit.typed("outcome"), visit.typed("note")
    visit.site.database.transact(lambda conn: slips.close_call(conn, who, viewer, one, outcome, note))
    return visit.go(f"/inbox/slips/{one}", said="call_closed")


def _moment(visit: Visit, day: str, hour: str) -> datetime:
    try:
        found = datetime.combine(date.fromisoformat(visit.typed(day)), time.fromisoformat(visit.typed(hour)), TOKYO)
    except ValueError:
        raise InputError(
            said("日と時刻を読めません"), where=Where(field=hour), mend=said("例: 2026-11-26 10:00")
        ) from None
    return found


def _known(given: str, words: Any) -> str:
    return given if given in words else ""
