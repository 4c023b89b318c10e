"""What the server does besides answering: it hears the telephone, opens lines ahead of operators where a campaign does,
wakes cases that fall due, settles what was left, and has the files of the import wizard read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial

import structlog
from starlette.concurrency import run_in_threadpool

from callflow.ahead import DiallerAhead
from callflow.console import importing, receivers
from callflow.console.site import Site
from callflow.errors import CallflowError
from callflow.telephony.port import ListeningPhone
from scheduler import queue

log = structlog.get_logger("callflow.console")

HEAR_EVERY = 0.2  # seconds
WAKE_EVERY = 5.0
RECOVER_EVERY = 30.0
IMPORT_EVERY = 1.0


@contextlib.asynccontextmanager
async def running(site: Site) -> AsyncIterator[None]:
    """Runs them while the server runs."""
    dialler = DiallerAhead(
        site.database,
        site.clock,
        site.switchboard,
        site.municipality_id,
        site.rules_of,
        worker=f"{socket.gethostname()[:48]}:{os.getpid()}",
    )
    tasks = [
        asyncio.create_task(_repeat(site.switchboard.listen, HEAR_EVERY)),
        asyncio.create_task(_repeat(lambda: _wake(site), WAKE_EVERY)),
        asyncio.create_task(_repeat(site.switchboard.recover, RECOVER_EVERY)),
        asyncio.create_task(_repeat(lambda: importing.attend(site), IMPORT_EVERY)),
    ]
    phone = site.phone if isinstance(site.phone, ListeningPhone) else None
    if phone is not None:
        phone.start()
        tasks.append(asyncio.create_task(_repeat(partial(receivers.listen, site, phone), HEAR_EVERY)))
    if site.can_dial_ahead:
        tasks.append(asyncio.create_task(_repeat(dialler.step, HEAR_EVERY)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        dialler.close()
        if phone is not None:
            await run_in_threadpool(phone.close)


async def _repeat(work: Callable[[], object], every: float) -> None:
    """Again and again; a failure is logged by its kind, and the next turn tries again."""
    while True:
        try:
            await run_in_threadpool(work)
        except CallflowError as error:
            log.warning("errand", kind=type(error).__name__)
        except Exception as error:
            log.error("errand", kind=type(error).__name__)
        await asyncio.sleep(every)


def _wake(site: Site) -> None:
    now = site.clock.now()
    for work in (queue.wake, queue.expire_leases):
        while site.database.transact(lambda conn, work=work: work(conn, site.municipality_id, now)):  # type: ignore[misc]
            pass
