"""Which rows depend on each other, and which entity a row belongs to, as codes from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Dependence:
    """How the rows of a comparison depend on each other; by default each row stands alone.

    Args:
        clusters: Rows that are drawn together, as from `clusters_of`.
        ordered: Whether clusters (or rows) follow time.
        entities: As from `entities_of`; rows of one entity then depend on each other across time too.
    """

    clusters: NDArray[np.int64] | None = None
    ordered: bool = False
    entities: NDArray[np.int64] | None = None

    @property
    def unit(self) -> str:
        """What is drawn together, as a plural."""
        return "rows" if self.clusters is None else "instants" if self.ordered else "groups"


INDEPENDENT: Final = Dependence()


def clusters_of(
    frame: pl.DataFrame, strategy: str, *, timestamp: str | None, group: str | None, entity: str | None = None
) -> NDArray[np.int64] | None:
    """Return which rows depend on each other, as codes from 0 in order; None when rows stand alone.

    Split by time: one instant is one cluster; with entities, one bin of the usual step with all entities together,
    because entities that report at their own second share the weather of the minute. Split by group: one group.
    Otherwise rows of an entity follow no time, and one entity is one cluster.

    Args:
        frame: The rows, in order.
        strategy: Of the split.
        timestamp: Column of the instants.
        group: Column of a group split.
        entity: Column of the entities.

    Returns:
        Int64 codes, shape (rows,), or None.
    """
    column = {"temporal": timestamp, "group": group}.get(strategy, entity)
    if column is None or column not in frame.columns:
        return None
    values = frame[column]
    if strategy == "temporal" and entity is not None and entity in frame.columns:
        values = _bins(frame, column, entity)
    return _codes(values)


def entities_of(frame: pl.DataFrame, strategy: str, entity: str | None) -> NDArray[np.int64] | None:
    """Return the entity of each row, as codes from 0, where clusters are instants; None elsewhere.

    Args:
        frame: The rows, in order.
        strategy: Of the split.
        entity: Column of the entities.

    Returns:
        Int64 codes, shape (rows,), or None.
    """
    return _codes(frame[entity]) if strategy == "temporal" and entity in frame.columns and entity else None


def _bins(frame: pl.DataFrame, timestamp: str, entity: str) -> pl.Series:
    """Instants in bins of the usual step: the median time between two rows of one entity."""
    times = frame.select(entity, at=pl.col(timestamp).dt.epoch("us")).sort(entity, "at")
    steps = times.select(pl.col("at").diff().over(entity)).to_series().drop_nulls()
    step = steps.filter(steps > 0).median()
    micros = frame[timestamp].dt.epoch("us")
    return micros if not isinstance(step, int | float) else (micros - micros.min()) // max(int(step), 1)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy().clip(min=0)
