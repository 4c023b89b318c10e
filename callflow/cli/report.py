"""`callflow report`: figures over the calls and what came of them, for the ward, the supervisor and the council."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from unicodedata import east_asian_width

import typer
from typer.core import TyperGroup

from callflow.cli import living_report
from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.errors import InputError, UsageError, Where
from callflow.reports import catalogue
from callflow.reports.asking import Ask
from callflow.reports.export import FORMATS, export
from callflow.reports.figures import Period, Report, Section, period_of
from callflow.reports.paper import NUMBERS, cell_words
from scheduler.calendar import tokyo_date


class _Names(TyperGroup):
    """`callflow report daily` is `callflow report show daily`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = args and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if known else ["show", *args])


app = typer.Typer(
    cls=_Names,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="報告: 日報・月報・審議会の問いへの答え（reports and the council's questions）",
    epilog="例: callflow --as ward01 report daily / callflow --as ward01 report c16 --from 2026-11",
)
app.add_typer(living_report.app, name="form")
app.command("balance")(living_report.balance_)


@app.command("list", epilog="例: callflow --as ward01 report list")
def list_(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False
) -> None:
    """見られる報告の一覧。"""
    here: Context = ctx.obj
    kinds = [kind for kind in catalogue.KINDS if kind.roles & here.actor.roles]
    lines = [
        f"{kind.name:<12} {kind.title}{f'  （{kind.number} {kind.question}）' if kind.number else ''}" for kind in kinds
    ]
    data = [
        {"name": kind.name, "title": kind.title, "number": kind.number, "question": kind.question} for kind in kinds
    ]
    say(lines or ["この利用者が見られる報告はありません"], data, as_json=as_json)


@app.command(
    epilog="例: callflow --as ward01 report show monthly --from 2026-11 --format pdf --reason 定例 --output 月報.pdf"
)
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="報告の名前（callflow report list）", metavar="NAME")],
    begins: Annotated[str, typer.Option("--from", help="始まりの日。月（2026-11）だけでもよい")] = "",
    ends: Annotated[str, typer.Option("--to", help="終わりの日（その日を含む）")] = "",
    campaign: Annotated[int | None, typer.Option("--campaign", help="キャンペーンの番号")] = None,
    cut: Annotated[str, typer.Option("--cut", help="c9: 前後を分ける日")] = "",
    fmt: Annotated[str, typer.Option("--format", help=f"table・{'・'.join(FORMATS)}")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="書き出すファイル。なければ標準出力")] = None,
    reason: Annotated[str, typer.Option("--reason", help="ファイルにする理由（記録に残る）")] = "",
) -> None:
    """一つの報告。表のほかの形式は、区の職員だけが理由を付けて作る。行数とハッシュが記録に残る。"""
    here: Context = ctx.obj
    kind = catalogue.named(name, here.actor.roles)
    if fmt != "table" and fmt not in FORMATS:
        raise UsageError(f"--format {fmt} はありません", mend=f"使えるもの: table、{'、'.join(FORMATS)}")
    if output is not None:
        free(output)
    report = _made(here, kind, _period(kind, begins, ends, here), campaign, _cut(cut))
    if fmt == "table":
        say(_lines(report), None, as_json=False)
        return
    file = export(
        here.database, here.municipality_id, here.actor_id, here.actor.roles, report, fmt, reason, here.clock.now()
    )
    if output is None:
        sys.stdout.buffer.write(file.content)
    else:
        output.write_bytes(file.content)
        print(f"{output}: {report.row_count:,} 行、{len(file.content):,} バイト", file=sys.stderr)
    for letter, count in file.missing.items():
        print(f"注意: cp932 にない文字 {letter}（U+{ord(letter):04X}）を {count} か所で 〓 にしました", file=sys.stderr)


def _period(kind: catalogue.Kind, begins: str, ends: str, here: Context) -> Period:
    now = here.clock.now()
    if kind.usual == "day" and not begins and not ends:
        return Period(tokyo_date(now), tokyo_date(now))
    return period_of(begins, ends, now)


def _cut(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        raise InputError(f"{typed} は日付ではありません", where=Where(field="--cut"), mend="例: 2026-11-24") from None


def _made(here: Context, kind: catalogue.Kind, period: Period, campaign: int | None, cut: date | None) -> Report:
    side = "ward" if here.actor.organisation_kind == "ward" else "contractor"
    with here.database.read() as conn:
        ask = Ask(
            conn=conn,
            municipality_id=here.municipality_id,
            period=period,
            now=here.clock.now(),
            config=here.config,
            kind=side,  # type: ignore[arg-type]
            account_id=here.actor_id,
            shelf=here.shelf,
            campaign_id=campaign,
            cut=cut,
        )
        return catalogue.made(kind, ask)


def _lines(report: Report) -> list[str]:
    head = [f"{report.title}  {report.period}  {report.campaign}".rstrip()]
    head += [f"問い: {report.question}"] if report.question else []
    return [*head, *(line for section in report.sections for line in _section(section))]


def _section(section: Section) -> list[str]:
    columns, rows = section.table.columns, section.table.rows
    cells = [[cell_words(cell, column.kind) for cell, column in zip(row, columns, strict=True)] for row in rows]
    headings = [column.label for column in columns]
    widths = [max(_width(row[place]) for row in [headings, *cells]) for place in range(len(columns))]
    right = [column.kind in NUMBERS for column in columns]

    def line(row: list[str]) -> str:
        return "  ".join(_pad(*each) for each in zip(row, widths, right, strict=True)).rstrip()

    body = [line(headings), *map(line, cells)] if rows else ["この期間には該当するものがありません。"]
    return ["", f"■ {section.title}", *body, f"  {section.definition}", *(f"  ※ {note}" for note in section.notes)]


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
