"""Who is at a terminal is found without all sessions of the past."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    still_open = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["municipality_id", "seen_at"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
