"""Metrics per slice of the holdout: a model that is better on the whole may be worse for one pump.

Comes in: scored holdout rows. Goes out: flat rows (column, value, rows, metric, challenger, champion). Numbers with
many values are cut at their quartiles, timestamps into days or weeks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from mlops_assets.artifacts import Split
from mlops_assets.evaluation.metrics import metric_of
from mlops_assets.evaluation.scoring import Scored, in_order
from mlops_assets.spec import ModelSpec

MOST_VALUES: Final = 24
"""Values of one column that get metrics of their own, the most frequent first."""
LONG_DAYS: Final = 21


def slice_rows(
    spec: ModelSpec, split: Split, challenger: Scored, champion: Scored | None
) -> tuple[dict[str, JsonValue], ...]:
    """One row per slice and metric, for the columns of `evaluation.slices`."""
    frame = in_order(spec, split.test)
    metrics = _wanted(spec)
    found: list[dict[str, JsonValue]] = []
    for column in spec.evaluation.slices:
        values = labelled(frame[column])
        counts = values.value_counts(sort=True).head(MOST_VALUES)
        for value, rows in counts.iter_rows():
            mask = (values == value).to_numpy() if value is not None else values.is_null().to_numpy()
            for metric in metrics:
                found.append(
                    {
                        "column": column,
                        "value": "missing" if value is None else str(value),
                        "rows": int(rows),
                        "metric": metric,
                        "challenger": _plain(metric, challenger, mask),
                        "champion": _plain(metric, champion, mask),
                    }
                )
    return tuple(found)


def _wanted(spec: ModelSpec) -> tuple[str, ...]:
    guarded = [gate.metric for gate in spec.gates if gate.kind == "slice_guard"]
    return tuple(dict.fromkeys([spec.evaluation.primary, *guarded]))


def _plain(metric: str, scored: Scored | None, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> JsonValue:
    if scored is None:
        return None
    value = metric_of(metric, scored.subset(mask))
    return value if np.isfinite(value) else "NaN"


def labelled(series: pl.Series) -> pl.Series:
    """A column as text labels of its slices."""
    if series.dtype.is_temporal():
        days = series.cast(pl.Datetime("us")).dt.truncate("1d")
        long = days.n_unique() > LONG_DAYS
        return (days.dt.truncate("1w") if long else days).dt.strftime(
            "week of %Y-%m-%d" if long else "%Y-%m-%d"
        )
    if series.dtype.is_numeric() and series.n_unique() > MOST_VALUES:
        edges = sorted({float(series.quantile(share) or 0.0) for share in (0.25, 0.5, 0.75)})
        return series.cast(pl.Float64).cut(edges, left_closed=True).cast(pl.String)
    return series.cast(pl.String)
