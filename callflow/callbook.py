"""Calls inside a transaction: each locked, with what its log amounts to by now, and moved on by entries of that log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, insert, select, update

from callflow import calllog, replay
from callflow.calllog import Entry, Head
from callflow.caserecord import Owner
from callflow.errors import NotFoundError, RefusedError
from callflow.flow import Flow
from callflow.replay import Told
from callflow.script.model import Script
from callflow.shelf import Shelf
from models.live import announce
from models.tables import calls

MOST = 2_000
"""Calls whose logs are remembered as they were told last."""

# Built once: a statement's construction costs more than its execution.
_THIS = (calls.c.municipality_id == bindparam("m", type_=Integer), calls.c.id == bindparam("call"))
COLUMNS = (
    calls.c.id,
    calls.c.script_hash,
    calls.c.event_count,
    calls.c.head_hash,
    calls.c.step,
    calls.c.live,
    calls.c.line_state,
    calls.c.disposition,
    calls.c.case_id,
    calls.c.household_id,
    calls.c.number_id,
    calls.c.campaign_id,
    calls.c.operator_id,
    calls.c.fence,
    calls.c.direction,
    calls.c.placed_at,
    calls.c.unattended,
)
"""What a row of a call must have to be held."""

_SELECT = select(*COLUMNS).where(*_THIS)
_LOCKED = _SELECT.with_for_update()
_INSERT = insert(calls)
_UPDATE = update(calls).where(*_THIS)


@dataclass(frozen=True, slots=True)
class Held:
    """A call inside a transaction: its row as it was found, locked, its script, and what its log amounts to by now."""

    row: Row[Any]
    flow: Flow
    told: Told
    head: Head
    line_state: str

    def then(self, told: Told, head: Head, line_state: str | None = None) -> Held:
        """The same call, further on in the transaction."""
        return Held(self.row, self.flow, told, head, line_state or self.line_state)


class CallBook:
    """The calls of one municipality. Safe to share between threads; the database guards the order."""

    def __init__(self, shelf: Shelf, municipality_id: int, salt: Callable[[int], bytes]) -> None:
        self._shelf = shelf
        self._municipality_id = municipality_id
        self._salt = salt
        self._recent: dict[int, tuple[bytes, Told]] = {}

    def hold(
        self,
        conn: Connection,
        call_id: int,
        operator_id: int | None = None,
        *,
        lock: bool = True,
        needs_live: bool = True,
    ) -> Held:
        """A call, locked unless it is only looked at; `operator_id`: whose it must be.

        Raises NotFoundError, and RefusedError for one that is over where it must be live.
        """
        about = {"m": self._municipality_id, "call": call_id}
        row: Any = conn.execute(_LOCKED if lock else _SELECT, about).one_or_none()
        if row is None or operator_id not in (None, row.operator_id):
            raise NotFoundError(f"通話 {call_id} はありません")
        if needs_live and not row.live:
            raise RefusedError("この通話は終わっています", mend="終わった通話の訂正は、訂正の記録として残します")
        return self.held(conn, row)

    def held(self, conn: Connection, row: Row[Any]) -> Held:
        """A call by its row of `calls`, which was read in the transaction of `conn`."""
        flow = self._shelf.flow(conn, self._municipality_id, row.script_hash)
        return Held(row, flow, self._tell(conn, row, flow), Head(row.event_count, row.head_hash), row.line_state)

    def open(
        self, conn: Connection, flow: Flow, columns: Mapping[str, Any], entries: Sequence[Entry], now: datetime
    ) -> None:
        """A new call: its row of `columns`, its id among them, and the first entries of its log."""
        m, call_id = self._municipality_id, columns["id"]
        rows, head = calllog.chained(m, call_id, Head(), entries, now, self._salt)
        about = {"municipality_id": m, "event_count": head.count, "head_hash": head.hash}
        conn.execute(_INSERT, {**columns, **about})
        calllog.write(conn, rows)
        self._remember(call_id, head.hash, _retold(flow.script, Told(), 0, entries, now))
        announce(conn, m, "call", call_id)

    def _tell(self, conn: Connection, row: Row[Any], flow: Flow) -> Told:
        """The fold of the call's log, from memory only if memory has exactly this head."""
        known = self._recent.get(row.id)
        if known and known[0] == row.head_hash:
            return known[1]
        return replay.tell_all(flow.script, calllog.read(conn, self._municipality_id, row.id))

    def append(
        self,
        conn: Connection,
        held: Held,
        entries: Sequence[Entry],
        now: datetime,
        columns: Mapping[str, Any],
    ) -> Held:
        """The call after `entries` of its log, with `columns` of its row changed too."""
        new = calllog.append(conn, self._municipality_id, held.row.id, held.head, entries, now, self._salt)
        told = _retold(held.flow.script, held.told, held.head.count, entries, now)
        talk = {"talk_state": told.talk.state, "party": told.talk.party} if told.talk else {}
        self.set(conn, held.row.id, event_count=new.count, head_hash=new.hash, **talk, **columns)
        if "line_state" in columns:  # steps of a talk are not announced: it costs a fifth of their rate
            announce(conn, self._municipality_id, "call", held.row.id)
        self._remember(held.row.id, new.hash, told)
        return held.then(told, new, columns.get("line_state"))

    def _remember(self, call_id: int, head: bytes, told: Told) -> None:
        """A rolled-back transaction may leave a head here that the database never had: it is then not used."""
        if len(self._recent) > MOST:
            self._recent.clear()
        self._recent[call_id] = (head, told)

    def forget(self, call_id: int) -> None:
        """The call is over."""
        self._recent.pop(call_id, None)

    def owner(self, conn: Connection, held: Held, now: datetime) -> Owner:
        """Whose the records are that the call makes."""
        row, records = held.row, held.told.records
        return Owner.of(conn, self._municipality_id, row, now, actor_id=row.operator_id, records=records)

    def set(self, conn: Connection, call_id: int, **columns: Any) -> None:
        """Columns of a call's row that its log does not tell."""
        conn.execute(_UPDATE, {"m": self._municipality_id, "call": call_id, **columns})


def _retold(script: Script, told: Told, count: int, entries: Sequence[Entry], now: datetime) -> Told:
    """`told` after `entries`, which are written behind its `count` events."""
    for seq, entry in enumerate(entries, start=count + 1):
        told = replay.tell(script, told, calllog.Event(seq, now, entry.kind, entry.actor, entry.payload))
    return told
