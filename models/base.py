"""The metadata and the column kinds that all tables share.

Every tenant table leads its keys with `municipality_id`, so that one PostgreSQL can serve many
municipalities and be distributed by that key. Instants are UTC, money is integer yen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    TypeDecorator,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer(), "sqlite")
"""Ids are given by `models.ids.new_ids`, dense and small, so that a person can type one."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant. Refuses naive values, which would be judged in the host's zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(column: str, values: Sequence[str]) -> CheckConstraint:
    """The database itself refuses a word outside `values`."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=column)


def belongs_to(table: str, column: str) -> ForeignKeyConstraint:
    """A reference inside the same municipality."""
    return ForeignKeyConstraint(["municipality_id", column], [f"{table}.municipality_id", f"{table}.id"])


def index_where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """An index over the rows that meet `condition`, on both databases."""
    where = text(condition)
    return Index(name, "municipality_id", *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def tenant_table(name: str, *items: SchemaItem, key: Sequence[str] = ("id",), **options: Any) -> Table:
    """A table of one municipality's rows; `key` completes the primary key after `municipality_id`."""
    columns: list[Any] = [Column("municipality_id", Integer, nullable=False)]
    if "id" in key:
        columns.append(Column("id", Id, nullable=False, autoincrement=False))
    return Table(
        name,
        metadata,
        *columns,
        *items,
        PrimaryKeyConstraint("municipality_id", *key),
        ForeignKeyConstraint(["municipality_id"], ["municipalities.id"]),
        **options,
    )
