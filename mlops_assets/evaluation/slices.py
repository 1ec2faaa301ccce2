"""Metrics per slice of the holdout: a model that is better overall may be worse for one pump.

Comes in: scored holdout rows. Goes out: flat rows (column, value, rows, metric, challenger, champion). Numbers with
many values are cut at their quartiles, timestamps into days, weeks, months or years.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from mlops_assets.artifacts import Split
from mlops_assets.evaluation.scoring import in_order
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import SliceGuard

MAX_VALUES: Final = 24
"""Values of one column that get metrics of their own; the most frequent where there are more."""
PERIODS: Final = (("1d", "%Y-%m-%d"), ("1w", "week of %Y-%m-%d"), ("1mo", "%Y-%m"), ("1y", "%Y"))
"""How timestamps are cut: into the finest of these that makes at most MAX_VALUES slices."""


def slice_rows(
    spec: ModelSpec, split: Split, challenger: Scored, champion: Scored | None
) -> tuple[dict[str, JsonValue], ...]:
    """Compute the metrics of every slice.

    Args:
        spec: The model file; `evaluation.slices` names the columns.
        split: The rows of all parts.
        challenger: Scored holdout rows.
        champion: The same rows, scored by the champion.

    Returns:
        One row per slice and metric; slices in the order of their values.
    """
    frame = in_order(spec, split.test)
    metrics = _metrics(spec)
    slice_metrics: list[dict[str, JsonValue]] = []
    for column in spec.evaluation.slices:
        values = labeled(frame[column])
        slices = pl.DataFrame({"slice": values, "of": frame[column]}).group_by("slice")
        counts = slices.agg(pl.len(), pl.col("of").min()).sort("len", "of", descending=[True, False])
        for value, rows in counts.head(MAX_VALUES).sort("of").select("slice", "len").iter_rows():
            mask = (values == value).to_numpy() if value is not None else values.is_null().to_numpy()
            for metric in metrics:
                slice_metrics.append(
                    {
                        "column": column,
                        "value": "missing" if value is None else str(value),
                        "rows": int(rows),
                        "metric": metric,
                        "challenger": _value(metric, challenger, mask),
                        "champion": _value(metric, champion, mask),
                    }
                )
    return tuple(slice_metrics)


def _metrics(spec: ModelSpec) -> tuple[str, ...]:
    guarded = [gate.metric for gate in spec.gates if isinstance(gate, SliceGuard)]
    return tuple(dict.fromkeys([spec.evaluation.primary, *guarded]))


def _value(metric: str, scored: Scored | None, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> JsonValue:
    if scored is None:
        return None
    value = METRICS[metric].measure(scored.subset(mask))
    return value if np.isfinite(value) else "NaN"


def labeled(series: pl.Series) -> pl.Series:
    """Return a column as text labels of its slices: values, quartiles of many numbers, or periods of time.

    Args:
        series: A column.

    Returns:
        Text, null where the value is missing.
    """
    if series.dtype.is_temporal():
        return _periods(series.cast(pl.Datetime("us")))
    if series.dtype.is_numeric() and series.n_unique() > MAX_VALUES:
        edges = sorted({float(series.quantile(share) or 0.0) for share in (0.25, 0.5, 0.75)})
        return series.cast(pl.Float64).cut(edges, left_closed=True).cast(pl.String)
    return series.cast(pl.String)


def _periods(instants: pl.Series) -> pl.Series:
    cut = [(instants.dt.truncate(length), form) for length, form in PERIODS]
    begins, form = next((one for one in cut if one[0].n_unique() <= MAX_VALUES), cut[-1])
    return begins.dt.strftime(form)
