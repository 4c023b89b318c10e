"""`callflow case`: lists in, and what stands in them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, func, or_, select

from callflow.access.auditlog import audit
from callflow.access.glass import SealedError, is_sealed, open_households
from callflow.cli import case_evidence, case_imports
from callflow.cli.context import Context
from callflow.cli.progress import reading_bar
from callflow.clock import TOKYO
from callflow.errors import InputError, NotFoundError
from callflow.followup.terms import rules_of
from callflow.intake.columns import known_claims, load_mapping
from callflow.intake.crossing import Crossing, crossings
from callflow.intake.faults import BadRow
from callflow.intake.importer import ImportReport, import_file
from callflow.intake.source import Limits
from models.tables import arrears, cases, debtor_phones, debtors, households

app = typer.Typer(no_args_is_help=True, help="滞納一覧と収納の取り込み、案件 (lists in, and cases)")

app.command()(case_imports.imports)
app.command()(case_evidence.evidence)
app.command("undo-import")(case_imports.undo_import)

AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
MOST_CROSSED = 1_000
EXIT_ROWS_LEFT_OUT = 6  # imported, but for the bad rows (docs/operations.md)
_STATES = {
    "active": "取り込みました",
    "unchanged": "同じファイルは取り込み済みです。何も変えていません",
    "checked": "確認だけしました。何も書いていません",
    "refused": "誤りのある行があるので、何も取り込んでいません",
}
_SHARED = {
    "households_with_several_claims": "複数の債権がある世帯（一度の通話にまとめる）",
    "numbers_in_several_households": "複数の世帯にある電話番号",
}
_COUNTS = {
    f"{things}_{verb}": f"{name} {words}"
    for things, name in (
        ("households", "世帯"),
        ("debtors", "宛名"),
        ("phone_numbers", "電話番号"),
        ("phones", "宛名の電話番号"),
        ("cases", "案件"),
        ("instalments", "期別"),
        ("payments", "収納"),
    )
    for verb, words in (
        ("added", "追加"),
        ("changed", "変更"),
        ("removed", "削除"),
        ("vanished", "一覧から消えた"),
        ("cancelled", "取消"),
        ("paid", "完納"),
    )
} | {"promises_judged": "納付約束 判定"}


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="滞納一覧か収納の CSV (UTF-8 か cp932)")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="確認だけして、何も書かない")] = False,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="列名と科目の対応表 (YAML)")] = None,
    full: Annotated[bool, typer.Option("--full", help="全件の一覧: 載っていない期別を外す")] = False,
    allow_bad_rows: Annotated[bool, typer.Option("--allow-bad-rows", help="誤りのある行を除いて取り込む")] = False,
    as_json: AsJson = False,
) -> None:
    """滞納一覧か収納の CSV を取り込む。誤りのある行が一つでもあれば、何も取り込まない。

    例: callflow --as ward01 case import 一覧.csv --dry-run / callflow --as ward01 case import 全件.csv --full

    例: callflow --as ward01 case import 収納.csv --mapping 対応表.yaml --json
    """
    here = _surroundings(ctx)
    caps = here.config.imports
    with reading_bar("読み込み") as progress:
        report = import_file(
            here.database,
            file,
            municipality_id=here.municipality_id,
            actor_id=here.actor.id,
            now=here.clock.now(),
            mapping=load_mapping(mapping, known_claims(here.config.claim_types)),
            dry_run=dry_run,
            allow_bad_rows=allow_bad_rows,
            full=full,
            default_area_code=caps.default_area_code,
            limits=Limits(caps.max_megabytes, caps.max_rows, caps.max_cell),
            progress=progress,
            clock=here.clock.now,
            rules=rules_of(here.config),
        )
    crossed = _crossed(here, report)
    if as_json:
        told = report.as_data() | ({"crossed": [asdict(each) for each in crossed]} if crossed else {})
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2, default=str))
    else:
        _tell(report)
        for each in crossed:
            typer.echo(f"  行き違い: {_crossing_words(each)}")
    if report.bad_row_count and not (allow_bad_rows and report.state == "active"):
        mend = "行を直すか、--allow-bad-rows で除いて取り込んでください"
        raise InputError(f"誤りのある行が {report.bad_row_count} 行あります", mend=mend)
    if report.bad_row_count:
        raise typer.Exit(EXIT_ROWS_LEFT_OUT)


@app.command("list")
def list_(
    ctx: typer.Context,
    status: Annotated[str, typer.Option("--status", help="open、paid、staff、closed")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="何件まで")] = 50,
    as_json: AsJson = False,
) -> None:
    """案件を番号の順に。名前も電話番号も出さない。支援措置の世帯は、開けていなければ宛名番号と金額も出さない。

    例: callflow --as ward01 case list --status open -n 20
    """
    here = _surroundings(ctx)
    with here.database.read() as conn:
        opened = open_households(conn, here.municipality_id, here.actor.id, here.clock.now())
        found = [_sealed(row, opened) for row in _rows(conn, here.municipality_id, status, count)]
    _put_on_record(here, "case:list", found, "addressee_no,claim_type,unpaid,protected")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for row in found:
        addressee = row["addressee_no"] or "（閉じてあります）"
        line = f"{row['case']:>8}  {addressee}  {row['claim_type']:<26} {row['status']:<6}"
        protected = "  支援措置" if row["protected"] else ""
        unpaid = "―" if row["unpaid"] is None else f"{row['unpaid']:,}円"
        typer.echo(f"{line} {unpaid:>11}  基準日 {row['payments_as_of']}{protected}")


@app.command()
def show(
    ctx: typer.Context,
    case: Annotated[str, typer.Argument(help="案件の番号か宛名番号", metavar="CASE")],
    as_json: AsJson = False,
) -> None:
    """一つの案件の期別と電話番号。

    例: callflow --as ward01 case show 0010100005 / callflow --as ward01 case show 12 --json
    """
    here = _surroundings(ctx)
    with here.database.read() as conn:
        found = _case(conn, here.municipality_id, case)
        for one in found:
            if is_sealed(conn, here.municipality_id, here.actor_id, one["case"], here.clock.now()):
                raise SealedError(one["case"])
    _put_on_record(here, "case:show", found, "name,address,phones,instalments,protected")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2, default=str))
        return
    for one in found:
        protected = "  支援措置（架電しない）" if one["protected"] else ""
        typer.echo(
            f"案件 {one['case']}  {one['claim_type']}  {one['status']}  {one['name']}  {one['address']}{protected}"
        )
        for phone in one["phones"]:
            typer.echo(f"  電話{phone['position']} {phone['raw']} {phone['note']} {phone['quarantine']}".rstrip())
        for row in one["instalments"]:
            name = f"{row['levy_year']}年度 {row['instalment']}期"
            gone = "" if row["active"] else " (一覧から消えた)"
            typer.echo(f"  {name} 納期限 {row['due_on']} 未納 {row['unpaid']:,}円{gone}")


def _sealed(row: dict[str, Any], opened: frozenset[int]) -> dict[str, Any]:
    """A line of the list, without what tells who it is where the household is protected and not opened."""
    household = row.pop("household")
    return row | {"addressee_no": "", "unpaid": None} if row["protected"] and household not in opened else row


def _surroundings(ctx: typer.Context) -> Context:
    """Those that the command line hands over, for the ward's staff alone: the contractor has no list of cases, and
    an administrator reads no personal data (R01, R60, R62).
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    return here


def _put_on_record(here: Context, verb: str, seen: list[dict[str, Any]], fields: str) -> None:
    """Who sees which case is on record before anything is shown (R61; fails closed)."""
    with here.database.write() as conn:
        for row in seen:
            audit(
                conn, here.municipality_id, here.clock.now(), here.actor.id, verb, f"case:{row['case']}", fields=fields
            )


def _tell(report: ImportReport) -> None:
    typer.echo(f"{report.file}: {_STATES[report.state]} ({report.encoding}, {report.rows:,} 行)")
    if report.ignored:
        typer.echo("  読まない列: " + "、".join(report.ignored))
    for name, rows in (
        ("誤り", report.bad_rows),
        ("架電しない番号", report.quarantined),
        ("合わない収納", report.unmatched),
    ):
        for row in rows:
            typer.echo(f"  {name}: {_words(row)}")
    for what, told, count in (
        ("誤りのある行", len({row.line for row in report.bad_rows}), report.bad_row_count),
        ("架電しない番号", len(report.quarantined), report.quarantined_count),
    ):
        if count > told:
            typer.echo(f"  {what}: 全部で {count:,} 件、示したのは初めの {told:,} 件")
    for name, count in report.counts.items():
        typer.echo(f"  {_COUNTS.get(name, name)}: {count:,}")
    for name, count in report.shared.items():
        if count:
            typer.echo(f"  {_SHARED[name]}: {count:,}")


def _crossed(here: Context, report: ImportReport) -> list[Crossing]:
    if report.kind != "payments" or report.state != "active":
        return []
    with here.database.read() as conn:
        return crossings(conn, here.municipality_id, import_id=report.import_id, limit=MOST_CROSSED)[0]


def _crossing_words(one: Crossing) -> str:
    words = f"案件 {one.case_id}  収納日 {one.paid_on} {one.amount:,}円"
    if one.call_id is not None and one.called_at is not None:
        words += f"  通話 {one.call_id}（{one.called_at.astimezone(TOKYO):%Y-%m-%d %H:%M}）"
    return words + {"claimed": "  完納、いま担当者に割り当て中", "in_call": "  完納、いま通話中"}.get(one.still, "")


def _words(row: BadRow) -> str:
    place = f"{row.line} 行" + (f" {row.column} 列" if row.column else "")
    return f"{place} {row.field} 「{row.value}」 {row.reason} → {row.mend}"


def _rows(conn: Connection, municipality_id: int, status: str, count: int) -> list[dict[str, Any]]:
    unpaid = (
        select(func.coalesce(func.sum(arrears.c.unpaid), 0))
        .where(arrears.c.municipality_id == municipality_id, arrears.c.case_id == cases.c.id, arrears.c.active)
        .scalar_subquery()
    )
    mine = (cases.c.municipality_id == municipality_id, debtors.c.municipality_id == municipality_id)
    query = (
        select(
            cases.c.id,
            debtors.c.addressee_no,
            cases.c.claim_type,
            cases.c.status,
            unpaid,
            cases.c.payments_as_of,
            households.c.protected,
            cases.c.household_id,
        )
        .join_from(cases, debtors, debtors.c.id == cases.c.debtor_id)
        .join(households, (households.c.id == cases.c.household_id) & (households.c.municipality_id == municipality_id))
        .where(*mine, *([cases.c.status == status] if status else []))
        .order_by(cases.c.id)
        .limit(count)
    )
    names = ("case", "addressee_no", "claim_type", "status", "unpaid", "payments_as_of", "protected", "household")
    found = [dict(zip(names, row, strict=True)) for row in conn.execute(query)]
    return [row | {"unpaid": int(row["unpaid"]), "payments_as_of": str(row["payments_as_of"] or "")} for row in found]


def _case(conn: Connection, municipality_id: int, given: str) -> list[dict[str, Any]]:
    by_number = cases.c.id == int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None
    wanted = [debtors.c.addressee_no == given] + ([by_number] if by_number is not None else [])
    query = (
        select(
            cases.c.id.label("case"),
            cases.c.claim_type,
            cases.c.status,
            debtors.c.name,
            debtors.c.address,
            debtors.c.id,
            households.c.protected,
        )
        .join_from(cases, debtors, debtors.c.id == cases.c.debtor_id)
        .join(households, (households.c.id == cases.c.household_id) & (households.c.municipality_id == municipality_id))
        .where(cases.c.municipality_id == municipality_id, debtors.c.municipality_id == municipality_id)
        .where(or_(*wanted))
    )
    found = []
    for row in conn.execute(query).mappings().all():
        owed = select(arrears).where(arrears.c.municipality_id == municipality_id, arrears.c.case_id == row["case"])
        phones = select(debtor_phones).where(
            debtor_phones.c.municipality_id == municipality_id, debtor_phones.c.debtor_id == row["id"]
        )
        owing = [dict(one) for one in conn.execute(owed.order_by(arrears.c.due_on)).mappings()]
        numbers = [dict(one) for one in conn.execute(phones.order_by(debtor_phones.c.position)).mappings()]
        found.append({**row, "instalments": owing, "phones": numbers})
    if not found:
        raise NotFoundError("その案件はありません", mend="案件の番号か宛名番号を指定してください")
    return found
