"""Theme and size of the text, as each person wants them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("preferences") as table:
        table.add_column(sa.Column("theme", sa.String(8), nullable=True))
        table.add_column(sa.Column("size", sa.Integer(), nullable=True))
