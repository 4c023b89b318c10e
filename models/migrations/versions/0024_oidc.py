"""The provider's subject of an account; sessions that still need their second factor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accounts") as table:
        table.add_column(sa.Column("oidc_subject", sa.String(255), nullable=True))
    known = sa.text("oidc_subject IS NOT NULL")
    op.create_index(
        "uq_accounts_subject",
        "accounts",
        ["municipality_id", "oidc_subject"],
        unique=True,
        sqlite_where=known,
        postgresql_where=known,
    )
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("code_asked_at", sa.DateTime(timezone=True), nullable=True))
