"""`callflow report form`: 生活状況報告書 after the call; `callflow report balance`: that none is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from sqlalchemy import Connection, select

from callflow.access.views import Viewer, see_case
from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.clock import TOKYO
from callflow.errors import InputError, UsageError, Where
from callflow.followup import history, reports, statement, visits
from callflow.followup.acts import DECISIONS, REPORT_STATES
from callflow.followup.balance import GAPS, Balance, balance
from callflow.followup.history import Who
from callflow.followup.reference import report_of
from callflow.followup.statement import FIELDS, Ratios
from callflow.followup.terms import rules_of
from callflow.papers import letters
from models.tables import living_reports
from scheduler.calendar import tokyo_midnight

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="生活状況報告書（living reports after the call）")
Number = Annotated[int, typer.Argument(help="報告書の番号か、用紙の整理番号", metavar="REPORT", parser=report_of)]
Note = Annotated[str, typer.Option("--note", help="内容か理由（記録に残る）")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
T = TypeVar("T")
EXIT_GAP: Final = 1  # something is missing (docs/operations.md)


def balance_(
    ctx: typer.Context,
    month: Annotated[str, typer.Option("--month", help="申出の月（2026-11）。なければ全部")] = "",
    as_json: AsJson = False,
) -> None:
    """申出 = 送付 + 送付待ち + 取消。両側から数え、合わなければ案件を示して終了コード 1。

    例: callflow --as ward01 report balance --month 2026-11 --json
    """
    here: Context = ctx.obj
    here.actor.must_be("staff", "supervisor", "auditor")
    since, until = _month(month)
    with here.database.read() as conn:
        found = balance(conn, here.municipality_id, here.clock.now(), rules_of(here.config), since=since, until=until)
    say(_lines(found), found.as_data(), as_json=as_json)
    if found.gap:
        raise typer.Exit(EXIT_GAP)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str, typer.Option("--state", help="、".join(REPORT_STATES))] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="何件まで")] = 50,
    as_json: AsJson = False,
) -> None:
    """報告書を番号の順に。名前は出さない。

    例: callflow --as ward01 report form list --state sent
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    if state and state not in REPORT_STATES:
        raise UsageError(f"--state {state} はありません", mend=f"使えるもの: {'、'.join(REPORT_STATES)}")
    r = living_reports.c
    query = select(r.id, r.case_id, r.state, r.requested_at, r.sent_at, r.due_on, r.re_sent_at, r.decision)
    query = query.where(r.municipality_id == here.municipality_id, *([r.state == state] if state else []))
    with here.database.read() as conn:
        rows = conn.execute(query.order_by(r.id).limit(count)).all()
    lines = [
        f"{row.id:>6}  案件 {row.case_id:<7} {REPORT_STATES[row.state]}  申出 {_day(row.requested_at)}"
        f"  送付 {_day(row.sent_at)}  期限 {row.due_on or '—'}  {DECISIONS.get(row.decision, '')}".rstrip()
        for row in rows
    ]
    say(lines or ["報告書はありません"], [_plain(row._mapping) for row in rows], as_json=as_json)


@app.command()
def send(
    ctx: typer.Context,
    report: Annotated[list[int] | None, typer.Argument(help="報告書の番号。なければ送付待ちのすべて")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="送付待ちを示すだけ")] = False,
    as_json: AsJson = False,
) -> None:
    """送付済みにする（一括）。初回と再依頼の両方。送った一覧を返す。

    例: callflow --as ward01 report form send --dry-run / callflow --as ward01 report form send 3 4
    """
    here: Context = ctx.obj
    rules = rules_of(here.config)
    if dry_run:
        here.actor.must_be("staff")
        with here.database.read() as conn:
            ids = reports.waiting(conn, here.municipality_id)
        say(
            [f"送付待ち {len(ids)}件: {'、'.join(map(str, ids))}" if ids else "送付待ちはありません"],
            ids,
            as_json=as_json,
        )
        return

    def work(conn: Connection, who: Who) -> list[reports.Posted]:
        return reports.send(conn, who, report or reports.waiting(conn, who.municipality_id), rules)

    posted = _do(here, work)
    lines = [
        f"{each.report_id:>6}  案件 {each.case_id}  {'再送付' if each.again else '送付'}  期限 {each.due_on}"
        for each in posted
    ]
    names = ("report_id", "case_id", "due_on", "again")
    say(lines, [{name: _text(getattr(each, name)) for name in names} for each in posted], as_json=as_json)


@app.command("print")
def print_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Option("--output", "-o", help="書き出す PDF")],
    purpose: Annotated[str, typer.Option("--purpose", help="何のために（記録に残る）")],
    report: Annotated[list[int] | None, typer.Argument(help="報告書の番号。なければ送付待ちのすべて")] = None,
    posted_on: Annotated[str, typer.Option("--posted-on", help="投函する日（2026-11-26）。なければ今日")] = "",
    as_json: AsJson = False,
) -> None:
    """窓あき封筒の手紙と用紙を印刷する。送付済みにはしない。目的・件数・ハッシュが記録に残る。

    例: callflow --as ward01 report form print -o 報告書.pdf --purpose 11月の送付
    """
    here: Context = ctx.obj
    who, viewer = _who(here), Viewer(here.actor_id, here.actor.roles, "ward")
    free(file)
    done = letters.printed(here.database, here.config, who, viewer, report or [], purpose, _day_typed(posted_on))
    file.write_bytes(done.paper.content)
    lines = [f"{file}: {done.paper.count}件、sha256 {done.paper.digest}"]
    lines += [f"  ⚠ 報告書 {one}: 住所がありません" for one in done.without_address]
    data = [
        {"report_id": each.report_id, "reference": each.reference, "due_on": f"{each.due_on}", "again": each.again}
        for each in done.letters
    ]
    told = {"file": str(file), "sha256": done.paper.digest, "letters": data, "no_address": [*done.without_address]}
    say(lines, told, as_json=as_json)


@app.command()
def returned(ctx: typer.Context, report: Number) -> None:
    """返送を記録する。

    例: callflow --as ward01 report form returned 3
    """
    _moved(ctx, report, lambda conn, who: reports.returned(conn, who, report))


@app.command(
    epilog="例: callflow --as ward01 report form enter 3 --field income.wages=120000 --field expenses.food=30000"
)
def enter(
    ctx: typer.Context,
    report: Number,
    field: Annotated[list[str] | None, typer.Option("--field", help="項目=値。何度でも")] = None,
    fields: Annotated[bool, typer.Option("--fields", help="項目の一覧を示すだけ")] = False,
) -> None:
    """返送された報告書の内容を入力する。合計と納付できる額、気になる点を示す。"""
    here: Context = ctx.obj
    if fields:
        say([f"{key:<26} {each.label}" for key, each in FIELDS.items()], None, as_json=False)
        return
    typed = dict(_pair(each) for each in field or [])
    content = _do(here, lambda conn, who: reports.enter(conn, who, report, typed))
    say(_reckoned(content, _ratios(here)), None, as_json=False)


@app.command()
def show(ctx: typer.Context, report: Number, as_json: AsJson = False) -> None:
    """一件の報告書: 日付、内容、計算、経過。見たことが記録に残る。

    例: callflow --as ward01 report form show 3 --json
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    who, viewer = _who(here), Viewer(here.actor_id, here.actor.roles, "ward")
    with here.database.read() as conn:
        row = history.row_of(conn, who, "report", report)
        events = history.told(conn, here.municipality_id, "report", report)
    see_case(here.database, here.municipality_id, viewer, row.case_id, ("report",), who.now)
    with here.database.read() as conn:
        content = reports.content_of(conn, here.municipality_id, report)
    words = [
        f"報告書 {report}  案件 {row.case_id}  {REPORT_STATES[row.state]}  {DECISIONS.get(row.decision, '')}".rstrip()
    ]
    words += [f"  {FIELDS[key].label}: {_amount(value)}" for key, value in content.items()]
    words += _reckoned(content, _ratios(here)) if content else []
    words += [f"  {_day(each.at)} {each.actor or 'システム'} {each.label} {each.note}".rstrip() for each in events]
    data = {**_plain(row._mapping), "content": content, "events": [each.label for each in events]}
    say(words, data, as_json=as_json)


@app.command()
def consulted(ctx: typer.Context, report: Number, note: Note = "") -> None:
    """納付相談を記録する。

    例: callflow --as ward01 report form consulted 3 --note '来庁し、収入を確認'
    """
    _moved(ctx, report, lambda conn, who: reports.consulted(conn, who, report, note))


@app.command()
def decide(
    ctx: typer.Context,
    report: Number,
    decision: Annotated[str, typer.Argument(help="、".join(DECISIONS))],
    note: Note = "",
) -> None:
    """決定を記録する。--note に理由を書く。

    例: callflow --as ward01 report form decide 3 unable --note '病気で収入がない'
    """
    _moved(ctx, report, lambda conn, who: reports.settle(conn, who, report, decision, note))


@app.command()
def cancel(ctx: typer.Context, report: Number, note: Note = "") -> None:
    """取りやめる。--note に理由を書く。

    例: callflow --as ward01 report form cancel 3 --note '申出の取下げ'
    """
    _moved(ctx, report, lambda conn, who: reports.cancel(conn, who, report, note))


@app.command("follow-up")
def follow_up(
    ctx: typer.Context, report: Number, by: Annotated[str, typer.Argument(help="recall（再架電）・visit（訪問）")]
) -> None:
    """返送のない報告書を、再架電か訪問へ回す。

    例: callflow --as ward01 report form follow-up 3 visit
    """
    acts: dict[str, Callable[[Connection, Who, int], object]] = {"recall": reports.recall, "visit": visits.visit_for}
    if by not in acts:
        raise UsageError(f"{by} という方法はありません", mend="recall か visit")
    _moved(ctx, report, lambda conn, who: acts[by](conn, who, report))


def _moved(ctx: typer.Context, report: int, work: Callable[[Connection, Who], object]) -> None:
    here: Context = ctx.obj
    _do(here, work)
    with here.database.read() as conn:
        row = history.row_of(conn, _who(here), "report", report)
    say([f"報告書 {report}: {REPORT_STATES[row.state]}"], None, as_json=False)


def _do(here: Context, work: Callable[[Connection, Who], T]) -> T:
    who = _who(here)
    return here.database.transact(lambda conn: work(conn, who))


def _who(here: Context) -> Who:
    here.actor.must_be("staff")
    return Who(here.municipality_id, here.actor_id, here.clock.now())


def _ratios(here: Context) -> Ratios:
    f = here.config.follow_up
    return Ratios(
        housing_percent=f.housing_percent,
        repayment_percent=f.repayment_percent,
        telephone_percent=f.telephone_percent,
    )


def _lines(found: Balance) -> list[str]:
    percent = found.not_returned_percent
    share = f" ({percent}%)" if percent is not None else ""
    return [
        f"申出 {found.requested} = 連絡票 {found.slips} = 送付 {found.sent} + 送付待ち {found.pending}"
        f" + 取消 {found.cancelled} → 返送 {found.returned}・未返送 {found.not_returned}{share}",
        f"差 {found.gap}  送付の遅れ {found.late}  返送期限切れ {found.overdue}  再依頼 {found.again}"
        f"  再架電・訪問 {found.escalated}",
        *(f"  ⚠ {GAPS[gap.kind]}: 案件 {gap.case_id} 報告書 {gap.report_id or '—'} 連絡票 {gap.slip_id or '—'}"
          for gap in found.gaps),
    ]  # fmt: skip


def _reckoned(content: statement.Content, ratios: Ratios) -> list[str]:
    sums = statement.reckon(content)
    return [
        f"  収入 {sums.income:,}円 − 支出 {sums.expenses:,}円 − 返済 {sums.repayment:,}円 = {sums.left:,}円",
        f"  納付できる額（月） {sums.payable:,}円  すぐに払える額 {sums.at_once:,}円",
        *(f"  ⚠ {each}" for each in statement.doubts(content, ratios)),
    ]


def _month(typed: str) -> tuple[datetime | None, datetime | None]:
    if not typed:
        return None, None
    try:
        first = date.fromisoformat(f"{typed}-01")
    except ValueError:
        raise InputError(f"{typed} は月ではありません", where=Where(field="--month"), mend="例: 2026-11") from None
    return tokyo_midnight(first), tokyo_midnight((first + timedelta(days=32)).replace(day=1))


def _day_typed(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        place = Where(field="--posted-on")
        raise InputError(f"{typed} は日付ではありません", where=place, mend="例: 2026-11-26") from None


def _pair(typed: str) -> tuple[str, str]:
    name, sign, value = typed.partition("=")
    if not sign or name.strip() not in FIELDS:
        raise UsageError(
            f"--field {typed} は読めません", mend="callflow report form enter 1 --fields で項目を確かめられます"
        )
    return name.strip(), value


def _amount(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _plain(row: Any) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(TOKYO):%Y-%m-%d}" if moment else "—"
