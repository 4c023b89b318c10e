"""What a database holds, counted so that a copy can be held against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection, select, text

from callflow.backup.archive import Contents
from models.tables import calls, metadata

_MODULUS = 1 << 256


class Heads:
    """A digest over the chains' heads in any order: the sum of their SHA-256, so that a dump needs no sorting."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, municipality_id: int, call_id: int, count: int, head: str) -> None:
        """`head`: the hash of the last event, hex; empty before the first."""
        line = f"call/{municipality_id}/{call_id} {count} {head}"
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(line.encode()).digest())) % _MODULUS

    def hexdigest(self) -> str:
        return f"{self._sum:064x}"


def contents_of(conn: Connection, tables: Iterable[str] | None = None) -> Contents:
    """Counts `tables` (else all of this program's) and digests the heads, in the caller's snapshot."""
    names = sorted(metadata.tables if tables is None else tables)
    counts = {}
    for name in names:
        quoted = conn.dialect.identifier_preparer.quote_identifier(name)
        counts[name] = int(conn.execute(text(f"SELECT count(*) FROM {quoted}")).scalar_one())  # noqa: S608  quoted
    heads = Heads()
    query = select(calls.c.municipality_id, calls.c.id, calls.c.event_count, calls.c.head_hash)
    for municipality_id, call_id, count, head in conn.execute(query.execution_options(yield_per=5_000)):
        heads.add(municipality_id, call_id, count, (head or b"").hex())
    return Contents(tables=counts, heads=heads.hexdigest())


def difference(written: Contents, found: Contents) -> str:
    """In words, the first thing in which a copy is not what was counted; empty if it is the same."""
    for name, count in written.tables.items():
        if found.tables.get(name) != count:
            return f"表 {name} は {count:,} 行のはずが {found.tables.get(name, 0):,} 行です"
    return "" if written.heads == found.heads else "通話の連鎖の末尾が違います"
