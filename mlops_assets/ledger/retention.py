"""Removal of rows that nothing needs any more: events and caches, never what a version or a decision rests on.

Comes in: the name of a table of `COLLECTED` and an instant. Goes out: counts. PostgreSQL itself refuses anything else:
the retention role may delete from these tables only. How long rows are kept is the table in `operations.retention`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import URL, text

from mlops_assets.ledger import canonical
from mlops_assets.ledger.engine import Store, make_engine, utc

BATCH: Final = 10_000
MONITORING_RECORDS: Final = (
    "drift_report",
    "importance_report",
    "performance_report",
    "data_quality_report",
    "model_health",
    "predictions",
    "rollback_check",
)
"""Assets whose old records only describe the past. Records of training, evaluation and promotion stay: versions,
receipts and rescoring read them."""

COLLECTED: Final = {
    "predictions": "predicted_at < :before",
    "served_predictions": "predicted_at < :before",
    "posted_labels": "received_at < :before",
    "shadow_predictions": """predicted_at < :before and not exists (
        select from rollouts where rollouts.model = shadow_predictions.model
        and rollouts.version = shadow_predictions.version and state in ('running', 'paused', 'switched'))""",
    "rollout_observations": """at < :before and not exists (
        select from rollouts where rollouts.id = rollout_observations.rollout_id
        and state in ('running', 'paused', 'switched'))""",
    "alerts_log": "ended_at < :before",
    "asset_records": """at < :before and split_part(asset, '/', 2) = any(:records) and exists (
        select from asset_records newer where newer.asset = asset_records.asset and newer.at > asset_records.at)""",
    "signals": """recorded_at < :before and (select count(*) from signals newer where newer.model = signals.model
        and newer.cause = signals.cause and newer.subject = signals.subject and newer.at > signals.at) >= 100""",
}
"""Tables that lose old rows, and which of them. The newest record of an asset and the newest 100 signals stay."""


class Retention(Store):
    """Counts and removes old rows, and names the table versions that something still refers to."""

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Open the ledger as the role that may delete event rows.

        Args:
            url: PostgreSQL URL of the ledger as the retention role.

        Returns:
            The store; close it, or use it as a context manager.

        Raises:
            LedgerError: When the URL is not a PostgreSQL URL.
        """
        return cls(make_engine(url))

    def count(self, table: str, before: datetime) -> int:
        """Return how many rows `remove` would remove.

        Args:
            table: A key of `COLLECTED`.
            before: Only older rows, an instant with a zone.

        Returns:
            The number of rows.
        """
        query = f"select count(*) from {table} where {COLLECTED[table]}"  # noqa: S608 - our own constants
        with self._transaction() as connection:
            return int(connection.execute(text(query), self._parameters(table, before)).scalar_one())

    def remove(self, table: str, before: datetime) -> int:
        """Remove old rows, in short transactions.

        Args:
            table: A key of `COLLECTED`.
            before: Only older rows, an instant with a zone.

        Returns:
            How many rows there were.
        """
        chosen = f"select ctid from {table} where {COLLECTED[table]} limit {BATCH}"  # noqa: S608
        statement = text(f"delete from {table} where ctid in ({chosen})")  # noqa: S608
        removed = 0
        while True:
            with self._transaction() as connection:
                count = connection.execute(statement, self._parameters(table, before)).rowcount
            removed += count
            if count < BATCH:
                return removed

    def table_versions(self) -> frozenset[tuple[str, str, int]]:
        """Return every version of a Delta table that a record, a version, evidence or a receipt refers to.

        Returns:
            Model, table and version of each.
        """
        referenced: set[tuple[str, str, int]] = set()
        with self._snapshot() as connection:
            for query in ("select body::text from evidence", "select body::text from asset_records"):
                for body in connection.execute(text(query)).scalars():
                    referenced.update(_table_versions(canonical.parse(body)))
            for body in connection.execute(text("select data_versions from model_versions")).scalars():
                referenced.update(_table_versions(body))
            receipts = text("select distinct model, history_version from served_predictions")
            for model, version in connection.execute(receipts):
                if version is not None:
                    referenced.add((model, "validated_data", int(version)))
        return frozenset(referenced)

    @staticmethod
    def _parameters(table: str, before: datetime) -> dict[str, Any]:
        records = {"records": list(MONITORING_RECORDS)} if table == "asset_records" else {}
        return {"before": utc(before), **records}


def _table_versions(value: Any) -> Iterator[tuple[str, str, int]]:
    """Yield each stored `TableVersion` inside a body, whatever record it belongs to."""
    if isinstance(value, dict):
        if {"model", "table", "version"} <= value.keys():
            yield str(value["model"]), str(value["table"]), int(value["version"])
        for inner in value.values():
            yield from _table_versions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _table_versions(inner)
