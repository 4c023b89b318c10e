"""A document that leaves the program: its purpose, count and hash are on record before a byte of it is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from callflow.access.auditlog import audit
from callflow.access.glass import SealedError, is_sealed
from callflow.errors import InputError, RefusedError, Where
from callflow.followup.history import Who, roles_of
from models.database import Database
from models.tables import accounts

LONGEST_PURPOSE: Final = 500


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that was handed over. `count`: of what it holds; `digest`: SHA-256, as the record has it."""

    name: str
    media_type: str
    content: bytes
    count: int
    digest: str


def may_print(conn: Connection, who: Who, purpose: str) -> str:
    """The purpose as it goes on record. Raises RefusedError for who is not staff, InputError without a purpose."""
    if "staff" not in roles_of(conn, who):
        raise RefusedError("印刷できるのは、区の職員だけです")
    words = purpose.strip()
    if not words or len(words) > LONGEST_PURPOSE:
        raise InputError(
            "目的がありません" if not words else f"目的は{LONGEST_PURPOSE}字までです",
            where=Where(field="purpose"),
            mend="何のために要るかを書いてください",
        )
    return words


def must_be_open(conn: Connection, who: Who, case_ids: Iterable[int]) -> None:
    """Raises SealedError for a case of a protected household that who prints has not opened."""
    for case_id in case_ids:
        if who.account_id is None or is_sealed(conn, who.municipality_id, who.account_id, case_id, who.now):
            raise SealedError(case_id)


def printer_of(conn: Connection, who: Who) -> str:
    """Who prints, as it stands on the paper."""
    a = accounts.c
    mine = (a.municipality_id == who.municipality_id, a.id == who.account_id)
    row = conn.execute(select(a.display_name, a.login).where(*mine)).one()
    return f"{row.display_name}（{row.login}）"


def hand_over(
    database: Database,
    who: Who,
    verb: str,
    thing: str,
    purpose: str,
    paper: tuple[str, str, bytes, int],
    also: Callable[[Connection], None] = lambda _conn: None,
) -> Paper:
    """The document, once its record is committed. `paper`: name, media type, content, count.

    `also`: what is written with it, in the same transaction; what it raises means that nothing is given.
    """
    name, media_type, content, count = paper
    digest = hashlib.sha256(content).hexdigest()

    def work(conn: Connection) -> None:
        also(conn)
        told = f"{media_type},count={count},sha256={digest}"
        audit(conn, who.municipality_id, who.now, who.account_id, verb, thing, purpose=purpose, fields=told)

    database.transact(work)
    return Paper(name, media_type, content, count, digest)
