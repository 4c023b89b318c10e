"""Validated rows of a file on their way in; an import that has ended, however it ended, has none here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Date, Integer, String, Table, Text

from models.base import Id, belongs_to, tenant_table


def _staging_table(name: str, *columns: Column[Any], key: str) -> Table:
    """Rows of one import. SQLite keeps them by their key alone: half the writing."""
    owner = Column("import_id", Id, nullable=False)
    belongs = belongs_to("imports", "import_id")
    return tenant_table(name, owner, *columns, belongs, key=("import_id", key), sqlite_with_rowid=False)


import_people = _staging_table(
    "import_people",
    Column("addressee_no", String(32), nullable=False),
    Column("line", Integer, nullable=False),  # the last one that told of the person
    Column("external_no", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("kana", Text, nullable=False),
    Column("birth_date", Date),
    Column("birth_date_raw", Text, nullable=False),
    Column("postal_code", String(8), nullable=False),
    Column("address", Text, nullable=False),
    Column("language", String(16), nullable=False),
    Column("spouse_name", Text, nullable=False),
    Column("is_nominal_householder", Boolean, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("raw_1", Text),  # empty: no number at that position
    Column("e164_1", String(20)),  # empty: quarantined
    Column("note_1", Text),
    Column("quarantine_1", Text),
    Column("raw_2", Text),
    Column("e164_2", String(20)),
    Column("note_2", Text),
    Column("quarantine_2", Text),
    key="addressee_no",
)

import_arrears = _staging_table(
    "import_arrears",
    Column("line", Integer, nullable=False),
    Column("addressee_no", String(32), nullable=False),
    Column("claim_type", String(32), nullable=False),
    Column("notice_no", String(32), nullable=False),
    Column("levy_year", Integer, nullable=False),
    Column("nominal_year", Integer, nullable=False),
    Column("instalment", Integer, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("due_on_raw", Text, nullable=False),
    Column("levied", Integer, nullable=False),  # yen
    Column("paid", Integer, nullable=False),
    Column("unpaid", Integer, nullable=False),
    Column("reminder_on", Date),
    Column("reminder_on_raw", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    key="line",
)

import_payments = _staging_table(
    "import_payments",
    Column("line", Integer, nullable=False),
    Column("claim_type", String(32), nullable=False),
    Column("notice_no", String(32), nullable=False),
    Column("levy_year", Integer, nullable=False),
    Column("instalment", Integer, nullable=False),
    Column("paid_on", Date, nullable=False),
    Column("amount", Integer, nullable=False),  # yen
    Column("cancels", Boolean, nullable=False),  # 取消区分 1
    Column("as_of", Date, nullable=False),
    key="line",
)
