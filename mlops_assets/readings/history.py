"""A span of readings that was fetched once, seen from any instant within it.

Comes in: rows before cleaning. Goes out: the rows that a source would have had at an instant: none of a later instant,
and no label that had not arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.readings.request import Fetched, Request


@dataclass(frozen=True, slots=True)
class History:
    """Fetched rows, and when they and their labels were known.

    Attributes:
        fetched: Rows before cleaning.
        instants: Instant of each row in UTC; null for a row that cleaning drops.
        label_delay: A label arrives so long after its row's instant; None for at once.
        arrival: Column with the instant at which a row's label arrived; it has priority over `label_delay`.
    """

    fetched: Fetched
    instants: pl.Series
    label_delay: timedelta | None = None
    arrival: str | None = None

    def known_at(self, request: Request) -> Fetched:
        """Return the rows of a request.

        Args:
            request: The rows to read.

        Returns:
            Rows before cleaning.
        """
        known = self.instants <= request.as_of
        if request.start is not None:
            known &= self.instants > request.start
        return replace(self.fetched, frame=self.fetched.frame.filter(known))

    def without_late_labels(
        self, frame: pl.DataFrame, timestamp: str, target: str, as_of: datetime
    ) -> pl.DataFrame:
        """Return the rows without the labels that had not arrived.

        Args:
            frame: Rows with a timestamp in UTC.
            timestamp: Name of the timestamp column.
            target: Name of the target column.
            as_of: The instant to look from.

        Returns:
            The same rows; a late label is null.
        """
        if self.arrival is not None:
            arrived = pl.col(self.arrival) <= as_of
        elif self.label_delay is not None:
            arrived = pl.col(timestamp) <= as_of - self.label_delay
        else:
            return frame
        return frame.with_columns(pl.when(arrived).then(pl.col(target)))
