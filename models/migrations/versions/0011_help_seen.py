"""When a supervisor acknowledged a request for help."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("help_seen_at", sa.DateTime(timezone=True), nullable=True))
