"""Reports on the screen: the list, one report with its period, and the file that staff may take with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select
from starlette.responses import Response

from callflow.console.i18n import Say, said
from callflow.console.routes import Route, allow
from callflow.console.visit import Visit
from callflow.errors import InputError, Where
from callflow.reports import catalogue
from callflow.reports.asking import Ask
from callflow.reports.charts import shown, svg
from callflow.reports.export import export
from callflow.reports.figures import Cell, Column, Period, Phrase, Rate, Section, month_of, period_of
from callflow.reports.paper import NUMBERS, cell_words
from models.tables import campaigns
from scheduler.calendar import tokyo_date

READ = allow("supervisor", "staff", "auditor")
WORDS: Final = {
    "pdf": said("PDF（印刷用）"),
    "xlsx": said("Excel（XLSX）"),
    "csv": said("CSV（UTF-8）"),
    "csv-cp932": said("CSV（Shift_JIS 系、cp932）"),
    "json": said("JSON（プログラム用）"),
}
"""The formats as the form names them, in its order."""


@dataclass(frozen=True, slots=True)
class ShownCell:
    """`detail`: the counts behind a rate, beside it in small letters."""

    words: str
    detail: str
    number: bool


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section in the visitor's language. `chart`: markup of our own; empty where there is nothing to draw."""

    title: str
    definition: str
    notes: Sequence[str]
    headings: Sequence[ShownCell]
    rows: Sequence[Sequence[ShownCell]]
    chart: str


def list_page(visit: Visit) -> Response:
    """The day's and the month's report first, then the others, then the council's questions."""
    mine = [kind for kind in catalogue.KINDS if kind.roles & visit.who.roles]
    last_month = month_of(tokyo_date(visit.now).replace(day=1) - timedelta(days=1))
    return visit.page(
        "reports/list.html",
        plain=[kind for kind in mine if not kind.number],
        asked=[kind for kind in mine if kind.number],
        last_month=f"{last_month.first:%Y-%m}",
    )


def report_page(visit: Visit) -> Response:
    kind = catalogue.named(visit.request.path_params["name"], visit.who.roles)
    asked = _Asked(visit, kind, visit.query)
    with visit.site.database.read() as conn:
        report = catalogue.made(kind, asked.ask(conn))
        choices = _campaigns(visit, conn)
    today = tokyo_date(visit.now)
    return visit.page(
        "reports/show.html",
        title=visit.say(kind.title),
        kind=kind,
        report=report,
        sections=[_section(section, visit.say) for section in report.sections],
        asked=asked,
        campaigns=choices,
        formats=WORDS if "staff" in visit.who.roles else {},
        periods=_usual_periods(today),
        body_class="" if "staff" in visit.who.roles else "screen-only",
    )


def take_file(visit: Visit) -> Response:
    """A file for staff; its record is committed before a byte of it is sent."""
    kind = catalogue.named(visit.request.path_params["name"], visit.who.roles)
    asked = _Asked(visit, kind, {name: visit.typed(name) for name in ("from", "to", "campaign", "cut")})
    with visit.site.database.read() as conn:
        report = catalogue.made(kind, asked.ask(conn))
    file = export(
        visit.site.database,
        visit.site.municipality_id,
        visit.who.account_id,
        visit.who.roles,
        report,
        visit.typed("format"),
        visit.typed("reason"),
        visit.now,
    )
    named = {"content-disposition": f'attachment; filename="{file.name}"'}
    if file.missing:
        named["x-missing-letters"] = ",".join(f"U+{ord(letter):04X}" for letter in file.missing)
    return Response(file.content, media_type=file.media_type, headers=named)


class _Asked:
    """What somebody asks a report for, by the URL or the form."""

    def __init__(self, visit: Visit, kind: catalogue.Kind, typed: Any) -> None:
        self._visit = visit
        first, last = typed.get("from", ""), typed.get("to", "")
        today = tokyo_date(visit.now)
        usual = kind.usual == "day" and not first and not last
        self.period = Period(today, today) if usual else period_of(first, last, visit.now)
        self.campaign_id = _number(typed.get("campaign", ""))
        self.cut = _day(typed.get("cut", ""))

    def ask(self, conn: Connection) -> Ask:
        visit, site = self._visit, self._visit.site
        return Ask(
            conn=conn,
            municipality_id=site.municipality_id,
            period=self.period,
            now=visit.now,
            config=site.config,
            kind=visit.who.kind,
            account_id=visit.who.account_id,
            shelf=site.shelf,
            campaign_id=self.campaign_id,
            cut=self.cut,
        )


def _number(typed: str) -> int | None:
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) < 15):
        raise InputError(f"{typed[:20]} はキャンペーンの番号ではありません", where=Where(field="campaign"))
    return int(typed)


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        raise InputError(
            f"{typed[:20]} は日付ではありません", where=Where(field="cut"), mend="例: 2026-11-24"
        ) from None


def _usual_periods(today: date) -> list[tuple[str, Period]]:
    """What is asked for most, one press away."""
    yesterday, this = today - timedelta(days=1), month_of(today)
    last = month_of(this.first - timedelta(days=1))
    fiscal = date(today.year if today.month >= 4 else today.year - 1, 4, 1)
    return [
        (said("今日"), Period(today, today)),
        (said("昨日"), Period(yesterday, yesterday)),
        (said("今月"), Period(this.first, today)),
        (said("先月"), last),
        (said("今年度"), Period(fiscal, today)),
    ]


def _campaigns(visit: Visit, conn: Connection) -> list[tuple[int, str]]:
    c = campaigns.c
    own = [c.municipality_id == visit.site.municipality_id]
    if visit.who.kind != "ward":
        own.append((c.supervisor_id == visit.who.account_id) | (c.created_by == visit.who.account_id))
    rows = conn.execute(select(c.id, c.name).where(*own).order_by(c.id.desc()).limit(200))
    return [(row.id, row.name) for row in rows]


def _section(section: Section, say: Say) -> ShownSection:
    columns = section.table.columns
    return ShownSection(
        title=say(section.title),
        definition=say(section.definition),
        notes=[_words(note, say) for note in section.notes],
        headings=[ShownCell(say(column.label), "", column.kind in NUMBERS) for column in columns],
        rows=[_row(row, columns, say) for row in section.table.rows],
        chart=svg(section.chart, say) if section.chart else "",
    )


def _row(row: Iterable[Cell], columns: Iterable[Column], say: Say) -> list[ShownCell]:
    return [_cell(cell, column, say) for cell, column in zip(row, columns, strict=True)]


def _cell(cell: Cell, column: Column, say: Say) -> ShownCell:
    number = column.kind in NUMBERS
    if isinstance(cell, Rate):
        within = f"{shown(cell.bounds[0], '%')}–{shown(cell.bounds[1], '%')} " if cell.bounds else ""
        return ShownCell(shown(cell.share, "%"), f"{within}{cell.numerator:,}/{cell.denominator:,}", number)
    if isinstance(cell, Phrase) or (isinstance(cell, str) and column.kind != "code"):
        return ShownCell(_words(cell, say), "", number)
    return ShownCell(cell_words(cell, column.kind), "", number)


def _words(text: str | Phrase, say: Say) -> str:
    return text.in_words(say) if isinstance(text, Phrase) else say(text)


ROUTES = (
    Route("GET", "/reports", list_page, READ, said("報告"), menu=True),
    Route("GET", "/reports/{name}", report_page, READ, said("報告")),
    Route("POST", "/reports/{name}/file", take_file, allow("staff"), said("報告のファイル")),
)
