"""A campaign's outcomes are counted as they come. What is there already is counted by the periodic work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "call_tallies",
        sa.Column("municipality_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("disposition", sa.String(8), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality_id", "campaign_id"],
            ["campaigns.municipality_id", "campaigns.id"],
            name=op.f("fk_call_tallies_municipality_id_campaign_id"),
        ),
        sa.ForeignKeyConstraint(
            ["municipality_id"], ["municipalities.id"], name=op.f("fk_call_tallies_municipality_id")
        ),
        sa.PrimaryKeyConstraint("municipality_id", "campaign_id", "disposition", name=op.f("pk_call_tallies")),
    )
    op.add_column("calls", sa.Column("tallied_as", sa.String(8)))
    op.add_column("calls", sa.Column("untallied", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    op.execute("UPDATE calls SET untallied = false WHERE live")
    untallied = sa.text("untallied")
    op.create_index(
        "ix_calls_untallied",
        "calls",
        ["municipality_id", "untallied", "campaign_id"],
        sqlite_where=untallied,
        postgresql_where=untallied,
    )


def downgrade() -> None:
    raise NotImplementedError
