"""Row-level parity: the features that the API computes, compared with those that the batch stored for the same rows.

Comes in: the recent readings of a model. Goes out: how many rows were compared and how many differ, a metric. A feature
that is computed in two ways is the usual reason why a model is worse in production than in its evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mlops_assets import features, stages
from mlops_assets.datasets import Datasets
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving.history import History

MOST_ENTITIES = 20
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Parity:
    """Rows whose features were compared, and those of them with a difference; example: a feature that differs."""

    rows: int
    differing: int
    example: str = ""


def parity(datasets: Datasets, spec: ModelSpec, history: History) -> Parity | None:
    """Compare the features of each entity's newest reading with the stored feature table.

    Args:
        datasets: The Delta tables.
        spec: The model file.
        history: The recent readings.

    Returns:
        The comparison; None where no reading is in the feature table yet.
    """
    table = datasets.latest(spec.name, stages.FEATURES)
    if table is None or spec.timestamp is None or not history.recent.height:
        return None
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    stored = datasets.read(table)
    newest = history.recent.sort(spec.timestamp)
    newest = newest.unique(spec.entity, keep="last", maintain_order=True) if spec.entity else newest.tail(1)
    newest = newest.with_columns(pl.col(spec.timestamp).cast(stored.schema[spec.timestamp])).tail(
        MOST_ENTITIES
    )
    newest = newest.join(stored.select(keys), on=keys, how="semi", maintain_order="left")
    if not newest.height:
        return None
    online = features.online(spec, history.recent, newest)
    batch = newest.select(keys).join(stored, on=keys, how="left", maintain_order="left")
    names = [name for name in features.feature_names(spec, batch.columns) if name in online.columns]
    equal = pl.DataFrame([_equal(online[name], batch[name]) for name in names])
    rows = equal.select(pl.all_horizontal(pl.all())).to_series()
    unlike = [name for name in names if not equal[name].all()]
    return Parity(newest.height, int((~rows).sum()), unlike[0] if unlike else "")


def _equal(online: pl.Series, batch: pl.Series) -> pl.Series:
    """Return where two columns are equal; both missing counts as equal, one missing does not."""
    pair = pl.DataFrame({"online": online, "batch": batch})
    both, one = pl.col("online"), pl.col("batch")
    if not online.dtype.is_numeric():
        return pair.select(both.eq_missing(one).alias(batch.name)).to_series()
    near = (both - one).abs() <= TOLERANCE * pl.max_horizontal(both.abs(), one.abs(), pl.lit(1.0))
    missing = both.is_null() & one.is_null()
    return pair.select((missing | near.fill_null(value=False)).alias(batch.name)).to_series()
