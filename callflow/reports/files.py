"""Reports as files: JSON, CSV (UTF-8 and cp932) and XLSX, all safe against spreadsheets that run what they read.

A text that a spreadsheet could take for a formula (= + - @, a tab or a line break first) gets an apostrophe before it;
numbers stay numbers. Every rate is three columns: the share, its numerator and its denominator.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from callflow.clock import TOKYO
from callflow.reports.figures import Cell, Column, Difference, Mean, Phrase, Rate, Report, Section, Table, said

DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
Plain = int | float | str | None


def as_data(report: Report) -> dict[str, Any]:
    """The whole report for programs; a suppressed rate has its counts and no value."""
    return {
        "report": report.name,
        "title": report.title,
        "question": report.question or None,
        "from": report.period.first.isoformat(),
        "to": report.period.last.isoformat(),
        "campaign": report.campaign or None,
        "made_at": report.made_at.isoformat(),
        "sections": [
            {
                "title": section.title,
                "definition": section.definition,
                "notes": [str(note) for note in section.notes],
                "columns": [column.label for column in section.table.columns],
                "rows": [[_data(cell) for cell in row] for row in section.table.rows],
            }
            for section in report.sections
        ],
    }


def _data(cell: Cell) -> Any:
    match cell:
        case Rate():
            found: dict[str, Any] = {"value": cell.share, "numerator": cell.numerator, "denominator": cell.denominator}
            return found | ({"interval_95": list(cell.bounds)} if cell.bounds else {})
        case Mean():
            return {"value": cell.value, "count": cell.count}
        case Difference():
            return {"value": cell.value, "interval_95": list(cell.bounds) if cell.bounds else None}
        case Phrase():
            return str(cell)
        case date():
            return cell.isoformat()
    return cell


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def flat(table: Table) -> tuple[list[str], list[list[Plain]]]:
    """Headings and rows of plain values: what stands in several parts gets a column for each."""
    columns = list(_widened(table))
    headings = [heading for column in columns for heading in column[1]]
    rows = [
        [value for (place, names), cell in zip(columns, row, strict=True) for value in _parts(cell, len(names))]
        for row in table.rows
    ]
    return headings, rows


def _widened(table: Table) -> Iterator[tuple[int, list[str]]]:
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        yield place, _headings(column, cells)


def _headings(column: Column, cells: list[Cell]) -> list[str]:
    label = column.label
    if column.kind in ("rate", "figure"):
        bounds = any(isinstance(cell, Rate) and cell.interval for cell in cells)
        named = [label, f"{label}（分子）", f"{label}（分母）"]
        return [*named, *([f"{label}（95%下限）", f"{label}（95%上限）"] if bounds else [])]
    if column.kind == "mean":
        return [label, f"{label}（n）"]
    if column.kind == "difference":
        return [label, f"{label}（95%下限）", f"{label}（95%上限）"]
    return [label]


def _parts(cell: Cell, width: int) -> list[Plain]:
    match cell:
        case Rate():
            bounds = cell.bounds or (None, None)
            found: list[Plain] = [cell.share, cell.numerator, cell.denominator, *bounds]
        case Mean():
            found = [cell.value, None, cell.count] if width > 2 else [cell.value, cell.count]
        case Difference():
            found = [cell.value, *(cell.bounds or (None, None))]
        case date():
            found = [cell.isoformat()]
        case Phrase():
            found = [harmless(str(cell))]
        case str():
            found = [harmless(cell)]
        case _:
            found = [cell]
    return [*found, *[None] * width][:width]


def _head(report: Report) -> Iterator[list[Plain]]:
    yield [report.title, report.question]
    yield [said("期間"), str(report.period)]
    if report.campaign:
        yield [said("キャンペーン"), harmless(report.campaign)]
    yield [said("作成"), f"{report.made_at.astimezone(TOKYO):%Y-%m-%d %H:%M}"]


def _text_rows(report: Report) -> Iterator[list[Plain]]:
    yield from _head(report)
    for section in report.sections:
        headings, rows = flat(section.table)
        yield []
        yield [section.title]
        yield [section.definition]
        for note in section.notes:
            yield [harmless(str(note))]
        yield [*map(harmless, headings)]
        yield from rows


def as_csv(report: Report) -> str:
    """Every section below the other, with CRLF."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(_text_rows(report))
    return stream.getvalue()


def csv_utf8(report: Report) -> bytes:
    """With the mark by which spreadsheets know the encoding."""
    return as_csv(report).encode("utf-8-sig")


_SAME_IN_CP932: Final = str.maketrans("\u301c\u2212\u2016\u2014\u2013", "\uff5e\uff0d\u2225\u2015\uff0d")
"""Wave dash, minus, double bar and dashes: cp932 has each of them under another code point."""


def csv_cp932(report: Report) -> tuple[bytes, dict[str, int]]:
    """For old programs; what cp932 has no place for becomes 〓, and is counted."""
    text, missing = as_csv(report).translate(_SAME_IN_CP932), dict[str, int]()
    for letter in set(text):
        try:
            letter.encode("cp932")
        except UnicodeEncodeError:
            missing[letter] = text.count(letter)
    for letter in missing:
        text = text.replace(letter, "〓")
    return text.encode("cp932"), dict(sorted(missing.items()))


_SHAPES: Final[Mapping[str, str]] = {"percent": "0.0%", "yen": "#,##0", "number": "#,##0.0", "figure": "#,##0.0"}


def _shape(cell: Cell, kind: str, part: int) -> str:
    """The number format of one part of a cell."""
    match cell:
        case Rate():
            return "#,##0" if part in (1, 2) else "0.0%"
        case Difference():
            return "0.0%"
        case Mean():
            return "#,##0.0" if part == 0 else "#,##0"
        case int():
            return "#,##0"
    return _SHAPES.get(kind, "#,##0")


def xlsx(report: Report) -> bytes:
    """One sheet a section, with its definition above the table; texts are written as texts, never as formulas."""
    import xlsxwriter  # noqa: PLC0415  a fifth of a second that only this file needs

    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(stream, options)
    book.set_properties({"title": report.title, "created": report.made_at.replace(tzinfo=None)})
    top = {"text_wrap": True, "valign": "top"}
    formats = {shape: book.add_format({"num_format": shape}) for shape in ("0.0%", "#,##0", "#,##0.0")}
    formats |= {
        "heading": book.add_format({"bold": True, "bg_color": "#E8F1FE", "bottom": 1, **top}),
        "title": book.add_format({"bold": True, "font_size": 14}),
        "text": book.add_format(top),
    }
    for number, section in enumerate(report.sections, 1):
        _sheet(book.add_worksheet(_sheet_name(number, section)), report, section, formats)
    book.close()
    return stream.getvalue()


def _sheet_name(number: int, section: Section) -> str:
    """At most 31 letters, none of those that Excel forbids."""
    plain = "".join(letter for letter in section.title if letter not in "[]:*?/\\'")
    return f"{number} {plain}"[:31]


def _sheet(sheet: Any, report: Report, section: Section, formats: Mapping[str, Any]) -> None:
    table, widths = section.table, [len(names) for _, names in _widened(section.table)]
    headings, last = flat(table)[0], max(5, sum(widths) - 1)
    sheet.write_string(0, 0, f"{report.title}: {section.title}", formats["title"])
    lines = [f"{report.period} {report.campaign}".strip(), section.definition, *map(str, section.notes)]
    for place, line in enumerate(lines, 1):
        sheet.merge_range(place, 0, place, last, "", formats["text"])
        sheet.write_string(place, 0, line, formats["text"])
        sheet.set_row(place, 15 * (1 + len(line) // 60))
    top = len(lines) + 2
    for place, name in enumerate(headings):
        sheet.write_string(top, place, name, formats["heading"])
    for number, row in enumerate(table.rows, top + 1):
        at = 0
        for cell, column, width in zip(row, table.columns, widths, strict=True):
            for part, value in enumerate(_parts(cell, width)):
                _write(sheet, number, at + part, value, formats[_shape(cell, column.kind, part)], formats["text"])
            at += width
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, last, 13)
    sheet.freeze_panes(top + 1, 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _write(sheet: Any, row: int, column: int, value: Plain, shape: Any, text: Any) -> None:
    if isinstance(value, str):
        sheet.write_string(row, column, value, text)
    elif value is not None:
        sheet.write_number(row, column, value, shape)


def as_json(report: Report) -> bytes:
    return (json.dumps(as_data(report), ensure_ascii=False, indent=2) + "\n").encode()
