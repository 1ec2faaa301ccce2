"""The lifecycle of a model: what `stages`, `approvals`, `recovery` and `alerts` do when they compose the packages.

Comes in: a `Platform` (the stores) and a `ModelSpec`. Goes out: records in the ledger, tables, bundles and reports. It
knows no Dagster: `defs` wraps these functions as assets, `cli` calls them directly.
"""
