"""Rows of Dagster's event log that describe how a run went and not what it made: they may go when they are old.

Comes in: an instant. Goes out: counts. Runs, materializations, observations, checks and failures stay: Dagster's pages
and the history of every asset are made of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import URL, text

from mlops_assets.ledger.engine import Store, make_engine, utc

BATCH: Final = 10_000
KEPT_TYPES: Final = (
    "ASSET_CHECK_EVALUATION",
    "ASSET_CHECK_EVALUATION_PLANNED",
    "ASSET_MATERIALIZATION",
    "ASSET_MATERIALIZATION_PLANNED",
    "ASSET_OBSERVATION",
    "PIPELINE_CANCELED",
    "PIPELINE_ENQUEUED",
    "PIPELINE_FAILURE",
    "PIPELINE_START",
    "PIPELINE_SUCCESS",
    "STEP_FAILURE",
)
OLD: Final = """
    timestamp < :before and coalesce(dagster_event_type, '') <> all(:kept)
    and run_id in (select run_id from runs where status in ('SUCCESS', 'FAILURE', 'CANCELED'))
"""


class DagsterEvents(Store):
    """Old events of runs that have ended."""

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Open Dagster's database.

        Args:
            url: PostgreSQL URL.

        Returns:
            The store; close it, or use it as a context manager.

        Raises:
            LedgerError: When the URL is not a PostgreSQL URL.
        """
        return cls(make_engine(url))

    def count(self, before: datetime) -> int:
        """Return how many events `remove` would remove.

        Args:
            before: Only older events, an instant with a zone.

        Returns:
            The number of rows.
        """
        with self._transaction() as connection:
            query = text(f"select count(*) from event_logs where {OLD}")  # noqa: S608 - our own constant
            return int(connection.execute(query, _parameters(before)).scalar_one())

    def remove(self, before: datetime) -> int:
        """Remove old events, in short transactions.

        Args:
            before: Only older events, an instant with a zone.

        Returns:
            How many there were.
        """
        chosen = f"select id from event_logs where {OLD} limit {BATCH}"  # noqa: S608
        statement = text(f"delete from event_logs where id in ({chosen})")  # noqa: S608
        removed = 0
        while True:
            with self._transaction() as connection:
                count = connection.execute(statement, _parameters(before)).rowcount
            removed += count
            if count < BATCH:
                return removed

    def unfinished(self) -> frozenset[str]:
        """Return the ids of runs that have not ended."""
        ended = "('SUCCESS', 'FAILURE', 'CANCELED')"
        with self._transaction() as connection:
            return frozenset(
                connection.scalars(text(f"select run_id from runs where status not in {ended}"))  # noqa: S608
            )


def _parameters(before: datetime) -> dict[str, Any]:
    # Dagster stores instants without a zone, in UTC
    return {"before": utc(before).replace(tzinfo=None), "kept": list(KEPT_TYPES)}
