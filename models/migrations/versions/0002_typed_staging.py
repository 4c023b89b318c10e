"""Rows on their way in are staged in typed tables, and dates are kept as the list writes them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.drop_table("import_rows")
    for name in ("due_on_raw", "reminder_on_raw"):
        op.add_column("arrears", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("imports", sa.Column("alive_at", sa.DateTime(timezone=True)))
    op.add_column("imports", sa.Column("staged", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    staged = sa.text("staged")
    op.create_index(
        "ix_imports_staged",
        "imports",
        ["municipality_id", "started_at"],
        sqlite_where=staged,
        postgresql_where=staged,
    )
    _staging_table("import_people", "addressee_no", *_people())
    _staging_table("import_arrears", "line", *_arrears())
    _staging_table("import_payments", "line", *_payments())


def _staging_table(name: str, key: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("import_id", ID, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["municipality_id", "import_id"],
            ["imports.municipality_id", "imports.id"],
            name=op.f(f"fk_{name}_municipality_id_import_id"),
        ),
        sa.PrimaryKeyConstraint("municipality_id", "import_id", key, name=op.f(f"pk_{name}")),
        sa.ForeignKeyConstraint(["municipality_id"], ["municipalities.id"], name=op.f(f"fk_{name}_municipality_id")),
        sqlite_with_rowid=False,
    )


def _needed(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _people() -> list[sa.Column[Any]]:
    columns = [
        _needed("addressee_no", sa.String(32)),
        _needed("line", sa.Integer),
        _needed("external_no", sa.String(32)),
        _needed("name", sa.Text),
        _needed("kana", sa.Text),
        sa.Column("birth_date", sa.Date),
        _needed("birth_date_raw", sa.Text),
        _needed("postal_code", sa.String(8)),
        _needed("address", sa.Text),
        _needed("language", sa.String(16)),
        _needed("spouse_name", sa.Text),
        _needed("is_nominal_householder", sa.Boolean),
        _needed("protected", sa.Boolean),
    ]
    for position in ("1", "2"):
        columns += [
            sa.Column(f"raw_{position}", sa.Text),
            sa.Column(f"e164_{position}", sa.String(20)),
            sa.Column(f"note_{position}", sa.Text),
            sa.Column(f"quarantine_{position}", sa.Text),
        ]
    return columns


def _arrears() -> list[sa.Column[Any]]:
    return [
        _needed("line", sa.Integer),
        _needed("addressee_no", sa.String(32)),
        *_notice(),
        _needed("due_on", sa.Date),
        _needed("due_on_raw", sa.Text),
        _needed("levied", sa.Integer),
        _needed("paid", sa.Integer),
        _needed("unpaid", sa.Integer),
        sa.Column("reminder_on", sa.Date),
        _needed("reminder_on_raw", sa.Text),
        _needed("as_of", sa.Date),
    ]


def _payments() -> list[sa.Column[Any]]:
    return [
        _needed("line", sa.Integer),
        *_notice(nominal=False),
        _needed("paid_on", sa.Date),
        _needed("amount", sa.Integer),
        _needed("cancels", sa.Boolean),
        _needed("as_of", sa.Date),
    ]


def _notice(*, nominal: bool = True) -> list[sa.Column[Any]]:
    return [
        _needed("claim_type", sa.String(32)),
        _needed("notice_no", sa.String(32)),
        _needed("levy_year", sa.Integer),
        *([_needed("nominal_year", sa.Integer)] if nominal else []),
        _needed("instalment", sa.Integer),
    ]
