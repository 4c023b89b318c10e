"""An operator's last call is found by an index: every screen of the desk asks for it."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_calls_operator", "calls", ["municipality_id", "operator_id", "closed_at"])


def downgrade() -> None:
    raise NotImplementedError
