"""`callflow dial run`: dials in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import threading

import typer
from sqlalchemy.exc import DBAPIError

from callflow.cli.context import Context
from callflow.cli.telephone import phone_of, rules_of_campaigns, switchboard_of
from callflow.clock import TOKYO
from callflow.dialler import Dialler
from callflow.errors import ConfigError, TryLaterError
from callflow.storage import in_words
from callflow.telephony.port import AttendedPhone, ListeningPhone
from models.database import Fault, fault_of
from models.migrate import HEAD, current

EVERY = 0.2  # seconds


def run(ctx: typer.Context) -> None:
    """応対できる担当者のために発信し続ける。何台のホストで何個動かしてもよい。

    担当者が自分で発信する電話（telephony.phone: manual）では使わない。定期の仕事（callflow work）は別に要る。
    止めるには Ctrl-C か SIGTERM。

    例: callflow dial run
    """
    here: Context = ctx.obj
    kind = here.config.telephony.phone
    if kind == "manual":
        raise ConfigError(
            "卓上電話では、発信するのは担当者です（telephony.phone: manual）",
            mend="自分で発信する電話を telephony.phone に書いたときだけ、このプロセスが要ります",
        )
    if (found := current(here.database)) != HEAD:
        raise ConfigError(
            f"データベースの版が違います（{found}、要る版 {HEAD}）", mend="callflow db upgrade を実行してください"
        )
    phone, _hook = phone_of(here, kind)
    worker = f"{socket.gethostname()[:40]}:{os.getpid()}"
    dialler = Dialler(
        here.database,
        here.clock,
        switchboard_of(here, here.database, phone),
        here.municipality_id,
        rules_of_campaigns(here, here.database),
        worker=worker,
        attended=isinstance(phone, AttendedPhone),
    )
    listening = phone if isinstance(phone, ListeningPhone) else None
    if listening is not None:
        listening.start()
    ending = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ending.set())
    typer.echo(f"発信のプロセスを始めます（{worker}）。止めるには Ctrl-C", err=True)
    try:
        _until(ending, dialler, listening, here)
    finally:
        dialler.close()
        if listening is not None:
            listening.close()
    typer.echo("止まりました", err=True)


def _until(ending: threading.Event, dialler: Dialler, listening: ListeningPhone | None, here: Context) -> None:
    """Repeats its steps; what stands in the way is said once, and tried again until it is gone."""
    trouble = ""
    while not ending.wait(EVERY):
        before, trouble = trouble, _step(dialler, listening)
        if trouble != before:
            now = here.clock.now().astimezone(TOKYO)
            typer.echo(f"{now:%H:%M:%S} {trouble or '発信を再開します'}", err=True)


def _step(dialler: Dialler, listening: ListeningPhone | None) -> str:
    """What stood in the way, empty if nothing did. Raises CallflowError where the disk is full or broken."""
    try:
        if listening is not None:
            dialler.hear_receivers(listening.poll_desks())
        dialler.step()
    except TryLaterError as error:
        return error.what
    except DBAPIError as error:
        words = in_words(error)
        if words is None:
            raise
        if fault_of(error) is Fault.FULL:
            raise words from error
        return words.what
    return ""
