"""Which rows depend on each other: through their instant, their entity, their group. All codes count from 0."""

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
        clusters: Rows that are drawn together; None where each row is a cluster of its own.
        ordered: Whether clusters (or rows) follow time.
        entities: Entity of each row where clusters are instants: its rows depend on each other across time too.
        instants: Instant of each row where clusters are entities or groups: its rows share the weather of the minute.
    """

    clusters: NDArray[np.int64] | None = None
    ordered: bool = False
    entities: NDArray[np.int64] | None = None
    instants: NDArray[np.int64] | None = None

    @property
    def unit(self) -> str:
        """What is drawn together, as a plural."""
        return "rows" if self.clusters is None else "instants" if self.ordered else "groups"


INDEPENDENT: Final = Dependence()


def dependence_of(
    frame: pl.DataFrame, strategy: str, *, timestamp: str | None, group: str | None, entity: str | None = None
) -> Dependence:
    """Return which rows of a part depend on each other.

    Instants are the timestamps; with entities, bins of their usual step with all entities together, because entities
    that report at their own second share the weather of the minute. Split by time, instants are drawn together and
    entities widen the interval. Split otherwise, groups (or entities) are drawn together and instants widen it: rows
    that came into the test part at random still share their instant. Without group and entity, instants are drawn.

    Args:
        frame: The rows, in order of time.
        strategy: Of the split.
        timestamp: Column of the instants.
        group: Column of a group split.
        entity: Column of the entities.

    Returns:
        The dependence, with Int64 codes of shape (rows,).
    """
    timestamp, group, entity = (
        name if name in frame.columns else None for name in (timestamp, group, entity)
    )
    instants = None
    if timestamp is not None:
        instants = _codes(frame[timestamp] if entity is None else _bins(frame, timestamp, entity))
    members = {"temporal": entity, "group": group}.get(strategy, entity)
    codes = None if members is None else _codes(frame[members])
    if strategy == "temporal":
        return Dependence(instants, ordered=True, entities=codes)
    if codes is None:
        return Dependence(instants, ordered=instants is not None)
    return Dependence(codes, instants=instants)


def _bins(frame: pl.DataFrame, timestamp: str, entity: str) -> pl.Series:
    """Instants in bins of the usual step: the median time between two rows of one entity."""
    times = frame.select(entity, at=pl.col(timestamp).dt.epoch("us")).sort(entity, "at")
    steps = times.select(pl.col("at").diff().over(entity)).to_series().drop_nulls()
    step = steps.filter(steps > 0).median()
    micros = frame[timestamp].dt.epoch("us")
    return micros if not isinstance(step, int | float) else (micros - micros.min()) // max(int(step), 1)


def _codes(values: pl.Series) -> NDArray[np.int64]:
    return (values.rank("dense").cast(pl.Int64).fill_null(0) - 1).to_numpy().clip(min=0)
