"""`model_performance`: the weekly trend of each metric, one row per version, metric, split and instant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Performance
from mlops_assets.ledger.schema import model_performance as table


class PerformanceRows(Store):
    """Writing and reading the trend. Whether it is bad is decided in monitoring."""

    def record_performance(self, rows: Sequence[Performance]) -> int:
        """Store metric values; a row for the same version, metric, split and instant stays as first written.

        Args:
            rows: Values measured on at least one row; a trend with NaN in it compares as neither better nor
                worse.

        Returns:
            How many rows are new.

        Raises:
            LedgerError: When a value is not finite or was measured on no rows.
        """
        for row in rows:
            if not math.isfinite(row.value) or row.rows < 1:
                raise LedgerError(
                    f"{row.metric} of {row.model} version {row.version} is {row.value} over {row.rows} rows; "
                    "only finite values over at least one row enter the trend"
                )
        if not rows:
            return 0
        values = [
            {
                "model": row.model,
                "version": row.version,
                "at": utc(row.at),
                "metric": row.metric,
                "split": row.split,
                "value": float(row.value),
                "rows": row.rows,
            }
            for row in rows
        ]
        with self._transaction() as connection:
            return connection.execute(insert(table).values(values).on_conflict_do_nothing()).rowcount

    def performance(
        self,
        model: str,
        *,
        metric: str | None = None,
        split: str | None = None,
        since: datetime | None = None,
    ) -> tuple[Performance, ...]:
        """Return the metric values of a model.

        Args:
            model: Name of the model, as in its model file.
            metric: Only this metric; None for all.
            split: Only this split ('test', 'live'); None for all.
            since: Only values from this time on, with a zone; None for all.

        Returns:
            Rows, oldest first.
        """
        query = select(table).where(table.c.model == model)
        if metric is not None:
            query = query.where(table.c.metric == metric)
        if split is not None:
            query = query.where(table.c.split == split)
        if since is not None:
            query = query.where(table.c.at >= utc(since))
        query = query.order_by(table.c.at, table.c.version, table.c.metric, table.c.split)
        with self._transaction() as connection:
            return tuple(
                Performance(
                    model=row.model,
                    version=row.version,
                    at=utc(row.at),
                    metric=row.metric,
                    split=row.split,
                    value=row.value,
                    rows=row.rows,
                    week=row.week,
                )
                for row in connection.execute(query)
            )
