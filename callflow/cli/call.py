"""`callflow call`: what was said, when, and the proof of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import select

from callflow import calllog
from callflow.access import replays
from callflow.access.views import Viewer
from callflow.calllog import KIND_LABELS
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.effects import EFFECT_LABELS
from callflow.errors import InputError, NotFoundError
from callflow.playback import Scene, Verdict, against_records, scenes, verify_all, verify_call
from models.tables import calls

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="通話の記録（the log of calls）")
Call = Annotated[str, typer.Argument(help="通話の番号、または last", metavar="CALL")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]
Purpose = Annotated[
    str, typer.Option("--purpose", metavar="PURPOSE", help=f"なぜ見るか。記録に残る: {'、'.join(replays.PURPOSES)}")
]


@app.command("list")
def list_(
    ctx: typer.Context,
    disposition: Annotated[str, typer.Option("--disposition", help="この結果だけ（例 PP）")] = "",
    case: Annotated[int | None, typer.Option("--case", help="この案件だけ")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """通話を新しい順に。名前も電話番号も出さない。

    例: callflow call list --disposition PP -n 20
    """
    here: Context = ctx.obj
    c = calls.c
    query = select(c.id, c.opened_at, c.case_id, c.disposition, c.party, c.event_count, c.line_state, c.live)
    query = query.where(c.municipality_id == here.municipality_id).order_by(c.id.desc()).limit(count)
    if disposition:
        query = query.where(c.disposition == disposition)
    if case is not None:
        query = query.where(c.case_id == case)
    with here.database.read() as conn:
        rows = conn.execute(query).all()
    lines = [
        f"{row.id:>7}  {row.opened_at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}  案件 {row.case_id:<7} "
        f"{row.disposition or row.line_state:<5} {row.party or '':<12} {row.event_count} 件"
        for row in rows
    ]
    data = [dict(row._mapping, opened_at=row.opened_at.isoformat()) for row in rows]
    say(lines or ["通話はまだありません"], data, as_json=as_json)


@app.command()
def show(ctx: typer.Context, call: Call, purpose: Purpose = "quality", as_json: AsJson = False) -> None:
    """一つの通話の記録を、出来事の順に。

    例: callflow --as lead01 call show 12 --purpose complaint
    """
    _, call_id, found = _opened(ctx, call, purpose)
    lines = [f"通話 {call_id}"]
    for scene in found:
        event = scene.event
        lines.append(f"  {event.seq:>3}  {_time(scene)}  {KIND_LABELS.get(event.kind, event.kind)}  {event.actor}")
        lines += [f"         {key}: {value}" for key, value in (event.payload or {}).items() if key != "facts"]
    say(lines, {"call": call_id, "events": [_event(scene) for scene in found]}, as_json=as_json)


@app.command()
def replay(ctx: typer.Context, call: Call, purpose: Purpose = "quality", as_json: AsJson = False) -> None:
    """通話をあったとおりに一行ずつ再生し、公開された台本から同じ結果になることを確かめる。

    例: callflow --as lead01 call replay last
    """
    here, call_id, found = _opened(ctx, call, purpose)
    with here.database.read() as conn:
        (verdict,) = against_records(
            conn, here.municipality_id, [verify_call(conn, here.shelf, here.municipality_id, call_id)]
        )
    lines = [f"通話 {call_id}", *(line for scene in found for line in _spoken(scene)), "", _verdict(verdict)]
    data = {"call": call_id, "events": [_event(scene) for scene in found], "proved": verdict.proved}
    say(lines, {**data, "fault": verdict.fault, "seq": verdict.seq}, as_json=as_json)
    if not verdict.proved:
        raise typer.Exit(1)


@app.command()
def verify(
    ctx: typer.Context,
    call: Annotated[str, typer.Argument(help="通話の番号、last、なければすべて", metavar="[CALL]")] = "",
    states: Annotated[bool, typer.Option("--states", help="連鎖・状態・結果だけを、速く")] = False,
    as_json: AsJson = False,
) -> None:
    """連鎖が切れていないこと、台本から同じ状態・台詞・効果になることを確かめる。

    例: callflow call verify / callflow call verify 12 / callflow call verify --states --json
    """
    here: Context = ctx.obj
    with here.database.read() as conn:
        if call:
            one = _call_id(here, call)
            found = iter([verify_call(conn, here.shelf, here.municipality_id, one, states_only=states)])
        else:
            found = verify_all(conn, here.shelf, here.municipality_id, states_only=states)
        verdicts = list(against_records(conn, here.municipality_id, found))
    broken = [verdict for verdict in verdicts if not verdict.proved]
    gone = [verdict for verdict in verdicts if verdict.proved and verdict.erased]
    lines = [_verdict(verdict) for verdict in [*broken, *(gone if call else [])]]
    what = "の連鎖と状態" if states else ""
    also = f"（うち {len(gone):,} 件は、規則により消去済みの内容を除く）" if gone else ""
    lines.append(f"{len(verdicts)} 件中 {len(verdicts) - len(broken)} 件{what}を証明しました{also}")
    data = {
        "calls": len(verdicts),
        "proved": len(verdicts) - len(broken),
        "broken": [{"call": v.call_id, "seq": v.seq, "fault": v.fault} for v in broken],
    }
    say(lines, data, as_json=as_json)
    if broken:
        raise typer.Exit(1)


def _opened(ctx: typer.Context, call: str, purpose: str) -> tuple[Context, int, list[Scene]]:
    """A call's scenes, for whom the replay page would show them too; who looks and why is on record before."""
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff", "auditor")
    viewer = Viewer(here.actor.id, here.actor.roles, here.actor.organisation_kind)
    call_id, now = _call_id(here, call), here.clock.now()
    replays.give_purpose(here.database, here.municipality_id, viewer, call_id, purpose, "", now)
    replays.see_call(here.database, here.municipality_id, viewer, call_id, now)
    with here.database.read() as conn:
        return here, call_id, scenes(conn, here.shelf, here.municipality_id, call_id)


def _call_id(here: Context, call: str) -> int:
    if call == "last":
        query = select(calls.c.id).where(calls.c.municipality_id == here.municipality_id)
        with here.database.read() as conn:
            found = conn.execute(query.order_by(calls.c.id.desc()).limit(1)).scalar()
        if found is None:
            raise NotFoundError("通話はまだありません")
        return int(found)
    if not (call.isascii() and call.isdigit()):
        raise InputError(f"通話の番号として読めません: {call}", mend="callflow call list で確かめられます")
    return int(call)


def _time(scene: Scene) -> str:
    return f"{scene.event.at.astimezone(TOKYO):%H:%M:%S}"


def _spoken(scene: Scene) -> list[str]:
    event, payload = scene.event, scene.event.payload
    if payload is None:
        return [f"{_time(scene)}  （内容は規則 {event.erased_under} により消去済み）"]
    match event.kind:
        case calllog.LINE:
            return [f"{_time(scene)}  回線: {payload['from']} → {payload['to']}"]
        case calllog.ANSWER:
            said = f"{_time(scene)}    応答: {payload['answer']}"
            typed = "".join(f"  {name}={value}" for name, value in payload["fields"].items() if name != "identity")
            return [said + typed, *_line(scene, payload["line"])]
        case calllog.BEGIN:
            return _line(scene, payload["line"])
        case calllog.BACK:
            return [f"{_time(scene)}    ひとつ戻る", *_line(scene, payload["line"])]
        case calllog.NOTE:
            return [f"{_time(scene)}    メモ: {payload['text']}"]
        case calllog.CLOSE:
            effects = "、".join(EFFECT_LABELS[effect["effect"]] for effect in payload["effects"])
            return [f"{_time(scene)}  終了: {payload['disposition']}（{effects}）"]
        case calllog.CORRECT:
            who = f"通番 {payload['corrects']} を訂正: {payload['disposition']}（理由: {payload['reason']}）"
            return [f"{_time(scene)}  {who}  {event.actor}"]
    return [f"{_time(scene)}  {KIND_LABELS.get(event.kind, event.kind)}"]


def _line(scene: Scene, words: str) -> list[str]:
    state = scene.told.talk.state if scene.told.talk else ""
    return [f"{_time(scene)}  {state}: 「{words}」"] if words else []


def _event(scene: Scene) -> dict[str, Any]:
    event = scene.event
    return {
        "seq": event.seq,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor,
        "payload": dict(event.payload) if event.payload is not None else None,
        "erased_under": event.erased_under,
    }


def _verdict(verdict: Verdict) -> str:
    if verdict.erased:
        return f"通話 {verdict.call_id}: 規則 {verdict.erased} により消去済み、連鎖は無傷"
    if verdict.proved:
        all_of_it = "連鎖・状態・台詞・効果・案件の記録とも一致"
        return f"通話 {verdict.call_id}: 証明できました（記録 {verdict.events} 件、{all_of_it}）"
    place = f"通番 {verdict.seq} で" if verdict.seq else ""
    return f"通話 {verdict.call_id}: {place}合いません: {verdict.fault}"
