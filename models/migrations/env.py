"""Run by Alembic: migrates over the connection that `models.migrate` hands in; its caller owns the transaction."""

from __future__ import annotations

from alembic import context

import models.ids  # noqa: F401  registers the sequences with the metadata
from models.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
