"""What lags and windows of the next readings look back at, and how old it is.

Comes in: the stored readings of a model. Goes out: the readings before a request's rows, as a batch would see
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from mlops_assets import features, stages
from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets import Datasets
from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving.errors import StaleHistoryError

_NUMBER: Final = "__number"


@dataclass(frozen=True, slots=True)
class History:
    """Readings before the next ones, of one version of the stored data.

    table: that version; None for a model that looks at nothing but the row itself. recent: the readings that rows after
    the newest reading look back at.
    """

    datasets: Datasets | None = None
    table: TableVersion | None = None
    recent: pl.DataFrame = field(default_factory=pl.DataFrame)

    def before(self, spec: ModelSpec, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the readings that features of these rows read.

        Rows at or after an entity's newest reading need the recent readings only; an earlier row needs the stored
        data of its own time, as a batch over that time would.

        Args:
            spec: The model file.
            rows: Typed rows of the request.

        Returns:
            Readings in the form of the validated data.
        """
        if self.table is None or self.datasets is None or spec.timestamp is None:
            return self.recent
        newest = pl.col(spec.timestamp).max().alias("__newest")
        if spec.entity is not None:
            per_entity = self.recent.group_by(spec.entity).agg(newest)
            known = rows.join(per_entity, on=spec.entity, how="left")
        else:
            known = rows.join(self.recent.select(newest), how="cross")
        if not known.select((pl.col(spec.timestamp) < pl.col("__newest")).any()).item():
            return self.recent
        return self.datasets.read(self.table)

    def ages(self, spec: ModelSpec, readings: pl.DataFrame, rows: pl.DataFrame) -> list[float | None]:
        """Return per row the age of the newest reading before it, of its entity.

        Args:
            spec: The model file.
            readings: Result of `before`.
            rows: Typed rows of the request.

        Returns:
            Seconds, None where there is no earlier reading; empty for a model without history.
        """
        if self.table is None or spec.timestamp is None:
            return []
        keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
        at = pl.col(spec.timestamp).cast(pl.Datetime("us", "UTC")).alias(spec.timestamp)
        requested = rows.select(*keys[:-1], at).with_row_index(_NUMBER)
        stored = readings.select(*keys[:-1], at) if readings.height else requested.select(keys).clear()
        earlier = pl.concat([stored, requested.select(keys)]).with_columns(
            pl.col(spec.timestamp).alias("__last")
        )
        matched = requested.sort(spec.timestamp).join_asof(
            earlier.sort(spec.timestamp),
            on=spec.timestamp,
            by=spec.entity,
            strategy="backward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        age = (pl.col(spec.timestamp) - pl.col("__last")).dt.total_microseconds() / 1e6
        return matched.sort(_NUMBER).select(age).to_series().to_list()


def uses_history(spec: ModelSpec) -> bool:
    """Return whether a feature of the model reads rows before its own.

    Args:
        spec: The model file.

    Returns:
        False without a timestamp.
    """
    if spec.timestamp is None:
        return False
    keys = {name: ["x"] for name in (spec.entity,) if name is not None}
    one = pl.DataFrame({**keys, spec.timestamp: [datetime(2000, 1, 1, tzinfo=UTC)]})
    return bool(features.recent(spec, one).height)


def latest_table(datasets: Datasets, spec: ModelSpec) -> TableVersion:
    """Return the newest version of the model's stored readings.

    Args:
        datasets: The Delta tables.
        spec: The model file.

    Returns:
        The table version.

    Raises:
        DataError: There are none: a champion that looks back must not take that for an empty past.
    """
    table = datasets.latest(spec.name, stages.VALIDATED_DATA)
    if table is None:
        raise DataError(
            f"the readings that {spec.name} looks back at are missing below {datasets.root}; restore them, or run "
            f"'mlops run {spec.name}'"
        )
    return table


def read_history(datasets: Datasets, spec: ModelSpec) -> History:
    """Return the recent readings of the newest stored version; an empty history where the model uses none.

    Args:
        datasets: The Delta tables.
        spec: The model file.

    Returns:
        The history.

    Raises:
        DataError: The model looks back, and the readings are missing or damaged.
    """
    if not uses_history(spec):
        return History()
    table = latest_table(datasets, spec)
    return History(datasets, table, features.recent(spec, datasets.read(table)))


def refuse_stale(spec: ModelSpec, ages: list[float | None]) -> None:
    """Refuse rows whose newest earlier reading is older than the model file allows.

    Args:
        spec: The model file.
        ages: Result of `History.ages`, in seconds.

    Raises:
        StaleHistoryError: Names the first such row, the age and the limit.
    """
    limit = spec.serving.late_after or spec.validation.freshness
    key = "serving.late_after" if spec.serving.late_after else "validation.freshness"
    if limit is None:
        return
    for number, age in enumerate(ages, start=1):
        if age is not None and age > limit.total_seconds():
            raise StaleHistoryError(
                f"row {number}: the newest reading before it is {timedelta(seconds=round(age))} old, and "
                f"{key} of the model file allows {limit}; run 'mlops run {spec.name}' to read newer ones",
                str(spec.timestamp),
            )
