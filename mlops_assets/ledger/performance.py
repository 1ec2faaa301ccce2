"""`model_performance`: the weekly trend of each metric, by version, metric, split and window.

A window has a row for each value that a report measured: provisional, mature, and every restatement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Performance
from mlops_assets.ledger.schema import model_performance as table


class PerformanceRows(Store):
    """Writing and reading the trend. Whether it is bad is decided in monitoring."""

    def record_performance(self, rows: Sequence[Performance]) -> int:
        """Append metric values; nothing that was recorded changes.

        A window whose value or state differs from what was recorded last gets a row more, with the next
        `restatement`. A report about an earlier instant than the last one, and a value without `measured_at`, add
        nothing to a window that has a row.

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
        with self._transaction() as connection:
            last = _last(connection, rows)
            values = [
                {
                    "model": row.model,
                    "version": row.version,
                    "at": utc(row.at),
                    "metric": row.metric,
                    "split": row.split,
                    "value": float(row.value),
                    "rows": row.rows,
                    "window_seconds": _seconds(row.window),
                    "restatement": before.restatement + 1 if before else 0,
                    "state": row.state,
                    "measured_at": None if row.measured_at is None else utc(row.measured_at),
                }
                for row in rows
                if (before := last.get(_window(row))) is None or _is_restated(before, row)
            ]
            if not values:
                return 0
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
            Rows, oldest first; those of one window in the order in which they were recorded.
        """
        query = select(table).where(table.c.model == model)
        if metric is not None:
            query = query.where(table.c.metric == metric)
        if split is not None:
            query = query.where(table.c.split == split)
        if since is not None:
            query = query.where(table.c.at >= utc(since))
        query = query.order_by(
            table.c.at,
            table.c.version,
            table.c.metric,
            table.c.split,
            table.c.window_seconds,
            table.c.restatement,
        )
        with self._transaction() as connection:
            return tuple(_record(row) for row in connection.execute(query))


def _last(connection: Connection, rows: Sequence[Performance]) -> dict[tuple[object, ...], Performance]:
    """Return what was recorded last about the windows of these rows."""
    query = (
        select(table)
        .where(
            table.c.model.in_({row.model for row in rows}),
            table.c.version.in_({row.version for row in rows}),
            table.c.at.in_({utc(row.at) for row in rows}),
        )
        .order_by(table.c.restatement)
    )
    return {_window(record): record for record in map(_record, connection.execute(query))}


def _window(row: Performance) -> tuple[object, ...]:
    return (row.model, row.version, row.metric, row.split, utc(row.at), _seconds(row.window))


def _seconds(window: timedelta) -> int:
    return int(window.total_seconds())


def _is_restated(before: Performance, now: Performance) -> bool:
    if now.measured_at is None or (before.measured_at is not None and now.measured_at <= before.measured_at):
        return False
    return now.state != before.state or not math.isclose(now.value, before.value, rel_tol=1e-9)


def _record(row: Row[Any]) -> Performance:
    return Performance(
        model=row.model,
        version=row.version,
        at=utc(row.at),
        metric=row.metric,
        split=row.split,
        value=row.value,
        rows=row.rows,
        window=timedelta(seconds=row.window_seconds),
        state=row.state,
        measured_at=None if row.measured_at is None else utc(row.measured_at),
        restatement=row.restatement,
        week=row.week,
    )
