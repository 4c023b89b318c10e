"""`callflow slip`: 連絡票 after the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from callflow.access.views import CaseView, Viewer, see_case
from callflow.cli.context import Context
from callflow.cli.output import free, say
from callflow.clock import TOKYO
from callflow.errors import InputError, UsageError, Where
from callflow.followup import history, slip_lists, slips
from callflow.followup.acts import SLIP_ACTS, SLIP_STATES, possible
from callflow.followup.history import Who
from callflow.followup.slip_lists import CONSULTATIONS, URGENCIES, Question, Slip
from callflow.followup.terms import rules_of
from callflow.papers import slip_sheets

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="連絡票（contact slips after the call）")
Number = Annotated[int, typer.Argument(help="連絡票の番号", metavar="SLIP")]
Note = Annotated[str, typer.Option("--note", help="理由か結果（記録に残る）")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
ALARMS = {"soon": "⏰ まもなく期限", "overdue": "⚠ 期限切れ", "call_missed": "⚠ 約束の電話が未了", "": ""}


@app.command("list", epilog="例: callflow --as ward01 slip list --alarm overdue")
def list_(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="完了したものも")] = False,
    state: Annotated[str, typer.Option("--state", help="、".join(SLIP_STATES))] = "",
    urgency: Annotated[str, typer.Option("--urgency", help="、".join(URGENCIES))] = "",
    reason: Annotated[str, typer.Option("--reason", help="例 hardship、DA")] = "",
    alarm: Annotated[str, typer.Option("--alarm", help="overdue（期限切れ）・call_missed（電話が未了）")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="何件まで")] = 50,
    as_json: AsJson = False,
) -> None:
    """急ぐものから並べる。名前も電話番号も出さない。"""
    here: Context = ctx.obj
    for name, given, known in (
        ("state", state, SLIP_STATES),
        ("urgency", urgency, URGENCIES),
        ("alarm", alarm, {"overdue", "call_missed"}),
    ):
        if given and given not in known:
            raise UsageError(f"--{name} {given} はありません", mend=f"使えるもの: {'、'.join(known)}")
    asked = Question(state=state or ("" if all_ else "open"), urgency=urgency, reason=reason, alarm=alarm)
    now, viewer, rules = here.clock.now(), _viewer(here), rules_of(here.config)
    with here.database.read() as conn:
        total = slip_lists.count(conn, here.municipality_id, viewer, asked, rules, now)
        found = slip_lists.some(conn, here.municipality_id, viewer, asked, rules, now, limit=count, offset=0)
    lines = [_line(each) for each in found]
    if total > len(found):
        lines.append(f"全{total}件のうち {len(found)}件（--count で増やせます）")
    say(lines or ["この条件に合う連絡票はありません"], [_data(each) for each in found], as_json=as_json)


@app.command()
def show(ctx: typer.Context, slip: Number, as_json: AsJson = False) -> None:
    """一枚の連絡票: 内容、住民、区の対応。見たことが記録に残る。

    例: callflow --as ward01 slip show 12
    """
    here: Context = ctx.obj
    who, viewer = _who(here), _viewer(here)
    with here.database.read() as conn:
        row = slips.find(conn, who, viewer, slip)
        found = slip_lists.one(conn, here.municipality_id, slip, rules_of(here.config), who.now)
        events = history.told(conn, here.municipality_id, "slip", slip)
    case = see_case(here.database, here.municipality_id, viewer, row.case_id, ("party", "follow_up"), who.now)
    acts = [SLIP_ACTS[name].label for name in possible("slip", row.state, here.actor.roles)]
    lines = [
        _line(found),
        f"  {case.name or '—'}（{case.kana or '—'}） {'、'.join(case.phones or ())}",
        *(f"  {line}" for line in found.text.splitlines()),
        *(f"  {_time(e.at)} {e.actor or 'システム'} {e.label} {e.note}".rstrip() for e in events),
        *([f"  できること: {'、'.join(acts)}"] if acts else []),
    ]
    say(lines, {**_data(found), **_person(case), "events": [_event(e) for e in events]}, as_json=as_json)


@app.command("print")
def print_(
    ctx: typer.Context,
    slip: Annotated[list[int], typer.Argument(help="連絡票の番号。いくつでも", metavar="SLIP...")],
    file: Annotated[Path, typer.Option("--output", "-o", help="書き出す PDF")],
    purpose: Annotated[str, typer.Option("--purpose", help="何のために（記録に残る）")] = "連絡票の印刷",
) -> None:
    """区の職員が紙で使う連絡票を PDF にする。住民を見たことと、目的・枚数・ハッシュが記録に残る。

    例: callflow --as ward01 slip print 12 13 -o 連絡票.pdf
    """
    here: Context = ctx.obj
    here.actor.must_be("staff")
    free(file)
    paper = slip_sheets.printed(here.database, here.config, _who(here), _viewer(here), slip, purpose)
    file.write_bytes(paper.content)
    say([f"{file}: {paper.count}枚、sha256 {paper.digest}"], None, as_json=False)


@app.command()
def receive(ctx: typer.Context, slip: Number, as_json: AsJson = False) -> None:
    """受理する。まだ始めない。

    例: callflow --as ward01 slip receive 12
    """
    _act(ctx, slip, "receive", as_json=as_json)


@app.command()
def take(ctx: typer.Context, slip: Number, as_json: AsJson = False) -> None:
    """対応を始める。二人が同時に取ることはない。

    例: callflow --as ward01 slip take 12
    """
    _act(ctx, slip, "take", as_json=as_json)


@app.command()
def release(ctx: typer.Context, slip: Number, as_json: AsJson = False) -> None:
    """受理に戻し、ほかの職員に任せる。

    例: callflow --as ward01 slip release 12
    """
    _act(ctx, slip, "release", as_json=as_json)


@app.command()
def done(ctx: typer.Context, slip: Number, note: Note = "", as_json: AsJson = False) -> None:
    """完了する。--note に結果を書く。

    例: callflow --as ward01 slip done 12 --note 納付書を送付した
    """
    _act(ctx, slip, "done", note, as_json=as_json)


@app.command("send-back")
def send_back(ctx: typer.Context, slip: Number, note: Note = "", as_json: AsJson = False) -> None:
    """業務責任者へ差し戻す。--note に理由を書く。

    例: callflow --as ward01 slip send-back 12 --note 希望の時間帯が読み取れない
    """
    _act(ctx, slip, "send_back", note, as_json=as_json)


@app.command()
def answer(ctx: typer.Context, slip: Number, note: Note = "", as_json: AsJson = False) -> None:
    """差戻しに業務責任者が答え、区へ返す。

    例: callflow --as lead01 slip answer 12 --note 午前中を希望とのこと
    """
    _act(ctx, slip, "answer", note, as_json=as_json)


@app.command()
def reopen(ctx: typer.Context, slip: Number, note: Note = "", as_json: AsJson = False) -> None:
    """完了したものの対応を再開する。--note に理由を書く。

    例: callflow --as ward01 slip reopen 12 --note 住民から再度の申し出があった
    """
    _act(ctx, slip, "reopen", note, as_json=as_json)


@app.command("call-back", epilog="例: callflow --as ward01 slip call-back 12 --from '2026-11-26 10:00' --until 11:00")
def call_back(
    ctx: typer.Context,
    slip: Number,
    begins: Annotated[str, typer.Option("--from", help="始まり（2026-11-26 10:00）")] = "",
    ends: Annotated[str, typer.Option("--until", help="終わり（同じ日なら 11:00 だけでよい）")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="reached・missed・cancelled")] = "",
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """職員からの電話を予定する。済んだら --outcome で結果を記録する。"""
    here: Context = ctx.obj
    if bool(begins or ends) == bool(outcome):
        raise UsageError("予定には --from と --until、結果には --outcome を付けます")
    if outcome:
        _do(here, lambda conn, who, viewer: slips.close_call(conn, who, viewer, slip, outcome, note))
    else:
        first = _moment("from", begins)
        last = _moment("until", ends if " " in ends.strip() else f"{first.astimezone(TOKYO):%Y-%m-%d} {ends}")
        _do(here, lambda conn, who, viewer: slips.plan_call(conn, who, viewer, slip, first, last))
    _tell(here, slip, as_json=as_json)


def _act(ctx: typer.Context, slip: int, name: str, note: str = "", *, as_json: bool) -> None:
    here: Context = ctx.obj
    _do(here, lambda conn, who, viewer: slips.act(conn, who, viewer, slip, name, note))
    _tell(here, slip, as_json=as_json)


def _do(here: Context, work: Callable[[Connection, Who, Viewer], object]) -> None:
    who, viewer = _who(here), _viewer(here)
    here.database.transact(lambda conn: work(conn, who, viewer))


def _tell(here: Context, slip: int, *, as_json: bool) -> None:
    with here.database.read() as conn:
        found = slip_lists.one(conn, here.municipality_id, slip, rules_of(here.config), here.clock.now())
    say([_line(found)], _data(found), as_json=as_json)


def _who(here: Context) -> Who:
    here.actor.must_be("staff", "supervisor")
    return Who(here.municipality_id, here.actor_id, here.clock.now())


def _viewer(here: Context) -> Viewer:
    here.actor.must_be("staff", "supervisor")
    kind = "ward" if here.actor.organisation_kind == "ward" else "contractor"
    return Viewer(here.actor_id, here.actor.roles, kind)  # type: ignore[arg-type]


def _moment(name: str, typed: str) -> datetime:
    try:
        return datetime.strptime(typed.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=TOKYO)
    except ValueError:
        place = Where(field=f"--{name}")
        raise InputError(f"{typed} は読めません", where=place, mend="例: '2026-11-26 10:00'") from None


def _line(slip: Slip) -> str:
    window = f" 電話 {_time(slip.call_from)}〜" if slip.call_from else ""
    return (
        f"{slip.id:>6} {URGENCIES[slip.urgency]} {SLIP_STATES[slip.state]}  {'、'.join(slip.why)}  案件 {slip.case_id} "
        f"通話 {slip.call_id}  期限 {_time(slip.due)}{window} {slip.handler} {ALARMS[slip.alarm]}".rstrip()
    )


def _data(slip: Slip) -> dict[str, Any]:
    words = {"state_label": SLIP_STATES[slip.state], "consultation_label": CONSULTATIONS.get(slip.consultation, "")}
    found = {name: value for name, value in asdict(slip).items() if name != "text"}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()} | words


def _person(case: CaseView) -> dict[str, Any]:
    return {"name": case.name, "kana": case.kana, "phones": list(case.phones or ())}


def _event(event: history.Happened) -> dict[str, Any]:
    return asdict(event) | {"at": event.at.isoformat()}


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(TOKYO):%m/%d %H:%M}" if moment else ""
