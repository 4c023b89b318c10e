"""What a report is asked about, and the few expressions that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Date, Float, Integer, and_, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from callflow.access.accounts import Kind
from callflow.config import Config
from callflow.reports.figures import Period
from callflow.shelf import Shelf
from models.tables import calls


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: over which calls, in which period, by whom. `campaign_id`: None for all of them.

    `cut`: the day that a before is held against an after by.
    `memo`: what was counted for one section and serves another, too.
    `kind`, `account_id`: of whoever asks; what is about single operators is for their own organisation.
    """

    conn: Connection
    municipality_id: int
    period: Period
    now: datetime
    config: Config
    kind: Kind
    account_id: int
    shelf: Shelf = field(default_factory=Shelf)
    campaign_id: int | None = None
    cut: date | None = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def ward(self) -> bool:
        return self.kind == "ward"

    def rows(self, query: Any) -> Sequence[Any]:
        """What a SELECT finds."""
        return self.conn.execute(query).all()

    def one(self, query: Any) -> Any:
        """The one row of a SELECT."""
        return self.conn.execute(query).one()

    def within(self, column: ColumnElement[datetime]) -> ColumnElement[bool]:
        """`column`, an instant, lies in the period."""
        return and_(column >= self.period.since, column < self.period.until)

    def these_calls(self) -> ColumnElement[bool]:
        """Calls of the period and the campaign, by when they were opened; live ones are not judged yet."""
        c = calls.c
        own = and_(c.municipality_id == self.municipality_id, self.within(c.opened_at), c.disposition.is_not(None))
        return own if self.campaign_id is None else and_(own, c.campaign_id == self.campaign_id)

    def of_these_calls(self, table: Any, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
        """Rows of `table` whose `moment` lies in the period, of the campaign's calls if one is asked for."""
        own = and_(table.c.municipality_id == self.municipality_id, self.within(moment))
        if self.campaign_id is None:
            return own
        c = calls.c
        mine = select(c.id).where(c.municipality_id == self.municipality_id, c.campaign_id == self.campaign_id)
        return and_(own, table.c.call_id.in_(mine))


class tokyo_day(GenericFunction[Any]):  # noqa: N801  written like the functions of SQL
    """The day of an instant in Tokyo, which has no summer time."""

    type = Date()
    inherit_cache = True


@compiles(tokyo_day, "sqlite")
def _day_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"date({compiler.process(element.clauses, **kw)}, '+9 hours')"


@compiles(tokyo_day, "postgresql")
def _day_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(({compiler.process(element.clauses, **kw)}) AT TIME ZONE 'Asia/Tokyo')::date"


class tokyo_hour(GenericFunction[Any]):  # noqa: N801
    """The hour of an instant in Tokyo, 0 to 23."""

    type = Integer()
    inherit_cache = True


@compiles(tokyo_hour, "sqlite")
def _hour_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST(strftime('%H', {compiler.process(element.clauses, **kw)}, '+9 hours') AS INTEGER)"


@compiles(tokyo_hour, "postgresql")
def _hour_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"extract(hour FROM ({compiler.process(element.clauses, **kw)}) AT TIME ZONE 'Asia/Tokyo')::int"


class seconds_between(GenericFunction[Any]):  # noqa: N801
    """Seconds from the first instant to the second."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between, "sqlite")
def _seconds_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    begins, ends = (compiler.process(each, **kw) for each in element.clauses)
    return f"(julianday({ends}) - julianday({begins})) * 86400.0"


@compiles(seconds_between, "postgresql")
def _seconds_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    begins, ends = (compiler.process(each, **kw) for each in element.clauses)
    return f"extract(epoch FROM ({ends}) - ({begins}))::float"


class days_between(GenericFunction[Any]):  # noqa: N801
    """Whole days from the first day to the second."""

    type = Integer()
    inherit_cache = True


@compiles(days_between, "sqlite")
def _days_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    begins, ends = (compiler.process(each, **kw) for each in element.clauses)
    return f"CAST(julianday({ends}) - julianday({begins}) AS INTEGER)"


@compiles(days_between, "postgresql")
def _days_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    begins, ends = (compiler.process(each, **kw) for each in element.clauses)
    return f"(({ends})::date - ({begins})::date)"


class told_field(GenericFunction[Any]):  # noqa: N801
    """What an event of a call's log says for a field of the script; the field's name must be a literal of ours."""

    inherit_cache = True


@compiles(told_field, "sqlite")
def _told_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    payload, name = (compiler.process(each, **kw) for each in element.clauses)
    return f"json_extract({payload}, '$.fields.\"' || {name} || '\"')"


@compiles(told_field, "postgresql")
def _told_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    payload, name = (compiler.process(each, **kw) for each in element.clauses)
    return f"(({payload})::jsonb -> 'fields' ->> {name})"


def counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows meet a condition."""
    return func.count().filter(condition)
