"""Which cases of a claim type a campaign means: its filter, as words, as data, and as a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, not_, or_

from models.tables import calls, cases, debtors


@dataclass(frozen=True, slots=True)
class Span:
    """From `least` to `most`, both included; an empty side is open."""

    least: int | None = None
    most: int | None = None

    def __str__(self) -> str:
        low, high = ("" if end is None else f"{end:,}" for end in (self.least, self.most))
        return low if low and low == high else f"{low}〜{high}"

    @classmethod
    def parse(cls, text: str) -> Span:
        """`3`, `3..`, `..6`, `3..6`. Raises ValueError."""
        low, dots, high = text.strip().partition("..")
        for end in (low, high):
            if end and not (end.isascii() and end.isdigit() and len(end) <= 12):
                raise ValueError(f"{text} は 3、3..、..6、3..6 の形ではありません")
        if not (low or high):
            raise ValueError(f"{text or '空の値'} は 3、3..、..6、3..6 の形ではありません")
        span = cls(int(low) if low else None, int(high) if high else None) if dots else cls(int(low), int(low))
        if span.least is not None and span.most is not None and span.least > span.most:
            raise ValueError(f"{text} は小さいほうを先に書きます")
        return span


@dataclass(frozen=True, slots=True)
class Selection:
    """A campaign's filter; an empty part means every case.

    Only what may still be dunned counts: instalments past their limitation are neither counted nor summed.
    """

    instalments: Span | None = None  # how many are unpaid
    amount: Span | None = None  # yen, unpaid
    age_days: Span | None = None  # since the oldest due date
    quiet_days: int | None = None  # nobody was talked to for so long, or ever
    never_reached: bool = False
    areas: tuple[str, ...] = ()  # parts of the address: a town
    languages: tuple[str, ...] = ()  # as in the list; `ja` also where the list says nothing

    def __bool__(self) -> bool:
        return self != EVERYTHING

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Span):
                data[item.name] = [value.least, value.most]
            elif value not in (None, False, ()):
                data[item.name] = list(value) if isinstance(value, tuple) else value
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Selection:
        read: dict[str, Any] = dict(data)
        for name in ("instalments", "amount", "age_days"):
            if name in read:
                read[name] = Span(*read[name])
        for name in ("areas", "languages"):
            read[name] = tuple(read.get(name, ()))
        return cls(**read)

    def in_words(self) -> list[str]:
        """Japanese, one line for each part that narrows."""
        words = [
            self.instalments and f"未納の期数 {self.instalments}",
            self.amount and f"未納額 {self.amount}円",
            self.age_days and f"最も古い納期限からの日数 {self.age_days}",
            self.quiet_days and f"{self.quiet_days}日以上だれとも話していない",
            self.never_reached and "まだだれとも話していない",
            self.areas and f"住所に {'・'.join(self.areas)}",
            self.languages and f"言語 {'・'.join(self.languages)}",
        ]
        return [word for word in words if word]


EVERYTHING = Selection()


def outside(selection: Selection, owed: Any, today: date, now: datetime) -> ColumnElement[bool] | None:
    """The condition under which a case is not meant; None: all are. `owed`: `planning`'s sums per case."""
    wanted: list[ColumnElement[bool]] = []
    for span, column in ((selection.instalments, owed.c.instalments), (selection.amount, owed.c.callable)):
        wanted += _between(func.coalesce(column, 0), span)
    if selection.age_days is not None:
        least, most = selection.age_days.least, selection.age_days.most
        if least is not None:
            wanted.append(owed.c.oldest <= today - timedelta(days=least))
        if most is not None:
            wanted.append(owed.c.oldest >= today - timedelta(days=most))
    if selection.never_reached:
        wanted.append(~_talked_to())
    elif selection.quiet_days is not None:
        wanted.append(~_talked_to(calls.c.opened_at > now - timedelta(days=selection.quiet_days)))
    if selection.areas:
        wanted.append(or_(*(debtors.c.address.contains(area, autoescape=True) for area in selection.areas)))
    if selection.languages:
        spoken = {"", *selection.languages} if "ja" in selection.languages else set(selection.languages)
        wanted.append(debtors.c.language.in_(sorted(spoken)))
    if not wanted:
        return None
    return not_(func.coalesce(and_(*wanted), literal(False)))


def _between(column: ColumnElement[int], span: Span | None) -> list[ColumnElement[bool]]:
    if span is None:
        return []
    ends = []
    if span.least is not None:
        ends.append(column >= span.least)
    if span.most is not None:
        ends.append(column <= span.most)
    return ends


def _talked_to(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        calls.c.municipality_id == cases.c.municipality_id, calls.c.case_id == cases.c.id, calls.c.contact == 1, *more
    )
