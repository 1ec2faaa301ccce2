"""Alembic's folder: the environment and one file per step of the schema. Run by `ledger.migrating`."""
