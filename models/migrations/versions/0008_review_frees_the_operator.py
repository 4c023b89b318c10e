"""A call in review no longer holds its operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    held = sa.text("live AND (review_reason = '' OR talk_state <> '')")
    op.drop_index("uq_calls_live_operator", table_name="calls")
    op.create_index(
        "uq_calls_live_operator",
        "calls",
        ["municipality_id", "operator_id"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )
