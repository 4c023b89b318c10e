"""`callflow work`: the periodic work of an installation, beside the console."""

from __future__ import annotations

import os
import signal
import socket
from datetime import datetime, timedelta
from typing import Annotated

import typer

from callflow.access.alarms import thresholds_of
from callflow.cli.context import Context
from callflow.cli.output import say
from callflow.cli.telephone import phone_of, recordings_of, rules_of_campaigns, switchboard_of
from callflow.clock import TOKYO
from callflow.errors import ConfigError
from callflow.followup.terms import rules_of as rules_of_follow_up
from callflow.work import DUTIES, Duty, LastRun, Work, Workplace, is_late
from models.migrate import HEAD
from models.migrate import current as current_revision

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def work(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="いま済ませるべきことを一度だけ行って終わる")] = False,
    list_: Annotated[bool, typer.Option("--list", help="何を、どの間隔で、最後にいつ行ったか。何も行わない")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="--list、--once の結果をデータとして出力する")] = False,
) -> None:
    """定期の仕事を続ける。何台のホストで何個動かしてもよく、同じ仕事は一つのプロセスだけが行う。

    止めるには Ctrl-C か SIGTERM。実行中の仕事を終えてから止まる。

    例: callflow work / callflow work --once / callflow work --list --json
    """
    here: Context = ctx.obj
    place = _place(here)
    worker = f"{socket.gethostname()[:48]}:{os.getpid()}"
    doing = Work(place, worker=worker, tell=lambda words: typer.echo(f"{_time(here.clock.now())} {words}", err=True))
    if list_:
        now, rows = here.clock.now(), doing.last_runs()
        say([_line(*row, now) for row in rows], [_data(*row, now) for row in rows], as_json=as_json)
    elif once:
        done = doing.once()
        words = [f"{duty.ja}: {'行いました' if done[duty.name] else 'ほかで済んでいます'}" for duty in DUTIES]
        say(words, done, as_json=as_json)
    else:
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: doing.stop())
        typer.echo(f"定期の仕事を始めます（{worker}、{len(DUTIES)} 種類）。止めるには Ctrl-C", err=True)
        doing.run()
        typer.echo("止まりました", err=True)


def _place(here: Context) -> Workplace:
    municipality_id = here.municipality_id  # before `init` this is what is missing
    if (found := current_revision(here.database)) != HEAD:
        raise ConfigError(
            f"データベースの版が違います（{found}、要る版 {HEAD}）", mend="callflow db upgrade を実行してください"
        )

    phone, _hook = phone_of(here, here.config.telephony.phone)  # a desk phone: what it cannot tell is for a person
    audit = here.config.audit
    return Workplace(
        database=here.database,
        clock=here.clock,
        municipality_id=municipality_id,
        switchboard=switchboard_of(here, here.database, phone),
        anchors=audit.anchors,
        signing_key=audit.signing_key,
        rules_of=rules_of_campaigns(here, here.database),
        follow_up=rules_of_follow_up(here.config),
        webhook_hosts=here.config.api.webhook_hosts,
        thresholds=thresholds_of(audit),
        kept_for=here.config.kept_for(),
        recordings=recordings_of(here),
    )


def _line(duty: Duty, last: LastRun | None, now: datetime) -> str:
    when = "まだありません"
    if last:
        when = f"{last.fire_time.astimezone(TOKYO):%Y-%m-%d %H:%M:%S} {last.worker}"
        when += "" if last.finished_at else "（終わっていません）"
    late = "　遅れています" if is_late(duty, last, now) else ""
    return f"{duty.name:<8} {_interval(duty.every):>6}ごと  {duty.ja}  最後: {when}{late}"


def _data(duty: Duty, last: LastRun | None, now: datetime) -> dict[str, object]:
    return {
        "duty": duty.name,
        "label": duty.ja,
        "every_s": int(duty.every.total_seconds()),
        "last": last.fire_time.isoformat() if last else None,
        "worker": last.worker if last else None,
        "finished_at": last.finished_at.isoformat() if last and last.finished_at else None,
        "late": is_late(duty, last, now),
    }


def _interval(every: timedelta) -> str:
    seconds = int(every.total_seconds())
    for size, word in ((86_400, "日"), (3_600, "時間"), (60, "分")):
        if seconds % size == 0:
            return f"{seconds // size}{word}"
    return f"{seconds}秒"


def _time(now: datetime) -> str:
    return f"{now.astimezone(TOKYO):%H:%M:%S}"
