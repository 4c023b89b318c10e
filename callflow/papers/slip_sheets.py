"""連絡票 on paper, for the ward's own desk: one or several as one PDF, each with all that it has.

The contractor has no way to it (R62). That residents were seen, and why, is on record as on screen; so is the PDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from callflow.access.views import Group, Viewer, see_cases
from callflow.config import Config
from callflow.errors import InputError
from callflow.followup import history, slip_lists, slips
from callflow.followup.acts import SLIP_STATES
from callflow.followup.history import Happened, Who
from callflow.followup.slip_lists import CONSULTATIONS, URGENCIES, Slip
from callflow.followup.terms import Rules, rules_of
from callflow.numbering import grouped
from callflow.papers import press
from callflow.papers.giving import Paper, hand_over, may_print, must_be_open, printer_of
from models.database import Database
from models.tables import calls, phone_numbers

PRINTED: Final = "slip:print"
MOST: Final = 100
"""Slips in one PDF."""

PERSON: Final[tuple[Group, ...]] = ("party", "identity", "debt", "follow_up")
CALL_STATES: Final = {"open": "予定", "reached": "話せた", "missed": "つながらない", "cancelled": "取りやめ"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A slip with its life. `dialled`: the number on which the resident spoke; empty where they called."""

    slip: Slip
    events: Sequence[Happened]
    staff_calls: Sequence[Row[Any]]
    dialled: str


def printed(
    database: Database, config: Config, who: Who, viewer: Viewer, slip_ids: Sequence[int], purpose: str
) -> Paper:
    """Raises NotFoundError, RefusedError, InputError; SealedError for a protected household that is not open; as
    `press.pdf`."""
    wanted = sorted(set(slip_ids))
    if not wanted:
        raise InputError("連絡票が選ばれていません", mend="印刷する連絡票を選んでください")
    if len(wanted) > MOST:
        raise InputError(
            f"一度に印刷できるのは {MOST} 枚までです（いま {len(wanted)} 枚）", mend="分けて印刷してください"
        )
    rules = rules_of(config)
    with database.read() as conn:
        words, by = may_print(conn, who, purpose), printer_of(conn, who)
        found = [_sheet(conn, who, viewer, one, rules) for one in wanted]
        case_ids = [each.slip.case_id for each in found]
        must_be_open(conn, who, case_ids)
    people = see_cases(database, who.municipality_id, viewer, case_ids, PERSON, who.now, purpose=words)
    sheets = [
        press.Sheet(
            f"連絡票 {each.slip.id}",
            press.rendered(
                "slip.html",
                sheet=each,
                slip=each.slip,
                case=people[each.slip.case_id],
                claim=config.claim(people[each.slip.case_id].claim_type).name,
                lines=lines_of(each.slip),
                states=SLIP_STATES,
                urgencies=URGENCIES,
                consultations=CONSULTATIONS,
                call_states=CALL_STATES,
                url=f"{config.console.public_url}/calls/{each.slip.call_id}",
                by=by,
                now=who.now,
            ),
        )
        for each in found
    ]
    name = f"slips_{'_'.join(map(str, wanted[:3]))}{'_etc' if len(wanted) > 3 else ''}.pdf"
    content = press.document("slips.html", "連絡票", sheets)
    return hand_over(database, who, PRINTED, "slips", words, (name, "application/pdf", content, len(sheets)))


def lines_of(slip: Slip) -> list[tuple[str, str]]:
    """The slip's text as labels and values, as the call wrote it; a line without a label stands alone."""
    parted = (line.partition(": ") for line in slip.text.splitlines())
    return [(label, value) if colon else ("", label) for label, colon, value in parted]


def _sheet(conn: Connection, who: Who, viewer: Viewer, one: int, rules: Rules) -> Sheet:
    row, m = slips.find(conn, who, viewer, one), who.municipality_id
    return Sheet(
        slip=slip_lists.one(conn, m, one, rules, who.now),
        events=history.told(conn, m, "slip", one),
        staff_calls=slips.calls_of(conn, m, one),
        dialled=_dialled(conn, m, row.call_id),
    )


def _dialled(conn: Connection, m: int, call_id: int) -> str:
    k, n = calls.c, phone_numbers.c
    query = (
        select(n.e164)
        .join(calls, (k.municipality_id == n.municipality_id) & (k.number_id == n.id))
        .where(n.municipality_id == m, k.id == call_id)
    )
    found = conn.execute(query).scalar()
    return grouped(found) if found else ""
