"""生活状況報告書 to be posted: for each household a letter for a window envelope, and the form, as one PDF.

Four pages a household, so that two-sided printing never puts one household's letter on another's form: the letter, how
to fill in, and two pages of form. What shows in the window, and the whole of the panel that is folded outward, names
no debt. Printing is not posting: 送付済 is marked afterwards (`callflow.followup.reports.send`), and the day that the
letter names is the day that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from callflow.access.views import CaseView, Viewer, see_cases
from callflow.config import Config
from callflow.errors import InputError, NotFoundError, RefusedError, TryLaterError, Where
from callflow.followup import history, reports
from callflow.followup.acts import REPORT_STATES
from callflow.followup.deadlines import return_by
from callflow.followup.history import Who
from callflow.followup.reference import reference
from callflow.followup.statement import SECTIONS
from callflow.followup.terms import rules_of
from callflow.papers import press
from callflow.papers.giving import Paper, hand_over, may_print
from models.database import Database
from models.tables import households, living_reports
from scheduler.calendar import tokyo_date

PRINTED: Final = "report:print"
MOST: Final = 100
"""Letters in one PDF."""

SOONEST, LATEST = timedelta(days=0), timedelta(days=14)
OUT: Final = ("requested", "sent", "re_requested", "escalated")
"""A letter may be printed again while the form is out: the first one was spoilt, or the household has lost it."""

_r = living_reports.c


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter says besides its addressee. `again`: the second one, which names the day that has passed."""

    report_id: int
    case_id: int
    state: str
    due_on: date
    again: bool
    first_sent_on: date | None

    @property
    def reference(self) -> str:
        return reference(self.report_id)


@dataclass(frozen=True, slots=True)
class Printed:
    """The PDF, what is in it, and the reports whose case has no address to post to."""

    paper: Paper
    letters: Sequence[Letter]
    without_address: Sequence[int]


def printed(
    database: Database,
    config: Config,
    who: Who,
    viewer: Viewer,
    report_ids: Sequence[int],
    purpose: str,
    posted_on: date | None = None,
) -> Printed:
    """The letters of these reports, or without any of all that wait for one, dated `posted_on` (usually today).

    Raises RefusedError, NotFoundError, InputError for what cannot be printed; as `press.pdf`; TryLaterError where
    somebody moved a report meanwhile. Either all are printed and on record, or nothing is.
    """
    day = posted_on or tokyo_date(who.now)
    if not SOONEST <= day - tokyo_date(who.now) <= LATEST:
        raise InputError("投函する日は、今日から14日のうちです", where=Where(field="posted_on"))
    terms = rules_of(config).terms
    with database.read() as conn:
        words = may_print(conn, who, purpose)
        letters = [_letter(row, return_by(day, terms)) for row in _rows(conn, who, report_ids)]
    cases = see_cases(
        database,
        who.municipality_id,
        viewer,
        [each.case_id for each in letters],
        ("party", "identity"),
        who.now,
        purpose=words,
    )
    name = f"reports_{day:%Y%m%d}.pdf"
    content = press.document("letters.html", "生活状況報告書", _sheets(letters, cases, config, day))
    paper = hand_over(
        database,
        who,
        PRINTED,
        "reports",
        words,
        (name, "application/pdf", content, len(letters)),
        lambda conn: _keep(conn, who, letters),
    )
    return Printed(paper, letters, [each.report_id for each in letters if not cases[each.case_id].address])


def _rows(conn: Connection, who: Who, report_ids: Sequence[int]) -> list[Row[Any]]:
    """The reports to print, in the order of their ids as they will be put into envelopes."""
    wanted = sorted(set(report_ids)) or reports.waiting(conn, who.municipality_id)
    if not wanted:
        raise RefusedError("送付待ちの報告書がありません")
    if len(wanted) > MOST:
        raise InputError(
            f"一度に印刷できるのは {MOST} 件までです（いま {len(wanted)} 件）", mend="分けて印刷してください"
        )
    h = households.c
    query = (
        select(living_reports, h.protected)
        .join(households, (h.municipality_id == _r.municipality_id) & (h.id == _r.household_id))
        .where(_r.municipality_id == who.municipality_id, _r.id.in_(wanted))
        .order_by(_r.id)
    )
    rows = conn.execute(query).all()
    if lost := set(wanted) - {row.id for row in rows}:
        raise NotFoundError(f"生活状況報告書 {min(lost)} はありません")
    for row in rows:
        if row.protected:
            raise RefusedError(f"報告書 {row.id} は支援措置の世帯です", mend="送付先を、個別に確かめてください")
        if row.state not in OUT:
            raise RefusedError(f"報告書 {row.id} は「{REPORT_STATES[row.state]}」なので、印刷しません")
    return list(rows)


def _letter(row: Row[Any], due_on: date) -> Letter:
    first = tokyo_date(row.sent_at) if row.sent_at else None
    due = due_on if row.state == "requested" else row.due_on
    return Letter(row.id, row.case_id, row.state, due, row.state in ("re_requested", "escalated"), first)


def _keep(conn: Connection, who: Who, letters: Sequence[Letter]) -> None:
    """What was printed stands with each report; a first letter's day is the one that will count."""
    for letter in letters:
        mine = (_r.municipality_id == who.municipality_id, _r.id == letter.report_id, _r.state == letter.state)
        due = {"due_on": letter.due_on} if letter.state == "requested" else {"state": letter.state}
        if conn.execute(update(living_reports).where(*mine).values(**due)).rowcount != 1:
            raise TryLaterError(
                f"報告書 {letter.report_id} は、いま別の人が変更しました", mend="もう一度印刷してください"
            )
        note = f"返送期限 {letter.due_on}"
        history.note_event(conn, who, "report", letter.report_id, "printed", letter.state, letter.state, note)


def _sheets(letters: Sequence[Letter], cases: Mapping[int, CaseView], config: Config, day: date) -> list[press.Sheet]:
    own = config.municipality
    return [
        press.Sheet(
            f"報告書 {letter.report_id}",
            press.rendered(
                "letter.html", letter=letter, case=cases[letter.case_id], desk=own, day=day, sections=SECTIONS
            ),
        )
        for letter in letters
    ]
