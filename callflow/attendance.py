"""Whether an operator's receiver is off the hook, where the telephone calls operators before it calls residents.

Each taking of a receiver has a name of its own (`desk`), committed before the telephone is asked. It goes from
`calling` to `there` to `gone` and never back, in whatever order it is told.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Integer, bindparam, insert, select, update

from callflow.telephony.port import DeskEvent
from models.tables import receivers

State = Literal["calling", "there", "gone"]
_BEFORE: Final[dict[State, tuple[State, ...]]] = {"calling": (), "there": ("calling",), "gone": ("calling", "there")}
_r = receivers.c
_OF = select(_r.desk, _r.state, _r.since).where(
    _r.municipality_id == bindparam("m", type_=Integer), _r.account_id == bindparam("account")
)
_THERE = select(_r.account_id).where(_r.municipality_id == bindparam("m", type_=Integer), _r.state == "there")


@dataclass(frozen=True, slots=True)
class Receiver:
    """An operator's receiver as it was last heard of."""

    desk: str
    state: State
    since: datetime


def receiver_of(conn: Connection, municipality_id: int, account_id: int) -> Receiver | None:
    """None if it was never called."""
    row = conn.execute(_OF, {"m": municipality_id, "account": account_id}).one_or_none()
    return Receiver(row.desk, row.state, row.since) if row else None


def there(conn: Connection, municipality_id: int) -> set[int]:
    """The accounts whose receiver is off the hook."""
    return set(conn.execute(_THERE, {"m": municipality_id}).scalars())


def call(conn: Connection, municipality_id: int, account_id: int, now: datetime) -> str:
    """The intent to ring an operator; the new `desk` under which the telephone is to be asked."""
    own: dict[str, Any] = {"municipality_id": municipality_id, "account_id": account_id}
    values = {"desk": secrets.token_hex(16), "state": "calling", "since": now}
    mine = (_r.municipality_id == municipality_id) & (_r.account_id == account_id)
    if not conn.execute(update(receivers).where(mine).values(**values)).rowcount:
        conn.execute(insert(receivers).values(**own, **values))
    return str(values["desk"])


def heard(conn: Connection, municipality_id: int, event: DeskEvent, now: datetime) -> int | None:
    """Takes in what became of a receiver; whose it is, None if nothing moved."""
    mine = (_r.municipality_id == municipality_id) & (_r.desk == event.desk) & _r.state.in_(_BEFORE[event.state])
    moved = conn.execute(update(receivers).where(mine).values(state=event.state, since=now).returning(_r.account_id))
    found = moved.scalar()
    return None if found is None else int(found)
