"""The record of acts: who did or saw what, when, where and why, in hash chains. Names of fields, never values.

Every event stands in a chain like those of calls (`callflow.calllog`, same hash, same commitment):

    payload = canonical JSON of {fields, id, object, purpose, roles, terminal}

A chain belongs to one connection of one process and to one day in Tokyo, so that nobody waits for another's head. It
bears the id of its first event. `callflow.access.verifier` proves the chains with code of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select

from callflow.calllog import GENESIS, canonical, commit_to, link, stamp
from callflow.clock import TOKYO
from models.ids import new_id
from models.tables import audit_events

_CHAINS: Final = "audit_chains"


@dataclass(frozen=True, slots=True)
class Occasion:
    """From where somebody acts, and in which roles."""

    terminal: str = ""
    roles: frozenset[str] = frozenset()


PROGRAM: Final = "client"
"""Stands in place of a role where a program of the ward acts (`callflow.access.clients`)."""

_ITSELF: Final = Occasion()
occasion: ContextVar[Occasion] = ContextVar("occasion", default=_ITSELF)
"""Set by the gate for a request and by the command line for a command; of the program's own work it is empty."""


def audit(
    conn: Connection,
    municipality_id: int,
    at: datetime,
    actor_id: int | None,
    verb: str,
    thing: str,
    *,
    purpose: str = "",
    fields: str = "",
) -> None:
    """Puts an act on the record, in the caller's transaction.

    `verb`: `user:add`; `thing`: `account:12`, never a name; `fields`: names only; `at`: when it is written, for an
    anchor says that nothing older is still to come. `actor_id`: None is the program itself.
    """
    one = new_id(conn, audit_events, municipality_id)
    chain, seq, previous = _end(conn, municipality_id, at.astimezone(TOKYO).date(), one)
    here, salt = occasion.get(), secrets.token_bytes(16)
    told = {
        "object": thing,
        "purpose": purpose,
        "fields": fields,
        "terminal": here.terminal[:64],
        "roles": ",".join(sorted(here.roles)),
    }
    commitment = commit_to(canonical({"id": one, **told}).encode(), salt)
    actor = "system" if actor_id is None else f"account:{actor_id}"
    conn.execute(
        _WRITE,
        {
            "municipality_id": municipality_id,
            "id": one,
            "at": at,
            "actor_id": actor_id,
            "verb": verb,
            **told,
            "chain": chain,
            "seq": seq,
            "salt": salt,
            "commitment": commitment,
            "hash": link(previous, municipality_id, chain, seq, stamp(at), verb, actor, commitment),
        },
    )


def begin_chain(conn: Connection, municipality_id: int) -> Callable[[], int]:
    """The next act of this connection begins a chain of its own; what is returned says which, once it is written."""
    chains: dict[int, tuple[int, date]] = conn.info.setdefault(_CHAINS, {})
    chains.pop(municipality_id, None)
    return lambda: chains[municipality_id][0]


def _end(conn: Connection, municipality_id: int, day: date, new: int) -> tuple[int, int, bytes]:
    """The chain to write to, the next number in it, and the hash before it.

    Only the chain is remembered with the connection; its end is read, for a transaction may have been rolled back.
    Two that began at the same end would collide on (chain, seq): a chain cannot fork.
    """
    chains: dict[int, tuple[int, date]] = conn.info.setdefault(_CHAINS, {})
    chain, begun = chains.get(municipality_id, (0, None))
    if begun == day:
        last: Any = conn.execute(_LAST, {"m": municipality_id, "chain": chain}).one_or_none()
        if last is not None:
            return chain, last.seq + 1, last.hash
    chains[municipality_id] = (new, day)
    return new, 1, GENESIS


_WRITE = insert(audit_events)
_LAST = (
    select(audit_events.c.seq, audit_events.c.hash)
    .where(audit_events.c.municipality_id == bindparam("m"), audit_events.c.chain == bindparam("chain"))
    .order_by(audit_events.c.seq.desc())
    .limit(1)
)
