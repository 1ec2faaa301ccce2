"""What really happened compared with what was predicted, and how much of it is known yet.

Comes in: predictions and readings. Goes out: predictions with their truth, and the share that has one. Metrics over
them are `evaluation`'s business; that immature ones ask for nothing is `retraining`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec

UTC_TIME: Final = pl.Datetime("us", "UTC")
MATURE: Final = 0.9
"""Share of labels from which a metric stands for its window: the late tenth may differ, but cannot turn it."""


@dataclass(frozen=True, slots=True)
class Maturity:
    """Stored. Predictions about one window and how many of them have a label. Nothing predicted is not mature."""

    since: datetime
    until: datetime
    predictions: int
    labels: int

    @property
    def share(self) -> float:
        """Labels per prediction, 0 without predictions."""
        return self.labels / self.predictions if self.predictions else 0.0

    @property
    def mature(self) -> bool:
        """Whether a metric over this window is more than provisional."""
        return self.share >= MATURE


def labelled(spec: ModelSpec, predictions: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """Predictions (entity, at, ...) with a column `truth`: the target of the same entity at exactly that instant.

    Null where no reading is there yet. Of several readings of one instant the last counts. Raises DataError for a model
    without a timestamp, whose predictions have no instant to meet a label at.
    """
    if spec.timestamp is None:
        raise DataError(f"{spec.name}: without a timestamp predictions cannot be matched with labels")
    entity = pl.col(spec.entity).cast(pl.String) if spec.entity else pl.lit("")
    truth = readings.select(
        entity.alias("entity"),
        pl.col(spec.timestamp).cast(UTC_TIME).alias("at"),
        pl.col(spec.target).alias("truth"),
    ).drop_nulls()
    truth = truth.unique(["entity", "at"], keep="last", maintain_order=True)
    return predictions.join(truth, on=["entity", "at"], how="left", maintain_order="left")


def maturity(matched: pl.DataFrame, since: datetime, until: datetime) -> Maturity:
    """How much of since <= at < until has a label."""
    window = matched.filter(pl.col("at").is_between(since, until, closed="left"))
    return Maturity(since, until, window.height, window.height - window["truth"].null_count())
