"""`callflow call`: what was said, when, and the proof of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import select

from callflow import calllog
from callflow.access.accounts import audit
from callflow.calllog import KIND_LABELS
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.clock import TOKYO
from callflow.effects import EFFECT_LABELS
from callflow.errors import InputError, NotFoundError
from callflow.playback import Scene, Verdict, scenes, verify_all, verify_call
from models.tables import calls

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="通話の記録（the log of calls）")
Call = Annotated[str, typer.Argument(help="通話の番号、または last", metavar="CALL")]
AsJson = Annotated[bool, typer.Option("--json", help="データとして出力する")]


@app.command("list")
def list_(
    ctx: typer.Context,
    disposition: Annotated[str, typer.Option("--disposition", help="この結果だけ（例 PP）")] = "",
    case: Annotated[int | None, typer.Option("--case", help="この案件だけ")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """通話を新しい順に。名前も電話番号も出さない。"""
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
def show(ctx: typer.Context, call: Call, as_json: AsJson = False) -> None:
    """一つの通話の記録を、出来事の順に。"""
    _, call_id, found = _opened(ctx, call, "call:show")
    lines = [f"通話 {call_id}"]
    for scene in found:
        event = scene.event
        lines.append(f"  {event.seq:>3}  {_time(scene)}  {KIND_LABELS.get(event.kind, event.kind)}  {event.actor}")
        lines += [f"         {key}: {value}" for key, value in (event.payload or {}).items() if key != "facts"]
    say(lines, {"call": call_id, "events": [_event(scene) for scene in found]}, as_json=as_json)


@app.command()
def replay(ctx: typer.Context, call: Call, as_json: AsJson = False) -> None:
    """通話をあったとおりに一行ずつ再生し、公開された台本から同じ結果になることを確かめる。"""
    here, call_id, found = _opened(ctx, call, "call:replay")
    with here.database.read() as conn:
        verdict = verify_call(conn, here.shelf, here.municipality_id, call_id)
    lines = [f"通話 {call_id}", *(line for scene in found for line in _spoken(scene)), "", _verdict(verdict)]
    data = {"call": call_id, "events": [_event(scene) for scene in found], "proved": verdict.proved}
    say(lines, {**data, "fault": verdict.fault, "seq": verdict.seq}, as_json=as_json)
    if not verdict.proved:
        raise typer.Exit(1)


@app.command()
def verify(
    ctx: typer.Context,
    call: Annotated[str, typer.Argument(help="通話の番号、last、なければすべて", metavar="[CALL]")] = "",
    as_json: AsJson = False,
) -> None:
    """連鎖が切れていないこと、台本から同じ状態・台詞・効果になることを確かめる。"""
    here: Context = ctx.obj
    with here.database.read() as conn:
        if call:
            one = _call_id(here, call)
            verdicts = [verify_call(conn, here.shelf, here.municipality_id, one)]
        else:
            verdicts = list(verify_all(conn, here.shelf, here.municipality_id))
    broken = [verdict for verdict in verdicts if not verdict.proved]
    lines = [_verdict(verdict) for verdict in broken]
    lines.append(f"{len(verdicts)} 件中 {len(verdicts) - len(broken)} 件を証明しました")
    data = {
        "calls": len(verdicts),
        "proved": len(verdicts) - len(broken),
        "broken": [{"call": v.call_id, "seq": v.seq, "fault": v.fault} for v in broken],
    }
    say(lines, data, as_json=as_json)
    if broken:
        raise typer.Exit(1)


def _opened(ctx: typer.Context, call: str, verb: str) -> tuple[Context, int, list[Scene]]:
    """A call's scenes. Who looks is on record before anything is shown (fails closed)."""
    here: Context = ctx.obj
    here.actor.must_be("supervisor", "staff", "auditor")
    call_id = _call_id(here, call)
    with here.database.write() as conn:
        audit(conn, here.municipality_id, here.clock.now(), here.actor.id, verb, f"call:{call_id}")
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
        return f"通話 {verdict.call_id}: 証明できました（記録 {verdict.events} 件、連鎖・状態・台詞・効果とも一致）"
    return f"通話 {verdict.call_id}: 通番 {verdict.seq} で合いません: {verdict.fault}"
