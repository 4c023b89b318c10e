"""A periodic job knows when its run began, so that another process takes over what a dead one left; refusals by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_runs", sa.Column("started_at", sa.DateTime(timezone=True)))
    op.create_index("ix_dial_refusals_at", "dial_refusals", ["municipality_id", "at"])
