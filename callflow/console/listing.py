"""Lists: what page, order and words somebody asked for, and the page of rows that answers it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

T = TypeVar("T")

SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """`page` counts from 1. `filters`: everything else that the URL narrows by, and that its links must keep."""

    page: int
    sort: str
    descending: bool
    words: str
    filters: Mapping[str, str]
    size: int = SIZE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    def link(self, **changed: Any) -> str:
        """The same list with something changed; another order or filter begins at page 1."""
        now = {"sort": self.sort, "desc": "1" if self.descending else "", "q": self.words, **self.filters}
        wanted = {**now, **{name: str(value) for name, value in changed.items()}}
        return "?" + urlencode({name: value for name, value in wanted.items() if value})

    def order(self, column: str) -> str:
        """The link that orders by a column; again, the other way round."""
        return self.link(sort=column, desc="1" if self.sort == column and not self.descending else "")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of a list. `total`: all rows that meet the filter."""

    asked: Asked
    rows: Sequence[T]
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.asked.size))

    @property
    def first(self) -> int:
        return self.asked.offset + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.asked.offset + len(self.rows)


def asked(
    query: Mapping[str, str], *, sorts: Sequence[str], filters: Sequence[str] = (), descending: bool = False
) -> Asked:
    """What a URL asks for; what it asks wrongly is as if not asked. The first of `sorts` is the usual order.

    `descending` is the usual direction. A page orders by `Asked.sort` only through a table of its own columns.
    """
    given = query.get("sort", "")
    page = query.get("page", "1")
    return Asked(
        page=int(page) if page.isdecimal() and 0 < int(page) < 1_000_000 else 1,
        sort=given if given in sorts else sorts[0],
        descending=query.get("desc") == "1" if given in sorts else descending,
        words=query.get("q", "").strip()[:100],
        filters={name: query[name] for name in filters if query.get(name)},
    )


def listed(rows: Sequence[T], wanted: Asked, *, words: Callable[[T], str]) -> Listing[T]:
    """A page of a list that is in memory. `words`: what a row is found by, whatever the width of its letters."""
    needle = folded(wanted.words)
    found = [row for row in rows if needle in folded(words(row))]
    found.sort(key=lambda row: getattr(row, wanted.sort), reverse=wanted.descending)
    return Listing(wanted, found[wanted.offset : wanted.offset + wanted.size], len(found))


def folded(text: str) -> str:
    """Text as it is compared: width, case and the two kana alike."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(chr(ord(one) + 0x60) if "ぁ" <= one <= "ゖ" else one for one in plain)
