"""The counts over calls from which the KPIs are made: one grouped statement, whatever it is grouped by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from operator import add, attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, and_, distinct, func, select

from callflow.reports.asking import Ask, counted, seconds_between, tokyo_day
from callflow.reports.figures import Mean, Rate
from models.tables import calls, queue_entries

HARDSHIP_CODES: Final = ("HS", "HC", "HR")
"""生活困窮・相談, undecided, staff call, resident calls."""

_c = calls.c
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of calls. `dialled`, `contacts`, `right_party`: A, C and R of the table of outcomes, which count outbound
    calls; `inbound`: residents who called back. `talk_seconds`: talk and wrap-up of the `handled` calls."""

    calls: int = 0
    inbound: int = 0
    dialled: int = 0
    contacts: int = 0
    right_party: int = 0
    promises: int = 0
    hardship: int = 0
    off_script: int = 0
    unverified: int = 0
    wrong_number: int = 0
    third_party: int = 0
    abandoned: int = 0
    handled: int = 0
    talk_seconds: float = 0.0

    @property
    def answer_rate(self) -> Rate:
        return Rate(self.contacts, self.dialled)

    @property
    def right_party_rate(self) -> Rate:
        return Rate(self.right_party, self.dialled)

    @property
    def off_script_rate(self) -> Rate:
        return Rate(self.off_script, self.contacts)

    @property
    def abandoned_rate(self) -> Rate:
        return Rate(self.abandoned, self.abandoned + self.handled)

    @property
    def handling(self) -> Mean:
        """AHT in seconds."""
        return Mean(self.talk_seconds, self.handled)


_OUTBOUND = _c.direction == "outbound"
_HANDLED = and_(_c.contact == 1, _c.disposition != "AB")
_MEASURES: Final[tuple[ColumnElement[Any], ...]] = (
    func.count(),
    counted(_c.direction == "inbound"),
    counted(and_(_OUTBOUND, _c.attempt == 1)),
    counted(and_(_OUTBOUND, _c.attempt == 1, _c.contact == 1)),
    counted(and_(_OUTBOUND, _c.attempt == 1, _c.right_party == 1)),
    counted(_c.disposition == "PP"),
    counted(_c.disposition.in_(HARDSHIP_CODES)),
    counted(and_(_OUTBOUND, _c.disposition == "OS")),
    counted(and_(_OUTBOUND, _c.disposition.in_(("VD", "VF")))),
    counted(and_(_OUTBOUND, _c.disposition == "WN")),
    counted(and_(_OUTBOUND, _c.disposition.in_(("TP", "CH")))),
    counted(_c.disposition == "AB"),
    counted(_HANDLED),
    func.coalesce(func.sum(seconds_between(_c.answered_at, _c.closed_at)).filter(_HANDLED), 0.0),
)


_NOTHING: Final = (0,) * len(_MEASURES)
_COUNTS: Final = attrgetter(*(each.name for each in fields(Tally)))
Row = Sequence[Any]


def tally(ask: Ask, *by: ColumnElement[Any]) -> dict[tuple[Any, ...], Tally]:
    """Counts of the asked calls by the given columns, in their order."""
    return fold(counts_by(ask, *by), lambda *key: key, len(by))


def counts_by(ask: Ask, *by: ColumnElement[Any]) -> Sequence[Row]:
    """Rows of the columns and then the counts, to be folded."""
    return ask.rows(select(*by, *_MEASURES).where(ask.these_calls()).group_by(*by).order_by(*by))


def fold(rows: Iterable[Row], key: Callable[..., K], width: int) -> dict[K, Tally]:
    """Adds up rows by `key` of their first `width` columns; in the order in which keys come."""
    sums: dict[K, tuple[Any, ...]] = {}
    for row in rows:
        name = key(*row[:width])
        sums[name] = tuple(map(add, sums.get(name, _NOTHING), row[width:]))
    return {name: Tally(*each) for name, each in sums.items()}


def _days(ask: Ask) -> Sequence[Row]:
    """By day and campaign, asked once for all sections of a report."""
    if "days" not in ask.memo:
        ask.memo["days"] = counts_by(ask, tokyo_day(_c.opened_at), _c.campaign_id)
    return ask.memo["days"]  # type: ignore[no-any-return]


def by_day(ask: Ask) -> dict[date, Tally]:
    return fold(_days(ask), lambda day, _campaign: day, 2)


def by_month(ask: Ask) -> dict[str, Tally]:
    return fold(_days(ask), lambda day, _campaign: f"{day:%Y-%m}", 2)


def by_campaign(ask: Ask) -> dict[int, Tally]:
    """By the campaign's id, in that order; 0 is none."""
    return dict(sorted(fold(_days(ask), lambda _day, campaign: campaign or 0, 2).items()))


def total(ask: Ask) -> Tally:
    return fold(_days(ask), lambda _day, _campaign: None, 2).get(None, Tally())


def whole(parts: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    return fold(map(_COUNTS, parts), lambda: None, 0).get(None, Tally())


@dataclass(frozen=True, slots=True)
class Reach:
    """Distinct cases: in the campaigns' queues, dialled, spoken with, promising, in hardship by outcome or signal."""

    planned: int
    dialled: int
    spoken: int
    promising: int

    @property
    def penetration(self) -> Rate:
        return Rate(self.dialled, self.planned)

    @property
    def promise_rate(self) -> Rate:
        return Rate(self.promising, self.spoken)


def reach(ask: Ask) -> Reach:
    """Penetration counts what was planned at any time against what was dialled in the period."""
    q = queue_entries.c
    planned = select(func.count(distinct(q.case_id))).where(q.municipality_id == ask.municipality_id)
    if ask.campaign_id is not None:
        planned = planned.where(q.campaign_id == ask.campaign_id)
    there = queue_entries.alias().c
    queued = select(there.case_id).where(
        there.municipality_id == ask.municipality_id,
        there.case_id == _c.case_id,
        *([] if ask.campaign_id is None else [there.campaign_id == ask.campaign_id]),
    )
    placed = and_(_OUTBOUND, _c.placed_at.is_not(None))
    dialled = select(func.count(distinct(_c.case_id))).where(ask.these_calls(), placed, queued.exists())
    spoken = select(
        func.count(distinct(_c.case_id)),
        func.count(distinct(_c.case_id)).filter(_c.disposition == "PP"),
    ).where(ask.these_calls(), _c.right_party == 1)
    return Reach(int(ask.one(planned)[0]), int(ask.one(dialled)[0]), *map(int, ask.one(spoken)))
