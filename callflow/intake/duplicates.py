"""Which rows of a file repeat an earlier one, in memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

_BITS = 28
_MASK = (1 << _BITS) - 1


class Suspects:
    """A Bloom filter of 32 MB. What it calls new is new; what it suspects is settled by `repeated`."""

    def __init__(self) -> None:
        self._seen = bytearray(1 << (_BITS - 3))
        self.keys: set[Hashable] = set()

    def add(self, key: Hashable) -> None:
        mixed = hash(key)
        known = True
        for place in (mixed & _MASK, (mixed >> _BITS) & _MASK, (mixed ^ (mixed >> 17)) & _MASK):
            bit = 1 << (place & 7)
            known = known and bool(self._seen[place >> 3] & bit)
            self._seen[place >> 3] |= bit
        if known:
            self.keys.add(key)


def repeated(keys: Iterable[tuple[int, Hashable]], suspects: set[Hashable]) -> Iterator[tuple[int, int]]:
    """(line, line of the first such row) of every row that repeats one, in the order of the file."""
    first: dict[Hashable, int] = {}
    for line, key in keys:
        if key in suspects:
            if key in first:
                yield line, first[key]
            else:
                first[key] = line
