"""`callflow campaign plan`: which cases, on which days, by which script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

import typer
from sqlalchemy import Connection, Row

from callflow.campaigns import Campaigns, Draft, Plan, check_mode, selection_of
from callflow.cli.campaign_words import (
    days_line,
    head_line,
    holdout_line,
    ledger_lines,
    plan_data,
    plan_lines,
    rule_lines,
)
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.dayplan import Ledger, Wish, days_for, year_of
from callflow.errors import NotFoundError, UsageError
from callflow.holdout import held_out
from callflow.selection import Selection, Span
from callflow.shelf import newest
from scheduler.budgets import CallingDays, fiscal_year
from scheduler.calendar import tokyo_date
from scheduler.settings import Mode


def _dates(name: str, words: str) -> Any:
    return typer.Option(name, formats=["%Y-%m-%d"], metavar="DATE", help=words)


def plan(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="新しい名前。既にある名前なら計画し直し、架電できるようになった案件を加える")
    ],
    claim_type: Annotated[str, typer.Option("--claim-type", help="債権区分。config.yaml の claim_types のどれか")] = "",
    script: Annotated[str, typer.Option("--script", help="公開した台本の名前（最新の版）")] = "",
    setting: Annotated[list[str] | None, typer.Option("--set", help="台本の設定 名前=値。何度でも")] = None,
    policy: Annotated[list[str] | None, typer.Option("--policy", help="規則をより厳しく 名前=数。何度でも")] = None,
    instalments: Annotated[str, typer.Option("--instalments", help="未納の期数。2..、..3、2..6")] = "",
    amount: Annotated[str, typer.Option("--amount", help="未納額（円）。10000..、..50000")] = "",
    age_days: Annotated[str, typer.Option("--age-days", help="最も古い納期限からの日数。30..365")] = "",
    quiet_days: Annotated[
        int | None, typer.Option("--quiet-days", min=1, help="この日数、だれとも話していない案件だけ")
    ] = None,
    never_reached: Annotated[bool, typer.Option("--never-reached", help="まだだれとも話していない案件だけ")] = False,
    area: Annotated[list[str] | None, typer.Option("--area", help="住所に含む町名。何度でも")] = None,
    language: Annotated[list[str] | None, typer.Option("--language", help="言語（ja、en …）。何度でも")] = None,
    first: Annotated[datetime | None, _dates("--from", "この日から架電日を割り振る")] = None,
    last: Annotated[datetime | None, _dates("--to", "この日まで。なければ年度末")] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="割り振る日数。なければ予算の残り")] = None,
    evenings: Annotated[int, typer.Option("--evenings", min=0, help="うち夜間の日数")] = 0,
    sundays: Annotated[int, typer.Option("--sundays", min=0, help="うち日曜の日数")] = 0,
    day: Annotated[list[datetime] | None, _dates("--day", "架電日。何度でも")] = None,
    evening: Annotated[list[datetime] | None, _dates("--evening", "夜間の架電日。何度でも")] = None,
    rest_day: Annotated[list[datetime] | None, _dates("--rest-day", "土日・祝日の架電日。何度でも")] = None,
    holdout: Annotated[int, typer.Option("--holdout", help="効果を測るため架電しない世帯の割合（%）")] = 0,
    mode: Annotated[
        str,
        typer.Option("--mode", help="発信方式: preview、progressive（既定）、predictive。選べるのは業務責任者だけ"),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="数えるだけで何も書かない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="データとして出力する")] = False,
) -> None:
    """案件を数えて除外し、残りを待ち行列に入れる。始めるには区職員の承認が要る。

    例: callflow campaign plan 11月の架電 --claim-type national_health_insurance --script nhi-premium

    例: callflow campaign plan 介護12月 --claim-type long_term_care --script long-term-care --amount 10000.. --from 2026-12-01 --to 2026-12-28 --days 10 --holdout 10 --dry-run
    """  # noqa: E501  an example is one line
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff")
    if mode:
        here.actor.must_be("supervisor")
        check_mode(mode)
    listed = CallingDays(*(frozenset(each.date() for each in part or ()) for part in (day, evening, rest_day)))
    counts = {"days": days, "evenings": evenings, "sundays": sundays} if days else None
    if (evenings or sundays) and not days:
        raise UsageError("--evenings と --sundays は --days とともに使います")
    wish = Wish(first.date() if first else None, last.date() if last else None, counts, listed)
    meant = _Meant(
        name,
        claim_type,
        script,
        _pairs("set", setting),
        _numbers(policy),
        Selection(
            instalments=_span("instalments", instalments),
            amount=_span("amount", amount),
            age_days=_span("age-days", age_days),
            quiet_days=quiet_days,
            never_reached=never_reached,
            areas=tuple(area or ()),
            languages=tuple(language or ()),
        ),
        wish,
        holdout,
        mode,
    )
    with here.database.read() if dry_run else here.database.write() as conn:
        desk = Campaigns(conn, here.municipality_id, here.clock.now())
        known = _known(desk, name)
        planned = _again(here, desk, known, meant, dry_run) if known else _anew(here, conn, desk, meant, dry_run)
        lines = planned.lines(conn, here)
        data = planned.data(conn, here)
    say(lines, data, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Meant:
    """What the options of the command say."""

    name: str
    claim_type: str
    script: str
    settings: dict[str, str]
    policy: dict[str, int]
    selection: Selection
    wish: Wish
    holdout: int
    mode: str

    @property
    def changes(self) -> bool:
        """Whether anything but the name is said: what a campaign has, it keeps."""
        return bool(
            self.claim_type
            or self.script
            or self.settings
            or self.policy
            or self.selection
            or self.wish
            or self.holdout
            or self.mode
        )


@dataclass(frozen=True, slots=True)
class _Planned:
    """What came of it. `row` empty: a dry run of a new campaign."""

    plan: Plan
    selection: Selection
    days: CallingDays | None
    holdout: int
    year: Ledger
    added: int
    row: Row[Any] | None
    dry_run: bool
    claim_type: str
    policy: Mapping[str, int]
    settings: Mapping[str, str]

    def lines(self, conn: Connection, here: Context) -> list[str]:
        done = "試算です。何も書いていません" if self.dry_run else f"待ち行列に {self.added:,} 件を加えました"
        lines = [*([head_line(self.row)] if self.row is not None else []), done]
        lines += rule_lines(self.policy, here.rules(self.claim_type).policy, self.settings)
        lines += [f"  条件: {'、'.join(self.selection.in_words())}"] if self.selection else []
        lines += [days_line(self.days), *plan_lines(self.plan, for_ward=here.sees_protected)]
        if self.holdout:
            held = held_out(conn, here.municipality_id, self.row.id)[0] if self.row is not None else 0
            lines.append(holdout_line(self.holdout, held if self.row is not None else None))
        lines += ledger_lines(self.year) if self.year.budget else []
        if self.row is not None and self.row.state == "draft":
            lines.append(f"次は区の職員の承認です: callflow --as 区職員 campaign approve {self.row.id}")
        return lines

    def data(self, conn: Connection, here: Context) -> dict[str, Any]:
        return {
            "campaign": self.row.id if self.row is not None else None,
            "added": self.added,
            "plan": plan_data(self.plan, for_ward=here.sees_protected),
            "selection": self.selection.as_data(),
            "days": self.days.as_data() if self.days else None,
            "policy": dict(self.policy),
            "settings": dict(self.settings),
            "holdout_percent": self.holdout,
            "held_out": held_out(conn, here.municipality_id, self.row.id)[0] if self.row is not None else None,
            "year": self.year.as_data(),
        }


def _year(here: Context, conn: Connection, claim_type: str, year: int) -> Ledger:
    return year_of(conn, here.municipality_id, here.config, claim_type, year, here.clock.now())


def _anew(here: Context, conn: Connection, desk: Campaigns, meant: _Meant, dry_run: bool) -> _Planned:
    kind = claim_type_of(here, meant.claim_type)
    rules, today = here.rules(kind), tokyo_date(here.clock.now())
    if not meant.script:
        raise UsageError("--script が要ります", mend="公開した台本の名前を指定してください")
    script = here.shelf.flow(conn, here.municipality_id, newest(conn, here.municipality_id, meant.script)).script
    if script.claim_type != kind:
        what = f"台本 {script.name} は債権区分 {script.claim_type} のものです"
        raise UsageError(what, mend=f"--claim-type {script.claim_type} にするか、{kind} の台本を選んでください")
    chosen = _settings(here, script.settings, meant.settings)
    wish = meant.wish
    begins = min(wish.listed.of_kind("days"), default=wish.first or today)
    year = _year(here, conn, kind, fiscal_year(begins))
    days = days_for(wish, year, rules.calendar, today)
    mode: Mode = cast("Mode", meant.mode) if meant.mode else "progressive"
    draft = Draft(
        meant.name, kind, script.content_hash, chosen, meant.policy, meant.selection, days, meant.holdout, mode
    )
    if dry_run:
        plan = desk.count(draft, rules)
        return _Planned(plan, meant.selection, days, meant.holdout, year, 0, None, True, kind, meant.policy, chosen)
    campaign_id, counted = desk.create(draft, rules, here.actor_id)
    year = _year(here, conn, kind, year.year)
    row = desk.get(campaign_id)
    return _Planned(
        counted,
        meant.selection,
        days,
        meant.holdout,
        year,
        counted.included,
        row,
        False,
        kind,
        meant.policy,
        chosen,
    )


def _again(here: Context, desk: Campaigns, row: Row[Any], meant: _Meant, dry_run: bool) -> _Planned:
    if meant.changes:
        raise UsageError(
            f"キャンペーン {row.name} はもうあります。計画し直すときは名前だけを書きます",
            mend="条件や架電日を変えるなら、別の名前で新しく計画してください",
        )
    rules = here.rules(row.claim_type)
    days = CallingDays.from_data(json.loads(row.days)) if row.days else None
    if dry_run:
        counted, added = desk.recount(row, rules), 0
    else:
        counted, added = desk.replan(row.id, rules, here.actor_id)
    begins = min(days.of_kind("days")) if days else tokyo_date(here.clock.now())
    year = _year(here, desk.connection, row.claim_type, fiscal_year(begins))
    return _Planned(
        counted,
        selection_of(row),
        days,
        row.holdout_percent or 0,
        year,
        added,
        desk.get(row.id),
        dry_run,
        row.claim_type,
        json.loads(row.policy),
        json.loads(row.settings),
    )


def _span(option: str, text: str) -> Span | None:
    if not text:
        return None
    try:
        return Span.parse(text)
    except ValueError as error:
        raise UsageError(f"--{option} {error}") from error


def _known(desk: Campaigns, name: str) -> Row[Any] | None:
    try:
        return desk.named(name)
    except NotFoundError:
        return None


def claim_type_of(here: Context, given: str) -> str:
    """The claim type, if the configuration has it. Raises UsageError."""
    known = here.config.claim_types
    if given not in known:
        what = f"--claim-type {given} はありません" if given else "--claim-type が要ります"
        raise UsageError(what, mend=f"使えるもの: {'、'.join(known)}")
    return given


def _settings(here: Context, offered: Mapping[str, Sequence[str]], chosen: dict[str, str]) -> dict[str, str]:
    """The configured settings that the script has, and `chosen` over them. Raises UsageError."""
    for name, value in chosen.items():
        if value not in offered.get(name, ()):
            words = "、".join(f"{each}={one}" for each, values in offered.items() for one in values)
            raise UsageError(f"台本に設定 {name}={value} はありません", mend=f"選べるもの: {words}")
    configured = {name: value for name, value in here.config.scripts.settings.items() if name in offered}
    return {**configured, **chosen}


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--{option} {each} は 名前=値 の形ではありません")
        pairs[name.strip()] = value.strip()
    return pairs


def _numbers(given: list[str] | None) -> dict[str, int]:
    numbers = {}
    for name, value in _pairs("policy", given).items():
        if not (value.isascii() and value.isdigit()):
            raise UsageError(f"--policy {name}={value} の値は整数ではありません")
        numbers[name] = int(value)
    return numbers
