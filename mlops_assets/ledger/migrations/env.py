"""Alembic's environment: runs on the connection that `ledger.migrating` gives it, inside its transaction."""

from __future__ import annotations

from alembic import context

from mlops_assets.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
