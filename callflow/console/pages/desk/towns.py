"""The towns of the municipality, for the blind comparison of an address: a list that says nothing about anybody."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sqlalchemy import select

from callflow.console.site import Site
from models.database import Database
from models.tables import debtors


def towns(site: Site) -> tuple[str, ...]:
    """Every town that is on file, in order; read once a day."""
    return _read(site.database, site.municipality_id, site.clock.now().date().isoformat())


@lru_cache(maxsize=4)
def _read(database: Database, municipality_id: int, _day: str) -> tuple[str, ...]:
    with database.read() as conn:
        found = conn.execute(select(debtors.c.address).where(debtors.c.municipality_id == municipality_id)).scalars()
        names = {town for address in found if (town := _town(address))}
    return tuple(sorted(names))


def _town(address: str) -> str:
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", address))
    found = re.match(r"\D+(?=\d)", plain)
    return found[0] if found else ""
